"""Density clustering of jolts: where most trips jolted, and who belongs to it.

Positions scatter by some 5 m, so on a street that many drive the jolts of one hole, the crack
behind it and the casting after that hang together: chains of neighbours (DBSCAN: Ester, Kriegel,
Sander and Xu 1996, KDD-96, pp. 226-231) melt them into one. What separates them is that each
has a middle. So a cluster is a *peak*: a jolt around which more distinct trips jolted, the nearer
the more they count, than around any jolt near it; and the jolts that have no nearer peak. (Such
peaks are found by mean shift, Cheng 1995, doi 10.1109/34.400568, and density peaks, Rodriguez and
Laio 2014, doi 10.1126/science.1242072; here a peak is looked for among the jolts themselves and
within a fixed distance, so that nothing depends on what lies further away.) Peaks are looked for
again among the jolts that no peak took, a few times: those it does not reach, and the second of two
that a car felt on one visit, for a position errs by metres and the way between two jolts does not.

A car that goes round the block proves nothing, so trips count and not jolts; two jolts see each
other only when their headings agree; comparisons are between integers, and equals are told apart
by their rows, whose order depends on content alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.cluster.neighbours import neighbours
from streetbump.config import ROUNDS
from streetbump.model import Bools, Ints

NOISE = -1
KERNEL_BITS = 10
"""A trip at no distance weighs ``2**KERNEL_BITS``. Chosen by us: finer than positions are."""


def density_clusters(
    xyz_mm: Ints,
    heading_cdeg: Ints,
    trip: Ints,
    t_ns: Ints,
    *,
    eps_mm: int,
    reach_mm: int,
    apart_mm: int,
    visit_ns: int,
    core_trips: int,
    max_heading_cdeg: int,
) -> tuple[Ints, Bools]:
    """Cluster label of each jolt, and whether it is a core.

    Parameters
    ----------
    xyz_mm : (n, 3) int64
        Positions in whole millimetres (:func:`streetbump.geo.ecef_mm`).
    heading_cdeg : (n,) int64
        Direction of travel, 1/100 degree.
    trip : (n,) int64
        Which trip each jolt belongs to.
    t_ns : (n,) int64
        When it was.
    eps_mm : int
        Two jolts within this and the limit of headings (inclusive) are neighbours. A trip weighs
        ``(1 - d²/eps²)²`` by its nearest jolt, and of neighbours one at most is a peak.
    reach_mm : int
        At least `eps_mm`: a peak takes the jolts up to here that have no nearer peak.
    apart_mm, visit_ns : int
        Two jolts of one trip at least so far apart within so much time are two things: a peak takes
        the nearest of a trip, and leaves the others of that visit to another round.
    core_trips : int
        Distinct trips among a peak's neighbours, its own included.
    max_heading_cdeg : int

    Returns
    -------
    labels : (n,) int64
        The row of the cluster's peak; -1 for noise. Rows in an order that depends on content
        alone (trip, then time) give labels that do too.
    core : (n,) bool
        Members that are their peak's neighbours.

    A label depends on the jolts within ``ROUNDS · (reach + 2 eps)`` alone. Memory and time grow
    with the number of pairs within reach.

    >>> xyz = np.array([[0, 0, 0], [900, 0, 0], [1800, 0, 0], [90_000, 0, 0]])
    >>> density_clusters(xyz, np.zeros(4, int), np.array([1, 2, 3, 4]), np.zeros(4, int),
    ...                  eps_mm=1000, reach_mm=1500, apart_mm=400, visit_ns=10, core_trips=2,
    ...                  max_heading_cdeg=4500)[0].tolist()
    [1, 1, 1, -1]
    """
    n = len(xyz_mm)
    labels, core = np.full(n, NOISE, np.int64), np.zeros(n, np.bool_)
    if n == 0:
        return labels, core
    near = _pairs(xyz_mm, heading_cdeg, trip, reach_mm, max_heading_cdeg)
    for _ in range(ROUNDS):
        mass, trips = _mass(near, n, eps_mm)
        peak = _peaks(near, mass, eps_mm) & (trips >= core_trips)
        rows, joined, d2 = _nearest(near, peak)
        two = _another(rows, joined, d2, xyz_mm, trip, t_ns, apart_mm, visit_ns)
        rows, joined, d2 = rows[~two], joined[~two], d2[~two]
        if len(rows) == 0:
            break
        labels[rows], core[rows] = joined, d2 <= eps_mm * eps_mm
        took = np.zeros(n, np.bool_)
        took[rows] = True
        near = near.among(~took)
    return labels, core


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Rows that see each other, in both directions and each itself, by (a, trip of b, b).

    `d2` is the squared distance in mm²; `trip` that of b.
    """

    a: Ints
    b: Ints
    d2: Ints
    trip: Ints

    def where(self, keep: Bools) -> _Pairs:
        return _Pairs(self.a[keep], self.b[keep], self.d2[keep], self.trip[keep])

    def among(self, rows: Bools) -> _Pairs:
        """The pairs of which both are among some rows."""
        return self.where(rows[self.a] & rows[self.b])


