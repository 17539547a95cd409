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
by trip and row, whose order depends on content alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.cluster.neighbours import Neighbours, cube_order, expanded, neighbours
from streetbump.config import ROUNDS
from streetbump.model import Bools, Ints

NOISE = -1
KERNEL_BITS = 10
"""A trip at no distance weighs ``2**KERNEL_BITS``. Chosen by us: finer than positions are."""
BOTH_TRIPS = 2
BOTH_SHARE = 3
"""Two things are felt on one visit by at least `BOTH_TRIPS` trips, and by one in `BOTH_SHARE` of
those that felt the rarer one. Chosen by us: of two simulated towns' flagged clusters of one lane
within 26 m, 16 of 21 pairs at two things were, and 2 of 44 pairs at one."""


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
        The row of the cluster's peak; -1 for noise. Of equals the first of the first trip wins:
        rows whose order within a trip depends on content alone give labels that do too.
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
    labels, core = np.full(n, NOISE, np.int64), np.zeros(n, np.bool_)
    if n == 0:
        return labels, core
    order = cube_order(xyz_mm, reach_mm=reach_mm)
    place = np.empty(n, np.int64)  # of equals the first trip, and of that the first row, wins
    place[np.lexsort((order, trip[order]))] = np.arange(n)
    jolts = _Jolts(xyz_mm[order], heading_cdeg[order], trip[order], t_ns[order], place)
    near = neighbours(
        jolts.xyz_mm, jolts.heading_cdeg, reach_mm=reach_mm, max_heading_cdeg=max_heading_cdeg,
        place=place,
    )  # fmt: skip
    peak_of = np.full(n, NOISE, np.int64)
    for _ in range(ROUNDS):
        close = near.where(near.d2 <= eps_mm * eps_mm)
        mass, trips = _mass(close, jolts.trip, eps_mm)
        peak = _peaks(close, mass, place) & (trips >= core_trips)
        rows, joined, d2 = _nearest(near, peak)
        two = _another(rows, joined, d2, jolts, apart_mm, visit_ns)
        rows, joined = rows[~two], joined[~two]
        if len(rows) == 0:
            break
        peak_of[rows] = joined
        took = np.zeros(n, np.bool_)
        took[rows] = True
        near = near.among(~took)
    rows = np.flatnonzero(peak_of != NOISE)
    found = _Members(jolts, rows, peak_of[rows])
    peaks = found.joined(halves_mm, visit_ns, core_trips, max_heading_cdeg)
    labels[order[rows]] = order[peaks]
    d2 = ((jolts.xyz_mm[rows] - jolts.xyz_mm[peaks]) ** 2).sum(axis=1)
    core[order[rows]] = d2 <= eps_mm * eps_mm
    return labels, core


@dataclass(frozen=True, eq=False)
class _Jolts:
    """The columns, in an order in which neighbours are near in memory; `place` settles ties."""

    xyz_mm: Ints
    heading_cdeg: Ints
    trip: Ints
    t_ns: Ints
    place: Ints


def _mass(close: Neighbours, trip: Ints, eps_mm: int) -> tuple[Ints, Ints]:
    """What the trips around each row weigh together, and how many are its neighbours."""
    mass, trips = np.zeros(len(trip), np.int64), np.zeros(len(trip), np.int64)
    who = trip[close.b]
    first = np.flatnonzero((np.diff(close.a, prepend=-1) != 0) | (np.diff(who, prepend=0) != 0))
    nearest, of = np.minimum.reduceat(close.d2, first), close.a[first]
    weight = ((eps_mm * eps_mm - nearest) << KERNEL_BITS) // (eps_mm * eps_mm)
    row = np.flatnonzero(np.diff(of, prepend=-1))
    mass[of[row]] = np.add.reduceat(weight * weight, row)
    trips[of[row]] = np.diff(np.append(row, len(of)))
    return mass, trips


