"""How rough a stretch of street is: one level per stretch with its standard error; PPE as its peer.

The index is what the vertical shaking would be, as a root mean square in m/s², between the jolts
and at 40 km/h. The drive is cut into short blocks. The level of a block is brought to the speed
of the reference car, and a stretch has the median level of its blocks: a pothole fills two or
three of eight, and moves a median little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.detect.signal import Signal
from streetbump.model import Bools, Floats, Ints

REFERENCE_SPEED_MS = 40 / 3.6
"""The index is that of a car at 40 km/h, as the severity of a jolt is."""

SPEED_POWER = 0.5
"""Shaking grows with speed to this power. A road whose height has the density n^-w in space has
v^(w-1) f^-w in time, and what a linear car makes of it has the root mean square v^((w-1)/2); ISO
8608 takes w = 2. SmartRoadSense finds a power law too (Alessandroni et al. 2017, doi
10.3390/s17020305), in a square, whose power is twice that of a level. Checked on simulated cars
and on recordings (docs/roughness.md)."""

BLOCK_S = 0.25
"""Length of a block, s. Chosen by us: a jolt and its rebound fill two, and a car at 40 km/h spends
eight in 22 m."""

LEAST_BLOCKS = 2
"""A stretch with fewer has no index. Chosen by us: at 110 km/h 22 m take two or three."""

BAND_HZ = 8.0
"""Width of the band that a car's shaking fills, Hz: however fast the phone, a block holds no more
independent values than `2 · BAND_HZ · BLOCK_S`. Chosen by us: bodies and wheels move at 1-12 Hz."""

ALIKE = 1.5
"""Neighbouring blocks are alike: n of them know as much as n / ALIKE independent ones. Chosen by us
so that two thirds of the stretches of a steady street lie within one standard error of it."""

USUAL_SPREAD, USUAL_WEIGHT = 0.4, 4.0
"""Standard deviation of levels in a stretch as a share of the index, and how many blocks it counts
as: few blocks cannot tell their own. Chosen by us: that of simulated cars, nearly."""

MEDIAN_COST = np.pi / 2
"""Variance of a median over that of a mean, for normal values."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Level of each block in which a car was heard driving, by time.

    `t_ns` (k,) int64: middle of the block; `level_ms2` (k,) float64: at the reference speed.
    """

    t_ns: Ints
    level_ms2: Floats


def levels(signal: Signal, *, heard: Bools, speed_ms: Floats) -> Levels:
    """The level of each block whose middle was heard, at the reference speed.

    A slow phone's blocks hold a sample or two; so that the median of blocks is the root mean square
    at any rate, each level is divided by what that median would be of noise of unit size.

    Parameters
    ----------
    heard : (n,) bool
        Where the signal counts: no gap, no hand, the car drives.
    speed_ms : (n,) float64
        Speed of the car; where it is NaN the level stays as it is.

    >>> t_ns = np.arange(100) * 20_000_000
    >>> shaken = Signal(t_ns, np.tile([0.3, -0.3], 50), np.zeros((100, 3)), t_ns >= 0, 50.0)
    >>> found = levels(shaken, heard=shaken.usable, speed_ms=np.full(100, np.nan))
    >>> len(found.t_ns), float(found.level_ms2.min().round(2))
    (8, 0.33)
    """
    width = 2 * round((BLOCK_S * signal.rate_hz - 1) / 2) + 1  # odd: a block with a middle
    at = np.arange(0, len(heard), width)
    if len(at) == 0:
        return Levels(np.empty(0, np.int64), np.empty(0))
    held = np.pad(signal.vertical_ms2, (width // 2, width), mode="edge")[: len(at) * width]
    block = held.reshape(-1, width)
    level = np.sqrt(np.einsum("ij,ij->i", block, block) / width)
    level, at = level[heard[at]], at[heard[at]]
    level /= _median_rms(width)
    speed = speed_ms[at]
    slower = np.where(np.isfinite(speed), REFERENCE_SPEED_MS / np.maximum(speed, 0.1), 1.0)
    return Levels(signal.t_ns[at], level * slower**SPEED_POWER)


def _median_rms(width: int) -> float:
    """Median root mean square of a block of unit noise (Wilson and Hilferty 1931)."""
    free = min(width, 2 * BAND_HZ * BLOCK_S)
    return float((1 - 2 / (9 * free)) ** 1.5)


def roughness(found: Levels, begin_ns: Ints, end_ns: Ints) -> tuple[Floats, Floats]:
    """Index and its standard error of each stretch, m/s², (m,); NaN with too few blocks.

    The standard error is that of the median of the blocks, from their mean distance to it (with
    `USUAL_SPREAD` standing in where they are few) and from how many of them are independent. It
    says how well this drive tells the stretch's level; what another car would say is not in it.

    Parameters
    ----------
    begin_ns, end_ns : (m,) int64
        Times between which each stretch was driven, end not included.

    >>> blocks = Levels(np.arange(9), np.array([1.0, 1.2, 0.8, 1.1, 9.0, 0.9, 1.0, 1.0, 1.0]))
    >>> value, error = roughness(blocks, np.array([0, 9]), np.array([9, 9]))
    >>> value.tolist()
    [1.0, nan]
    """
    first = np.searchsorted(found.t_ns, begin_ns)
    count = np.maximum(np.searchsorted(found.t_ns, end_ns) - first, 0)
    known = count >= LEAST_BLOCKS
    first, count = first[known], count[known]
    value, error = np.full((2, len(known)), np.nan)
    if len(count) == 0:
        return value, error
    run = np.repeat(np.arange(len(count)), count)
    begin = np.cumsum(count) - count
    level = found.level_ms2[np.arange(count.sum()) - begin[run] + first[run]]
    level = level[np.lexsort((level, run))]
    middle = (level[begin + (count - 1) // 2] + level[begin + count // 2]) / 2
    # The mean distance from the median, as a standard deviation of normal values.
    apart = np.add.reduceat(np.abs(level - middle[run]), begin) / (count - 1) * np.sqrt(np.pi / 2)
    usual = (USUAL_SPREAD * middle) ** 2
    spread = (USUAL_WEIGHT * usual + count * apart**2) / (USUAL_WEIGHT + count)
    value[known] = middle
    error[known] = np.sqrt(MEDIAN_COST * ALIKE * spread / count)
    return value, error


def overall(found: Levels) -> float:
    """The index of a whole drive, m/s²; NaN when too little of it was heard.

    >>> overall(Levels(np.arange(3), np.array([1.0, 3.0, 2.0])))
    2.0
    """
    ever = np.iinfo(np.int64)
    return float(roughness(found, np.array([ever.min]), np.array([ever.max]))[0][0])


PPE_WINDOW, PPE_STEP, PPE_CENTRE, PPE_ORDER = 150, 100, slice(50, 100), 6
"""Samples per window, from window to window, those that are predicted, and from how many before
them: as in SmartRoadSense's open engine, which is meant for 100 Hz."""


