"""The classic threshold detectors, as peers that every evaluation prints beside ours.

The four rules of Mednis, Strazdins, Zviedris, Kanonirs and Selavo, "Real time pothole detection
using Android smartphones with accelerometers", DCOSS 2011, doi 10.1109/DCOSS.2011.5982206. The
thresholds are those commonly quoted for 100 Hz data; we could not check them against the printed
paper, so every function takes its threshold as an argument.

They are given our vertical axis: orientation is not what is compared.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streetbump.detect.signal import Signal
from streetbump.model import STANDARD_GRAVITY_MS2, Bools, Floats, Ints

G = STANDARD_GRAVITY_MS2
MERGE_S = 1.0
"""Detections nearer than this are one event, s. Chosen by us, the same for every peer."""
STDEV_WINDOW_S = 0.1
"""Window of STDEV(Z), s: ten samples at 100 Hz. Chosen by us; at least three samples."""


def z_thresh(signal: Signal, *, threshold_g: float = 0.4) -> Ints:
    """Z-THRESH: times (ns) at which |vertical acceleration| exceeds the threshold."""
    return _events(signal, np.abs(signal.vertical_ms2) > threshold_g * G)


def z_diff(signal: Signal, *, threshold_g: float = 0.2) -> Ints:
    """Z-DIFF: times (ns) at which two neighbouring samples differ by more than the threshold."""
    z = signal.vertical_ms2
    return _events(signal, np.abs(np.diff(z, prepend=z[:1])) > threshold_g * G)


def stdev_z(signal: Signal, *, threshold_g: float = 0.2) -> Ints:
    """STDEV(Z): times (ns) at which the deviation in a short window exceeds the threshold."""
    return _events(signal, _rolling_std(signal) > threshold_g * G)


def g_zero(signal: Signal, *, threshold_g: float = 0.8) -> Ints:
    """G-ZERO: times (ns) at which every axis, gravity included, is under the threshold at once.

    The car falls. On a tilted phone gravity is spread over the axes and the rule fires all the
    time, which is its known weakness; we feed it the vertical with gravity and two flat axes,
    so that only the vertical decides.
    """
    return _events(signal, np.abs(signal.vertical_ms2 + G) < threshold_g * G)


def _rolling_std(signal: Signal) -> Floats:
    width = max(3, round(STDEV_WINDOW_S * signal.rate_hz))
    z = signal.vertical_ms2
    if len(z) < width:
        return np.zeros(len(z))
    spread = np.lib.stride_tricks.sliding_window_view(z, width).std(axis=1)
    before = (width - 1) // 2
    return np.pad(spread, (before, width - 1 - before), mode="edge")


def _events(signal: Signal, mask: Bools) -> Ints:
    """Time of the first sample of each group of true samples no further apart than MERGE_S."""
    t_ns = signal.t_ns[mask & signal.usable]
    new = np.diff(t_ns, prepend=np.int64(-(2**62))) > MERGE_S * 1e9
    return t_ns[new]


CLASSICS: dict[str, Callable[..., Ints]] = {
    "Z-THRESH": z_thresh,
    "Z-DIFF": z_diff,
    "STDEV(Z)": stdev_z,
    "G-ZERO": g_zero,
}
"""Name → detector, each ``(signal, *, threshold_g) -> times in ns``."""