def _peaks(close: Neighbours, mass: Ints, place: Ints) -> Bools:
    """Rows that no neighbour outweighs, the first of equals."""
    more = mass[close.b] - mass[close.a]
    beaten = np.zeros(len(mass), np.bool_)
    beaten[close.a[more > 0]] = True
    equal = more == 0
    a, b = close.a[equal], close.b[equal]
    beaten[a[place[b] < place[a]]] = True
    there = np.zeros(len(mass), np.bool_)
    there[close.a] = True
    return there & ~beaten


def _nearest(near: Neighbours, peak: Bools) -> tuple[Ints, Ints, Ints]:
    """Rows within reach of a peak, their nearest one, and the squared distance, mm²."""
    seen = near.where(peak[near.b])
    order = np.lexsort((seen.d2, seen.a))  # of equals the first in place
    rows, first = np.unique(seen.a[order], return_index=True)
    return rows, seen.b[order][first], seen.d2[order][first]


def _another(
    rows: Ints, peak: Ints, d2: Ints, jolts: _Jolts, apart_mm: int, visit_ns: int
) -> Bools:
    """Which rows are another thing than what their trip felt nearest to the peak on that visit."""
    trip, xyz_mm, t_ns = jolts.trip, jolts.xyz_mm, jolts.t_ns
    order = np.lexsort((jolts.place[rows], d2, trip[rows], peak))
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

    def __init__(self, jolts: _Jolts, rows: Ints, peak: Ints) -> None:
        self._jolts = jolts
        self._peaks, self._cluster = np.unique(peak, return_inverse=True)
        trips, who = np.unique(jolts.trip[rows], return_inverse=True)
        key, t_ns = self._cluster * len(trips) + who, jolts.t_ns[rows]
        order = np.lexsort((t_ns, key))
        self._n_trips, self._key, self._t_ns = len(trips), key[order], t_ns[order]
        new = np.diff(self._key, prepend=-1) != 0
        self._trips = np.bincount(self._key[new] // max(len(trips), 1), minlength=len(self._peaks))

    def joined(self, halves_mm: int, visit_ns: int, core_trips: int, max_heading_cdeg: int) -> Ints:
        """The peak of each row when halves are one: that of the cluster with more trips.

        A half joins the nearest cluster that it may be half of, unless that one is a half itself.
        """
        peaks, trips, place = self._peaks, self._trips, self._jolts.place[self._peaks]
        several = np.flatnonzero(trips >= core_trips)
        near = neighbours(
            self._jolts.xyz_mm[peaks[several]], self._jolts.heading_cdeg[peaks[several]],
            reach_mm=halves_mm, max_heading_cdeg=max_heading_cdeg,
        )  # fmt: skip
        whole, half = several[near.a], several[near.b]
        equal = trips[whole] == trips[half]
        more = (trips[whole] > trips[half]) | (equal & (place[whole] < place[half]))
        whole, half, d2 = whole[more], half[more], near.d2[more]
        both = self._felt_both(whole, half, visit_ns)
        one = (both < BOTH_TRIPS) | (BOTH_SHARE * both < trips[half])
        order = np.flatnonzero(one)[np.lexsort((place[whole[one]], d2[one], half[one]))]
        halves, first = np.unique(half[order], return_index=True)
        of = np.arange(len(peaks))
        of[halves] = whole[order][first]
        of = np.where(of[of] == of, of, np.arange(len(peaks)))
        return np.asarray(peaks[of[self._cluster]])

    def _felt_both(self, one: Ints, other: Ints, visit_ns: int) -> Ints:
        """How many trips jolted in both clusters of each pair on one visit."""
        pair, row = self._rows_of(other * self._n_trips, (other + 1) * self._n_trips)
        who = self._key[row] % self._n_trips
        there = one[pair] * self._n_trips + who
        which, match = self._rows_of(there, there + 1)
        visit = np.abs(self._t_ns[match] - self._t_ns[row[which]]) <= visit_ns
        felt = np.unique(pair[which[visit]] * self._n_trips + who[which[visit]])
        return np.bincount(felt // self._n_trips, minlength=len(one))

    def _rows_of(self, low: Ints, end: Ints) -> tuple[Ints, Ints]:
        """The rows from one key up to another, and which of them they are of."""
        first = np.searchsorted(self._key, low)
        return expanded(first, np.searchsorted(self._key, end) - first)
