"""Which bins a trip drove through: the denominator of every hit rate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from streetbump.config import DetectSettings
from streetbump.detect.locate import Track
from streetbump.detect.roughness import Levels, roughness
from streetbump.geo import bin_centre, bin_of, right_of_m
from streetbump.model import PASSES, Bools, Floats, Ints, Trip

STEP_M = 4.0
"""Spacing of the points that are looked up along the track, m. Chosen by us: a bin is 22 m, so a
corner missed is shorter than any street is wide."""

FULL_RATE_HZ = 20.0
"""From this rate on a phone feels every jolt as well as any other, Hz. Chosen by us;
below it a jolt or pass counts less."""

FULL_ACCURACY_M = 10.0
"""Fixes at least this good count fully, m. Chosen by us: half a bin."""


def weight_of(rate_hz: float, accuracy_m: Floats, *, settings: DetectSettings) -> Floats:
    """What a jolt or pass counts, 0 to 1, by sampling rate and GPS accuracy.

    >>> from streetbump.config import shipped_settings
    >>> weight_of(10.0, np.array([5.0, 20.0]), settings=shipped_settings().detect).tolist()
    [0.5, 0.25]
    """
    by_rate = 0.0 if rate_hz < settings.min_rate_hz else min(1.0, rate_hz / FULL_RATE_HZ)
    return by_rate * np.minimum(1.0, FULL_ACCURACY_M / np.maximum(accuracy_m, 1e-3))


def find_passes(
    trip: Trip, track: Track, *, heard_t_ns: Ints, heard: Bools, levels: Levels,
    settings: DetectSettings,
) -> pd.DataFrame:  # fmt: skip
    """The bins a trip drove through, by time (table ``PASSES``), and how rough each was.

    Parameters
    ----------
    heard_t_ns, heard : (n,) int64, (n,) bool
        The signal's grid and where it was usable: a stretch driven while nothing could be felt
        is no pass.
    levels : Levels
        How strongly the car was shaken, and when.
    """
    fast = track.pace_ms >= settings.min_speed_ms
    legs = np.flatnonzero(track.joined & fast & np.isfinite(track.course_deg))
    if len(legs) == 0 or len(heard_t_ns) == 0:
        return PASSES.empty()
    leg, share, half = _points(legs, track)
    length_ns = track.t_ns[leg + 1] - track.t_ns[leg]
    t_ns = track.t_ns[leg] + np.rint(share * length_ns).astype(np.int64)
    half_ns = np.rint(half * length_ns).astype(np.int64)
    lat = track.lat_deg[leg] + share * (track.lat_deg[leg + 1] - track.lat_deg[leg])
    lon = track.lon_deg[leg] + share * (track.lon_deg[leg + 1] - track.lon_deg[leg])
    bins = bin_of(lat, (lon + 180.0) % 360.0 - 180.0)
    at = np.clip(np.searchsorted(heard_t_ns, t_ns), 0, len(heard_t_ns) - 1)
    near = np.abs(heard_t_ns[at] - t_ns) <= settings.gap_s * 1e9
    keep = heard[at] & near
    leg, t_ns, bins, half_ns = leg[keep], t_ns[keep], bins[keep], half_ns[keep]
    lat, lon = lat[keep], lon[keep]
    if len(bins) == 0:
        return PASSES.empty()
    new = np.concatenate(([True], (bins[1:] != bins[:-1]) | (np.diff(t_ns) > _PAUSE_NS)))
    first = np.flatnonzero(new)
    last = np.concatenate((first[1:], [len(bins)])) - 1
    middle = (first + last) // 2
    legs_mid = leg[middle]
    lat0, lon0 = bin_centre(bins[first])
    course = track.course_deg[legs_mid]
    index, error = roughness(levels, t_ns[first] - half_ns[first], t_ns[last] + half_ns[last])
    accuracy = np.maximum(track.accuracy_m[legs_mid], track.accuracy_m[legs_mid + 1])
    return PASSES.build(
        {
            "trip_key": np.full(len(first), trip.key),
            "seq": np.arange(len(first)),
            "bin": bins[first],
            "t_utc_ns": (t_ns[first] + t_ns[last]) // 2,
            "heading_deg": course,
            "speed_ms": track.pace_ms[legs_mid],
            "weight": weight_of(trip.rate_hz, accuracy, settings=settings),
            "roughness_ms2": index,
            "roughness_err_ms2": error,
            "aside_m": right_of_m(lat[middle], lon[middle], course, lat0_deg=lat0, lon0_deg=lon0),
        }
    )


_PAUSE_NS = 30_000_000_000  # standing longer than this in one bin makes two visits of it


def _points(legs: Ints, track: Track) -> tuple[Ints, Floats, Floats]:
    """Points every STEP_M: number of the leg, share of it gone, share of it in half a step."""
    length = track.pace_ms[legs] * (track.t_ns[legs + 1] - track.t_ns[legs]) * 1e-9
    count = np.maximum(np.ceil(length / STEP_M).astype(np.int64), 1)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    of = np.repeat(count, count)
    return np.repeat(legs, count), (within + 0.5) / of, 0.5 / of
