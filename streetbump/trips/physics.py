"""What a car in a street cannot have done: checked when a trip is let in.

The file stays what it is, and so do its ids; what is not believed of it is left out, and said.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streetbump.geo import distance_m
from streetbump.model import ACC_LSB_MS2, Bools, Floats, Reason, Trip
from streetbump.trips.refusal import Refusal

LEAP_MS = 90.0
"""No street car is faster, m/s (324 km/h)."""
LEAP_M = 100.0
"""Fixes may be wrong by this much between two, m: receivers in streets with tall houses are."""
RUN_FIXES = 5
"""Fewer fixes in a row between two leaps are a leap and the way back. Chosen by us."""
LEAP_SHARE = 0.1
"""Largest share of fixes that may be left out (robustness case 52)."""
COARSE_E7 = 100_000
"""Places on a grid of 0.01°, a kilometre, are no places of potholes (robustness case 34)."""
FEW = 5
"""From fewer fixes nothing is concluded about them all. Chosen by us."""
STILL_M = 30.0
"""A car that never was further from the middle of its fixes than this did not drive, m."""
STILL_MS = 2.0
"""Nor did it when no fix states more than this, m/s."""
STUCK_SAMPLES = 100
"""An axis that never changes in so many samples does not work. Chosen by us."""
CLIPPED_SHARE = 0.005
"""Share of the samples at an axis' end that is no chance (robustness case 50)."""
CLIPPED_MS2 = 19.0
"""Sensors are cut at 2 g or more, m/s²."""


def believable(trip: Trip) -> Trip:
    """The trip without fixes that leap, with what is doubtful among its warnings.

    Raises
    ------
    Refusal
        SENSOR_DEAD (an axis never changes), COARSE_LOCATION, PHYSICS_SPEED, STATIONARY.

    >>> import numpy as np
    >>> t = np.arange(40, dtype=np.int64) * 10**9
    >>> some = np.arange(40, dtype=np.int32)
    >>> trip = Trip("", "00" * 32, "x", t, np.column_stack([some] * 3), t, some * 900, some * 7,
    ...             some * 0 - 1, some * 0 - 1, some * 0 - 1, 0, "kept", "relative")
    >>> believable(trip).warnings
    ()
    """
    _refuse_stuck(trip)
    said = _clipped(trip)
    if len(trip.fix_t_ns) >= FEW:
        _refuse_coarse(trip)
        trip, leaps = _without_leaps(trip)
        said += leaps
        _refuse_still(trip)
    return replace(trip, warnings=trip.warnings + said) if said else trip


def _refuse_stuck(trip: Trip) -> None:
    if len(trip.acc) < STUCK_SAMPLES:
        return
    stuck = (trip.acc.min(axis=0) == trip.acc.max(axis=0)).nonzero()[0]
    if stuck.size:
        raise Refusal(
            Reason.SENSOR_DEAD, f"the {'xyz'[int(stuck[0])]} axis never changes: the accelerometer "
            "does not work, or the columns are not all of it",
        )  # fmt: skip


def _clipped(trip: Trip) -> tuple[str, ...]:
    """A warning when many samples stand at the end of an axis' range."""
    least = CLIPPED_MS2 / ACC_LSB_MS2
    for column in trip.acc.T:  # three axes
        for end in (int(column.max(initial=0)), int(column.min(initial=0))):
            if abs(end) < least:
                continue
            share = np.count_nonzero(column == end) / len(column)
            if share > CLIPPED_SHARE:
                return (
                    f"CLIPPED: {share:.1%} of the samples stand at {end * ACC_LSB_MS2:.1f} m/s², "
                    "the end of the sensor's range: jolts were at least that strong",
                )
    return ()


def _refuse_coarse(trip: Trip) -> None:
    if not ((trip.lat_e7 % COARSE_E7).any() or (trip.lon_e7 % COARSE_E7).any()):
        raise Refusal(
            Reason.COARSE_LOCATION, "all positions lie on a grid of 0.01°, about 1 km: allow the "
            "app to use the precise location",
        )  # fmt: skip


def _without_leaps(trip: Trip) -> tuple[Trip, tuple[str, ...]]:
    lat, lon = trip.lat_e7 * 1e-7, trip.lon_e7 * 1e-7
    way_m = distance_m(lat[:-1], lon[:-1], lat[1:], lon[1:])
    leap = _leaps(way_m, np.diff(trip.fix_t_ns) * 1e-9)
    if not leap.any():
        return trip, ()
    run = np.concatenate(([0], np.cumsum(leap)))
    keep = np.bincount(run)[run] >= RUN_FIXES
    dropped = keep.size - int(np.count_nonzero(keep))
    if dropped > LEAP_SHARE * keep.size:
        raise Refusal(
            Reason.PHYSICS_SPEED, f"{dropped} of {keep.size} fixes lie further from their "
            f"neighbours than any car drives ({LEAP_MS:g} m/s): wrong clock or made-up positions",
        )  # fmt: skip
    said = (
        f"positions leap by up to {way_m.max():.0f} m"
        + f": {dropped} of {keep.size} fixes dropped" * (dropped > 0),
    )
    return _with_fixes(trip, keep), said


def _leaps(way_m: Floats, step_s: Floats) -> Bools:
    """Which steps between fixes no car can have driven."""
    return way_m > LEAP_MS * step_s + LEAP_M


def _with_fixes(trip: Trip, keep: Bools) -> Trip:
    return replace(
        trip,
        fix_t_ns=trip.fix_t_ns[keep],
        lat_e7=trip.lat_e7[keep],
        lon_e7=trip.lon_e7[keep],
        speed_mms=trip.speed_mms[keep],
        heading_cdeg=trip.heading_cdeg[keep],
        accuracy_mm=trip.accuracy_mm[keep],
    )


def _refuse_still(trip: Trip) -> None:
    lat, lon = trip.lat_e7 * 1e-7, trip.lon_e7 * 1e-7
    near_lon = (lon - lon[0] + 540.0) % 360.0 - 180.0 + lon[0]
    reach_m = distance_m(float(np.median(lat)), float(np.median(near_lon)), lat, lon).max()
    if reach_m < STILL_M and trip.speed_mms.max() < STILL_MS * 1000:
        raise Refusal(
            Reason.STATIONARY, f"the phone stayed within {reach_m:.0f} m: jolts without a drive "
            "are no jolts of a street",
        )  # fmt: skip
