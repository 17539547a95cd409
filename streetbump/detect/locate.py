"""Where the car was at a moment: true fixes, interpolated, with their standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.config import DetectSettings
from streetbump.detect.lag import Lag
from streetbump.geo import bearing_deg, distance_m
from streetbump.model import DEG_LSB, UNKNOWN, Bools, Floats, Ints, Trip

RADIAL_TO_AXIS = 0.66
"""A phone's accuracy is a radius of 68 % (Android Location.getAccuracy); of a round normal error
68 % lie within 1.51 standard deviations of one axis, so one axis has 0.66 of the radius."""

MIN_COURSE_M = 3.0
"""Two fixes nearer than this give no course, m. Chosen by us: the noise of neighbouring fixes."""

COURSE_M = 4.5
"""A course is taken from the fixes at least this far before and after the middle of its leg, m: the
leg's own two when the car is fast, more when it is slow or fixes come often. Chosen by us: cars
slow down for the very jolts whose lane must be known, and 9 m are more than the noise between
fixes of some seconds."""

COURSE_NS = 4_000_000_000
"""But within this of the middle, ns. Chosen by us: longer, and the errors of fixes drift apart."""


@dataclass(frozen=True, eq=False)
class Track:
    """A trip's usable fixes and what lies between neighbours.

    `t_ns`, `lat_deg`, `lon_deg` (unwrapped over the antimeridian), `accuracy_m`, `speed_ms` (NaN
    unknown): one per fix, (m,). `joined`, `course_deg`, `pace_ms`: one per pair, (m - 1,):
    whether a place may be interpolated, direction (NaN: hardly moved) and speed from displacement.
    `lag_err_s`: standard error of the time by which the fixes were moved.
    """

    t_ns: Ints
    lat_deg: Floats
    lon_deg: Floats
    accuracy_m: Floats
    speed_ms: Floats
    joined: Bools
    course_deg: Floats
    pace_ms: Floats
    lag_err_s: float


@dataclass(frozen=True, eq=False)
class Located:
    """Position, its standard error, heading and speed at some moments; NaN where unknown."""

    lat_deg: Floats
    lon_deg: Floats
    pos_err_m: Floats
    heading_deg: Floats
    speed_ms: Floats


MAX_PACE_MS = 70.0
"""Faster than this between two fixes is a leap of the receiver, m/s (250 km/h). Chosen by us."""


def track_of(trip: Trip, lag: Lag, *, settings: DetectSettings) -> Track:
    """The usable fixes of a trip, moved earlier by their lag."""
    accuracy = np.where(
        trip.accuracy_mm == UNKNOWN, settings.default_accuracy_m, trip.accuracy_mm * 1e-3
    )
    good = accuracy <= settings.max_accuracy_m
    t_ns = trip.fix_t_ns[good] - round(lag.lag_s * 1e9)
    lat = trip.lat_e7[good] * DEG_LSB
    lon = np.unwrap(trip.lon_e7[good] * DEG_LSB, period=360.0)
    speed = np.where(trip.speed_mms == UNKNOWN, np.nan, trip.speed_mms * 1e-3)[good]
    moved = distance_m(lat[:-1], lon[:-1], lat[1:], lon[1:])
    gap_s = np.diff(t_ns) * 1e-9
    pace = moved / np.maximum(gap_s, 1e-3)
    joined = (gap_s <= settings.max_fix_gap_s) & (pace <= MAX_PACE_MS)
    return Track(
        t_ns=t_ns,
        lat_deg=lat,
        lon_deg=lon,
        accuracy_m=accuracy[good],
        speed_ms=speed,
        joined=joined,
        course_deg=_course_deg(t_ns, lat, lon, joined),
        pace_ms=pace,
        lag_err_s=lag.err_s,
    )


def _course_deg(t_ns: Ints, lat: Floats, lon: Floats, joined: Bools) -> Floats:
    """Direction of travel on each leg; NaN where the car hardly moved."""
    leg = np.arange(len(joined))
    steps = np.where(joined, distance_m(lat[:-1], lon[:-1], lat[1:], lon[1:]), 0.0)
    path = np.concatenate(([0.0], np.cumsum(steps)))
    half_way, middle = path[:-1] + steps / 2, t_ns[:-1] + np.diff(t_ns) // 2
    run = np.concatenate(([0], np.cumsum(~joined)))  # fixes that are joined have one number
    first, last = np.searchsorted(run, run[:-1]), np.searchsorted(run, run[:-1], side="right") - 1
    a = np.searchsorted(path, half_way - COURSE_M, side="right") - 1
    b = np.searchsorted(path, half_way + COURSE_M, side="left")
    a = np.maximum(np.maximum(a, first), np.searchsorted(t_ns, middle - COURSE_NS))
    b = np.minimum(np.minimum(b, last), np.searchsorted(t_ns, middle + COURSE_NS, side="right") - 1)
    a, b = np.minimum(a, leg), np.maximum(b, leg + 1)
    moved = distance_m(lat[a], lon[a], lat[b], lon[b])
    return np.where(moved >= MIN_COURSE_M, bearing_deg(lat[a], lon[a], lat[b], lon[b]), np.nan)


def locate(track: Track, t_ns: Ints) -> Located:
    """Where the car was at each of `t_ns`; NaN outside the fixes and across long gaps."""
    at = _between(track, t_ns, np.searchsorted(track.t_ns, t_ns, side="right"))
    speed = _speed_between(track, at)
    error = np.hypot(at.of(track.accuracy_m) * RADIAL_TO_AXIS, speed * track.lag_err_s)
    return Located(
        lat_deg=at.of(track.lat_deg),
        lon_deg=(at.of(track.lon_deg) + 180.0) % 360.0 - 180.0,
        pos_err_m=error,
        heading_deg=at.on(track.course_deg),
        speed_ms=speed,
    )


def speed_at(track: Track, t_ns: Ints) -> Floats:
    """Speed of the car at many moments in order, m/s; NaN outside the fixes and across long gaps.

    Parameters
    ----------
    t_ns : (n,) int64
        Not decreasing: so the few fixes are looked up among the moments, not each among the fixes.
    """
    if len(track.t_ns) < 2:
        return np.full(len(t_ns), np.nan)
    last = np.searchsorted(t_ns, track.t_ns[-1], side="right")
    bounds = np.append(np.searchsorted(t_ns, track.t_ns[:-1]), last)
    count = np.diff(bounds, prepend=0, append=len(t_ns))

    def on_leg(values: Floats | Ints, beyond: float) -> Floats:
        return np.repeat(np.concatenate(([beyond], values, [beyond])), count)

    gain = np.diff(track.speed_ms) / np.diff(track.t_ns)
    stated = np.isfinite(gain)
    speed = np.where(stated, track.speed_ms[:-1], track.pace_ms)
    speed[~track.joined] = np.nan
    since_ns = t_ns - on_leg(track.t_ns[:-1], 0)
    return on_leg(speed, np.nan) + on_leg(np.where(stated, gain, 0.0), 0.0) * since_ns


def _speed_between(track: Track, at: _Between) -> Floats:
    """The fixes' speed, interpolated; that of the leg where they state none."""
    speed = at.of(track.speed_ms)
    return np.where(np.isfinite(speed), speed, at.on(track.pace_ms))


