"""One trip → its jolts and its passes.

``detect`` is a pure function of a canonical trip and the settings. Four small steps, each in a
module of its own: :mod:`~streetbump.detect.signal` (even vertical acceleration),
:mod:`~streetbump.detect.trigger` (what is a jolt), :mod:`~streetbump.detect.locate` (where),
:mod:`~streetbump.detect.classify` (what kind); :mod:`~streetbump.detect.lag` (how late fixes are),
:mod:`~streetbump.detect.passes` and :mod:`~streetbump.detect.roughness` beside them.
:mod:`~streetbump.detect.listen` puts the first three in a row.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from streetbump.config import DetectSettings
from streetbump.detect.classify import (
    JoltModel,
    class_probabilities,
    cut_windows,
    given_strength,
)
from streetbump.detect.listen import Listening, listen
from streetbump.detect.locate import Located, locate
from streetbump.detect.passes import find_passes, weight_of
from streetbump.detect.roughness import levels
from streetbump.detect.signal import Signal
from streetbump.detect.trigger import Triggers
from streetbump.model import BUMPS, P_COLUMNS, Detection, Trip

ALGORITHM = "detect-8"
"""Changes whenever the same settings would give other jolts: part of the generation's key."""

__all__ = ["ALGORITHM", "detect", "detect_in"]


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
    return detect_in(trip, listen(trip, settings=settings), settings=settings, model=model)


def detect_in(
    trip: Trip, heard: Listening, *, settings: DetectSettings, model: JoltModel
) -> Detection:
    """As :func:`detect`, for a trip that has been listened to already."""
    signal = heard.signal
    passes = find_passes(
        trip, heard.track, heard_t_ns=signal.t_ns, heard=signal.usable,
        levels=levels(signal, heard=heard.heard, speed_ms=heard.speed_ms), settings=settings,
    )  # fmt: skip
    place = locate(heard.track, signal.t_ns[heard.triggers.peak])
    return Detection(_bumps(trip, signal, heard.triggers, place, settings, model), passes)


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
    p = given_strength(p, found.score, model)
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
            "alone": found.alone,
            "score": found.score,
            "weight": weight_of(signal.rate_hz, accuracy, settings=settings),
            **{name: p[:, k] for k, name in enumerate(P_COLUMNS)},
        }
    )
