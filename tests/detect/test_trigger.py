"""What is a jolt: a characteristic function, trigger onset with hysteresis, and its measures."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from streetbump.detect.trigger import characteristic, find


def level_of(signal, shipped, **changes):
    moving = changes.pop("moving", np.ones(len(signal.t_ns), bool))
    return characteristic(
        signal, moving=moving, settings=msgspec.structs.replace(shipped, **changes)
    )


def noise(n: int, size: float = 0.5, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, n)


def test_noise_has_a_level_of_one(series, shipped):
    """Over plain noise the characteristic function is about 1, at any size of the noise."""
    for size in (0.3, 1.0, 5.0):
        cf = level_of(series(noise(3000, size)), shipped)
        assert np.median(cf) == pytest.approx(1.0, abs=0.05)
        assert (cf >= 0).all()


def test_the_floor_keeps_silence_silent(series, shipped):
    """Noise below the floor is not blown up: a tick in a perfect silence stays a tick."""
    z = np.zeros(3000)
    z[1500] = 0.2
    assert level_of(series(z), shipped).max() < shipped.on_ratio


def test_noise_is_that_of_the_place(series, shipped):
    """A swing that is a jolt on smooth asphalt drowns on cobbles, a minute later."""
    z = np.concatenate((noise(3000, 0.3), noise(3000, 2.0, seed=2)))
    z[1500:1510] += 4.0
    z[4500:4510] += 4.0
    cf = level_of(series(z), shipped)
    assert cf[1500:1510].max() > 2 * cf[4500:4510].max()


def test_a_stop_does_not_make_the_street_look_quiet(series, shipped):
    """Noise is taken where the car drives, so that a red light lifts no score."""
    z = noise(6000, 0.8)
    z[2000:4000] *= 0.01
    moving = np.ones(6000, bool)
    moving[2000:4000] = False
    driven, ignored = level_of(series(z), shipped, moving=moving), level_of(series(z), shipped)
    assert driven[4000:4100].mean() == pytest.approx(1.0, abs=0.2)
    assert driven[4000:4100].mean() < 0.8 * ignored[4000:4100].mean()


def test_nothing_counted_gives_the_floor(series, shipped):
    """Where the car never moves the floor is the noise."""
    signal = series(np.full(500, 3.0))
    cf = level_of(signal, shipped, moving=np.zeros(500, bool))
    assert cf == pytest.approx(np.full(500, 3.0 / shipped.noise_floor_ms2), rel=1e-9)


def test_unusable_samples_have_no_level(series, shipped):
    """Near a gap the characteristic function is 0, so nothing triggers there."""
    signal = series(noise(1000, 5.0))
    signal.usable[400:600] = False
    assert (level_of(signal, shipped)[400:600] == 0).all()


RUNS = [
    # characteristic function, seconds per sample 0.02; runs as [start, stop)
    ([0.0] * 9, [], "silence"),
    ([1.0, 2.9, 2.9, 1.0], [], "never above on_ratio"),
    ([1.0, 3.0, 1.0], [], "exactly on_ratio is not above it"),
    ([1.0, 3.1, 1.0], [(1, 2)], "one sample"),
    ([1.0, 2.0, 3.1, 2.0, 1.6, 1.5, 1.0], [(1, 5)], "held down to off_ratio"),
    ([4.0, 4.0], [(0, 2)], "the whole signal"),
    ([2.0, 1.0, 2.0, 4.0, 1.0], [(2, 4)], "a run without an onset is left out"),
    ([4.0, *[0.0] * 40, 4.0], [(0, 42)], "not further apart than merge_s"),
    ([4.0, *[0.0] * 41, 4.0], [(0, 1), (42, 43)], "further apart"),
    ([4.0, *[0.0] * 30, 4.0, *[0.0] * 30, 4.0], [(0, 63)], "one after the other"),
]


@pytest.mark.parametrize(("cf", "runs"), [r[:2] for r in RUNS], ids=[r[2] for r in RUNS])
def test_onset_hysteresis_and_merging(series, shipped, cf, runs):
    """On above on_ratio, off at off_ratio, and runs within merge_s are one."""
    settings = msgspec.structs.replace(shipped, on_ratio=3.0, off_ratio=1.5, merge_s=0.82)
    # One more than the step between samples: 41 steps of 20 ms are merged, 42 are not.
    found = find(series(np.zeros(len(cf))), np.array(cf), settings=settings)
    assert list(zip(found.start.tolist(), found.stop.tolist(), strict=True)) == runs


def test_what_is_measured(series, shipped):
    """Peak, energy, duration and score are those of the run, by their definitions."""
    z = np.zeros(200)
    z[100:105] = [1.0, -6.0, 3.0, 6.0, 1.0]
    cf = np.zeros(200)
    cf[100:105] = [2.0, 5.0, 9.0, 4.0, 2.0]
    found = find(series(z), cf, settings=shipped)
    assert found.peak.tolist() == [101]  # the first of two alike
    assert found.peak_ms2.tolist() == [6.0]
    assert found.energy_m2s3.tolist() == pytest.approx([(1 + 36 + 9 + 36 + 1) / 50], abs=1e-12)
    assert found.duration_s.tolist() == pytest.approx([0.1], abs=1e-12)
    assert found.score.tolist() == [9.0]


def test_many_jolts_are_measured_apart(series, shipped):
    """Each run has its own peak and score, in order of time."""
    z, cf = np.zeros(1000), np.zeros(1000)
    for k, at in enumerate((100, 300, 700)):
        z[at : at + 3] = [1.0, 3.0 + k, 1.0]
        cf[at : at + 3] = 4.0 + k
    found = find(series(z), cf, settings=shipped)
    assert found.peak.tolist() == [101, 301, 701]
    assert found.peak_ms2.tolist() == [3.0, 4.0, 5.0]
    assert found.score.tolist() == [4.0, 5.0, 6.0]
    assert found.narrow(found.score > 4.5).peak.tolist() == [301, 701]


def test_runs_on_either_side_of_a_gap_stay_two(series, shipped):
    """Runs are merged by the clock, so what lies beyond a gap is another jolt."""
    cf = np.array([0.0, 4.0, 0.0, 0.0, 4.0, 0.0])
    signal = series(np.ones(6))
    later = np.where(np.arange(6) >= 3, 10_000_000_000, 0)
    assert len(find(signal, cf, settings=shipped).peak) == 1
    assert len(find(replace(signal, t_ns=signal.t_ns + later), cf, settings=shipped).peak) == 2


def test_an_empty_signal_has_no_jolts(series, shipped):
    """No samples give no jolts, of the same types."""
    nothing = series([])
    found = find(nothing, level_of(nothing, shipped), settings=shipped)
    assert len(found.peak) == len(found.score) == 0
    assert found.peak.dtype == np.int64
