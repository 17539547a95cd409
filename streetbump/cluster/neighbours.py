"""Which jolts see each other: every pair within a distance and a turn, exactly and in order.

Rows are sorted into cubes as wide as the reach, so that whoever sees a row stands in its own cube
or in one around it: nine runs of the sorted rows, looked up once per cube (the cell lists of
Quentrec and Brot 1973, doi 10.1016/0021-9991(73)90046-6). Pairs are made for some rows at a time,
so that what is thrown away never leaves the processor's cache. All numbers are integers: no
rounding decides who is near.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streetbump.model import Bools, Ints

_AXIS = 1 << 21
"""Cubes along an axis: three numbers below this make one key of 63 bits."""

_AROUND = np.array([[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1)], np.int64)
"""Columns of cubes around one, counted in cubes along x and y."""

_AT_ONCE = 1 << 17
"""About so many candidates are looked at together: a few megabytes. Chosen by us."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Pairs of rows that see each other, both ways and each itself, and their squared distance.

    Those of one `a` follow each other, by the place of `b`; the `a` come in :func:`cube_order`.
    `d2` is in mm².
    """

    a: Ints
    b: Ints
    d2: Ints

    def where(self, keep: Bools) -> Neighbours:
        """Some of the pairs."""
        return Neighbours(self.a[keep], self.b[keep], self.d2[keep])

    def among(self, rows: Bools) -> Neighbours:
        """The pairs of which both are among some rows."""
        return self.where(rows[self.a] & rows[self.b])


def cube_order(xyz_mm: Ints, *, reach_mm: int) -> Ints:
    """An order of the rows in which neighbours stand near each other in memory, too.

    >>> cube_order(np.array([[0, 0, 0], [9_000, 0, 0], [1, 0, 0]]), reach_mm=500).tolist()
    [0, 2, 1]
    """
    return np.argsort(_cubes(xyz_mm, reach_mm), kind="stable")


def neighbours(
    xyz_mm: Ints,
    heading_cdeg: Ints,
    *,
    reach_mm: int,
    max_heading_cdeg: int,
    place: Ints | None = None,
) -> Neighbours:
    """Every pair of rows within both limits (inclusive).

    Parameters
    ----------
    xyz_mm : (n, 3) int64
        Positions in whole millimetres; no rows give no pairs. Quickest in :func:`cube_order`.
    heading_cdeg : (n,) int64
        Direction of travel, 1/100 degree.
    place : (n,) int64 or None
        A permutation: in which order the neighbours of a row are listed. None means their own.

    Time and memory grow with the number of pairs, and with n log n.

    >>> xyz = np.array([[0, 0, 0], [300, 0, 0], [600, 400, 0]])
    >>> found = neighbours(xyz, np.zeros(3, int), reach_mm=500, max_heading_cdeg=4500)
    >>> list(zip(found.a.tolist(), found.b.tolist(), found.d2.tolist()))
    [(0, 0, 0), (0, 1, 90000), (1, 0, 90000), (1, 1, 0), (1, 2, 250000), (2, 1, 250000), (2, 2, 0)]
    """
    n = len(xyz_mm)
    if n == 0:
        none = np.empty(0, np.int64)
        return Neighbours(none, none, none)
    key = _cubes(xyz_mm, reach_mm)
    order = np.argsort(key, kind="stable")
    columns, heading = xyz_mm[order].T.copy(), heading_cdeg[order]
    place = order if place is None else place[order]
    at = np.empty(n, np.int64)
    at[place] = np.arange(n)
    pairs = []
    for a, b in _candidates(key[order]):
        near = _squared(columns, a, b) <= reach_mm * reach_mm
        a, b = a[near], b[near]
        same_way = _turn_cdeg(heading, a, b) <= max_heading_cdeg
        listed = a[same_way] << 32 | place[b[same_way]]
        listed.sort()  # one number each; distances anew, which is quicker than to sort them along
        a, b = listed >> 32, at[listed & 0xFFFF_FFFF]
        pairs.append((order[a], order[b], _squared(columns, a, b)))
    return Neighbours(*(np.concatenate(column) for column in zip(*pairs, strict=True)))


def _cubes(xyz_mm: Ints, reach_mm: int) -> Ints:
    """A number for the cube of each row; those of cubes along z follow each other."""
    low = xyz_mm.min(axis=0)
    side = max(reach_mm, int((xyz_mm.max(axis=0) - low).max()) // (_AXIS - 4) + 1)
    x, y, z = ((xyz_mm - low) // side + 1).T  # none at an edge, where a neighbour would spill over
    return np.asarray((x * _AXIS + y) * _AXIS + z)


def _candidates(key: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of rows (sorted by `key`) that may be neighbours, for some rows at a time."""
    n = len(key)
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    there = key[starts, None] + (_AROUND @ np.array([_AXIS, 1])) * _AXIS
    first = np.searchsorted(key, there - 1, side="left")
    count = np.searchsorted(key, there + 1, side="right") - first
    cube = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, n)))
    before = np.append(0, np.cumsum(count.sum(axis=1)[cube]))
    ends = np.searchsorted(before, np.arange(_AT_ONCE, before[-1] + _AT_ONCE, _AT_ONCE))
    begin = 0
    for end in np.unique(np.minimum(ends, n)).tolist():  # a loop over blocks of rows
        block = cube[begin:end]
        of, b = expanded(first[block].ravel(), count[block].ravel())
        yield begin + of // len(_AROUND), b
        begin = end


def expanded(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Every number of each range, one range after the other, and which range it is of.

    >>> [x.tolist() for x in expanded(np.array([3, 7]), np.array([2, 1]))]
    [[0, 0, 1], [3, 4, 7]]
    """
    of = np.repeat(np.arange(len(count)), count)
    return of, np.arange(len(of)) + (first - np.cumsum(count) + count)[of]


def _squared(columns: Ints, a: Ints, b: Ints) -> Ints:
    """Squared distance of rows; `columns` is (3, n)."""
    total = np.zeros(len(a), np.int64)
    for column in columns:
        apart = column[a] - column[b]
        apart *= apart
        total += apart
    return total


def _turn_cdeg(heading: Ints, a: Ints, b: Ints) -> Ints:
    """Angle between the headings of rows, 1/100 degree."""
    return np.abs((heading[a] - heading[b] + 18_000) % 36_000 - 18_000)
