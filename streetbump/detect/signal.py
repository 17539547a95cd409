"""From a trip's samples to one even series of vertical acceleration.

Everything here works on whole columns. Gaps are not filled: the time axis is closed up over
them, the seam is marked, and nothing near a seam can trigger.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

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
        Where the road can be felt: false where any of :class:`Masks` is true.
    rate_hz : float
        Rate of the grid.
    """

    t_ns: Ints
    vertical_ms2: Floats
    axes_ms2: Floats
    usable: Bools
    rate_hz: float


@dataclass(frozen=True, eq=False)
class Masks:
    """Why a signal cannot be used, each (n,) bool: near a gap; phone turned, in a hand, falling.

    Without gravity in the data only gaps are known.
    """

    gap: Bools
    turned: Bools
    in_hand: Bools
    fallen: Bools


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
    return prepare_masked(trip, settings=settings)[0]


def prepare_masked(trip: Trip, *, settings: DetectSettings) -> tuple[Signal, Masks]:
    """As :func:`prepare`, and why not all of it is usable."""
    if len(trip.t_ns) < 2:
        nothing, never = np.empty(0), np.empty(0, np.bool_)
        signal = Signal(np.empty(0, np.int64), nothing, np.empty((0, 3)), never, 0.0)
        return signal, Masks(never, never, never, never)
    parts = max(1, round(trip.rate_hz / settings.work_rate_hz))
    t_ns, axes, seam = _averaged(*_even(trip, gap_s=settings.gap_s), parts)
    rate = trip.rate_hz / parts
    width = _samples(settings.highpass_s, rate)
    gap = _dilate(seam, width // 2)
    if trip.gravity is Gravity.REMOVED:
        shaken = axes - moving_mean(axes, width)
        never = np.zeros(len(axes), np.bool_)
        vertical, masks = shaken @ _strongest_axis(shaken), Masks(gap, never, never, never)
    else:
        felt = moving_mean(axes, _samples(settings.gravity_s, rate))  # points up: gravity pushes
        along = np.einsum("ij,ij->i", axes, felt)
        along /= _length(felt)
        vertical = along - moving_mean(along, width)
        square = _square(axes)
        anchor = int(square.argmax())
        turned = _turned(felt, anchor, rate_hz=rate, settings=settings)
        hand = in_hand(axes, square, felt, rate_hz=rate, anchor=anchor)
        masks = Masks(gap, turned, hand, fallen(square, rate_hz=rate))
    usable = ~(masks.gap | masks.turned | masks.in_hand | masks.fallen)
    return Signal(t_ns, vertical, axes, usable, rate), masks


def _samples(span_s: float, rate_hz: float) -> int:
    return max(1, round(span_s * rate_hz))


def _even(trip: Trip, *, gap_s: float) -> tuple[Ints, Floats, Bools]:
    """Times and axes of the samples, missing ones filled in, and where a long gap was.

    Counting samples, and not interpolating at times of our own, keeps every sample as it was: the
    stamps of a phone jitter more than its sampling does, and nothing depends on when the
    recording began.
    """
    acc_ms2 = np.multiply(trip.acc, ACC_LSB_MS2, order="F")  # by columns: three times as fast
    t_ns, axes, step_ns = _unthickened(trip.t_ns, acc_ms2, 1e9 / trip.rate_hz)
    seam = np.zeros(len(t_ns), np.bool_)
    per_ns = trip.rate_hz * 1e-9
    if np.rint(step_ns.max(initial=0) * per_ns) <= 1:
        return t_ns, axes, seam
    missing = np.clip(np.rint(step_ns * per_ns) - 1, 0, round(gap_s * trip.rate_hz)).astype(int)
    before = np.repeat(np.arange(len(missing)), missing)
    nth = np.arange(len(before)) - np.searchsorted(before, before) + 1
    share = nth / (missing[before] + 1)
    way = axes[before + 1] - axes[before]
    return (
        np.insert(t_ns, before + 1, t_ns[before] + (share * step_ns[before]).astype(np.int64)),
        np.insert(axes, before + 1, axes[before] + share[:, None] * way, axis=0),
        np.insert(seam, before + 1, step_ns[before] > gap_s * 1e9),
    )


def _unthickened(t_ns: Ints, axes: Floats, step_ns: float) -> tuple[Ints, Floats, Ints]:
    """Samples that come thicker than ``CLOSE`` steps averaged over a step; and the steps, ns."""
    steps_ns = np.diff(t_ns)
    if steps_ns.min() >= CLOSE * step_ns:
        return t_ns, axes, steps_ns
    close = np.append(False, steps_ns < CLOSE * step_ns)
    begin = np.maximum.accumulate(np.where(close, 0, np.arange(len(t_ns))))
    slot = np.rint((t_ns - t_ns[begin]) / step_ns)
    first = np.flatnonzero(~close | (np.diff(slot, prepend=-1) > 0))
    count = np.diff(first, append=len(t_ns))
    mean_ns = np.add.reduceat(t_ns - t_ns[0], first) // count
    thinned_ns = t_ns[0] + mean_ns
    return thinned_ns, np.add.reduceat(axes, first, axis=0) / count[:, None], np.diff(thinned_ns)


CLOSE = 0.75
"""Samples nearer than this share of the usual step are too thick. Chosen by us: between a jittering
stamp and a phone that samples twice as fast for a while."""


def _averaged(t_ns: Ints, axes: Floats, seam: Bools, parts: int) -> tuple[Ints, Floats, Bools]:
    """Means of so many neighbours each: the strongest sample is in the middle of one of them.

    Where the means begin must not depend on when the recording did, nor on how the phone lay.
    """
    if parts == 1:
        return t_ns, axes, seam
    first = (int(_square(axes).argmax()) - parts // 2) % parts
    since = averaged(t_ns[first:] - t_ns[0], parts)
    lost = averaged(seam[first:].view(np.int8), parts) > 0 if seam.any() else seam[: len(since)]
    return t_ns[0] + np.rint(since).astype(np.int64), averaged(axes[first:], parts), lost


def _square(vectors: Floats) -> Floats:
    """Squared length of each vector, (n,)."""
    return np.asarray(np.einsum("ij,ij->i", vectors, vectors))


def averaged(values: Ints | Floats, parts: int) -> Floats:
    """Means of so many neighbours each along the first axis; what is left over is dropped.

    >>> averaged(np.array([1.0, 3.0, 5.0, 7.0, 9.0]), 2).tolist()
    [2.0, 6.0]
    """
    stop = len(values) // parts * parts
    return np.asarray(reduce(np.add, (values[k:stop:parts] for k in range(parts))) / parts)


def moving_mean(values: Floats, width: int) -> Floats:
    """Centred mean over `width` points along the first axis, ends held.

    >>> moving_mean(np.array([0.0, 3.0, 0.0, 0.0]), 3).tolist()
    [1.0, 1.0, 1.0, 0.0]
    """
    from scipy.ndimage import uniform_filter1d

    mean = np.empty_like(values, dtype=np.float64)  # by columns if the values are
    uniform_filter1d(values, width, axis=0, mode="nearest", output=mean)
    return mean


def _length(vectors: Floats) -> Floats:
    """Length of each vector, (n,), never 0."""
    return np.maximum(np.sqrt(_square(vectors)), 1e-9)


def _turned(felt: Floats, anchor: int, *, rate_hz: float, settings: DetectSettings) -> Bools:
    """Where gravity points elsewhere half a window later than half a window before.

    Looked at every tenth of a second: it is the mean over seconds.
    """
    parts = max(1, round(rate_hz / 10))
    first = anchor % parts
    seldom = felt[first::parts]
    up = seldom / _length(seldom)[:, None]
    half = _samples(settings.gravity_s, rate_hz / parts) // 2
    held = np.pad(up, ((half, half), (0, 0)), mode="edge")
    cosine = np.einsum("ij,ij->i", held[: len(up)], held[2 * half :])
    return _spread(cosine < np.cos(np.radians(settings.handling_deg)), first, parts, len(felt))


def _spread(seldom: Bools, first: int, parts: int, n: int) -> Bools:
    """Each value for as many points as it stands for, from point `first` on, (n,)."""
    count = np.full(len(seldom), parts)
    count[0] += first
    count[-1] += n - count.sum()
    return np.repeat(seldom, count)


HAND_HZ = 10.0
"""A hand moves a phone at 0.5 to 5 Hz; samples are averaged to about this rate to see it."""

HAND_MS2 = 1.5
"""Level of that, across gravity, which no car reaches, m/s². Chosen by us: on simulated roads and
on recordings of 17 and 52 Hz it stays under 1.0 all the way, in a simulated hand it is 3."""

HAND_SHARE = 0.8
"""On a very bad road the level is high as well, but what is faster is higher: a hand that moves has
at least this share of it. Chosen by us."""

HAND_S = 4.0
"""Over which that is measured, s: a pothole is over sooner."""

HAND_RATE_HZ = 15.0
"""A slower phone folds the road's shaking into the hand's band."""


def in_hand(
    axes_ms2: Floats, square: Floats, felt: Floats, *, rate_hz: float, anchor: int = 0
) -> Bools:
    """Where the phone is moved by a hand: swaying across gravity, for seconds, (n,).

    Parameters
    ----------
    axes_ms2, felt : (n, 3) float64
        Device axes on an even grid, and what they feel of gravity: it points up.
    square : (n,) float64
        Squared length of the axes' vector.
    anchor : int
        A point at which a mean over some points begins: where the recording begins must not matter.

    >>> t = np.arange(0, 60, 0.02)
    >>> axes = np.column_stack((0 * t, 4.0 * np.sin(9 * t) * (t > 40), 0 * t + 9.8))
    >>> up = np.array([[0.0, 0.0, 1.0]]).repeat(len(t), 0)
    >>> hand = in_hand(axes, (axes**2).sum(axis=1), up, rate_hz=50.0)
    >>> bool(hand[t < 35].any()), bool(hand[t > 43].all())
    (False, True)
    """
    n, parts = len(axes_ms2), max(1, round(rate_hz / HAND_HZ))
    if rate_hz < HAND_RATE_HZ or n < 2 * parts:
        return np.zeros(n, np.bool_)
    first = anchor % parts
    mean = averaged(axes_ms2[first:], parts)
    fast = np.maximum(averaged(square[first:], parts) - _square(mean), 0.0)
    window = _samples(HAND_S, rate_hz / parts)
    sway = moving_mean(mean, 3) - moving_mean(mean, window // 2)
    gravity = felt[first::parts][: len(mean)]
    along = np.einsum("ij,ij->i", sway, gravity) / _length(gravity)
    across = np.maximum(_square(sway) - along**2, 0.0)
    level, rest = moving_mean(across, window), moving_mean(fast, window)
    hand = _dilate((level > HAND_MS2**2) & (level > HAND_SHARE**2 * rest), window // 4)
    return _spread(hand, first, parts, n)


FALL_MS2 = 3.0
"""A phone that feels less than this falls, m/s². Chosen by us: a car drops from under its phone by
no more than some 6 m/s²."""

FALL_S = 0.1
"""For at least so long, s. Chosen by us: a fall of 5 cm."""

FALL_MARGIN_S = (0.5, 3.0)
"""From so long before a fall until so long after it nothing counts, s: it slips before and bounces
and slides afterwards. Chosen by us."""


def fallen(square: Floats, *, rate_hz: float) -> Bools:
    """Where the phone slips, falls, bounces, (n,), by the squared length of what it feels.

    >>> felt_ms2 = np.full(500, 9.8); felt_ms2[200:210] = 0.1
    >>> at = np.flatnonzero(fallen(felt_ms2**2, rate_hz=50.0)); int(at[0]), int(at[-1])
    (175, 359)
    """
    if rate_hz < HAND_RATE_HZ:  # two samples of a slow phone on a bad road are no fall
        return np.zeros(len(square), np.bool_)
    length = max(2, int(np.ceil(FALL_S * rate_hz)))
    begin, end = _runs(square < FALL_MS2**2)
    falls = end - begin >= length
    before, after = (_samples(s, rate_hz) for s in FALL_MARGIN_S)
    return _covered(begin[falls] - before, end[falls] + after, len(square))


def _strongest_axis(shaken: Floats) -> Floats:
    """Unit vector of the strongest vibration, its sign such that the larger peaks point up."""
    _, vectors = np.linalg.eigh(shaken.T @ shaken)
    axis = vectors[:, -1]
    along = shaken @ axis
    return -axis if np.sum(along**3) < 0 else axis


def _dilate(mask: Bools, margin: int) -> Bools:
    """The mask and `margin` points on either side of it."""
    begin, end = _runs(mask)
    return _covered(begin - margin, end + margin, len(mask))


def _runs(mask: Bools) -> tuple[Ints, Ints]:
    """Where each run of true points begins, and where it has ended."""
    edge = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return edge[::2], edge[1::2]


def _covered(begin: Ints, end: Ints, n: int) -> Bools:
    """Which of n points lie in any of some runs, both of whose ends are in order, (n,)."""
    if len(begin) == 0:
        return np.zeros(n, np.bool_)
    begin, end = np.clip(begin, 0, n), np.clip(end, 0, n)
    apart = begin[1:] > end[:-1]
    edge = np.column_stack((begin[np.append(True, apart)], end[np.append(apart, True)])).ravel()
    inside = np.arange(len(edge) + 1) % 2 > 0
    return np.repeat(inside, np.diff(edge, prepend=0, append=n))
