"""Phones in one car, and copies of one recording: past a place they are one witness.

One handcart full of phones once made a traffic jam on a public map. What gives them away is where
they are: in the same bins at the same times, all along. A recording that is uploaded again under
other names and days gives itself away by how it was driven: as long in every bin, as shaken, and on
the same line. Both are told for each cluster from the bins around it (``company_m``), so that a
cell's clusters depend on the cell and its halo alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.cluster.evidence import Centres, group_starts
from streetbump.cluster.neighbours import expanded
from streetbump.geo import bin_centre, ecef_mm
from streetbump.model import Bools, Floats, Ints

SHARED_BINS = 9
"""Two trips that share so many bins, 200 m of way, went together. Chosen by us: 15 to 30 s of
driving, in which the next car draws nearer or falls behind; and a phone may miss a bin."""

TOGETHER_NS = 2_000_000_000
"""Times of one car in one bin differ by no more, ns. Chosen by us: clocks of receivers agree, and
the phone on the back seat enters a bin half a second later; most cars keep 2 s or more."""


COPY_S, COPY_LOG, COPY_ASIDE_M = 0.25, 0.12, 1.1
"""How far copies of a recording lie apart per bin, in the mean: in time along the way, s; in the
logarithm of roughness; to the side, m. Means over 1,922 pairs of copies with 1 m of noise on every
fix and 0.05 m/s² on every sample."""

COPIED_BINS, COPY = 6, 5.0
"""Two trips that share so many bins are copies when the squares of these three, in those units, add
up to no more. Chosen by us: of 45,524 such pairs in three simulated towns 29 of two cars are called
copies; and no cluster of six phones that upload one drive with that noise has three voters."""

AROUND_MS = 30_000
"""What a car did longer before or after a jolt is not compared, ms. Chosen by us: who drives the
way at 15 km/h or faster is seen on all of it."""

COMPARED, LIKE = 8, 0.1
"""A jolt is compared with so many that are next in strength, and up to so much stronger: there are
the copies, and of honest jolts there are never more to look at. Chosen by us."""


@dataclass(frozen=True, eq=False)
class Companions:
    """Trips past clusters that are not alone in their car, and whose vote theirs is there.

    All (n,) int64; a row per cluster's number and ``trip_key``.
    """

    cluster: Ints
    trip: Ints
    voter: Ints

    def voters(self, cluster: Ints, trip: Ints, voter: Ints) -> Ints:
        """The voter of each visit or hit: that of its company where it has one.

        >>> own = np.array([7, 8, 8])
        >>> two = Companions(np.array([0, 0]), np.array([1, 2]), np.array([7, 7]))
        >>> two.voters(np.array([0, 0, 1]), np.array([1, 2, 2]), own).tolist()
        [7, 7, 8]
        """
        known = pd.MultiIndex.from_arrays((self.cluster, self.trip))
        row = known.get_indexer(pd.MultiIndex.from_arrays((cluster, trip)))
        if len(known) == 0:
            return voter
        return np.where(row >= 0, self.voter[row], voter)


@dataclass(frozen=True, eq=False)
class Felt:
    """Who jolted: cluster's number, ``trip_key``, time and score of each jolt, in any order."""

    cluster: Ints
    trip: Ints
    t_ns: Ints
    score: Floats


def co_travelling(
    at: Centres, felt: Felt, passes: pd.DataFrame, voter: Ints, dated: Bools, *, way_m: float
) -> Companions:
    """Trips of several devices past a cluster that one car made, or one recording.

    Parameters
    ----------
    at : Centres
        The clusters that it matters for.
    felt : Felt
        Their jolts: among these copies are looked for.
    passes : DataFrame
        ``PASSES`` around them, in any order.
    voter : (n,) int64
        Of each pass; below 0: it names no device, has no vote, and is nobody's companion.
    dated : (n,) bool
        Whether the clock of each pass names days: without, two trips' times cannot be compared.
    way_m : float
        How far from a cluster ways are compared.

    Returns
    -------
    Companions
        Those with at least one other; the voter is the least of the company.

    In each bin the trips within `TOGETHER_NS` of the one before are a company, and each is compared
    with the next by key: time grows with the passes and not with their pairs, however large a cart.
    """
    named = np.flatnonzero(voter >= 0)
    together = _together(at, passes.iloc[named[dated[named]]], way_m=way_m)
    copied = _copied(at, felt, passes.iloc[named], way_m=way_m)
    pairs = np.concatenate((together, copied), axis=1)
    return _companies(pairs, passes["trip_key"].to_numpy(), voter)


