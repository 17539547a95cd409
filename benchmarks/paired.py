"""Paired timings: what one thing costs as a multiple of another, measured turn by turn.

Absolute times mean nothing on a machine that does other work as well. Each round runs every thing
once, in turn, and counts the processor's time; a ratio is the median over rounds, with the 5th and
95th percentile of 2,000 bootstrap medians.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

DRAWS = 2000


@dataclass(frozen=True)
class Ratio:
    """A cost as a multiple of another: the median, and its 5th and 95th percentile."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def rounds(
    things: Mapping[str, Callable[[], object]],
    *,
    count: int,
    clock: Callable[[], float | np.ndarray] = time.process_time,
) -> dict[str, np.ndarray]:
    """Seconds of each thing in each round, after one round that is not counted.

    `clock` counts the processor's seconds; one that reads several clocks gives a column for each.
    """
    spent: dict[str, list[float | np.ndarray]] = {name: [] for name in things}
    for k in range(count + 1):
        for name, thing in things.items():
            begin = clock()
            thing()
            if k:
                spent[name].append(clock() - begin)
    return {name: np.array(seconds) for name, seconds in spent.items()}


def ratio(cost: np.ndarray, of: np.ndarray) -> Ratio:
    """How many times `of` something costs, round by round.

    >>> str(ratio(np.array([2.0, 4.0]), np.array([1.0, 2.0])))
    '2.00 [2.00, 2.00]'
    """
    each = cost / np.maximum(of, 1e-9)
    drawn = np.random.default_rng(1).choice(each, (DRAWS, len(each)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.05, 0.95])
    return Ratio(float(np.median(each)), float(low), float(high))