@dataclass(frozen=True, eq=False)
class _Between:
    """Moments between two fixes: the leg, the share of it that has gone, whether it is known."""

    leg: Ints
    share: Floats
    known: Bools

    def of(self, values: Floats) -> Floats:
        """A quantity of fixes, (m,), at the moments: linear in time."""
        if len(values) < 2:
            return np.full(len(self.leg), np.nan)
        low = values[self.leg]
        return np.where(self.known, low + self.share * (values[self.leg + 1] - low), np.nan)

    def on(self, values: Floats) -> Floats:
        """A quantity of legs, (m - 1,), at the moments."""
        if len(values) < 1:
            return np.full(len(self.leg), np.nan)
        return np.where(self.known, values[self.leg], np.nan)


def _between(track: Track, t_ns: Ints, passed: Ints) -> _Between:
    """Where between the fixes some moments lie, given how many fixes are not after each."""
    if len(track.t_ns) < 2:
        nowhere = np.zeros(len(t_ns), np.int64)
        return _Between(nowhere, nowhere.astype(float), nowhere > 0)
    leg = np.clip(passed, 1, len(track.t_ns) - 1) - 1
    known = (t_ns >= track.t_ns[0]) & (t_ns <= track.t_ns[-1]) & track.joined[leg]
    share = (t_ns - track.t_ns[leg]) / np.diff(track.t_ns)[leg]
    return _Between(leg, share, known)
