"""Characteristic function, trigger onset with hysteresis, and what is measured at a trigger.

The shape is the seismologist's: short-term level over long-term level, switched on above one
ratio and off below a lower one (Allen 1978, BSSA 68(5):1521-1532; Withers et al. 1998, BSSA
88(1):95-106). We depart from it in the long-term level, which is a median around the moment and
not a mean before it: the long window may hold other jolts, and a trip is analysed when it is over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.config import DetectSettings
from streetbump.detect.signal import Signal, moving_mean
from streetbump.model import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class Triggers:
    """Runs of the signal in which something happened, by time.

    `start` and `stop` are grid indices (stop exclusive), `peak` the index of the largest
    |vertical acceleration|; the rest is measured over the run.
    """

    start: Ints
    stop: Ints
    peak: Ints
    peak_ms2: Floats
    energy_m2s3: Floats
    duration_s: Floats
    score: Floats

    def narrow(self, keep: Bools) -> Triggers:
        """The triggers where `keep` is true."""
        return Triggers(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def characteristic(signal: Signal, *, moving: Bools, settings: DetectSettings) -> Floats:
    """Short-term level over the trip's own noise, one value per grid point, ≥ 0.

    Parameters
    ----------
    moving : (n,) bool
        Where the car drives; the noise is taken there, so that a stop does not make the street
        look quiet.
    """
    short = max(1, round(settings.short_s * signal.rate_hz))
    level = np.sqrt(np.maximum(moving_mean(signal.vertical_ms2**2, short), 0.0))
    level = np.where(signal.usable, level, 0.0)
    return level / _noise(level, signal.usable & moving, signal.rate_hz, settings=settings)


def _noise(level: Floats, counted: Bools, rate_hz: float, *, settings: DetectSettings) -> Floats:
    """Median level around each point, of one-second blocks, never under the floor."""
    from scipy.ndimage import median_filter

    block = max(1, round(rate_hz))
    n = -(-len(level) // block)
    padded = np.full(n * block, np.nan)
    padded[: len(level)] = np.where(counted, level, np.nan)
    per_block = _row_median(padded.reshape(n, block))
    known = np.isfinite(per_block)
    if not known.any():
        return np.full(len(level), settings.noise_floor_ms2)
    overall = float(np.median(per_block[known]))
    # Blocks where nothing counts (stops, gaps) take the nearest block that does.
    centre = np.arange(n)
    filled = np.interp(centre, centre[known], per_block[known])
    width = max(1, round(settings.noise_s)) | 1
    local = median_filter(filled, size=min(width, 2 * n - 1), mode="nearest")
    floor = max(settings.noise_floor_ms2, overall / 2)
    position = (np.arange(len(level)) + 0.5) / block - 0.5
    return np.maximum(np.interp(position, centre, local), floor)


def _row_median(rows: Floats) -> Floats:
    """Median of each row's numbers; NaN where a row has none (no warning)."""
    ordered = np.sort(rows, axis=1)  # NaN last
    count = np.isfinite(rows).sum(axis=1)
    at = np.arange(len(rows))
    lower, upper = np.maximum((count - 1) // 2, 0), np.maximum(count // 2, 0)
    upper = np.minimum(upper, rows.shape[1] - 1)
    return np.where(count > 0, (ordered[at, lower] + ordered[at, upper]) / 2, np.nan)


def find(signal: Signal, cf: Floats, *, settings: DetectSettings) -> Triggers:
    """Runs where the characteristic function crosses ``on_ratio``, held down to ``off_ratio``.

    Runs closer than ``merge_s`` are one: two axles, a rebound. An empty signal gives none.
    """
    above = np.concatenate(([False], cf > settings.off_ratio, [False]))
    edge = np.flatnonzero(above[1:] != above[:-1])
    start, stop = edge[::2], edge[1::2]
    if len(start) == 0:
        return measure(signal, cf, start, stop)
    # reduceat reads on to the next start; between two runs cf is under off_ratio, so no matter.
    keep = np.maximum.reduceat(cf, start) > settings.on_ratio
    start, stop = start[keep], stop[keep]
    return measure(signal, cf, *_merge(signal, start, stop, merge_s=settings.merge_s))


def _merge(signal: Signal, start: Ints, stop: Ints, *, merge_s: float) -> tuple[Ints, Ints]:
    if len(start) < 2:
        return start, stop
    apart = signal.t_ns[start[1:]] - signal.t_ns[stop[:-1] - 1] > merge_s * 1e9
    return start[np.concatenate(([True], apart))], stop[np.concatenate((apart, [True]))]


def measure(signal: Signal, cf: Floats, start: Ints, stop: Ints) -> Triggers:
    """Peak, energy, duration and score of each run [start, stop)."""
    size = np.abs(signal.vertical_ms2)
    if len(start) == 0:
        none = np.empty(0)
        return Triggers(start, stop, np.empty(0, np.int64), none, none, none, none)
    length = stop - start
    run = np.repeat(np.arange(len(start)), length)
    at = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length) + start[run]
    first = np.cumsum(length) - length
    peak_ms2 = np.maximum.reduceat(size[at], first)
    is_peak = np.flatnonzero(size[at] == peak_ms2[run])
    _, earliest = np.unique(run[is_peak], return_index=True)
    return Triggers(
        start=start,
        stop=stop,
        peak=at[is_peak[earliest]],
        peak_ms2=peak_ms2,
        energy_m2s3=np.add.reduceat(size[at] ** 2, first) / signal.rate_hz,
        duration_s=length / signal.rate_hz,
        score=np.maximum.reduceat(cf[at], first),
    )
