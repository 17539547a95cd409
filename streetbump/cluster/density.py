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

Phones err by more than a peak is wide, each by its own few metres for the length of a trip, so the
jolts of one hole may make two peaks. What tells them from two holes is that nobody feels both: a
car that drives over two holes jolts twice. So peaks that no car joins are halves of one.

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
BOTH_TRIPS = 2
BOTH_SHARE = 3
"""Two things are felt on one visit by at least `BOTH_TRIPS` trips, and by one in `BOTH_SHARE` of
those that felt the rarer one. Chosen by us: in two simulated towns all of the nine pairs of flagged
holes within 22 m were (the least 3 of 3 trips), and of 19 pairs of halves one was."""


def density_clusters(
    xyz_mm: Ints,
    heading_cdeg: Ints,
    trip: Ints,
    t_ns: Ints,
    *,
    eps_mm: int,
    reach_mm: int,
    apart_mm: int,
    halves_mm: int,
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
    halves_mm : int
        Clusters whose peaks lie within this and the limit of headings, and that hardly any trip
        felt both of on one visit, are one.
    core_trips : int
        Distinct trips among a peak's neighbours, its own included; and in a cluster that is a half.
    max_heading_cdeg : int

    Returns
    -------
    labels : (n,) int64
        The row of the cluster's peak; -1 for noise. Rows in an order that depends on content
        alone (trip, then time) give labels that do too.
    core : (n,) bool
        Members that are their peak's neighbours.

    Which peak a jolt is nearest to depends on the jolts within ``ROUNDS · (reach + 2 eps)`` of it
    alone, and which cluster a peak is half of on the clusters whose peaks lie within ``3 halves``.
    Memory and time grow with the number of pairs within reach.

    >>> xyz = np.array([[0, 0, 0], [900, 0, 0], [1800, 0, 0], [90_000, 0, 0]])
    >>> density_clusters(xyz, np.zeros(4, int), np.array([1, 2, 3, 4]), np.zeros(4, int),
    ...                  eps_mm=1000, reach_mm=1500, apart_mm=400, halves_mm=2000, visit_ns=10,
    ...                  core_trips=2, max_heading_cdeg=4500)[0].tolist()
    [1, 1, 1, -1]
    """
    n = len(xyz_mm)
    labels = np.full(n, NOISE, np.int64)
    if n == 0:
        return labels, np.zeros(n, np.bool_)
    near = _pairs(xyz_mm, heading_cdeg, trip, reach_mm, max_heading_cdeg)
    for _ in range(ROUNDS):
        mass, trips = _mass(near, n, eps_mm)
        peak = _peaks(near, mass, eps_mm) & (trips >= core_trips)
        rows, joined, d2 = _nearest(near, peak)
        two = _another(rows, joined, d2, xyz_mm, trip, t_ns, apart_mm, visit_ns)
        rows, joined, d2 = rows[~two], joined[~two], d2[~two]
        if len(rows) == 0:
            break
        labels[rows] = joined
        took = np.zeros(n, np.bool_)
        took[rows] = True
        near = near.among(~took)
    in_one = np.flatnonzero(labels != NOISE)
    found = _Members(in_one, labels[in_one], trip, t_ns)
    labels[in_one] = found.joined(xyz_mm, heading_cdeg, halves_mm, visit_ns, core_trips,
                                  max_heading_cdeg)  # fmt: skip
    core = np.zeros(n, np.bool_)
    core[in_one] = ((xyz_mm[in_one] - xyz_mm[labels[in_one]]) ** 2).sum(axis=1) <= eps_mm * eps_mm
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


class _Members:
    """The rows of clusters by cluster, trip and time, to ask which clusters are halves of one."""

    def __init__(self, rows: Ints, labels: Ints, trip: Ints, t_ns: Ints) -> None:
        self._labels = labels
        peaks, self._cluster = np.unique(labels, return_inverse=True)
        trips, who = np.unique(trip[rows], return_inverse=True)
        key = self._cluster * len(trips) + who
        order = np.lexsort((t_ns[rows], key))
        self._peaks, self._n_trips = peaks, len(trips)
        self._key, self._t_ns = key[order], t_ns[rows][order]
        new = np.diff(self._key, prepend=-1) != 0
        self.trips = np.bincount(self._cluster[order][new], minlength=len(peaks))
        """Distinct trips of each cluster, in the order of their peaks."""

    def joined(
        self, xyz_mm: Ints, heading_cdeg: Ints, halves_mm: int, visit_ns: int, core_trips: int,
        max_heading_cdeg: int,
    ) -> Ints:  # fmt: skip
        """The label of each row when halves are one: that of the cluster with more trips.

        A half joins the nearest cluster that it may be half of, unless that one is a half itself.
        """
        peaks, trips = self._peaks, self.trips
        several = np.flatnonzero(trips >= core_trips)
        near = neighbours(
            xyz_mm[peaks[several]], heading_cdeg[peaks[several]], reach_mm=halves_mm,
            max_heading_cdeg=max_heading_cdeg,
        )  # fmt: skip
        whole, half = several[near.a], several[near.b]
        more = (trips[whole] > trips[half]) | ((trips[whole] == trips[half]) & (whole < half))
        whole, half, d2 = whole[more], half[more], near.d2[more]
        both = self._felt_both(whole, half, visit_ns)
        one = (both < BOTH_TRIPS) | (BOTH_SHARE * both < trips[half])
        order = np.flatnonzero(one)[np.lexsort((whole[one], d2[one], half[one]))]
        halves, first = np.unique(half[order], return_index=True)
        of = np.arange(len(peaks))
        of[halves] = whole[order][first]
        of = np.where(of[of] == of, of, np.arange(len(peaks)))
        return np.asarray(peaks[of[self._cluster]])

    def _felt_both(self, one: Ints, other: Ints, visit_ns: int) -> Ints:
        """How many trips jolted in both clusters of each pair on one visit."""
        pair, row = _expanded(*self._rows_of(other * self._n_trips, (other + 1) * self._n_trips))
        who = self._key[row] % self._n_trips
        there = one[pair] * self._n_trips + who
        which, match = _expanded(*self._rows_of(there, there + 1))
        visit = np.abs(self._t_ns[match] - self._t_ns[row[which]]) <= visit_ns
        felt = np.unique(pair[which[visit]] * self._n_trips + who[which[visit]])
        return np.bincount(felt // self._n_trips, minlength=len(one))

    def _rows_of(self, first: Ints, end: Ints) -> tuple[Ints, Ints]:
        return np.searchsorted(self._key, first), np.searchsorted(self._key, end)


def _expanded(first: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Every number of each range, and which range it is of.

    >>> [a.tolist() for a in _expanded(np.array([3, 7]), np.array([5, 8]))]
    [[0, 0, 1], [3, 4, 7]]
    """
    count = end - first
    of = np.repeat(np.arange(len(first)), count)
    return of, np.arange(len(of)) + (first - np.cumsum(count) + count)[of]
