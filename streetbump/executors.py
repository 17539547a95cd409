"""Mapping a function over items: here, or in a pool of local processes.

Parallelism lives here and nowhere else. Both keep the order of the items, so what comes out does
not depend on which one is used.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Protocol, Self, TypeVar

A = TypeVar("A")
B = TypeVar("B")

_PRELOAD = ["numpy", "pandas", "scipy.ndimage", "streetbump.trips", "streetbump.detect"]


class Executor(Protocol):
    """What a caller needs: a map that keeps order, and how many items it takes at once."""

    width: int

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """`function` of each item, in order."""
        ...


class Serial:
    """One after the other, in this process.

    >>> list(Serial().map(abs, [-1, 2]))
    [1, 2]
    """

    width = 1

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """`function` of each item, in order."""
        return map(function, items)


class Processes:
    """A pool of local processes, kept warm; the function and the items must pickle."""

    def __init__(self, width: int) -> None:
        self.width = width
        context = multiprocessing.get_context("forkserver" if _has_forkserver() else "spawn")
        if _has_forkserver():
            context.set_forkserver_preload(_PRELOAD)
        self._pool = ProcessPoolExecutor(max_workers=width, mp_context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """`function` of each item, in order."""
        return self._pool.map(function, items)


def _has_forkserver() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()