def ppe(signal: Signal) -> Floats:
    """Power of the prediction error of each window, (m²/s⁴), by time: SmartRoadSense's index.

    Each window of each axis has its mean taken off and is tapered (Hamming). What six coefficients
    cannot predict of its centre, those that fit the whole of it best (from its autocorrelation),
    squared, is averaged over the centre and the axes (Alessandroni, Carini, Lattanzi, Freschi and
    Bogliolo 2017, doi 10.3390/s17020305). Samples that are not usable are left out of that mean,
    and a window whose centre has no other is left out.

    We depart from it in the rate, which is that of our grid, and in solving the normal equations
    by elimination where they use Levinson's recursion: the same numbers.

    >>> nothing = np.empty(0)
    >>> ppe(Signal(nothing.astype(int), nothing, np.empty((0, 3)), nothing > 0, 0.0)).tolist()
    []
    """
    if len(signal.t_ns) < PPE_WINDOW:
        return np.empty(0)
    cut = np.lib.stride_tricks.sliding_window_view
    felt = cut(signal.usable, PPE_WINDOW)[::PPE_STEP, PPE_CENTRE]
    some = felt.any(axis=1)
    felt, x = felt[some], cut(signal.axes_ms2, PPE_WINDOW, axis=0)[::PPE_STEP][some]
    x = (x - x.mean(axis=2, keepdims=True)) * np.hamming(PPE_WINDOW)
    lags = range(PPE_ORDER + 1)
    r = np.stack([(x[..., k:] * x[..., : PPE_WINDOW - k]).sum(axis=2) for k in lags], axis=2)
    r[..., 0] += 1e-9 * r[..., 0] + 1e-12  # silence can be predicted too
    apart = np.abs(np.subtract.outer(range(PPE_ORDER), range(PPE_ORDER)))
    weight = np.linalg.solve(r[..., apart], r[..., 1:, None])[..., 0]
    said = sum(
        weight[..., k - 1, None] * x[..., PPE_CENTRE.start - k : PPE_CENTRE.stop - k]
        for k in lags[1:]
    )
    missed = np.mean((x[..., PPE_CENTRE] - said) ** 2, axis=1)
    return np.asarray((missed * felt).sum(axis=1) / felt.sum(axis=1))
