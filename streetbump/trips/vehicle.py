"""Whether a trip was made in a car at all, and by a sensor at all: checked when it is let in.

Both checks are cautious: what they do not know for certain goes on, and its jolts are judged one
by one. Cycling, trains and noise made to look like a sensor's are not told here.
"""

from __future__ import annotations

import numpy as np

from streetbump.geo import distance_m
from streetbump.model import ACC_LSB_MS2, Bools, Floats, Ints, Reason, Trip
from streetbump.trips.refusal import Refusal

WALKING_MS = 2.5
"""Nine in ten speeds of a walker are below this, m/s: the fastest that any age group walks, on
average, when asked for its maximum (Bohannon 1997, doi:10.1093/ageing/26.1.15)."""
STEPS_HZ = (1.5, 2.5)
"""Steps of walkers per second: about 1.8 (Pachi and Ji 2005, The Structural Engineer 83(3)), and
some way to both sides (robustness case 54)."""
NEAR_HZ = 0.25
"""Steps vary by so much about their own mean, Hz. Chosen by us."""
STEPS_SHARE = 0.35
"""Least share of the shaking between 0.5 and 5 Hz at the pace of steps. Chosen by us: with the
strength below, no 8 s of 18 real drives look like steps (development data)."""
STEPS_MS2 = 0.8
"""Least root mean square of that shaking, m/s². Chosen by us."""
WINDOW_S = 8.0
"""The pace is taken over this time, s: a dozen steps."""
WALKED_S = 60.0
"""Least time with a known pace, s. Chosen by us."""
WALKED_SHARE = 0.8
"""Least share of the windows that are steps. Chosen by us: a drive with a walk to the car stays."""
SLOWEST_HZ = 8.0
"""Below this rate the pace is not looked for."""
STRETCH_NS = 10 * 10**9
"""Speeds are taken over at least this time where fixes state none."""

MOVING_MMS = 3000
"""Speeds from here on count as driving, mm/s."""
NO_NOISE = 0.5
"""A single reading that makes up so much of the drive is no sensor's. Chosen by us: in 18 real
recordings the commonest reading makes up at most 0.2 % (development data)."""
DRIVEN_SAMPLES = 500
"""From fewer samples while driving nothing is concluded. Chosen by us."""


def drivable(trip: Trip) -> None:
    """Refuse what was walked, and what no sensor can have written.

    Raises
    ------
    Refusal
        NOT_VEHICLE, SYNTHETIC (unless the trip says by itself that it is made up).

    >>> nothing = np.zeros(0, dtype=np.int64)
    >>> drivable(Trip("", "00" * 32, "x", nothing, np.zeros((0, 3), np.int32), *[nothing] * 6, 0,
    ...               "kept", "relative"))
    """
    if len(trip.fix_t_ns) == 0 or len(trip.t_ns) == 0:
        return
    if not trip.synthetic:
        _refuse_noiseless(trip)
    _refuse_walk(trip)


# ----------------------------------------------------------------------------- no sensor


def _refuse_noiseless(trip: Trip) -> None:
    driven = trip.acc[_while_driving(trip)]
    if len(driven) < DRIVEN_SAMPLES:
        return
    at = np.lexsort(driven.T)
    new = np.concatenate(([True], (np.diff(driven[at], axis=0) != 0).any(axis=1), [True]))
    most = int(np.diff(np.flatnonzero(new)).max())
    if most >= NO_NOISE * len(driven):
        raise Refusal(
            Reason.SYNTHETIC, f"{most} of {len(driven)} samples while driving are one and the same "
            "reading: no sensor is that quiet in a car; mark made-up trips as such",
        )  # fmt: skip


def _while_driving(trip: Trip) -> Bools:
    """Samples whose last fix states a speed of driving, (n,)."""
    at = np.searchsorted(trip.fix_t_ns, trip.t_ns, side="right") - 1
    return (trip.speed_mms[np.maximum(at, 0)] >= MOVING_MMS) & (at >= 0)


# ----------------------------------------------------------------------------- on foot


def _refuse_walk(trip: Trip) -> None:
    speed_ms = _speeds_ms(trip)
    if speed_ms.size == 0 or np.percentile(speed_ms, 90) >= WALKING_MS:
        return
    if trip.rate_hz < SLOWEST_HZ:
        return
    steps = _are_steps(trip.t_ns, trip.acc)
    if steps.size * WINDOW_S >= WALKED_S and steps.mean() >= WALKED_SHARE:
        raise Refusal(
            Reason.NOT_VEHICLE, f"the phone was carried on foot: slower than {WALKING_MS:g} m/s, "
            "and shaken at the pace of steps: record in the car only",
        )  # fmt: skip


def _speeds_ms(trip: Trip) -> Floats:
    """Speeds as the fixes state them; where most do not, from places at least 10 s apart."""
    stated = trip.speed_mms >= 0
    if 2 * np.count_nonzero(stated) >= stated.size:
        return trip.speed_mms[stated] / 1000
    _, at = np.unique(trip.fix_t_ns // STRETCH_NS, return_index=True)
    lat, lon, t_s = trip.lat_e7[at] * 1e-7, trip.lon_e7[at] * 1e-7, trip.fix_t_ns[at] * 1e-9
    return np.asarray(distance_m(lat[:-1], lon[:-1], lat[1:], lon[1:]) / np.diff(t_s))


def _are_steps(t_ns: Ints, acc: Ints) -> Bools:
    """Of each whole window, whether the phone was shaken at the pace of steps, (k,)."""
    rate_hz = 1e9 / float(np.median(np.diff(t_ns)))
    size = np.sqrt(np.einsum("ij,ij->i", acc * ACC_LSB_MS2, acc * ACC_LSB_MS2))
    per_window = round(WINDOW_S * rate_hz)
    count = size.size // per_window
    windows = size[: count * per_window].reshape(count, per_window)
    even = (t_ns[per_window - 1 :: per_window][:count] - t_ns[::per_window][:count]) < (
        1.2e9 * WINDOW_S
    )  # a window with a gap in it has no pace
    windows = windows[even]
    power = np.abs(np.fft.rfft(windows - windows.mean(axis=1, keepdims=True))) ** 2
    power *= 2 / per_window**2  # their sum is the mean square
    hz = np.fft.rfftfreq(per_window, 1 / rate_hz)
    band = (hz >= 0.5) & (hz <= 5.0)
    pace = (hz >= STEPS_HZ[0]) & (hz <= STEPS_HZ[1])
    best = hz[pace][power[:, pace].argmax(axis=1)] if pace.any() else np.zeros(len(windows))
    near = np.abs(hz[None, :] - best[:, None]) <= NEAR_HZ
    share = (power * near).sum(axis=1)
    whole = (power * band).sum(axis=1)
    return (share >= STEPS_SHARE * whole) & (share >= STEPS_MS2**2)
