"""What dishonest people do to a recording before they upload it.

They know what an app on their phone knows: its samples and its fixes. The crossings of a trip stay
what they were, as the truth does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streetbump.geo import MEAN_RADIUS_M, distance_m, from_local_m, local_m
from streetbump.simulate.gps import Fixes
from streetbump.simulate.trip import SimulatedTrip

FORGED_MS2 = 5.0
"""Peak of a forged jolt, m/s²: the middle of recorded potholes (4.7, field notes, section 6)."""

FORGED_HZ, FORGED_S = 9.0, 0.12
"""A forged jolt swings like a hopping wheel and dies away like one."""

SMOOTHED_S = (0.5, 1.5)
"""How long before and after a hole the samples are smoothed, s: both axles and the ringing."""

NOISE_MS2, NOISE_M = 0.05, 1.0
"""Standard deviation of what is added to every copy of a replayed trip."""


def when_at(fixes: Fixes, lat_deg: float, lon_deg: float) -> float:
    """When the fixes are nearest to a place, s on the clock of the samples; NaN without fixes.

    >>> line = Fixes(np.array([0.0, 10.0]), np.zeros(2), np.array([0.0, 0.001]), *np.zeros((3, 2)))
    >>> round(when_at(line, 0.0, 0.0005), 2)
    5.0
    """
    if fixes.t_s.size < 2:
        return float("nan")
    t = np.arange(fixes.t_s[0], fixes.t_s[-1] + 0.05, 0.05)
    lat, lon = (np.interp(t, fixes.t_s, c) for c in (fixes.lat_deg, fixes.lon_deg))
    apart = distance_m(lat, lon, np.full(t.size, lat_deg), np.full(t.size, lon_deg))
    return float(t[apart.argmin()])


def forged(trip: SimulatedTrip, at_s: float, *, axle_s: float) -> SimulatedTrip:
    """A trip with a jolt added at `at_s` and, weaker, `axle_s` later; down first, as in a hole.

    >>> flat = np.tile([0.0, 0.0, 9.81], (200, 1))
    >>> trip = SimulatedTrip(np.arange(200) / 100, flat, flat, Fixes(*np.zeros((6, 0))))
    >>> float(np.abs(forged(trip, 1.0, axle_s=0.3).acc_ms2 - flat).max().round(0))
    5.0
    """
    swing = np.zeros(trip.t_s.size)
    for late, share in ((0.0, 1.0), (axle_s, 0.8)):
        t = np.maximum(trip.t_s - at_s - late, 0.0)
        swing -= share * np.sin(2 * np.pi * FORGED_HZ * t) * np.exp(-t / FORGED_S)
    peak = np.exp(-0.25 / FORGED_HZ / FORGED_S)  # of the first swing
    up = trip.gravity_ms2 / np.linalg.norm(trip.gravity_ms2, axis=1, keepdims=True)
    return replace(trip, acc_ms2=trip.acc_ms2 + FORGED_MS2 / peak * swing[:, None] * up)


def moved(
    trip: SimulatedTrip, at_s: float, *, lat_deg: float, lon_deg: float, heading_deg: float
) -> SimulatedTrip:
    """A trip whose track is shifted and turned so that at `at_s` it passes a place on a course.

    >>> flat = np.tile([0.0, 0.0, 9.81], (200, 1))
    >>> fixes = Fixes(np.array([0.0, 2.0]), np.array([0.0, 1e-4]), *np.zeros((4, 2)))
    >>> trip = SimulatedTrip(np.arange(200) / 100, flat, flat, fixes)
    >>> east = moved(trip, 1.0, lat_deg=5.0, lon_deg=6.0, heading_deg=90.0).fixes
    >>> east.lat_deg.round(5).tolist(), bool(east.lon_deg[1] > 6.0)
    ([5.0, 5.0], True)
    """
    f = trip.fixes
    lat0, lon0 = (float(np.interp(at_s, f.t_s, c)) for c in (f.lat_deg, f.lon_deg))
    east, north = local_m(f.lat_deg, f.lon_deg, lat0_deg=lat0, lon0_deg=lon0)
    here, next_ = (
        np.array([np.interp(at_s + s, f.t_s, c) for c in (east, north)]) for s in (-1.5, 1.5)
    )
    turn = np.radians(heading_deg) - np.arctan2(*(next_ - here))
    new_lat, new_lon = from_local_m(
        np.asarray(east * np.cos(turn) + north * np.sin(turn)),
        np.asarray(north * np.cos(turn) - east * np.sin(turn)),
        lat0_deg=lat_deg, lon0_deg=lon_deg,
    )  # fmt: skip
    course = (f.heading_deg + np.degrees(turn)) % 360.0
    return replace(trip, fixes=replace(f, lat_deg=new_lat, lon_deg=new_lon, heading_deg=course))


def smoothed(trip: SimulatedTrip, at_s: float, *, rng: np.random.Generator) -> SimulatedTrip:
    """The trip with the samples around `at_s` as on a good road: a straight line and some noise.

    >>> flat = np.tile([0.0, 0.0, 9.81], (400, 1))
    >>> trip = SimulatedTrip(np.arange(400) / 100, flat, flat, Fixes(*np.zeros((6, 0))))
    >>> clean = smoothed(forged(trip, 2.0, axle_s=0.3), 2.0, rng=np.random.default_rng(0))
    >>> bool(np.abs(clean.acc_ms2 - flat).max() < 0.5)
    True
    """
    from scipy.ndimage import uniform_filter1d

    before, after = SMOOTHED_S
    rows = np.flatnonzero((trip.t_s > at_s - before) & (trip.t_s < at_s + after))
    if rows.size == 0:
        return trip
    width = max(round(rows.size / (before + after)), 1)  # a second
    slow = uniform_filter1d(trip.acc_ms2, width, axis=0, mode="nearest")
    usual = 1.48 * np.median(np.abs(trip.acc_ms2 - slow), axis=0)  # sd, whatever the jolts
    ends = [max(rows[0] - 1, 0), min(rows[-1] + 1, len(trip.t_s) - 1)]
    acc = trip.acc_ms2.copy()
    for axis in range(3):
        line = np.interp(trip.t_s[rows], trip.t_s[ends], slow[ends, axis])
        acc[rows, axis] = line + usual[axis] * rng.standard_normal(rows.size)
    return replace(trip, acc_ms2=acc)


def copied(trip: SimulatedTrip, *, rng: np.random.Generator) -> SimulatedTrip:
    """The same recording with a little noise on samples and fixes.

    >>> flat = np.tile([0.0, 0.0, 9.81], (400, 1))
    >>> trip = SimulatedTrip(np.arange(400) / 100, flat, flat, Fixes(*np.zeros((6, 0))))
    >>> copy = copied(trip, rng=np.random.default_rng(0))
    >>> round(float((copy.acc_ms2 - flat).std()), 2)
    0.05
    """
    f = trip.fixes
    off = np.degrees(NOISE_M / MEAN_RADIUS_M) * rng.standard_normal((2, f.t_s.size))
    off[1] /= np.cos(np.radians(f.lat_deg))
    acc = trip.acc_ms2 + NOISE_MS2 * rng.standard_normal(trip.acc_ms2.shape)
    fixes = replace(f, lat_deg=f.lat_deg + off[0], lon_deg=f.lon_deg + off[1])
    return replace(trip, acc_ms2=acc, fixes=fixes)
