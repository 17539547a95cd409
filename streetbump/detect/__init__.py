"""One trip → its jolts and its passes.

``detect`` is a pure function of a canonical trip and the settings. Four small steps, each in a
module of its own: :mod:`~streetbump.detect.signal` (even vertical acceleration),
:mod:`~streetbump.detect.trigger` (what is a jolt), :mod:`~streetbump.detect.locate` (where),
:mod:`~streetbump.detect.classify` (what kind); :mod:`~streetbump.detect.lag` (how late fixes are)
and :mod:`~streetbump.detect.passes` beside them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from streetbump.config import DetectSettings
from streetbump.detect.classify import (
    JoltModel,
    class_probabilities,
    cut_windows,
)
from streetbump.detect.lag import lag_of
from streetbump.detect.locate import Located, locate, track_of
from streetbump.detect.passes import find_passes, weight_of
from streetbump.detect.signal import Signal, prepare
from streetbump.detect.trigger import Triggers, characteristic, find
from streetbump.model import BUMPS, P_COLUMNS, Detection, Trip

ALGORITHM = "detect-3"
"""Changes whenever the same settings would give other jolts: part of the generation's key."""

__all__ = ["ALGORITHM", "detect"]


def detect(trip: Trip, *, settings: DetectSettings, model: JoltModel) -> Detection:
    """The jolts of a trip, and the bins it drove through.

    Every candidate above the trigger is returned; the operating point is a matter of `score`.
    A trip without fixes gives jolts with unknown places and no passes; one slower than
    ``min_rate_hz`` gives passes of weight 0 and no jolts; fewer than two samples give neither.

    Returns
    -------
    Detection
        Tables ``BUMPS`` and ``PASSES``, by time.
    """
    signal = prepare(trip, settings=settings)
    track = track_of(trip, lag_of(trip, signal, settings=settings), settings=settings)
    passes = find_passes(
        trip, track, heard_t_ns=signal.t_ns, heard=signal.usable, settings=settings
    )
    if signal.rate_hz < settings.min_rate_hz:
        return Detection(BUMPS.empty(), passes)
    speed = locate(track, signal.t_ns).speed_ms
    moving = ~(speed < settings.min_speed_ms)  # an unknown speed counts as moving
    cf = characteristic(signal, speed_ms=speed, settings=settings)
    found = find(signal, cf, settings=settings)
    found = found.narrow(moving[found.peak] & signal.usable[found.peak])
    place = locate(track, signal.t_ns[found.peak])
    return Detection(_bumps(trip, signal, found, place, settings, model), passes)


def _bumps(
    trip: Trip,
    signal: Signal,
    found: Triggers,
    place: Located,
    settings: DetectSettings,
    model: JoltModel,
) -> pd.DataFrame:
    t_ns = signal.t_ns[found.peak]
    windows = cut_windows(signal.vertical_ms2, found.peak, rate_hz=signal.rate_hz)
    p = class_probabilities(windows, rate_hz=signal.rate_hz, model=model)
    accuracy = np.nan_to_num(place.pos_err_m, nan=settings.default_accuracy_m)
    return BUMPS.build(
        {
            "trip_key": np.full(len(t_ns), trip.key),
            "seq": np.arange(len(t_ns)),
            "t_utc_ns": t_ns,
            "t_s": (t_ns - trip.origin_ns) * 1e-9,
            "lat_deg": place.lat_deg,
            "lon_deg": place.lon_deg,
            "pos_err_m": place.pos_err_m,
            "heading_deg": place.heading_deg,
            "speed_ms": place.speed_ms,
            "peak_ms2": found.peak_ms2,
            "energy_m2s3": found.energy_m2s3,
            "duration_s": found.duration_s,
            "score": found.score,
            "weight": weight_of(signal.rate_hz, accuracy, settings=settings),
            **{name: p[:, k] for k, name in enumerate(P_COLUMNS)},
        }
    )
