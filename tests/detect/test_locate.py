"""Where the car was at a moment, and how well that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streetbump.detect.lag import Lag
from streetbump.detect.locate import MIN_COURSE_M, Located, locate, track_of
from streetbump.geo import local_m
from streetbump.model import UNKNOWN, Trip

ON_TIME = Lag(0.0, 0.3)


@pytest.fixture(scope="session")
def at(shipped):
    """Where a trip's car was at some seconds after its start."""

    def place(trip: Trip, *seconds: float, lag: Lag = ON_TIME) -> Located:
        t_ns = trip.origin_ns + np.rint(np.array(seconds) * 1e9).astype(np.int64)
        return locate(track_of(trip, lag, settings=shipped), t_ns)

    return place


def north_m(place: Located) -> np.ndarray:
    return local_m(place.lat_deg, place.lon_deg, lat0_deg=12.0, lon0_deg=-150.0)[1]


def some_fixes(trip: Trip, keep: np.ndarray) -> Trip:
    names = ("fix_t_ns", "lat_e7", "lon_e7", "speed_mms", "heading_cdeg", "accuracy_mm")
    return replace(trip, **{name: getattr(trip, name)[keep] for name in names})


def is_unknown(place: Located) -> np.ndarray:
    columns = np.column_stack([getattr(place, name) for name in place.__dataclass_fields__])
    assert (np.isnan(columns).all(axis=1) == np.isnan(columns).any(axis=1)).all()
    return np.isnan(columns).all(axis=1)


def test_between_two_fixes_the_car_drives_straight(made, at):
    """Position is interpolated between the fixes before and after."""
    assert north_m(at(made(), 10.0, 10.25, 10.5)) == pytest.approx([100.0, 102.5, 105.0], abs=0.02)


