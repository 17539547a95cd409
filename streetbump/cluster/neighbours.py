"""Which jolts see each other: every pair within a distance and a turn, exactly and once.

Rows are laid into strips of the plane in which they spread most, each a little wider than the
reach, and sorted along them. Who sees a row then stands in one stretch of its own strip or in one
of the next: two runs of the sorted rows, found by bisection (cells for a fixed radius: Bentley,
Stanat and Williams 1977, doi 10.1016/0020-0190(77)90070-9; here they are cells on one axis and a
sorted list on the other, which leaves fewer to look at). The plane only says who may be near; who
is, is said by whole millimetres, so that no rounding decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from streetbump.model import Bools, Ints

_STRIP = 1 << 36
"""Millimetres from a strip's beginning to the next one's in a key: longer than the Earth is wide,
and short enough for as many strips as `_STRIPS` in 63 bits."""
_STRIPS = 1 << 26

_AT_ONCE = 1 << 17
"""About so many candidates are looked at together, so that what is thrown away never leaves the
processor's cache. Chosen by us: half or twice as many cost the same."""


@dataclass(frozen=True, eq=False)
class Strips:
    """Rows by strip and along it: neighbours stand near each other in memory, too.

    `order` says which rows they are. Rows that see each other are within `reach_mm`; `columns` is
    (3, n), and headings are int32 in [0, 36000).
    """

    order: Ints
    key: Ints
    columns: Ints
    heading_cdeg: np.ndarray
    reach_mm: int

    def squared(self, a: Ints, b: Ints) -> Ints:
        """The squared distance between rows, mm²."""
        d2 = np.zeros(len(a), np.int64)
        for column in self.columns:
            apart = column[a]
            apart -= column[b]
            apart *= apart
            d2 += apart
        return d2

    def some(self, rows: Ints, *, reach_mm: int) -> Strips:
        """Strips of some of the rows, which `order` counts."""
        return in_strips(self.columns.T[rows], self.heading_cdeg[rows], reach_mm=reach_mm)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of rows of strips that see each other, `a` before `b`, and their squared distance."""

    a: Ints
    b: Ints
    d2: Ints

    def where(self, keep: Bools) -> Pairs:
        """Some of the pairs."""
        kept = np.flatnonzero(keep)
        return Pairs(self.a[kept], self.b[kept], self.d2[kept])

    def among(self, rows: Bools) -> Pairs:
        """The pairs of which both are among some rows."""
        return self.where(rows[self.a] & rows[self.b])


def in_strips(xyz_mm: Ints, heading_cdeg: Ints, *, reach_mm: int) -> Strips:
    """Rows, ready to be asked who sees whom.

    Parameters
    ----------
    xyz_mm : (n, 3) int64
        Positions in whole millimetres; there may be none.
    heading_cdeg : (n,) int64
        Direction of travel, 1/100 degree.

    The strips lie across the direction in which the rows spread most: each holds as few as can be.
    """
    width = reach_mm + 1  # what is whole is within one of what is not
    centred = (xyz_mm - xyz_mm.sum(axis=0) // max(len(xyz_mm), 1)).astype(np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)  # from the least spread to the greatest
    along, across = np.floor(centred @ axes[:, 1:]).astype(np.int64).T
    along, across = along - along.min(initial=0) + width, across - across.min(initial=0)
    key = across // max(width, across.max(initial=0) // _STRIPS + 1) * _STRIP + along
    order = np.argsort(key)
    columns = np.take(np.ascontiguousarray(xyz_mm.T), order, axis=1)
    heading = (heading_cdeg[order] % 36_000).astype(np.int32)  # half to move about
    return Strips(order, key[order], columns, heading, reach_mm)


def pairs(strips: Strips, *, max_heading_cdeg: int) -> Iterator[Pairs]:
    """Every pair of rows within both limits (inclusive), once, in blocks with ever later `a`.

    Time grows with the number of pairs, as long as the rows lie near a plane: what lies above each
    other is looked at, too.

    >>> xyz = np.array([[600, 400, 0], [0, 0, 0], [300, 0, 0], [5000, 0, 0]])
    >>> strips = in_strips(xyz, np.zeros(4, int), reach_mm=500)
    >>> [found] = pairs(strips, max_heading_cdeg=4500)
    >>> rows = np.sort(strips.order[[found.a, found.b]], axis=0)
    >>> sorted(zip(*rows.tolist(), found.d2.tolist()))
    [(0, 2, 250000), (1, 2, 90000)]
    """
    heading = strips.heading_cdeg
    for a, b in _candidates(strips.key, strips.reach_mm + 1):
        short_of_back = np.abs(np.abs(heading[a] - heading[b]) - 18_000)
        same_way = np.flatnonzero(short_of_back >= 18_000 - max_heading_cdeg)
        a, b = a[same_way], b[same_way]
        d2 = strips.squared(a, b)
        yield Pairs(a, b, d2).where(d2 <= strips.reach_mm**2)


def together(blocks: Iterable[Pairs]) -> Pairs:
    """The pairs of some blocks, of which there may be none."""
    none = np.empty(0, np.int64)
    columns = zip((none, none, none), *((some.a, some.b, some.d2) for some in blocks), strict=True)
    return Pairs(*map(np.concatenate, columns))


def _candidates(key: Ints, reach_mm: int) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of rows that may be neighbours, for some rows at a time."""
    n, beside = len(key), key + _STRIP
    first = np.array([np.arange(1, n + 1), np.searchsorted(key, beside - reach_mm)])
    last = [np.searchsorted(key, at + reach_mm, side="right") for at in (key, beside)]
    count = np.array(last) - first
    before = np.append(0, np.cumsum(count.sum(axis=0)))
    stops = np.searchsorted(before, np.arange(_AT_ONCE, before[-1] + _AT_ONCE, _AT_ONCE))
    begin = 0
    for stop in np.unique(np.minimum(stops, n)).tolist():  # a loop over blocks of rows
        of, b = expanded(first[:, begin:stop].ravel(), count[:, begin:stop].ravel())
        yield np.tile(np.arange(begin, stop), len(first))[of], b
        begin = stop


def expanded(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Every number of each range, one range after the other, and which range it is of.

    >>> [x.tolist() for x in expanded(np.array([3, 7]), np.array([2, 1]))]
    [[0, 0, 1], [3, 4, 7]]
    """
    number = np.repeat(first - np.cumsum(count) + count, count)
    number += np.arange(len(number))
    return np.repeat(np.arange(len(count)), count), number