def _pairs(xyz_mm: Ints, heading_cdeg: Ints, trip: Ints, reach_mm: int, limit_cdeg: int) -> _Pairs:
    near = neighbours(xyz_mm, heading_cdeg, reach_mm=reach_mm, max_heading_cdeg=limit_cdeg)
    rows = np.arange(len(trip))
    at = np.searchsorted(near.a << 32 | near.b, rows << 32 | rows)  # where each row sees itself
    a, b, d2 = (np.insert(x, at, y) for x, y in ((near.a, rows), (near.b, rows), (near.d2, 0)))
    if (trip[1:] < trip[:-1]).any():
        order = np.lexsort((b, trip[b], a))
        a, b, d2 = a[order], b[order], d2[order]
    return _Pairs(a, b, d2, trip[b])


def _mass(near: _Pairs, n: int, eps_mm: int) -> tuple[Ints, Ints]:
    """What the trips around each row weigh together, and how many are its neighbours."""
    mass, trips = np.zeros(n, np.int64), np.zeros(n, np.int64)
    close = near.where(near.d2 <= eps_mm * eps_mm)
    first = np.flatnonzero(
        (np.diff(close.a, prepend=-1) != 0) | (np.diff(close.trip, prepend=0) != 0)
    )
    nearest, of = np.minimum.reduceat(close.d2, first), close.a[first]
    weight = ((eps_mm * eps_mm - nearest) << KERNEL_BITS) // (eps_mm * eps_mm)
    row = np.flatnonzero(np.diff(of, prepend=-1))
    mass[of[row]] = np.add.reduceat(weight * weight, row)
    trips[of[row]] = np.diff(np.append(row, len(of)))
    return mass, trips


def _peaks(near: _Pairs, mass: Ints, eps_mm: int) -> Bools:
    """Rows that no neighbour outweighs, the first of equals."""
    close = near.where(near.d2 <= eps_mm * eps_mm)
    more = mass[close.b] - mass[close.a]
    beaten = np.zeros(len(mass), np.bool_)
    beaten[close.a[(more > 0) | ((more == 0) & (close.b < close.a))]] = True
    there = np.zeros(len(mass), np.bool_)
    there[close.a] = True
    return there & ~beaten


def _nearest(near: _Pairs, peak: Bools) -> tuple[Ints, Ints, Ints]:
    """Rows within reach of a peak, their nearest one, and the squared distance, mm²."""
    seen = near.where(peak[near.b])
    order = np.lexsort((seen.b, seen.d2, seen.a))
    rows, first = np.unique(seen.a[order], return_index=True)
    return rows, seen.b[order][first], seen.d2[order][first]


def _another(
    rows: Ints, peak: Ints, d2: Ints, xyz_mm: Ints, trip: Ints, t_ns: Ints, apart_mm: int,
    visit_ns: int,
) -> Bools:  # fmt: skip
    """Which rows are another thing than what their trip felt nearest to the peak on that visit."""
    order = np.lexsort((rows, d2, trip[rows], peak))
    new = (np.diff(peak[order], prepend=-1) != 0) | (np.diff(trip[rows[order]], prepend=0) != 0)
    starts = np.flatnonzero(new)
    first = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    a, b = rows[order], rows[first]
    two = np.zeros(len(rows), np.bool_)
    two[order] = (np.abs(t_ns[a] - t_ns[b]) <= visit_ns) & (
        ((xyz_mm[a] - xyz_mm[b]) ** 2).sum(axis=1) >= apart_mm * apart_mm
    )
    return two
