"""How late a trip's fixes are, told from braking and turning."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from streetbump.config import DetectSettings
from streetbump.detect.lag import TRACKER_ERR_S, TRACKER_S, Lag, lag_of
from streetbump.detect.signal import prepare
from streetbump.geo import from_local_m, to_e7
from streetbump.model import ACC_LSB_MS2, STANDARD_GRAVITY_MS2, UNKNOWN, Gravity, TimeBasis, Trip
from streetbump.simulate.gps import track

START_NS = 1_772_000_000_000_000_000
BRAKING_S = 3.0


def tilt(*angles_deg: float) -> np.ndarray:
    """A phone turned about its z, then its x axis."""
    z, x = np.radians(angles_deg)
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    return np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]) @ about_z


def drive(
    lag_s: float = 0.8, *, brakings: int = 20, turns: int = 0, seconds: float = 600.0,
    rate_hz: float = 50.0, fix_s: float = 1.0, shake_ms2: float = 0.0, fix_m: float = 0.0,
    smooth_s: float = TRACKER_S, phone: np.ndarray | None = None, later: np.ndarray | None = None,
    gravity: Gravity = Gravity.KEPT, seed: int = 1,
) -> Trip:  # fmt: skip
    """A drive at 12 m/s that slows to 5 m/s and speeds up again, and turns by 90 degrees.

    `fix_m` is the white noise of fixes per axis; `phone` and `later` are how the phone is held in
    the first and the second half.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(-10.0, seconds, 1 / rate_hz)

    def swing(count: int) -> np.ndarray:
        """From 0 to 1 and back to 0 within four lengths of a braking, at even places."""
        middle = (np.arange(count) + rng.uniform(0.3, 0.7, count)) * seconds / max(count, 1)
        rise = np.clip((2 * BRAKING_S - np.abs(t[:, None] - middle)) / BRAKING_S, 0, 1)
        return (0.5 - 0.5 * np.cos(np.pi * rise)).sum(axis=1)

    speed = 12.0 - 7.0 * swing(brakings)
    course = np.pi / 2 * swing(turns)  # to the right and back
    place = np.cumsum(speed * np.exp(1j * (np.pi / 2 - course))) / rate_hz
    pull, side = np.gradient(speed, t), speed * np.gradient(course, t)
    up = np.full(len(t), STANDARD_GRAVITY_MS2 if gravity is Gravity.KEPT else 0.0)
    force = np.column_stack((side, pull, up)) + rng.normal(0.0, 1.0, (len(t), 3)) * shake_ms2
    held = np.eye(3) if phone is None else phone
    half = np.where(t[:, None] < seconds / 2, force @ held.T, 0.0)
    force = half + np.where(
        t[:, None] < seconds / 2, 0.0, force @ (held if later is None else later).T
    )
    seen = track(np.column_stack((place.real, place.imag)), rate_hz=rate_hz, smooth_s=smooth_s)
    fix_t = np.arange(0.0, seconds, fix_s)
    east, north = (
        np.interp(fix_t - lag_s, t, seen[:, k]) + fix_m * rng.standard_normal(len(fix_t))
        for k in (0, 1)
    )
    lat, lon = from_local_m(east, north, lat0_deg=45.0, lon0_deg=7.0)
    unknown = np.full(len(fix_t), UNKNOWN, np.int32)
    driven = t >= 0
    return Trip(
        upload_id="00" * 32, trip_id="ab" * 32, format="made up",
        t_ns=START_NS + np.rint(t[driven] * 1e9).astype(np.int64),
        acc=np.rint(force[driven] / ACC_LSB_MS2).astype(np.int32),
        fix_t_ns=START_NS + np.rint(fix_t * 1e9).astype(np.int64),
        lat_e7=to_e7(lat).astype(np.int32), lon_e7=to_e7(lon).astype(np.int32),
        speed_mms=unknown, heading_cdeg=unknown, accuracy_mm=unknown, origin_ns=START_NS,
        gravity=gravity, time_basis=TimeBasis.ABSOLUTE,
    )  # fmt: skip


def found_in(trip: Trip, settings: DetectSettings) -> Lag:
    return lag_of(trip, prepare(trip, settings=settings), settings=settings)


def by_data(settings: DetectSettings) -> DetectSettings:
    """Settings whose prior says next to nothing."""
    return msgspec.structs.replace(settings, lag_prior_sd_s=2.0)


@pytest.mark.parametrize("lag_s", [-0.2, 0.0, 0.3, 0.8, 1.15, 1.5, 2.2])
def test_the_lag_put_in_comes_out(shipped, lag_s):
    """Without noise the lag is exact, whatever the prior."""
    found = found_in(drive(lag_s), shipped)
    assert found.lag_s == pytest.approx(lag_s, abs=0.05)
    assert found.err_s == pytest.approx(TRACKER_ERR_S, abs=0.01)


@pytest.mark.parametrize(
    "changed",
    [
        {"rate_hz": 5.0},
        {"rate_hz": 200.0},
        {"fix_s": 0.1},
        {"fix_s": 2.0},
        {"brakings": 0, "turns": 20},  # bends at a steady speed
        {"turns": 10},
        {"smooth_s": 0.3},  # another receiver's filter
        {"smooth_s": 0.9},
        {"shake_ms2": 1.0, "fix_m": 1.0},  # a rough road and noisy fixes
    ],
    ids=str,
)
def test_the_lag_is_within_its_error(shipped, changed):
    """Phones and receivers of any rate, rough roads and noisy fixes give the lag as well."""
    found = found_in(drive(1.3, **changed), shipped)
    assert abs(found.lag_s - 1.3) < 2 * found.err_s
    assert found.err_s < 0.2


