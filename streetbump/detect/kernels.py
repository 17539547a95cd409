"""One view of a jolt: how often each of many small fixed filters answers strongly.

The 84 kernels of MiniRocket (Dempster, Schmidt and Webb 2021, doi 10.1145/3447548.3467231): nine
taps, three of them 2 and six of them -1, so that a constant gives no answer. Each runs over the
window and over its first difference at seven dilations; what is kept is the share of samples at
which the answer exceeds a threshold. We depart from the paper in three ways: every dilation
has the same number of thresholds, the window is always padded with zeros, and the difference is a
second channel, as in MultiRocket (Tan et al. 2022, doi 10.1007/s10618-022-00844-1).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from streetbump.model import Floats

Floats32 = npt.NDArray[np.float32]

TAPS = 9
KERNELS: Floats32 = np.array(
    [[2.0 if k in heavy else -1.0 for k in range(TAPS)] for heavy in combinations(range(TAPS), 3)],
    dtype=np.float32,
)
"""The 84 kernels, (84, 9): every choice of three heavy taps."""

DILATIONS = (1, 2, 3, 4, 5, 6, 7)
"""Samples between taps: from 0.18 s to 1.14 s of a window at 50 Hz. Chosen by us to cover it."""
LEVELS = 6
"""Thresholds per kernel and dilation. Chosen by us: more did not help (docs/models)."""
BANKS = 2 * len(DILATIONS)
"""Channels (window, difference) times dilations."""
SHARES = BANKS * LEVELS * len(KERNELS)
"""Columns of :func:`kernel_shares`."""

_BATCH = 64  # windows at a time: the answers stay in the processor's cache


def _answers(windows: Floats) -> Iterator[Floats32]:
    """The answers of all kernels, (84, n_samples, n), by channel, then by dilation."""
    for channel in (windows, np.diff(windows, axis=1)):
        x = np.ascontiguousarray(channel.T, dtype=np.float32)
        samples, n = x.shape
        for dilation in DILATIONS:
            padded = np.zeros((samples + (TAPS - 1) * dilation, n), np.float32)
            padded[TAPS // 2 * dilation :][:samples] = x
            shifted = [padded[k * dilation :][:samples] for k in range(TAPS)]
            taps = np.stack(shifted).reshape(TAPS, samples * n)
            yield (KERNELS @ taps).reshape(len(KERNELS), samples, n)


def draw_thresholds(windows: Floats, *, rng: np.random.Generator) -> Floats32:
    """Thresholds for :func:`kernel_shares`, (BANKS, 84, LEVELS): random quantiles of the answers.

    One from each sixth of the distribution. For training only.

    >>> draw_thresholds(np.ones((2, 60)), rng=np.random.default_rng(0)).shape
    (14, 84, 6)
    """
    drawn = []
    for answer in _answers(windows):
        ordered = np.sort(answer.reshape(len(KERNELS), -1), axis=1)
        quantile = (np.arange(LEVELS) + rng.random((len(KERNELS), LEVELS))) / LEVELS
        at = (quantile * (ordered.shape[1] - 1)).astype(np.int64)
        drawn.append(np.take_along_axis(ordered, at, axis=1))
    return np.array(drawn, np.float32)


def kernel_shares(windows: Floats, thresholds: Floats32) -> Floats32:
    """Share of the samples at which each answer exceeds each threshold, (n, SHARES), 0 to 1.

    Parameters
    ----------
    windows : (n, 60) float64
        Jolts, m/s², no NaN; none gives no row.
    thresholds : (BANKS, 84, LEVELS) float32
        Of :func:`draw_thresholds`.

    >>> none = np.zeros((BANKS, len(KERNELS), LEVELS), np.float32)
    >>> float(kernel_shares(np.zeros((1, 60)), none).max())
    0.0
    """
    shares = np.empty((SHARES, len(windows)), np.float32)
    for first in range(0, len(windows), _BATCH):
        some = slice(first, first + _BATCH)
        row = 0
        for bank, answer in enumerate(_answers(windows[some])):
            for level in range(LEVELS):
                above = (answer > thresholds[bank, :, level, None, None]).view(np.uint8)
                count = above.sum(axis=1, dtype=np.uint8)  # at most 60
                shares[row : row + len(KERNELS), some] = count / np.float32(answer.shape[1])
                row += len(KERNELS)
    return shares.T