def _bins_around(at: Centres, bins: Ints, *, way_m: float) -> tuple[Ints, Ints]:
    """Pairs of cluster number and row of `bins` within `way_m` of it."""
    none = np.empty(0, np.int64)
    if len(bins) == 0 or len(at.lat_deg) == 0:
        return none, none
    from scipy.spatial import cKDTree

    order = np.argsort(bins, kind="stable")
    starts = group_starts(bins[order])
    middle = cKDTree(ecef_mm(*bin_centre(bins[order][starts])).astype(np.float64))
    found = cKDTree(ecef_mm(at.lat_deg, at.lon_deg).astype(np.float64)).sparse_distance_matrix(
        middle, way_m * 1000, output_type="coo_matrix"
    )
    count = np.diff(np.append(starts, len(order)))[found.col]
    of, row = expanded(starts[found.col], count)
    return found.row.astype(np.int64)[of], order[row]


def _together(at: Centres, passes: pd.DataFrame, *, way_m: float) -> Ints:
    """Cluster and two trips that share `SHARED_BINS` around it at one time, (3, n)."""
    bins, t_ns, trip = (passes[name].to_numpy() for name in ("bin", "t_utc_ns", "trip_key"))
    order = np.lexsort((t_ns, bins))
    bins, t_ns, trip = bins[order], t_ns[order], trip[order]
    alone = np.zeros(len(order), np.bool_)
    alone[1:] = (bins[1:] != bins[:-1]) | (np.diff(t_ns) > TOGETHER_NS)
    company = np.cumsum(alone)
    order = np.lexsort((trip, company))
    bins, trip, company = bins[order], trip[order], company[order]
    pair = np.flatnonzero((company[1:] == company[:-1]) & (trip[1:] != trip[:-1]))
    bins, one, other = bins[pair], trip[pair], trip[pair + 1]
    cluster, row = _bins_around(at, bins, way_m=way_m)
    bins, one, other = bins[row], one[row], other[row]
    order = np.lexsort((bins, other, one, cluster))
    cluster, bins, one, other = cluster[order], bins[order], one[order], other[order]
    shared = group_starts(cluster, one, other, bins)
    first = group_starts(cluster[shared], one[shared], other[shared])
    enough = shared[first[np.diff(np.append(first, len(shared))) >= SHARED_BINS]]
    return np.array((cluster[enough], one[enough], other[enough]))


def _copied(at: Centres, felt: Felt, passes: pd.DataFrame, *, way_m: float) -> Ints:
    """Cluster and two trips that jolted there and are copies around it, (3, n)."""
    one, other = _of_like_strength(felt)
    jolt, row = _ways(at, felt, passes, way_m=way_m)
    pair, a, b = _in_one_bin(one, other, jolt, row, passes)
    t_ns, rough, aside_m = (
        passes[name].to_numpy() for name in ("t_utc_ns", "roughness_ms2", "aside_m")
    )
    heard = (rough[a] > 0) & (rough[b] > 0)
    pair, a, b = pair[heard], a[heard], b[heard]
    starts = group_starts(pair)
    size = np.diff(np.append(starts, len(pair)))

    def mean(values: Floats) -> Floats:
        return np.add.reduceat(values, starts) / size if len(starts) else np.empty(0)

    late_s = (t_ns[a] - t_ns[b]) * 1e-9
    late_s -= np.repeat(mean(late_s), size)
    unlike = (
        (mean(np.abs(late_s)) / COPY_S) ** 2
        + (mean(np.abs(np.log(rough[a] / rough[b]))) / COPY_LOG) ** 2
        + (mean(np.abs(aside_m[a] - aside_m[b])) / COPY_ASIDE_M) ** 2
    )
    found = pair[starts[(size >= COPIED_BINS) & (unlike <= COPY)]]
    return np.array((felt.cluster[one[found]], felt.trip[one[found]], felt.trip[other[found]]))


