"""From a trip's samples to one even series of vertical acceleration."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from streetbump.detect.signal import moving_mean, prepare
from streetbump.model import Gravity


@pytest.fixture(scope="session")
def prepared(shipped):
    """The signal of a trip, with changes to the shipped settings."""
    return lambda trip, **changes: prepare(
        trip, settings=msgspec.structs.replace(shipped, **changes)
    )


@pytest.mark.parametrize(
    ("rate_hz", "grid_hz"), [(5.0, 5.0), (37.0, 37.0), (50.0, 50.0), (100.0, 50.0), (400.0, 50.0)]
)
def test_the_grid_has_the_trips_rate_up_to_the_limit(made, prepared, rate_hz, grid_hz):
    """The grid is even, from the first sample to the last, at most at work_rate_hz.

    Of a fast phone up to one grid step is left over at either end.
    """
    trip = made(rate_hz=rate_hz)
    signal = prepared(trip)
    assert signal.rate_hz == pytest.approx(grid_hz, abs=0.02)
    assert len(signal.t_ns) == pytest.approx(60 * grid_hz, abs=1)
    step = np.diff(signal.t_ns)
    assert step == pytest.approx(np.full(len(step), 1e9 / signal.rate_hz), abs=2)
    assert signal.t_ns[0] == pytest.approx(trip.t_ns[0], abs=(rate_hz > grid_hz) * 1e9 / grid_hz)
    assert signal.usable.all()


def test_gravity_is_taken_off(made, prepared):
    """A phone at rest feels nothing, however it lies."""
    tilted = Rotation.from_euler("xyz", [30, -50, 70], degrees=True).as_matrix()
    for turn in (None, tilted):
        assert np.abs(prepared(made(noise_ms2=0.0, turn=turn)).vertical_ms2).max() < 1e-3


def test_vertical_is_what_points_up(made, prepared):
    """A lift up is positive, whatever axis of the phone it falls on."""
    for turn in (None, Rotation.from_euler("x", 120, degrees=True).as_matrix()):
        signal = prepared(made((30.0,), noise_ms2=0.0, turn=turn))
        at = np.argmax(np.abs(signal.vertical_ms2))
        assert signal.t_ns[at] == pytest.approx(made().origin_ns + 30e9, abs=1)
        assert signal.vertical_ms2[at] == pytest.approx(8.0, rel=0.02)


def test_sideways_shaking_is_not_vertical(made, prepared):
    """What happens along the road is not felt as a jolt."""
    trip = made(noise_ms2=0.0)
    acc = trip.acc.copy()
    acc[1000:1010, 0] += 20_000  # 2 m/s² for 0.2 s: braking
    assert np.abs(prepared(replace(trip, acc=acc)).vertical_ms2).max() < 0.1


def test_slow_changes_are_taken_off(made, prepared):
    """A hill, or a calibration that drifts, is no jolt."""
    trip = made(noise_ms2=0.0)
    acc = trip.acc.copy()
    acc[:, 2] += np.linspace(0, 10_000, len(acc)).astype(np.int32)  # 1 m/s² within a minute
    assert np.abs(prepared(replace(trip, acc=acc)).vertical_ms2).max() < 0.02


def test_what_the_grid_cannot_hold_is_averaged_away(made, prepared):
    """A tone of 48 Hz on a phone of 400 Hz does not come back as one of 2 Hz."""
    trip = made(noise_ms2=0.0, rate_hz=400.0)
    acc = trip.acc.copy()
    t_s = (trip.t_ns - trip.origin_ns) * 1e-9
    acc[:, 2] += np.rint(5e4 * np.sin(2 * np.pi * 48 * t_s)).astype(np.int32)
    inner = slice(50, -50)
    assert np.abs(prepared(replace(trip, acc=acc)).vertical_ms2[inner]).max() < 0.3


def test_without_gravity_the_strongest_shaking_is_vertical(made, prepared):
    """Where gravity was taken off by the logger, the largest swings give the axis and its sign."""
    turn = Rotation.from_euler("xyz", [30, -50, 70], degrees=True).as_matrix()
    signal = prepared(made((20.0, 40.0), gravity=Gravity.REMOVED, noise_ms2=0.1, turn=turn))
    at = np.argmax(np.abs(signal.vertical_ms2))
    assert signal.vertical_ms2[at] == pytest.approx(8.0, rel=0.06)


def test_jittery_sampling_is_evened_out(made, prepared):
    """Samples that come a little early or late give the signal of an even clock."""
    trip = made((30.0,), noise_ms2=0.0, rate_hz=100.0)
    late = np.random.default_rng(1).integers(-2_000_000, 2_000_000, len(trip.t_ns))
    late[[0, -1]] = 0
    t_s = (trip.t_ns + late - trip.origin_ns) * 1e-9
    up = 8 * np.exp(-np.abs(t_s - 30) / 0.08) * np.cos(2 * np.pi * 8 * (t_s - 30))
    acc = trip.acc.copy()
    acc[:, 2] = np.rint((9.80665 + up) * 1e4)
    jittery = prepared(replace(trip, t_ns=trip.t_ns + late, acc=acc), work_rate_hz=50.0)
    even = prepared(trip, work_rate_hz=50.0)
    n = min(len(even.t_ns), len(jittery.t_ns))
    assert np.abs(jittery.vertical_ms2[:n] - even.vertical_ms2[:n]).max() < 0.4


@pytest.mark.parametrize("gap_s", [0.5, 3.0, 3600.0])
def test_long_gaps_are_closed_up_and_marked(made, prepared, shipped, gap_s):
    """A long gap costs gap_s on the grid and its surroundings, never its length in memory."""
    trip = made(noise_ms2=0.1)
    t_ns = trip.t_ns.copy()
    t_ns[1500:] += round(gap_s * 1e9)
    signal = prepared(replace(trip, t_ns=t_ns))
    extra = min(gap_s, shipped.gap_s) * 50
    assert len(signal.t_ns) == pytest.approx(3001 + extra, abs=2)
    assert (np.diff(signal.t_ns) > 0).all()
    assert signal.t_ns[-1] == pytest.approx(t_ns[-1], abs=25_000_000)
    assert signal.usable.all() == (gap_s <= shipped.gap_s)
    assert signal.usable.mean() > 0.95


def test_a_turned_phone_is_not_usable_while_it_turns(made, prepared):
    """While gravity swings round, and only about then, the signal is marked."""
    trip = made(noise_ms2=0.1)
    t_s = (trip.t_ns - trip.origin_ns) * 1e-9
    angle = np.radians(90 * np.clip(t_s - 29.5, 0, 1))
    acc = Rotation.from_rotvec(np.outer(angle, [1.0, 0.0, 0.0])).apply(trip.acc)
    signal = prepared(replace(trip, acc=np.rint(acc).astype(np.int32)))
    at_s = (signal.t_ns - trip.origin_ns) * 1e-9
    assert not signal.usable[(at_s > 29.5) & (at_s < 30.5)].any()
    assert signal.usable[(at_s < 24) | (at_s > 36)].all()


@pytest.mark.parametrize("samples", [0, 1])
def test_fewer_than_two_samples_are_no_signal(made, prepared, samples):
    """A trip of no sample, or of one, gives an empty signal."""
    trip = made()
    signal = prepared(replace(trip, t_ns=trip.t_ns[:samples], acc=trip.acc[:samples]))
    assert (len(signal.t_ns), len(signal.vertical_ms2), signal.rate_hz) == (0, 0, 0.0)
    assert signal.axes_ms2.shape == (0, 3)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 50])
def test_moving_mean_of_a_constant_is_the_constant(width):
    """The ends are held, so a constant stays what it is, in one column or three."""
    assert moving_mean(np.full((20, 3), 4.2), width) == pytest.approx(np.full((20, 3), 4.2))


def test_a_gap_of_a_slow_phone_masks_itself_only(made, prepared):
    """A pause in a recording of one sample a second does not make the rest of it unusable."""
    trip = made(rate_hz=1.0)
    kept = np.delete(np.arange(len(trip.t_ns)), np.arange(20, 35))
    signal = prepared(replace(trip, t_ns=trip.t_ns[kept], acc=trip.acc[kept]))
    assert not signal.usable.all()
    assert np.count_nonzero(~signal.usable) <= 2
