"""How strong each moment is, which moments are jolts, and what is measured at a jolt.

The score is a short-term level over the level around it, to which a constant is added as in
Weber's law of what people notice, and normalised in part by speed:

    score = level / n0 · (n0 + c) / (noise + c) · (v0 / speed) ^ speed_power

so it is the ratio to the noise on a street of usual noise n0 at the speed v0; c is the level of
shaking that nobody minds (``unfelt_ms2``) in the window of the trip's rate. On quiet asphalt it is
a plain threshold, on cobbles the seismologist's STA/LTA (Allen 1978, BSSA 68(5):1521-1532; Withers
et al. 1998, BSSA 88(1):95-106). Why: docs/decisions/event-score.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.config import DetectSettings
from streetbump.detect.signal import Signal, moving_mean
from streetbump.model import Bools, Floats, Ints

MIN_SAMPLES = 3
"""The short window is never shorter: at 5 Hz one sample may miss a jolt. Chosen by us."""


@dataclass(frozen=True, eq=False)
class Triggers:
    """Moments at which something happened, by time.

    `start` and `stop` are grid indices (stop exclusive), `peak` the index of the largest
    |vertical acceleration|; the rest is measured from start to stop. `alone`: no moment within
    ``merge_s`` has a higher score.
    """

    start: Ints
    stop: Ints
    peak: Ints
    peak_ms2: Floats
    energy_m2s3: Floats
    duration_s: Floats
    score: Floats
    alone: Bools

    def narrow(self, keep: Bools) -> Triggers:
        """The triggers where `keep` is true."""
        return Triggers(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def characteristic(signal: Signal, *, speed_ms: Floats, settings: DetectSettings) -> Floats:
    """The score of each grid point, ≥ 0; 0 where the signal is not usable.

    The level is that of all three axes, so it needs no idea of what is vertical: a wheel in a
    hole pushes the car back and to the side as well.

    Parameters
    ----------
    speed_ms : (n,) float64
        Speed of the car; NaN where unknown, which counts as `usual_speed_ms`. The noise is taken
        where it drives, so that a stop does not make the street look quiet.
    """
    level = np.where(signal.usable, _level(signal, settings=settings), 0.0)
    moving = ~(speed_ms < settings.min_speed_ms)
    noise = _noise(level, signal.usable & moving, signal.rate_hz, settings=settings)
    window_s = _window(signal.rate_hz, settings=settings) / signal.rate_hz
    unfelt, usual = settings.unfelt_ms2 * np.sqrt(window_s), settings.usual_noise_ms2
    quiet = (usual + unfelt) / (noise + unfelt)
    known = np.where(np.isfinite(speed_ms), speed_ms, settings.usual_speed_ms)
    slow = settings.usual_speed_ms / np.maximum(known, max(settings.min_speed_ms, 0.1))
    return np.asarray(level / usual * quiet * _to_power(slow, settings.speed_power))


def _to_power(base: Floats, power: float) -> Floats:
    """Positive numbers to a power; a quarter, as is shipped, by two roots: much faster."""
    return np.sqrt(np.sqrt(base)) if power == 0.25 else np.asarray(base**power)


def _level(signal: Signal, *, settings: DetectSettings) -> Floats:
    """How much is shaken around each point, m/s²: root mean square of a second with only that.

    A sum of squares over time is the same at any rate, and a longer window holds more of it, so a
    slow phone may take the three samples it needs. The window is a triangle (a mean of a mean):
    one blow gives one summit.
    """
    rate_hz = signal.rate_hz
    slow = moving_mean(signal.axes_ms2, _odd(settings.highpass_s, rate_hz))
    shaken = np.subtract(signal.axes_ms2, slow, out=slow)
    power = np.einsum("ij,ij->i", shaken, shaken)
    width = _window(rate_hz, settings=settings)
    mean = np.maximum(moving_mean(moving_mean(power, width), width), 0.0)
    return np.sqrt(mean * (width / rate_hz))


def _window(rate_hz: float, *, settings: DetectSettings) -> int:
    """Samples of the short window."""
    return max(MIN_SAMPLES, _odd(settings.short_s, rate_hz))


def _odd(span_s: float, rate_hz: float) -> int:
    """The odd number of samples nearest to a span: a window with a middle."""
    return 2 * round((span_s * rate_hz - 1) / 2) + 1 if span_s * rate_hz > 1 else 1


def _noise(level: Floats, counted: Bools, rate_hz: float, *, settings: DetectSettings) -> Floats:
    """Median level around each point, of one-second blocks; 0 where nothing counts at all.

    One block begins at the strongest moment: when the recording began must not matter.
    """
    from scipy.ndimage import median_filter

    if len(level) == 0:
        return level
    apart = max(1, round(rate_hz * settings.short_s / 2))  # a level is a mean over four of these
    strongest = int(level.argmax())
    first = strongest % apart
    seen = np.where(counted[first::apart], level[first::apart], np.nan)
    block = max(1, round(rate_hz / apart))
    lead = -(strongest // apart) % block
    n = -(-(lead + len(seen)) // block)
    padded = np.full(n * block, np.nan)
    padded[lead:][: len(seen)] = seen
    usual = _row_median(padded.reshape(n, block))
    known = np.isfinite(usual)
    if not known.any():
        return np.zeros(len(level))
    # Blocks where nothing counts (stops, gaps) take the nearest block that does.
    centre = np.arange(n)
    filled = np.interp(centre, centre[known], usual[known])
    width = max(1, round(settings.noise_s)) | 1
    local = median_filter(filled, size=min(width, 2 * n - 1), mode="nearest")
    per_block = apart * block
    return _stretched(local, per_block, apart * (lead + 0.5) - first - per_block / 2, len(level))


def _stretched(values: Floats, step: int, first: float, n: int) -> Floats:
    """Values that stand `step` points apart at each of n points, linear between, ends held, (n,).

    `first` is how many points after the first value the first point is, more than -step. All steps
    are alike, so nothing is looked up.
    """
    held = np.concatenate((values[:1], values, values[-1:]))
    begin = int(np.floor(first)) + step
    share = (np.arange(step) + first % 1) / step
    between = held[:-1, None] + np.diff(held)[:, None] * share
    return between.ravel()[begin : begin + n]


def _row_median(rows: Floats) -> Floats:
    """Median of each row's numbers; NaN where a row has none (no warning)."""
    ordered = np.sort(rows, axis=1)  # NaN last
    count = np.isfinite(rows).sum(axis=1)
    at = np.arange(len(rows))
    lower, upper = np.maximum((count - 1) // 2, 0), np.maximum(count // 2, 0)
    upper = np.minimum(upper, rows.shape[1] - 1)
    return np.where(count > 0, (ordered[at, lower] + ordered[at, upper]) / 2, np.nan)


def find(signal: Signal, cf: Floats, *, speed_ms: Floats, settings: DetectSettings) -> Triggers:
    """Summits of the score above ``on_ratio`` that nothing near them exceeds.

    Two axles and a rebound are one jolt: near is within ``merge_m`` of way, but at least
    ``rebound_s`` and at most ``merge_s``. A jolt lasts while the score stays above ``off_ratio``,
    at most half of that to either side. An empty signal gives none.

    Parameters
    ----------
    speed_ms : (n,) float64
        Speed of the car; NaN where unknown, which counts as `usual_speed_ms`.
    """
    high = np.flatnonzero(cf > settings.on_ratio)
    known = np.where(np.isfinite(speed_ms[high]), speed_ms[high], settings.usual_speed_ms)
    near_s = settings.merge_m / np.maximum(known, 0.1)
    near_s = np.clip(near_s, settings.rebound_s, settings.merge_s)
    near = np.maximum(1, np.rint(near_s * signal.rate_hz).astype(np.int64))
    top = _summits(high, cf[high], near)
    alone = _summits(high, cf[high], max(1, round(settings.merge_s * signal.rate_hz)))
    at, near_s, near, alone = high[top], near_s[top], near[top], alone[top]
    first = _firsts(signal.t_ns[at], near_s)
    at, near, alone = at[first], near[first], alone[first]
    alone[alone] = _firsts(signal.t_ns[at[alone]], settings.merge_s)
    below = np.concatenate(([-1], np.flatnonzero(cf <= settings.off_ratio), [len(cf)]))
    nth = np.searchsorted(below, at)
    start = np.maximum(below[nth - 1] + 1, at - near // 2)
    stop = np.minimum(below[nth], at + near // 2 + 1)
    return measure(signal, cf, start, stop, at, alone)


def _summits(at: Ints, score: Floats, apart: Ints | int) -> Bools:
    """Which of some points, in order, no other of them within `apart` exceeds."""
    if len(at) == 0:
        return np.zeros(0, np.bool_)
    reach = np.searchsorted(at, [at - apart, at + apart + 1]).T.ravel()
    highest = np.maximum.reduceat(np.append(score, 0.0), reach)[::2]
    return np.asarray(score >= highest)


def _firsts(t_ns: Ints, apart_s: Floats | float) -> Bools:
    """Which of equal summits come first: by the clock, for the grid may have gaps."""
    since_ns = np.diff(t_ns, prepend=np.int64(-(2**62)))
    return np.asarray(since_ns > np.multiply(apart_s, 1e9))


def reported(bumps: pd.DataFrame, *, settings: DetectSettings) -> Bools:
    """Which rows of ``BUMPS`` are reported: sure enough, and the strongest within ``merge_s``.

    A hole right behind a hump is a jolt of its own, and counts for its place; somebody in the car
    feels one blow.
    """
    return np.asarray((bumps["score"] >= settings.report_score) & bumps["alone"])


def measure(
    signal: Signal, cf: Floats, start: Ints, stop: Ints, at: Ints, alone: Bools
) -> Triggers:
    """Peak, energy, duration of each run [start, stop) and the score at its summit `at`."""
    if len(start) == 0:
        none = np.empty(0)
        return Triggers(start, stop, np.empty(0, np.int64), none, none, none, none, alone)
    length = stop - start
    run = np.repeat(np.arange(len(start)), length)
    first = np.cumsum(length) - length
    inside = np.arange(length.sum()) - first[run] + start[run]
    size = np.abs(signal.vertical_ms2[inside])
    peak_ms2 = np.maximum.reduceat(size, first)
    is_peak = np.flatnonzero(size == peak_ms2[run])
    earliest = np.diff(run[is_peak], prepend=-1) > 0
    return Triggers(
        start=start,
        stop=stop,
        peak=inside[is_peak[earliest]],
        peak_ms2=peak_ms2,
        energy_m2s3=np.add.reduceat(size**2, first) / signal.rate_hz,
        duration_s=length / signal.rate_hz,
        score=cf[at],
        alone=alone,
    )