def test_outside_the_fixes_nothing_is_known(made, at):
    """Before the first fix and after the last no place is made up."""
    assert is_unknown(at(made(seconds=60), -0.1, 0.0, 60.0, 60.1)).tolist() == [
        True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("missing_s", [3, 5, 6, 20])
def test_no_place_is_made_up_in_a_tunnel(made, at, shipped, missing_s):
    """Across a gap longer than max_fix_gap_s the place is unknown; a short one is bridged."""
    t = np.arange(61)
    trip = some_fixes(made(), (t <= 20) | (t > 20 + missing_s))
    unknown = is_unknown(at(trip, 19.5, 20.5, 20 + missing_s + 1.5)).tolist()
    assert unknown == [False, missing_s + 1 > shipped.max_fix_gap_s, False]


def test_a_leap_is_no_way(made, at):
    """Between fixes that lie further apart than any car drives, the place is unknown."""
    trip = made()
    lat = trip.lat_e7.copy()
    lat[30:] += 100_000  # 1.1 km within a second
    unknown = is_unknown(at(replace(trip, lat_e7=lat), 28.5, 29.5, 30.5))
    assert unknown.tolist() == [False, True, False]


def test_bad_fixes_are_not_used(made, at, shipped):
    """A fix worse than max_accuracy_m is left out, and the place comes from its neighbours."""
    trip = made()
    accuracy, lat = trip.accuracy_mm.copy(), trip.lat_e7.copy()
    accuracy[30], lat[30] = (shipped.max_accuracy_m + 1) * 1000, lat[30] + 5000
    bad = replace(trip, accuracy_mm=accuracy, lat_e7=lat)
    assert north_m(at(bad, 30.0)) == pytest.approx([300.0], abs=0.02)


def test_late_fixes_are_moved_back(made, at):
    """With a lag the car was further on at each moment than its fixes of that moment say."""
    assert north_m(at(made(), 20.0, lag=Lag(0.5, 0.1))) == pytest.approx([205.0], abs=0.02)


def test_error_grows_with_accuracy_and_speed(made, at):
    """The standard error holds the receiver's accuracy and that of its lag."""
    still_good, coarse, fast = (
        at(made(**kw), 20.0).pos_err_m[0] for kw in ({}, {"accuracy_m": 20.0}, {"speed_ms": 30.0})
    )
    assert still_good == pytest.approx(np.hypot(0.66 * 5, 0.3 * 10), abs=1e-6)
    assert coarse == pytest.approx(np.hypot(0.66 * 20, 0.3 * 10), abs=1e-6)
    assert fast == pytest.approx(np.hypot(0.66 * 5, 0.3 * 30), abs=1e-6)


def test_unknown_accuracy_is_taken_from_the_settings(made, at, shipped):
    """Where the logger gives no accuracy the default counts."""
    assert (made(accuracy_m=None).accuracy_mm == UNKNOWN).all()
    told = at(made(accuracy_m=shipped.default_accuracy_m), 20.0)
    assert at(made(accuracy_m=None), 20.0).pos_err_m == pytest.approx(told.pos_err_m, abs=1e-9)


def test_unknown_speed_is_taken_from_the_fixes(made, at):
    """Where the logger gives no speed, the way between the fixes does."""
    assert at(made(said_speed=False, speed_ms=7.0), 20.5).speed_ms == pytest.approx([7.0], abs=0.02)


def test_a_car_that_stands_has_no_heading(made, at):
    """Fixes nearer than the noise give a place and no heading."""
    place = at(made(still_s=(10.0, 50.0)), 5.5, 30.5, 55.5)
    assert np.isnan(place.heading_deg).tolist() == [False, True, False]
    assert np.isfinite(place.lat_deg).all()
    assert MIN_COURSE_M < 10.0


@pytest.mark.parametrize("fix_hz", [0.2, 0.5, 1.0, 2.0, 4.0, 5.0, 10.0])
@pytest.mark.parametrize("speed_ms", [1.5, 3.5, 8.0, 14.0, 30.0])
def test_fast_receivers_give_headings_too(made, at, fix_hz, speed_ms):
    """However often fixes come, a car that drives has a heading, slow or fast."""
    trip = made(fix_hz=fix_hz, speed_ms=speed_ms, heading_deg=30.0)
    heading = at(trip, 1.05, 20.05, 33.3, 58.9).heading_deg
    assert heading == pytest.approx(np.full(4, 30.0), abs=0.5)


def test_a_corner_is_not_smoothed_away(made, at):
    """With a fix a second each leg has its own heading."""
    trip = made()
    lat, lon = trip.lat_e7.copy(), trip.lon_e7.copy()
    lat[30:] = lat[30]
    lon[30:] += np.arange(31, dtype=np.int32) * 900  # 10 m east a second
    place = at(replace(trip, lat_e7=lat, lon_e7=lon), 29.5, 30.5)
    assert place.heading_deg == pytest.approx([0.0, 90.0], abs=0.5)


def test_headings_do_not_reach_over_a_leap(made, at):
    """With fast fixes a heading is taken from joined fixes only."""
    trip = made(fix_hz=10.0)
    lon = trip.lon_e7.copy()
    lon[300:] += 100_000
    heading = at(replace(trip, lon_e7=lon), 29.85, 30.15).heading_deg
    known = heading[np.isfinite(heading)]
    assert known == pytest.approx(np.zeros(len(known)), abs=0.5)


@pytest.mark.parametrize("lon", [179.9995, -180.0, 179.9999])
def test_the_antimeridian_is_crossed_on_the_way(made, at, lon):
    """Between fixes on either side of the antimeridian the car is between them."""
    place = at(made(start=(12.0, lon), heading_deg=90.0), *np.arange(0, 60, 0.5))
    east, _ = local_m(place.lat_deg, place.lon_deg, lat0_deg=12.0, lon0_deg=lon)
    assert east == pytest.approx(10.0 * np.arange(0, 60, 0.5), abs=0.1)
    assert (np.abs(place.lon_deg) <= 180).all()


@pytest.mark.parametrize("fixes", [0, 1])
def test_fewer_than_two_fixes_say_nothing(made, at, fixes):
    """Without two fixes everything is unknown."""
    place = at(some_fixes(made(), np.arange(61) < fixes), 0.0, 20.0)
    assert is_unknown(place).all()


def test_no_moments_no_places(made, at):
    """Asking for nothing gives nothing."""
    assert len(at(made()).lat_deg) == 0