def test_noise_is_covered(shipped):
    """With noisy fixes the error stated covers nine lags in ten."""
    truth = np.random.default_rng(7).normal(0.85, 0.35, 40)
    found = [
        found_in(drive(lag, seconds=240.0, brakings=6, fix_m=1.5, shake_ms2=0.5, seed=k), shipped)
        for k, lag in enumerate(truth)
    ]
    apart = np.array([(f.lag_s - lag) / f.err_s for f, lag in zip(found, truth, strict=True)])
    assert np.mean(np.abs(apart) < 1.64) >= 0.8
    assert 0.4 < np.sqrt(np.mean(apart**2)) < 1.3


def test_more_braking_tells_more(shipped):
    """The error, true and stated, falls with the square root of the number of brakings."""
    few, many = (
        [
            found_in(drive(0.8, brakings=n, fix_m=1.5, seed=k), by_data(shipped))
            for k in range(30)
        ]
        for n in (5, 20)
    )  # fmt: skip
    true = [np.sqrt(np.mean([(f.lag_s - 0.8) ** 2 for f in group])) for group in (few, many)]
    stated = [
        np.sqrt(np.median([f.err_s**2 for f in group]) - TRACKER_ERR_S**2 - 0.01**2)
        for group in (few, many)
    ]
    assert true[0] / true[1] == pytest.approx(2.0, abs=0.7)
    assert stated[0] / stated[1] == pytest.approx(2.0, abs=0.4)


def test_without_braking_the_prior_stands(shipped, made):
    """A steady drive, straight on, tells nothing."""
    found = found_in(made(seconds=300.0), shipped)
    assert found.lag_s == pytest.approx(shipped.lag_prior_s, abs=0.3)
    assert found.err_s >= 0.8 * shipped.lag_prior_sd_s


def test_noise_alone_is_no_braking(shipped):
    """Noisy fixes of a steady drive do not move the lag further than its error says."""
    found = [
        found_in(drive(0.8, brakings=0, fix_m=2.0, shake_ms2=0.5, seed=k), shipped)
        for k in range(10)
    ]
    assert min(f.err_s for f in found) > 0.5 * shipped.lag_prior_sd_s
    apart = [(f.lag_s - shipped.lag_prior_s) / f.err_s for f in found]
    assert np.sqrt(np.mean(np.square(apart))) < 1.5


def test_gravity_taken_off_leaves_the_prior(shipped):
    """The phone's own filter has moved slow accelerations in time, so they tell nothing."""
    prior = Lag(shipped.lag_prior_s, shipped.lag_prior_sd_s)
    assert found_in(drive(0.3, gravity=Gravity.REMOVED), shipped) == prior


def test_turning_the_phone_changes_nothing(shipped):
    """However the phone lies, the lag is the same."""
    flat = found_in(drive(0.4, shake_ms2=0.3, fix_m=0.5), shipped)
    tilted = found_in(drive(0.4, shake_ms2=0.3, fix_m=0.5, phone=tilt(130.0, 55.0)), shipped)
    assert tilted.lag_s == pytest.approx(flat.lag_s, abs=0.02)
    assert tilted.err_s == pytest.approx(flat.err_s, abs=0.02)


def test_a_phone_laid_anew_is_followed(shipped):
    """A phone turned in the middle of the trip is taken apart there."""
    trip = drive(1.4, fix_m=0.5, phone=tilt(10.0, 5.0), later=tilt(160.0, 70.0))
    assert (~prepare(trip, settings=shipped).usable).any()
    assert found_in(trip, shipped).lag_s == pytest.approx(1.4, abs=0.1)


def test_leaps_of_the_receiver_do_not_count(shipped):
    """Fixes that are far off for a moment leave the lag as it is."""
    trip = drive(1.2, fix_m=0.5)
    lat = trip.lat_e7.copy()
    lat[50::60] += 3000  # 33 m
    assert found_in(replace(trip, lat_e7=lat), shipped).lag_s == pytest.approx(1.2, abs=0.1)


def test_shifting_time_changes_nothing(shipped):
    """The same drive at another time has the same lag."""
    trip = drive(0.6, fix_m=1.0)
    week_ns = 7 * 86_400 * 10**9
    shifted = replace(trip, t_ns=trip.t_ns + week_ns, fix_t_ns=trip.fix_t_ns + week_ns)
    assert found_in(shifted, shipped) == found_in(trip, shipped)


@pytest.mark.parametrize("fixes", [0, 1, 2, 5, 15])
@pytest.mark.parametrize("samples", [0, 1, 2, 40, 30000])
def test_short_trips_have_the_prior(shipped, fixes, samples):
    """Without enough fixes, or without samples, the prior stands."""
    whole = drive()
    names = ("fix_t_ns", "lat_e7", "lon_e7", "speed_mms", "heading_cdeg", "accuracy_mm")
    trip = replace(
        whole, t_ns=whole.t_ns[:samples], acc=whole.acc[:samples],
        **{name: getattr(whole, name)[:fixes] for name in names},
    )  # fmt: skip
    assert found_in(trip, shipped) == Lag(shipped.lag_prior_s, shipped.lag_prior_sd_s)