def _of_like_strength(felt: Felt) -> tuple[Ints, Ints]:
    """Pairs of jolts of a cluster that are about as strong and follow each other by score."""
    order = np.lexsort((felt.trip, felt.score, felt.cluster))
    cluster, trip, score = felt.cluster[order], felt.trip[order], felt.score[order]
    row = np.arange(len(order))
    one, other = expanded(row + 1, np.minimum(COMPARED, len(order) - 1 - row))
    pair = (cluster[one] == cluster[other]) & (trip[one] != trip[other])
    pair &= score[other] <= (1 + LIKE) * score[one]
    return order[one[pair]], order[other[pair]]


def _ways(at: Centres, felt: Felt, passes: pd.DataFrame, *, way_m: float) -> tuple[Ints, Ints]:
    """Rows of `passes` by which each jolt's car came and went, and which jolt they are of.

    Of the bins within `way_m` of the cluster those at most `AROUND_MS` before and after the jolt.
    """
    trips, trip = np.unique(passes["trip_key"].to_numpy(), return_inverse=True)
    t_ms = passes["t_utc_ns"].to_numpy() // 1_000_000
    order = np.lexsort((t_ms, trip))
    starts = group_starts(trip[order])
    since_ms = t_ms - t_ms[order[starts]][trip]
    longest_ms = int(since_ms.max(initial=0)) + 4 * AROUND_MS  # so that trips stay apart
    time = trip[order] * longest_ms + since_ms[order]
    who = _found(trips, felt.trip)
    jolt = np.flatnonzero(who >= 0)
    who = who[jolt]
    since_ms = felt.t_ns[jolt] // 1_000_000 - t_ms[order[starts]][who]
    middle = who * longest_ms + np.clip(since_ms, -2 * AROUND_MS, longest_ms - 2 * AROUND_MS)
    first = np.searchsorted(time, middle - AROUND_MS)
    of, row = expanded(first, np.searchsorted(time, middle + AROUND_MS, side="right") - first)
    of, row = jolt[of], order[row]
    there = ecef_mm(at.lat_deg, at.lon_deg)[felt.cluster[of]]
    apart_mm = ecef_mm(*bin_centre(passes["bin"].to_numpy()[row])) - there
    near = (apart_mm**2).sum(axis=1) <= (way_m * 1000) ** 2
    return of[near], row[near]


def _in_one_bin(
    one: Ints, other: Ints, jolt: Ints, row: Ints, passes: pd.DataFrame
) -> tuple[Ints, Ints, Ints]:
    """Where both cars of a pair of jolts drove: number of the pair, and the row of either.

    `row` are the rows of `passes` by each `jolt`. Sorted by pair and bin; of several visits to a
    bin the first counts.
    """
    bins, at = np.unique(passes["bin"].to_numpy()[row], return_inverse=True)
    order = np.lexsort((passes["seq"].to_numpy()[row], at, jolt))
    order = order[group_starts(jolt[order], at[order])]
    jolt, row, at = jolt[order], row[order], at[order]
    begin = np.searchsorted(jolt, one)
    pair, mine = expanded(begin, np.searchsorted(jolt, one, side="right") - begin)
    match = _found(jolt * len(bins) + at, other[pair] * len(bins) + at[mine])
    both = match >= 0
    return pair[both], row[mine[both]], row[match[both]]


def _found(ordered: Ints, wanted: Ints) -> Ints:
    """Where each wanted number stands among ordered ones; -1: nowhere.

    >>> _found(np.array([2, 5, 9]), np.array([9, 3, 2])).tolist()
    [2, -1, 0]
    """
    if len(ordered) == 0:
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)


def _companies(pairs: Ints, trips: Ints, voter: Ints) -> Companions:
    """Everybody who is joined with somebody, by cluster, with the least voter of the company."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    keys, first = np.unique(trips, return_index=True)
    width = max(len(keys), 1)
    a, b = pairs[0] * width + np.searchsorted(keys, pairs[1:])
    nodes, at = np.unique(np.concatenate((a, b)), return_inverse=True)
    joined = (at[: len(a)], at[len(a) :])
    edges = coo_array((np.ones(len(a), np.int8), joined), shape=(len(nodes),) * 2)
    count, company = connected_components(edges, directed=False)
    own = voter[first[nodes % width]] if len(nodes) else nodes
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, company, own)
    return Companions(nodes // width, keys[nodes % width] if len(nodes) else nodes, least[company])
