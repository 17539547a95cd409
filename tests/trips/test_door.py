"""The door: pseudonyms, keyed trimming, limits of a live door."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from streetbump.config import DoorSettings, shipped_settings
from streetbump.geo import distance_m
from streetbump.model import Reason, Rejected, Trip
from streetbump.trips.describe import describe
from streetbump.trips.door import admit, pseudonym

from .kit import KEY, plain_csv, trip_in

DOOR = shipped_settings().door
DRIVE = trip_in(plain_csv(seconds=200))


def door(**changes: float) -> DoorSettings:
    return msgspec.structs.replace(DOOR, **changes)


def admitted(trip: Trip, key: bytes = KEY, settings: DoorSettings = DOOR) -> Trip:
    got = admit(trip, key=key, settings=settings)
    assert isinstance(got, Trip), got
    return got


def test_pseudonyms_are_keyed() -> None:
    """The same name under another key, and another name, give another pseudonym."""
    assert pseudonym("a", key=KEY) == pseudonym("a", key=KEY)
    assert len({pseudonym(n, key=k) for n in "ab" for k in (KEY, KEY[1:])}) == 4


def test_both_ends_are_cut_within_the_limits_and_identity_stays() -> None:
    """Both ends are cut by a length within the limits.

    At 15 m/s, 200 to 500 m and at most one fix and the settling of the end point more are
    gone from either end; ids and the origin stay.
    """
    got = admitted(DRIVE)
    lat, lon = DRIVE.lat_e7 * 1e-7, DRIVE.lon_e7 * 1e-7
    at_start = distance_m(lat[0], lon[0], got.lat_e7[0] * 1e-7, got.lon_e7[0] * 1e-7)
    at_end = distance_m(lat[-1], lon[-1], got.lat_e7[-1] * 1e-7, got.lon_e7[-1] * 1e-7)
    for cut_m in (at_start, at_end):
        assert 200 <= cut_m <= 500 + 4 * 15
    assert got.t_ns[0] >= got.fix_t_ns[0]
    assert got.t_ns[-1] <= got.fix_t_ns[-1]
    assert (got.trip_id, got.upload_id, got.origin_ns) == (
        DRIVE.trip_id,
        DRIVE.upload_id,
        DRIVE.origin_ns,
    )
    assert len(got.acc) == len(got.t_ns)
    assert (
        len(
            {
                len(a)
                for a in (
                    got.fix_t_ns,
                    got.lat_e7,
                    got.lon_e7,
                    got.speed_mms,
                    got.heading_cdeg,
                    got.accuracy_mm,
                )
            }
        )
        == 1
    )


def test_the_cut_is_the_same_each_time_and_another_under_another_key() -> None:
    """Trimming draws nothing at random: trip and key decide, and without the key nobody knows."""
    assert admitted(DRIVE).t_ns[0] == admitted(DRIVE).t_ns[0]
    firsts = {int(admitted(DRIVE, key=bytes([k]) * 32).t_ns[0]) for k in range(20)}
    lasts = {int(admitted(DRIVE, key=bytes([k]) * 32).t_ns[-1]) for k in range(20)}
    assert len(firsts) > 5
    assert len(lasts) > 5


def test_both_limits_at_zero_cut_nothing() -> None:
    """Who trims nothing keeps every sample."""
    assert admitted(DRIVE, settings=door(trim_min_m=0, trim_max_m=0, trim_floor_m=0)) is DRIVE


def test_a_parked_phone_whose_fixes_wander_uses_up_no_length() -> None:
    """A parked phone's wandering does not count as way.

    Half an hour of fixes around the house, with leaps of a kilometre, then the drive: the
    house does not show, however long the wandering way is.
    """
    rng = np.random.default_rng(5)
    n = 1800
    parked_lat = 420_000_000 + rng.normal(0, 800, n).astype(np.int32)  # 9 m
    parked_lon = -710_000_000 + rng.normal(0, 800, n).astype(np.int32)
    parked_lat[[0, 700, 1100, 1101]] += 90_000  # 1 km
    before = DRIVE.fix_t_ns[0] - np.arange(n, 0, -1) * 10**9
    unknown = np.full(n, -1, dtype=np.int32)
    trip = replace(
        DRIVE,
        fix_t_ns=np.concatenate((before, DRIVE.fix_t_ns)),
        lat_e7=np.concatenate((parked_lat, DRIVE.lat_e7)),
        lon_e7=np.concatenate((parked_lon, DRIVE.lon_e7)),
        speed_mms=np.concatenate((unknown, DRIVE.speed_mms)),
        heading_cdeg=np.concatenate((unknown, DRIVE.heading_cdeg)),
        accuracy_mm=np.concatenate((unknown, DRIVE.accuracy_mm)),
    )
    got = admitted(trip)
    assert got.fix_t_ns[0] > DRIVE.fix_t_ns[0]
    assert distance_m(42.0, -71.0, got.lat_e7 * 1e-7, got.lon_e7 * 1e-7).min() >= 195


def test_a_trip_across_the_date_line_is_cut_by_its_real_length() -> None:
    """At ±180° of longitude the distance from the end does not leap round the Earth."""
    east = 1_799_990_000 + np.arange(len(DRIVE.lon_e7)) * 1350
    lon = np.where(east > 1_800_000_000, east - 3_600_000_000, east).astype(np.int32)
    trip = replace(DRIVE, lon_e7=lon, lat_e7=np.zeros_like(lon))
    got = admitted(trip)
    assert 200 <= distance_m(0.0, 179.999, 0.0, got.lon_e7[0] * 1e-7) <= 560


def test_a_short_drive_loses_less_but_never_less_than_the_floor() -> None:
    """A drive of 900 m at 15 m/s loses 150 to 300 m at its start, another length under each key."""
    trip = trip_in(plain_csv(seconds=60))
    firsts = set()
    for k in range(20):
        got = admit(trip, key=bytes([k]) * 32, settings=DOOR)
        if isinstance(got, Trip):
            firsts.add(int(got.fix_t_ns[0]))
            lat, lon = trip.lat_e7 * 1e-7, trip.lon_e7 * 1e-7
            cut = distance_m(lat[0], lon[0], got.lat_e7[0] * 1e-7, got.lon_e7[0] * 1e-7)
            assert 120 <= cut <= 300 + 4 * 15
    assert len(firsts) >= 3


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (20, Reason.TOO_SHORT),  # 300 m: one end reaches the other
        (45, Reason.TOO_LITTLE_USABLE),  # 675 m: some is left, less than 30 s of it
    ],
)
def test_a_drive_with_nothing_left_is_refused(seconds: int, reason: Reason) -> None:
    """What is shorter than its ends, or hardly longer, is not taken."""
    trip = trip_in(plain_csv(seconds=seconds))
    got = admit(trip, key=KEY, settings=door(trim_min_m=250, trim_max_m=250, trim_floor_m=250))
    assert isinstance(got, Rejected)
    assert got.reason is reason


def test_a_trip_without_fixes_is_refused() -> None:
    """No fix, no place: the hint says what to do."""
    trip = trip_in("t,ax,ay,az\n1,0,0,9.8\n2,0,0,9.9\n3,0,0,9.7\n")
    got = admit(trip, key=KEY, settings=DOOR)
    assert isinstance(got, Rejected)
    assert (got.reason, "--gps" in got.hint) == (Reason.NO_FIX, True)


@pytest.mark.parametrize(
    ("received_s", "reason"),
    [
        (None, None),  # no live door, no limit
        (1_700_000_200, None),
        (1_700_000_200 - 600, None),  # ten minutes ahead: clocks do that
        (1_700_000_200 - 602, Reason.TIME_FUTURE),
        (1_700_000_199 + 90 * 86400, None),
        (1_700_000_201 + 90 * 86400, Reason.TOO_OLD),
    ],
)
def test_age_and_future_are_limited_at_a_live_door_only(
    received_s: int | None, reason: Reason | None
) -> None:
    """A clock that runs ahead, or a trip of last year, is refused where trips come in live."""
    received_ns = None if received_s is None else received_s * 10**9
    got = admit(DRIVE, key=KEY, settings=DOOR, received_ns=received_ns)
    assert (got.reason if isinstance(got, Rejected) else None) is reason


def test_a_description_names_no_place_and_no_phone() -> None:
    """What `doctor trip` prints are facts about the recording."""
    facts = describe(DRIVE)
    assert (facts["samples"], facts["rate_hz"], facts["fixes"]) == (4000, 20.0, 200)
    assert facts["start"] == "2023-11-14T22:13:20Z"
    assert not any("42" in str(v) and "." in str(v) for k, v in facts.items() if k != "trip_id")
