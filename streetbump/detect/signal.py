"""From a trip's samples to one even series of vertical acceleration.

Everything here works on whole columns. Gaps are not filled: the time axis is closed up over
them, the seam is marked, and nothing near a seam can trigger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.config import DetectSettings
from streetbump.model import ACC_LSB_MS2, Bools, Floats, Gravity, Ints, Trip


@dataclass(frozen=True, eq=False)
class Signal:
    """Vertical acceleration on an even grid.

    Attributes
    ----------
    t_ns : (n,) int64
        Time of each grid point, on the trip's own clock.
    vertical_ms2 : (n,) float64
        Acceleration along gravity, up positive, gravity and slow changes taken off. Without
        gravity in the data: along the direction of the strongest vibration.
    axes_ms2 : (n, 3) float64
        The device axes on the same grid, as recorded.
    usable : (n,) bool
        False near gaps and while the phone is being turned.
    rate_hz : float
        Rate of the grid.
    """

    t_ns: Ints
    vertical_ms2: Floats
    axes_ms2: Floats
    usable: Bools
    rate_hz: float


def prepare(trip: Trip, *, settings: DetectSettings) -> Signal:
    """The vertical acceleration of a trip on an even grid.

    A trip with fewer than two samples gives an empty signal of rate 0. The grid is that of the
    samples themselves: samples that are missing are filled in, those that come too thick are
    averaged, as are those of a phone much faster than ``work_rate_hz``. So the rate is the trip's
    median rate, or a whole part of it.

    >>> from streetbump.config import shipped_settings
    >>> import numpy as np
    >>> none = np.empty(0, np.int64); n32 = none.astype(np.int32)
    >>> t = np.arange(100) * 20_000_000
    >>> acc = np.tile(np.array([0, 0, 98100], np.int32), (100, 1))
    >>> trip = Trip("", "00" * 32, "x", t, acc, none, n32, n32, n32, n32, n32, 0,
    ...             Gravity.KEPT, "relative")
    >>> s = prepare(trip, settings=shipped_settings().detect)
    >>> s.rate_hz, len(s.t_ns), float(np.abs(s.vertical_ms2).max().round(6))
    (50.0, 100, 0.0)
    """
    if len(trip.t_ns) < 2:
        nothing = np.empty(0)
        return Signal(np.empty(0, np.int64), nothing, np.empty((0, 3)), np.empty(0, np.bool_), 0.0)
    parts = max(1, round(trip.rate_hz / settings.work_rate_hz))
    t_ns, axes, seam = _even(trip, gap_s=settings.gap_s)
    t_ns, axes, seam = _averaged(t_ns, axes, seam, parts)
    rate = trip.rate_hz / parts
    vertical, turned = _vertical(axes, trip.gravity, rate_hz=rate, settings=settings)
    margin = _samples(settings.highpass_s / 2, rate)
    return Signal(t_ns, vertical, axes, ~(_dilate(seam, margin) | turned), rate)


def _samples(span_s: float, rate_hz: float) -> int:
    return max(1, round(span_s * rate_hz))


def _even(trip: Trip, *, gap_s: float) -> tuple[Ints, Floats, Bools]:
    """Times and axes of the samples, missing ones filled in, and where a long gap was.

    Counting samples, and not interpolating at times of our own, keeps every sample as it was: the
    stamps of a phone jitter more than its sampling does, and nothing depends on when the
    recording began.
    """
    t_ns, axes = _unthickened(trip.t_ns, trip.acc * ACC_LSB_MS2, 1e9 / trip.rate_hz)
    missing = np.rint(np.diff(t_ns) * (trip.rate_hz * 1e-9)).astype(np.int64) - 1
    if not missing.any():
        return t_ns, axes, np.zeros(len(t_ns), np.bool_)
    missing = np.clip(missing, 0, round(gap_s * trip.rate_hz))
    at = np.arange(len(t_ns)) + np.concatenate(([0], np.cumsum(missing)))
    grid = np.arange(at[-1] + 1)
    after = np.searchsorted(at, grid)
    wide = np.diff(t_ns, prepend=t_ns[0]) > gap_s * 1e9
    seam = wide[after] & (at[after] != grid)
    filled = np.column_stack([np.interp(grid, at, axes[:, k]) for k in range(3)])
    since = np.rint(np.interp(grid, at, (t_ns - t_ns[0]).astype(np.float64)))
    return t_ns[0] + since.astype(np.int64), filled, seam


def _unthickened(t_ns: Ints, axes: Floats, step_ns: float) -> tuple[Ints, Floats]:
    """Samples that come thicker than ``CLOSE`` steps, averaged over a step."""
    close = np.diff(t_ns, prepend=t_ns[0] - round(step_ns)) < CLOSE * step_ns
    if not close.any():
        return t_ns, axes
    begin = np.maximum.accumulate(np.where(close, 0, np.arange(len(t_ns))))
    slot = np.rint((t_ns - t_ns[begin]) / step_ns)
    first = np.flatnonzero(~close | (np.diff(slot, prepend=-1) > 0))
    count = np.diff(first, append=len(t_ns))
    mean_ns = np.add.reduceat(t_ns - t_ns[0], first) // count
    return t_ns[0] + mean_ns, np.add.reduceat(axes, first, axis=0) / count[:, None]


CLOSE = 0.75
"""Samples nearer than this share of the usual step are too thick. Chosen by us: between a jittering
stamp and a phone that samples twice as fast for a while."""


def _averaged(t_ns: Ints, axes: Floats, seam: Bools, parts: int) -> tuple[Ints, Floats, Bools]:
    """Means of so many neighbours each: the strongest sample is in the middle of one of them.

    Where the means begin must not depend on when the recording did, nor on how the phone lay.
    """
    if parts == 1:
        return t_ns, axes, seam
    first = (int(np.einsum("ij,ij->i", axes, axes).argmax()) - parts // 2) % parts
    stop = first + (len(t_ns) - first) // parts * parts
    mean = sum(axes[first + k : stop : parts] for k in range(parts)) / parts
    last = first + parts - 1
    middle = (t_ns[first:stop:parts] + t_ns[last:stop:parts]) // 2
    return middle, np.asarray(mean), seam[first:stop:parts] | seam[last:stop:parts]


def moving_mean(values: Floats, width: int) -> Floats:
    """Centred mean over `width` points along the first axis, ends held.

    >>> moving_mean(np.array([0.0, 3.0, 0.0, 0.0]), 3).tolist()
    [1.0, 1.0, 1.0, 0.0]
    """
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(values, width, axis=0, mode="nearest"))


def _vertical(
    axes: Floats, gravity: Gravity, *, rate_hz: float, settings: DetectSettings
) -> tuple[Floats, Bools]:
    """Vertical acceleration, and where the phone was being turned."""
    if gravity is Gravity.REMOVED:
        shaken = axes - moving_mean(axes, _samples(settings.highpass_s, rate_hz))
        return shaken @ _strongest_axis(shaken), np.zeros(len(axes), np.bool_)
    width = _samples(settings.gravity_s, rate_hz)
    down = moving_mean(axes, width)
    up = down / np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-9)
    along = np.einsum("ij,ij->i", axes, up)
    vertical = along - moving_mean(along, _samples(settings.highpass_s, rate_hz))
    return vertical, _turned(up, width // 2, limit_deg=settings.handling_deg)


def _turned(up: Floats, half: int, *, limit_deg: float) -> Bools:
    """Where gravity points elsewhere half a window later than half a window before."""
    before = up[np.maximum(np.arange(len(up)) - half, 0)]
    after = up[np.minimum(np.arange(len(up)) + half, len(up) - 1)]
    cosine = np.einsum("ij,ij->i", before, after)
    return np.asarray(cosine < np.cos(np.radians(limit_deg)))


def _strongest_axis(shaken: Floats) -> Floats:
    """Unit vector of the strongest vibration, its sign such that the larger peaks point up."""
    _, vectors = np.linalg.eigh(shaken.T @ shaken)
    axis = vectors[:, -1]
    along = shaken @ axis
    return -axis if np.sum(along**3) < 0 else axis


def _dilate(mask: Bools, margin: int) -> Bools:
    """The mask and `margin` points on either side of it."""
    if not mask.any():
        return mask
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, iterations=margin))
