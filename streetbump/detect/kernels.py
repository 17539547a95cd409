"""One view of a jolt: how often each of many small fixed filters answers strongly.

MiniRocket (Dempster, Schmidt and Webb 2021, doi 10.1145/3447548.3467231) has 84 kernels of nine
taps, three of them 2 and six of them -1, so that a constant gives no answer. Of these we take the
28 whose middle tap is a heavy one: a third of the work, and no worse (docs/models). Each runs over
the window and over its first difference at seven dilations; what is kept is the number of samples
at which the answer exceeds a threshold. We depart from the paper in three more ways: every
dilation has the same number of thresholds, the window is always padded with zeros, and the
difference is a second channel, as in MultiRocket (Tan et al. 2022, doi
10.1007/s10618-022-00844-1).

Everything is done in whole numbers, so that a count depends neither on the order of sums nor on
how many windows are asked about at once; and a window fills one word of 64 bits, so that its
samples are counted in one step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from streetbump.model import Floats

Shorts = npt.NDArray[np.int16]
Bytes = npt.NDArray[np.uint8]

TAPS = 9
SIDE_TAPS = 8
KERNELS = SIDE_TAPS * (SIDE_TAPS - 1) // 2
"""Every choice of two heavy taps beside the middle one."""

DILATIONS = (1, 2, 3, 4, 5, 6, 7)
"""Samples between taps: from 0.18 s to 1.14 s of a window at 50 Hz. Chosen by us to cover it."""
LEVELS = 6
"""Thresholds per kernel and dilation. Chosen by us: fewer were worse (docs/models)."""
BANKS = 2 * len(DILATIONS)
"""Channels (window, difference) times dilations."""
COUNTS = BANKS * LEVELS * KERNELS
"""Columns of :func:`kernel_counts`."""

PER_MS2 = 128
"""Steps of a whole number per m/s²: 8 mm/s², a tenth of a phone's noise. Chosen by us."""
MOST_MS2 = 25.0
"""Samples beyond this count as this, m/s²: with it, all sums fit into 16 bits. Chosen by us."""

_WORD = 64
_BATCH = 160  # windows at a time: what one threshold is asked of stays in the processor's cache
_SIDES = np.delete(np.arange(TAPS), TAPS // 2)


def _answers(windows: Floats) -> Iterator[tuple[Shorts, int]]:
    """A third of the kernels' answers, (28, n · 64), and how many of 64 samples are any.

    By channel, then by dilation. With `m` the middle tap and `a`, `b` the other heavy ones, a
    kernel's answer is 3 (m + a + b) less the sum of all nine. The array is used again for the next.
    """
    n, reach = len(windows), TAPS // 2 * DILATIONS[-1]
    answer = np.empty((KERNELS, n * _WORD), np.int16)
    for channel in (windows, np.diff(windows, axis=1)):
        samples = channel.shape[1]
        whole = np.rint(np.clip(channel, -MOST_MS2, MOST_MS2) * PER_MS2)
        padded = np.zeros((n, _WORD + 2 * reach), np.int16)
        padded[:, reach : reach + samples] = whole
        every = sliding_window_view(padded, _WORD, axis=1).transpose(1, 0, 2)
        middle = every[reach].reshape(n * _WORD)
        for d in DILATIONS:
            side = every[reach + (_SIDES - TAPS // 2) * d].reshape(SIDE_TAPS, n * _WORD)
            third = (side.sum(axis=0, dtype=np.int16) + middle) // np.int16(3)
            base = side + (middle - third)
            row = 0
            for a in range(SIDE_TAPS - 1):
                end = row + SIDE_TAPS - 1 - a
                np.add(side[a + 1 :], base[a], out=answer[row:end])
                row = end
            yield answer, samples


def draw_thresholds(windows: Floats, *, rng: np.random.Generator) -> Shorts:
    """Thresholds for :func:`kernel_counts`, (BANKS, LEVELS, KERNELS): random quantiles of answers.

    One from each sixth of the distribution. For training only.

    >>> draw_thresholds(np.ones((2, 60)), rng=np.random.default_rng(0)).shape
    (14, 6, 28)
    """
    drawn = []
    for answer, samples in _answers(windows):
        ordered = answer.reshape(KERNELS, -1, _WORD)[:, :, :samples].reshape(KERNELS, -1)
        ordered.sort(axis=1)
        quantile = (np.arange(LEVELS) + rng.random((KERNELS, LEVELS))) / LEVELS
        at = (quantile * (ordered.shape[1] - 1)).astype(np.int64)
        drawn.append(np.take_along_axis(ordered, at, axis=1).T)
    return np.array(drawn, np.int16)


def kernel_counts(windows: Floats, thresholds: Shorts) -> Bytes:
    """At how many samples each answer exceeds each threshold, (n, COUNTS), 0 to 60.

    Parameters
    ----------
    windows : (n, 60) float64
        Jolts, m/s², no NaN; none gives no row.
    thresholds : (BANKS, LEVELS, KERNELS) int16
        Of :func:`draw_thresholds`.

    >>> none = np.zeros((BANKS, LEVELS, KERNELS), np.int16)
    >>> int(kernel_counts(np.zeros((1, 60)), none).max())
    0
    """
    counts = np.empty((BANKS, LEVELS, KERNELS, len(windows)), np.uint8)
    for first in range(0, len(windows), _BATCH):
        some = slice(first, first + _BATCH)
        above = np.empty((KERNELS, len(windows[some]) * _WORD), np.bool_)
        for bank, (answer, samples) in enumerate(_answers(windows[some])):
            real = np.packbits(np.arange(_WORD) < samples).view(np.uint64)
            for level in range(LEVELS):
                np.greater(answer, thresholds[bank, level, :, None], out=above)
                words = np.packbits(above).view(np.uint64) & real
                counts[bank, level, :, some] = np.bitwise_count(words).reshape(KERNELS, -1)
    return counts.reshape(COUNTS, len(windows)).T
