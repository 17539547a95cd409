"""What is a jolt: a characteristic function, trigger onset with hysteresis, and its measures."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pandas as pd
import pytest

from streetbump.config import DetectSettings
from streetbump.detect.signal import Signal
from streetbump.detect.trigger import Triggers, _stretched, characteristic, find, reported


def level_of(signal, shipped, **changes):
    speed = changes.pop("speed_ms", np.full(len(signal.t_ns), shipped.usual_speed_ms))
    return characteristic(
        signal, speed_ms=speed, settings=msgspec.structs.replace(shipped, **changes)
    )


def noise(n: int, size: float = 0.5, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, n)


def test_full_division_makes_noise_one(series, shipped):
    """Where all shaking is felt the score of plain noise is about 1, at any size of the noise."""
    for size in (0.3, 1.0, 5.0):
        cf = level_of(series(noise(3000, size)), shipped, unfelt_ms2=1e-9)
        assert np.median(cf) == pytest.approx(1.0, abs=0.05)
        assert (cf >= 0).all()


def test_no_division_is_plain_size(series, shipped):
    """Where no shaking is felt and speed has no power the score is the level itself."""
    z = noise(3000, 0.4)
    z[1500:1510] += 4.0
    plain = {"unfelt_ms2": 1e12, "speed_power": 0.0}
    cf = level_of(series(z), shipped, **plain)
    faster = level_of(series(z), shipped, speed_ms=np.full(3000, 30.0), **plain)
    assert np.array_equal(cf, faster)
    assert level_of(series(2 * z), shipped, **plain) == pytest.approx(2 * cf, rel=1e-9)


@pytest.mark.parametrize("gain", [2.0, 4.0])
def test_size_counts_by_what_the_noise_leaves_of_it(series, shipped, gain):
    """As strong again scores nearly as much higher on quiet asphalt, hardly higher on cobbles."""

    def growth(size: float) -> float:
        z = noise(3000, size)
        z[1500:1510] += 12 * size
        once, more = level_of(series(z), shipped), level_of(series(gain * z), shipped)
        return float(more.max() / once.max())

    assert growth(0.01) > 0.95 * gain
    assert growth(20.0) < 1.1
    assert growth(0.01) > growth(0.3) > growth(1.0) > growth(20.0)


@pytest.mark.parametrize("rate_hz", [5.0, 10.0, 50.0])
def test_what_nobody_minds_is_the_same_at_any_rate(series, shipped, rate_hz):
    """On a street that shakes by just that much a jolt scores about half of that in silence.

    A little more at 5 Hz, where the mean of a second takes a fifth of the shaking with it.
    """
    z = np.zeros(round(120 * rate_hz))
    z[round(60 * rate_hz)] = 100.0
    loud = z + noise(len(z), shipped.unfelt_ms2)
    scores = [level_of(series(each, rate_hz=rate_hz), shipped).max() for each in (z, loud)]
    assert 0.45 < scores[1] / scores[0] < 0.6


def test_speed_takes_off_what_it_adds(series, shipped):
    """At sixteen times the speed the same jolt scores 16 ^ -speed_power times as high."""
    z = noise(3000, 0.3)
    slow = level_of(series(z), shipped, speed_ms=np.full(3000, 2.5))
    fast = level_of(series(z), shipped, speed_ms=np.full(3000, 40.0))
    assert (slow / fast).mean() == pytest.approx(16**shipped.speed_power, rel=1e-6)


def test_a_quarter_is_a_power_like_any_other(series, shipped):
    """The shipped power of speed, which has a short cut, gives what its neighbours give."""
    z, speed_ms = noise(3000), np.linspace(0.0, 40.0, 3000)
    assert shipped.speed_power == 0.25
    by_roots = level_of(series(z), shipped, speed_ms=speed_ms)
    for near in (0.25 - 1e-12, 0.25 + 1e-12):
        by_power = level_of(series(z), shipped, speed_ms=speed_ms, speed_power=near)
        assert by_roots == pytest.approx(by_power, rel=1e-10, abs=1e-12)


def test_an_unknown_speed_is_the_usual_one(series, shipped):
    """Without fixes nothing is known of speed, and nothing is taken off or added."""
    signal = series(noise(500))
    unknown = level_of(signal, shipped, speed_ms=np.full(500, np.nan))
    assert unknown == pytest.approx(level_of(signal, shipped), rel=1e-12)


def test_silence_stays_silent(series, shipped):
    """What nobody feels is not blown up: a tick in a perfect silence stays a tick."""
    z = np.zeros(3000)
    z[1500] = 0.2
    assert level_of(series(z), shipped).max() < shipped.on_ratio


def test_noise_is_that_of_the_place(series, shipped):
    """A swing that is a jolt on smooth asphalt counts less on cobbles, a minute later."""
    z = np.concatenate((noise(3000, 0.3), noise(3000, 2.0, seed=2)))
    z[1500:1510] += 6.0
    z[4500:4510] += 6.0
    cf = level_of(series(z), shipped)
    assert cf[1490:1520].max() > 1.5 * cf[4490:4520].max()


@pytest.mark.parametrize("step", [1, 2, 5, 50])
def test_between_blocks_the_noise_is_linear(step):
    """Values in even steps are interpolated as numpy does it, whole and half points, ends held."""
    values = np.random.default_rng(step).random(7)
    for first in np.arange(-step + 0.5, 2 * step, 0.5):
        n = int(7 * step - first)
        point = (np.arange(n) + first) / step
        between = np.interp(point, np.arange(7), values)
        assert _stretched(values, step, first, n) == pytest.approx(between, rel=1e-12, abs=1e-12)


def test_a_stop_does_not_make_the_street_look_quiet(series, shipped):
    """Noise is taken where the car drives, so that a red light lifts no score."""
    z = noise(6000, 0.8)
    z[2000:4000] *= 0.01
    speed = np.full(6000, 10.0)
    always = level_of(series(z), shipped, speed_ms=speed)
    speed[2000:4000] = 0.0
    driven = level_of(series(z), shipped, speed_ms=speed)
    assert driven[4000:4100].mean() == pytest.approx(driven[1000:1100].mean(), rel=0.2)
    assert driven[4000:4100].mean() < 0.9 * always[4000:4100].mean()


def test_nothing_counted_is_no_noise(series, shipped):
    """Where the car never moves no noise is known, and none is divided by."""
    signal = series(noise(500, 3.0))
    cf = level_of(signal, shipped, speed_ms=np.zeros(500))
    plain = level_of(signal, shipped, speed_ms=np.zeros(500), unfelt_ms2=1e12)
    unfelt = shipped.unfelt_ms2 * np.sqrt(9 / signal.rate_hz)  # over the 9 samples of the window
    lift = (shipped.usual_noise_ms2 + unfelt) / unfelt
    assert cf == pytest.approx(plain * lift, rel=1e-9)


def test_unusable_samples_have_no_level(series, shipped):
    """Near a gap the characteristic function is 0, so nothing triggers there."""
    signal = series(noise(1000, 5.0))
    signal.usable[400:600] = False
    assert (level_of(signal, shipped)[400:600] == 0).all()


@pytest.mark.parametrize("rate_hz", [5.0, 10.0, 50.0])
def test_one_blow_has_one_summit(series, shipped, rate_hz):
    """The level rises to the blow and falls after it: its largest value is at the blow."""
    z = np.zeros(round(60 * rate_hz))
    z[round(30 * rate_hz)] = 6.0
    cf = level_of(series(z, rate_hz=rate_hz), shipped)
    assert np.flatnonzero(cf == cf.max()).tolist() == [round(30 * rate_hz)]


def at_walking_pace(signal: Signal, cf: np.ndarray, settings: DetectSettings) -> Triggers:
    """What is found where the car is so slow that ``merge_s`` is what counts as near."""
    return find(signal, cf, speed_ms=np.ones(len(cf)), settings=settings)


SUMMITS = [
    # score, seconds per sample 0.02; jolts as [start, stop)
    ([0.0] * 9, [], "silence"),
    ([1.0, 2.9, 2.9, 1.0], [], "never above on_ratio"),
    ([1.0, 3.0, 1.0], [], "exactly on_ratio is not above it"),
    ([1.0, 3.1, 1.0], [(1, 2)], "one sample"),
    ([1.0, 2.0, 3.1, 2.0, 1.6, 1.5, 1.0], [(1, 5)], "held down to off_ratio"),
    ([4.0, 4.0], [(0, 2)], "a level top is one"),
    ([2.0, 1.0, 2.0, 4.0, 1.0], [(2, 4)], "what is not joined to the summit is left out"),
    ([4.0, *[0.0] * 40, 4.5], [(41, 42)], "the higher of two within merge_s"),
    ([4.0, *[0.0] * 41, 4.0], [(0, 1), (42, 43)], "two that are further apart"),
    ([2.0] * 60 + [4.0] + [2.0] * 60, [(40, 81)], "at most half of merge_s to either side"),
]


@pytest.mark.parametrize(("cf", "runs"), [r[:2] for r in SUMMITS], ids=[r[2] for r in SUMMITS])
def test_summits_and_how_long_they_last(series, shipped, cf, runs):
    """Above on_ratio, the highest within merge_s, and as long as it stays above off_ratio."""
    settings = msgspec.structs.replace(shipped, on_ratio=3.0, off_ratio=1.5, merge_s=0.82)
    found = at_walking_pace(series(np.zeros(len(cf))), np.array(cf), settings)
    assert list(zip(found.start.tolist(), found.stop.tolist(), strict=True)) == runs


def test_what_is_measured(series, shipped):
    """Peak, energy, duration and score are those of the run, by their definitions."""
    z = np.zeros(200)
    z[100:105] = [1.0, -6.0, 3.0, 6.0, 1.0]
    cf = np.zeros(200)
    cf[100:105] = [2.0, 5.0, 9.0, 4.0, 2.0]
    found = at_walking_pace(series(z), cf, shipped)
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
    found = at_walking_pace(series(z), cf, shipped)
    assert found.peak.tolist() == [101, 301, 701]
    assert found.peak_ms2.tolist() == [3.0, 4.0, 5.0]
    assert found.score.tolist() == [4.0, 5.0, 6.0]
    assert found.narrow(found.score > 4.5).peak.tolist() == [301, 701]


def test_runs_on_either_side_of_a_gap_stay_two(series, shipped):
    """Runs are merged by the clock, so what lies beyond a gap is another jolt."""
    cf = np.array([0.0, 4.0, 0.0, 0.0, 4.0, 0.0])
    signal = series(np.ones(6))
    later = np.where(np.arange(6) >= 3, 10_000_000_000, 0)
    assert len(at_walking_pace(signal, cf, shipped).peak) == 1
    apart = replace(signal, t_ns=signal.t_ns + later)
    assert len(at_walking_pace(apart, cf, shipped).peak) == 2


def test_an_empty_signal_has_no_jolts(series, shipped):
    """No samples give no jolts, of the same types."""
    nothing = series([])
    found = at_walking_pace(nothing, level_of(nothing, shipped), shipped)
    assert len(found.peak) == len(found.score) == 0
    assert found.peak.dtype == np.int64


@pytest.mark.parametrize(
    ("speed_ms", "apart_s", "jolts"),
    [
        pytest.param(10.0, 0.48, 1, id="a rebound"),
        pytest.param(10.0, 0.54, 2, id="six metres on"),
        pytest.param(np.nan, 0.54, 2, id="speed unknown: as people drive in town"),
        pytest.param(5.0, 0.96, 1, id="two axles, slowly"),
        pytest.param(5.0, 1.04, 2, id="five metres on, slowly"),
        pytest.param(0.0, 1.48, 1, id="hardly moving"),
        pytest.param(0.0, 1.54, 2, id="hardly moving, later"),
    ],
)
def test_what_is_near_goes_by_the_way(series, shipped, speed_ms, apart_s, jolts):
    """A weaker jolt is its own from 5 m on, but not within half a second, and after 1.5 s."""
    cf = np.zeros(400)
    cf[[100, 100 + round(apart_s * 50)]] = 6.0, 4.0
    found = find(series(cf), cf, speed_ms=np.full(400, speed_ms), settings=shipped)
    assert len(found.peak) == jolts


def test_of_jolts_within_a_moment_one_is_reported(series, shipped):
    """A jolt is alone when no moment within ``merge_s`` has a higher score; of equals the first."""
    cf = np.zeros(1000)
    cf[[100, 150, 200, 500, 540, 700]] = 5.0, 6.0, 5.0, 4.0, 4.0, 3.5
    found = find(series(cf), cf, speed_ms=np.full(1000, 10.0), settings=shipped)
    assert found.alone.tolist() == [False, True, False, True, False, True]
    bumps = pd.DataFrame({"score": found.score, "alone": found.alone})
    assert reported(bumps, settings=shipped).tolist() == [False, True, False, True, False, False]
