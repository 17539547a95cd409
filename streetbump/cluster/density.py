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

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streetbump.cluster.neighbours import Pairs, Strips, expanded, in_strips, pairs, together
from streetbump.config import ROUNDS
from streetbump.model import Bools, Ints

NOISE = -1
KERNEL_BITS = 10
"""A trip at no distance weighs ``2**KERNEL_BITS``. Chosen by us: finer than positions are."""
_WEIGHT_BITS = KERNEL_BITS + 1
"""Of a weight, 0 to ``2**KERNEL_BITS``. Row, trip and weight are one number of 63 bits as long as
rows times trips are fewer than ``2**52``: 67 million jolts, each of its own trip."""
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
        Two jolts of one trip at least so far apart (1 or more) within so much time are two things:
        a peak takes the nearest of a trip, and leaves the others of that visit to another round.
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
    Memory and time grow with the number of pairs within reach, each of which is held once.

    >>> xyz = np.array([[0, 0, 0], [900, 0, 0], [1800, 0, 0], [90_000, 0, 0]])
    >>> density_clusters(xyz, np.zeros(4, int), np.array([1, 2, 3, 4]), np.zeros(4, int),
    ...                  eps_mm=1000, reach_mm=1500, apart_mm=400, halves_mm=2000, visit_ns=10,
    ...                  core_trips=2, max_heading_cdeg=4500)[0].tolist()
    [1, 1, 1, -1]
    """
    n = len(xyz_mm)
    strips = in_strips(xyz_mm, heading_cdeg, reach_mm=reach_mm)
    jolts = _in_order(strips, trip, t_ns)
    near = list(pairs(strips, max_heading_cdeg=max_heading_cdeg))
    peak_of, free = np.full(n, NOISE, np.int64), np.ones(n, np.bool_)
    for _ in range(ROUNDS):
        mass, trips = _mass(near, jolts, eps_mm)
        peak = free & (trips >= core_trips) & ~_beaten(near, mass, jolts.place, eps_mm)
        rows, joined, d2 = _nearest(near, peak, jolts)
        two = _another(rows, joined, d2, jolts, apart_mm, visit_ns)
        rows, joined = rows[~two], joined[~two]
        if len(rows) == 0:
            break
        peak_of[rows] = joined
        free[rows] = False
        near = [some.among(free) for some in near]
    rows = np.flatnonzero(peak_of != NOISE)
    found = _Members(jolts, rows, peak_of[rows])
    peaks = found.joined(halves_mm, visit_ns, core_trips, max_heading_cdeg)
    labels, core = np.full(n, NOISE, np.int64), np.zeros(n, np.bool_)
    labels[strips.order[rows]] = strips.order[peaks]
    core[strips.order[rows]] = strips.squared(rows, peaks) <= eps_mm * eps_mm
    return labels, core


@dataclass(frozen=True, eq=False)
class _Jolts:
    """The columns in the order of strips.

    `trip` counts the trips from 0 up. `place` settles ties: the first trip wins, and of that the
    first row; `at_place` is its inverse.
    """

    strips: Strips
    trip: Ints
    n_trips: int
    t_ns: Ints
    place: Ints
    at_place: Ints


def _in_order(strips: Strips, trip: Ints, t_ns: Ints) -> _Jolts:
    keys, trip = np.unique(trip, return_inverse=True)
    count = np.arange(len(trip))
    place, at_place = np.empty_like(count), np.empty_like(count)
    place[np.argsort(trip, kind="stable")] = count
    place = place[strips.order]
    at_place[place] = count
    return _Jolts(strips, trip[strips.order], len(keys), t_ns[strips.order], place, at_place)


def _mass(near: list[Pairs], jolts: _Jolts, eps_mm: int) -> tuple[Ints, Ints]:
    """What the trips around each row weigh together, and how many are its neighbours."""
    n = len(jolts.trip)
    mass, trips = np.full(n, 1 << 2 * KERNEL_BITS), np.ones(n, np.int64)  # with its own
    for met in filter(len, _met(near, jolts, eps_mm)):
        nearest = met[np.flatnonzero(np.diff(met >> _WEIGHT_BITS, append=-1))]
        weight = nearest & ((1 << _WEIGHT_BITS) - 1)
        row = (nearest >> _WEIGHT_BITS) // jolts.n_trips
        rows = slice(row[0], row[-1] + 1)
        mass[rows] += np.bincount(row - row[0], weights=weight * weight).astype(np.int64)
        trips[rows] += np.bincount(row - row[0])
    return mass, trips


def _met(near: list[Pairs], jolts: _Jolts, eps_mm: int) -> Iterator[Ints]:
    """Row, other trip and weight of all neighbours, one number each, sorted, some rows at a time.

    Pairs come by ever later `a`, and `b` is later still: of the rows up to there all is known.
    """
    waiting = [np.empty(0, np.int64)]
    for some in near:
        two = some.where((some.d2 <= eps_mm**2) & (jolts.trip[some.a] != jolts.trip[some.b]))
        weight = ((eps_mm**2 - two.d2) << KERNEL_BITS) // eps_mm**2
        for row, other in ((two.a, two.b), (two.b, two.a)):
            waiting.append((row * jolts.n_trips + jolts.trip[other]) << _WEIGHT_BITS | weight)
        if sum(map(len, waiting)) > 2 * len(waiting[0]):  # or what waits is sorted too often
            met = np.sort(np.concatenate(waiting))
            later = (some.a.max() + 1) * jolts.n_trips << _WEIGHT_BITS
            known = np.searchsorted(met, later)
            yield met[:known]
            waiting = [met[known:]]
    yield np.sort(np.concatenate(waiting))


def _beaten(near: list[Pairs], mass: Ints, place: Ints, eps_mm: int) -> Bools:
    """Rows that a neighbour outweighs, or equals and comes before."""
    beaten = np.zeros(len(mass), np.bool_)
    for some in near:
        close = some.where(some.d2 <= eps_mm**2)
        more = mass[close.a] - mass[close.b]
        first = (more > 0) | ((more == 0) & (place[close.a] < place[close.b]))
        beaten[np.where(first, close.b, close.a)] = True
    return beaten


def _nearest(near: list[Pairs], is_peak: Bools, jolts: _Jolts) -> tuple[Ints, Ints, Ints]:
    """Rows within reach of a peak, their nearest one, and the squared distance, mm²."""
    peaks = np.flatnonzero(is_peak)
    joins = [(peaks, peaks, np.zeros_like(peaks))]
    for some in near:
        to_a, to_b = some.where(is_peak[some.a]), some.where(is_peak[some.b])
        joins += [(to_a.b, to_a.a, to_a.d2), (to_b.a, to_b.b, to_b.d2)]
    row, peak, d2 = map(np.concatenate, zip(*joins, strict=True))
    far = np.iinfo(np.int64).max
    least, first = np.full(len(is_peak), far), np.full(len(is_peak), far)
    np.minimum.at(least, row, d2)
    equal = np.flatnonzero(d2 == least[row])  # of which the first in place wins
    np.minimum.at(first, row[equal], jolts.place[peak[equal]])
    rows = np.flatnonzero(least < far)
    return rows, jolts.at_place[first[rows]], least[rows]


def _another(
    rows: Ints, peak: Ints, d2: Ints, jolts: _Jolts, apart_mm: int, visit_ns: int
) -> Bools:
    """Which rows are another thing than what their trip felt nearest to the peak on that visit."""
    visits = peak * jolts.n_trips + jolts.trip[rows]
    several = _repeated(visits)
    order = several[np.lexsort((jolts.place[rows[several]], d2[several], visits[several]))]
    starts = np.flatnonzero(np.diff(visits[order], prepend=-1))
    first = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    a, b = rows[order], rows[first]
    two = np.zeros(len(rows), np.bool_)
    two[order] = (np.abs(jolts.t_ns[a] - jolts.t_ns[b]) <= visit_ns) & (
        jolts.strips.squared(a, b) >= apart_mm**2
    )
    return two


def _repeated(key: Ints) -> Ints:
    """Where a number stands that stands elsewhere, too."""
    order = np.argsort(key)
    same = np.flatnonzero(np.diff(key[order]) == 0)
    return np.unique(order[np.append(same, same + 1)])


class _Members:
    """The rows of clusters by cluster and trip, to ask which clusters are halves of one."""

    def __init__(self, jolts: _Jolts, rows: Ints, peak: Ints) -> None:
        self._jolts = jolts
        self._peaks, self._cluster = np.unique(peak, return_inverse=True)
        key = self._cluster * jolts.n_trips + jolts.trip[rows]
        order = np.argsort(key)
        self._key, self._t_ns = key[order], jolts.t_ns[rows[order]]
        visited = self._key[np.flatnonzero(np.diff(self._key, prepend=-1))]
        self._trips = np.bincount(visited // jolts.n_trips, minlength=len(self._peaks))

    def joined(self, halves_mm: int, visit_ns: int, core_trips: int, max_heading_cdeg: int) -> Ints:
        """The peak of each row when halves are one: that of the cluster with more trips.

        A half joins the nearest cluster that it may be half of, unless that one is a half itself.
        """
        peaks, trips, place = self._peaks, self._trips, self._jolts.place[self._peaks]
        several = np.flatnonzero(trips >= core_trips)
        strips = self._jolts.strips.some(peaks[several], reach_mm=halves_mm)
        near = together(pairs(strips, max_heading_cdeg=max_heading_cdeg))
        a, b = several[strips.order[near.a]], several[strips.order[near.b]]
        equal = trips[a] == trips[b]
        more = (trips[a] > trips[b]) | (equal & (place[a] < place[b]))
        whole, half = np.where(more, a, b), np.where(more, b, a)
        both = self._felt_both(whole, half, visit_ns)
        one = np.flatnonzero((both < BOTH_TRIPS) | (BOTH_SHARE * both < trips[half]))
        order = one[np.lexsort((place[whole[one]], near.d2[one], half[one]))]
        halves, first = np.unique(half[order], return_index=True)
        of = np.arange(len(peaks))
        of[halves] = whole[order][first]
        of = np.where(of[of] == of, of, np.arange(len(peaks)))
        return np.asarray(peaks[of[self._cluster]])

    def _felt_both(self, one: Ints, other: Ints, visit_ns: int) -> Ints:
        """How many trips jolted in both clusters of each pair on one visit."""
        pair, row = self._rows_of(other * self._jolts.n_trips, (other + 1) * self._jolts.n_trips)
        who = self._key[row] % self._jolts.n_trips
        there = one[pair] * self._jolts.n_trips + who
        which, match = self._rows_of(there, there + 1)
        visit = np.abs(self._t_ns[match] - self._t_ns[row[which]]) <= visit_ns
        felt = np.unique(pair[which[visit]] * self._jolts.n_trips + who[which[visit]])
        return np.bincount(felt // self._jolts.n_trips, minlength=len(one))

    def _rows_of(self, low: Ints, end: Ints) -> tuple[Ints, Ints]:
        """The rows from one key up to another, and which of them they are of."""
        first = np.searchsorted(self._key, low)
        return expanded(first, np.searchsorted(self._key, end) - first)
