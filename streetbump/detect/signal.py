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

    A trip with fewer than two samples gives an empty signal of rate 0. The grid has the trip's
    own median rate, at most ``work_rate_hz``.

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
    rate = min(trip.rate_hz, settings.work_rate_hz)
    t_ns, axes, seam = _resample(trip, rate_hz=rate, gap_s=settings.gap_s)
    vertical, turned = _vertical(axes, trip.gravity, rate_hz=rate, settings=settings)
    margin = _samples(settings.highpass_s / 2, rate)
    return Signal(t_ns, vertical, axes, ~(_dilate(seam, margin) | turned), rate)


def _samples(span_s: float, rate_hz: float) -> int:
    return max(1, round(span_s * rate_hz))


def _resample(trip: Trip, *, rate_hz: float, gap_s: float) -> tuple[Ints, Floats, Bools]:
    """Grid times, axes on the grid, and which grid points lie in a (closed-up) gap."""
    t_s = (trip.t_ns - trip.t_ns[0]) * 1e-9
    step = np.diff(t_s)
    excess = np.concatenate(([0.0], np.cumsum(np.where(step > gap_s, step - gap_s, 0.0))))
    closed = t_s - excess  # time with every long gap cut down to gap_s
    grid = np.arange(int(closed[-1] * rate_hz + 1e-9) + 1) / rate_hz
    acc = trip.acc * ACC_LSB_MS2
    averaged = trip.rate_hz > 1.5 * rate_hz
    take = _box_average if averaged else np.interp
    axes = np.column_stack([take(grid, closed, acc[:, k]) for k in range(3)])
    after = np.clip(np.searchsorted(closed, grid, side="left"), 1, len(closed) - 1)
    seam = (step[after - 1] > gap_s) & (grid > closed[after - 1]) & (grid < closed[after])
    t_ns = trip.t_ns[0] + np.rint((grid + excess[after - 1]) * 1e9).astype(np.int64)
    return t_ns, axes, seam


def _box_average(grid: Floats, t_s: Floats, values: Floats) -> Floats:
    """Mean of the series over one grid step around each grid point: an anti-alias filter."""
    area = np.concatenate(([0.0], np.cumsum(np.diff(t_s) * (values[1:] + values[:-1]) / 2)))
    half = (grid[1] - grid[0]) / 2 if len(grid) > 1 else 0.5
    lo, hi = np.clip(grid - half, t_s[0], t_s[-1]), np.clip(grid + half, t_s[0], t_s[-1])
    return (np.interp(hi, t_s, area) - np.interp(lo, t_s, area)) / np.maximum(hi - lo, 1e-9)


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
