"""Which jolts see each other: every pair within a distance and a turn, exactly and in order.

Rows are sorted into cubes as wide as the reach, so that whoever sees a row stands in its own cube
or in one around it: five runs of the sorted rows, looked up once per cube (the cell lists of
Quentrec and Brot 1973, doi 10.1016/0021-9991(73)90046-6, with half of the cubes around, as every
pair is met from one side only). All numbers are integers: no rounding decides who is near.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streetbump.model import Bools, Ints

_AXIS = 1 << 21
"""Cubes along an axis: three numbers below this make one key of 63 bits."""

_RUNS = ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1))
"""Columns of cubes that hold every neighbour once, counted in cubes along x and y."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Pairs of rows that see each other, both ways, sorted by `a` and then `b`.

    `d2` is the squared distance in mm². No row is its own neighbour.
    """

    a: Ints
    b: Ints
    d2: Ints

    def where(self, keep: Bools) -> Neighbours:
        """Some of the pairs."""
        return Neighbours(self.a[keep], self.b[keep], self.d2[keep])


def neighbours(
    xyz_mm: Ints, heading_cdeg: Ints, *, reach_mm: int, max_heading_cdeg: int
) -> Neighbours:
    """Every pair of rows within both limits (inclusive).

    Parameters
    ----------
    xyz_mm : (n, 3) int64
        Positions in whole millimetres; no rows give no pairs.
    heading_cdeg : (n,) int64
        Direction of travel, 1/100 degree.

    Time and memory grow with the number of pairs, and with n log n.

    >>> xyz = np.array([[0, 0, 0], [300, 0, 0], [600, 400, 0]])
    >>> found = neighbours(xyz, np.zeros(3, int), reach_mm=500, max_heading_cdeg=4500)
    >>> list(zip(found.a.tolist(), found.b.tolist(), found.d2.tolist()))
    [(0, 1, 90000), (1, 0, 90000), (1, 2, 250000), (2, 1, 250000)]
    """
    if len(xyz_mm) == 0:
        none = np.empty(0, np.int64)
        return Neighbours(none, none, none)
    key = _cubes(xyz_mm, reach_mm)
    order = np.argsort(key, kind="stable")
    key, columns, heading = key[order], xyz_mm[order].T.copy(), heading_cdeg[order]
    pairs = []
    for a, b in _candidates(key):
        near = _squared(columns, a, b) <= reach_mm * reach_mm
        a, b = a[near], b[near]
        same_way = _turn_cdeg(heading, a, b) <= max_heading_cdeg
        pairs.append((order[a[same_way]], order[b[same_way]]))
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return _both_ways(a, b, xyz_mm)


def _cubes(xyz_mm: Ints, reach_mm: int) -> Ints:
    """A number for the cube of each row; those of cubes along z follow each other."""
    low = xyz_mm.min(axis=0)
    side = max(reach_mm, int((xyz_mm.max(axis=0) - low).max()) // (_AXIS - 4) + 1)
    x, y, z = ((xyz_mm - low) // side + 1).T  # none at an edge, where a neighbour would spill over
    return np.asarray((x * _AXIS + y) * _AXIS + z)


def _candidates(key: Ints) -> Iterator[tuple[Ints, Ints]]:
    """For each column of cubes around: pairs of rows (sorted by `key`) that may be neighbours."""
    n = len(key)
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    cubes = key[starts]
    cube = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, n)))
    for x, y in _RUNS:
        there = cubes + (x * _AXIS + y) * _AXIS
        last = np.searchsorted(key, there + 1, side="right")[cube]
        if (x, y) == (0, 0):  # in the own column whoever comes later
            first = np.arange(1, n + 1)
        else:
            first = np.searchsorted(key, there - 1, side="left")[cube]
        count = last - first
        a = np.repeat(np.arange(n), count)
        yield a, np.arange(len(a)) + np.repeat(first - np.cumsum(count) + count, count)


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


def _both_ways(a: Ints, b: Ints, xyz_mm: Ints) -> Neighbours:
    # One sort of one number each; distances anew, which is quicker than to sort them along.
    key = np.concatenate((a << 32 | b, b << 32 | a))
    key.sort()
    a, b = key >> 32, key & 0xFFFF_FFFF
    return Neighbours(a, b, _squared(xyz_mm.T.copy(), a, b))
