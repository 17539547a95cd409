"""The door: who a trip is from, what is cut off its ends, and whether it is let in."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import numpy as np

from streetbump.config import DoorSettings
from streetbump.geo import distance_m
from streetbump.model import DAY_NS, Floats, Reason, Rejected, Trip
from streetbump.trips.physics import believable
from streetbump.trips.refusal import Refusal
from streetbump.trips.vehicle import drivable

MIN_USABLE_S = 30.0
"""Least length of what is left of a trip, s. Chosen by us."""
SETTLED_FIXES = 5
"""An end point is the median of this many fixes: the first ones are often far off."""
STAYING_FIXES = 3
"""So many fixes in a row must lie beyond the trimmed length: one that leaps does not count."""

ROLLOVER_NS = 1024 * 7 * DAY_NS
"""After 1,024 weeks the satellites' count of weeks begins again, and old receivers with it
(IS-GPS-200, 20.3.3.3.1.1)."""


def pseudonym(name: str, *, key: bytes) -> str:
    """The keyed pseudonym of a device, 32 hex digits: without the key nobody can make or undo it.

    >>> pseudonym("phone 7", key=b"k" * 32) == pseudonym("phone 7", key=b"k" * 32)
    True
    >>> len(pseudonym("", key=b"k" * 32))
    32
    """
    return hmac.digest(key, b"device\0" + name.encode(), hashlib.sha256).hex()[:32]


def admit(
    trip: Trip, *, key: bytes, settings: DoorSettings, received_ns: int | None = None
) -> Trip | Rejected:
    r"""The trip without its ends, or why it is not taken.

    From either end everything is dropped up to the fix at which the straight distance from the
    end point first stays at the trimmed length: that length is keyed and differs from trip to
    trip, within the settings. Distance from the end point and not the way along the fixes,
    because a parked phone's fixes wander: half an hour of it adds up to hundreds of metres of
    way in front of the very house that must not show, while the distance stays within the noise.

    Identity (`trip_id`, `upload_id`) and `origin_ns` stay, so that a second upload is known.

    Parameters
    ----------
    trip : Trip
        As :func:`streetbump.trips.read` gave it.
    key : bytes
        Secret of this installation; the same trip and key always give the same cut.
    settings : DoorSettings
        With all trim lengths 0 nothing is cut.
    received_ns : int, optional
        When it came in, ns since 1970: at a live door only; sets the age and future limits.

    Returns
    -------
    Trip or Rejected
        NO_FIX, TIME_FUTURE, TOO_OLD, TOO_SHORT (never that far from an end),
        TOO_LITTLE_USABLE (less than 30 s left); what no car can have done, as
        :func:`streetbump.trips.physics.believable` says; what was walked or made up
        (:func:`streetbump.trips.vehicle.drivable`).

    >>> from streetbump.config import shipped_settings
    >>> from streetbump.trips import ReadOptions, read
    >>> data = b"t,ax,ay,az\n1700000000,0,0,9.8\n1700000000.01,0,0,9.9\n1700000000.02,0,0,9.7\n"
    >>> (trip,) = read(data, name="", options=ReadOptions(), pseudonym=str)
    >>> admit(trip, key=b"k" * 32, settings=shipped_settings().door).reason.value
    'NO_FIX'
    """
    if len(trip.fix_t_ns) == 0:
        return _no(trip, Reason.NO_FIX, "no position fix: switch the GPS on, or give --gps FILE")
    if received_ns is not None and trip.dated:
        trip = _rolled_over(trip, received_ns)
        late = _clock_fault(trip, settings, received_ns)
        if late is not None:
            return late
    try:
        trip = believable(trip)
        drivable(trip)
    except Refusal as no:
        return _no(trip, no.reason, no.hint)
    lengths = _trim_lengths(trip, key, settings)
    trimmed = trip if max(lengths) == 0 else _trimmed(trip, *lengths)
    if trimmed is None:
        return _no(
            trip, Reason.TOO_SHORT, "the drive never leaves the surroundings of its ends, which "
            f"are cut off (at least {settings.trim_floor_m:g} m): record longer drives",
        )  # fmt: skip
    left_s = float(trimmed.t_ns[-1] - trimmed.t_ns[0]) / 1e9 if len(trimmed.t_ns) else 0.0
    if left_s < MIN_USABLE_S:
        return _no(
            trip, Reason.TOO_LITTLE_USABLE,
            f"{left_s:.0f} s are left once the ends are cut off, less than {MIN_USABLE_S:.0f}",
        )  # fmt: skip
    return trimmed


def _no(trip: Trip, reason: Reason, hint: str) -> Rejected:
    return Rejected(trip.upload_id, reason, hint)


def _rolled_over(trip: Trip, received_ns: int) -> Trip:
    """The trip in our years, when it ended within a day before 1,024 weeks before it came in."""
    late_ns = received_ns - int(trip.t_ns[-1]) - ROLLOVER_NS
    if not 0 <= late_ns <= DAY_NS:
        return trip
    said = "the clock is 1,024 weeks behind, as the receivers of some phones are: set right"
    return replace(
        trip,
        t_ns=trip.t_ns + ROLLOVER_NS,
        fix_t_ns=trip.fix_t_ns + ROLLOVER_NS,
        origin_ns=trip.origin_ns + ROLLOVER_NS,
        warnings=(*trip.warnings, said),
    )


def _clock_fault(trip: Trip, settings: DoorSettings, received_ns: int) -> Rejected | None:
    ahead_ns = int(trip.t_ns[-1]) - received_ns
    if ahead_ns > settings.future_limit_s * 1e9:
        return _no(
            trip, Reason.TIME_FUTURE, f"the trip ends {ahead_ns / 1e9:.0f} s after it was "
            "received: set the phone's clock, or check --tz",
        )  # fmt: skip
    if -ahead_ns > settings.age_limit_days * DAY_NS:
        return _no(
            trip, Reason.TOO_OLD, f"the trip is {-ahead_ns / DAY_NS:.0f} days old, more than "
            f"{settings.age_limit_days:g}: use reprocess for old trips",
        )  # fmt: skip
    return None


def _trim_lengths(trip: Trip, key: bytes, settings: DoorSettings) -> tuple[float, float]:
    """Metres cut from the start and from the end."""
    lat, lon = trip.lat_e7 * 1e-7, trip.lon_e7 * 1e-7

    def length(end: bytes, reach_m: float) -> float:
        mac = hmac.digest(key, b"trim\0" + end + trip.trip_id.encode(), hashlib.sha256)
        least, most = _trim_bounds(reach_m, settings)
        return least + (most - least) * int.from_bytes(mac[:8], "big") / 2**64

    return (
        length(b"start", float(_away_m(lat, lon).max())),
        length(b"end", float(_away_m(lat[::-1], lon[::-1]).max())),
    )


def _trim_bounds(reach_m: float, settings: DoorSettings) -> tuple[float, float]:
    """Least and most metres to cut from an end whose drive gets `reach_m` away from it.

    A short drive may not lose more than a share of its reach, or nothing of it would be left; but
    never less than the floor is cut, and the length stays a draw: a fixed share could be undone.
    """
    most = max(settings.trim_floor_m, min(settings.trim_max_m, settings.trim_share * reach_m))
    least = max(settings.trim_floor_m, min(settings.trim_min_m, settings.trim_share * reach_m / 2))
    return least, most


def _trimmed(trip: Trip, start_m: float, end_m: float) -> Trip | None:
    lat, lon = trip.lat_e7 * 1e-7, trip.lon_e7 * 1e-7
    first = _first_beyond(lat, lon, start_m)
    from_end = _first_beyond(lat[::-1], lon[::-1], end_m)
    if first is None or from_end is None:
        return None
    last = len(lat) - 1 - from_end
    if last <= first:
        return None
    fixes = slice(first, last + 1)
    begin_ns, end_ns = trip.fix_t_ns[first], trip.fix_t_ns[last]
    samples = slice(
        int(np.searchsorted(trip.t_ns, begin_ns, side="left")),
        int(np.searchsorted(trip.t_ns, end_ns, side="right")),
    )
    # copies: a view would keep the cut off ends in memory, and in a pickle
    return replace(
        trip,
        t_ns=trip.t_ns[samples].copy(),
        acc=trip.acc[samples].copy(),
        gyro=None if trip.gyro is None else trip.gyro[samples].copy(),
        fix_t_ns=trip.fix_t_ns[fixes].copy(),
        lat_e7=trip.lat_e7[fixes].copy(),
        lon_e7=trip.lon_e7[fixes].copy(),
        speed_mms=trip.speed_mms[fixes].copy(),
        heading_cdeg=trip.heading_cdeg[fixes].copy(),
        accuracy_mm=trip.accuracy_mm[fixes].copy(),
    )


def _first_beyond(lat: Floats, lon: Floats, length_m: float) -> int | None:
    """Number of the first fix from which on the way stays beyond `length_m` for a while."""
    far = _away_m(lat, lon) >= length_m
    stays = far.copy()
    for k in range(1, STAYING_FIXES):  # two shifts of a column
        stays[:-k] &= far[k:]
        stays[-k:] = False
    found = np.flatnonzero(stays)
    return int(found[0]) if found.size else None


def _away_m(lat: Floats, lon: Floats) -> Floats:
    """Distance of each fix from the middle of the first few, m; safe at ±180°."""
    near_lon = (lon - lon[0] + 540.0) % 360.0 - 180.0 + lon[0]
    lat0 = float(np.median(lat[:SETTLED_FIXES]))
    lon0 = float(np.median(near_lon[:SETTLED_FIXES]))
    return distance_m(lat0, lon0, lat, lon)
