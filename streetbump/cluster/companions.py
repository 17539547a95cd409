"""Phones that ride in one car: past a place they are one witness, however many there are.

One handcart full of phones once made a traffic jam on a public map. What gives them away is where
they are: in the same bins at the same times, all along. Companions are told for each cluster from
the bins around it (``company_m``), so that a cell's clusters depend on the cell and its halo alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.cluster.evidence import Centres, group_starts
from streetbump.cluster.neighbours import expanded
from streetbump.geo import bin_centre, ecef_mm
from streetbump.model import Bools, Ints

SHARED_BINS = 9
"""Two trips that share so many bins, 200 m of way, went together. Chosen by us: 15 to 30 s of
driving, in which the next car draws nearer or falls behind; and a phone may miss a bin."""

TOGETHER_NS = 2_000_000_000
"""Times of one car in one bin differ by no more, ns. Chosen by us: clocks of receivers agree, and
the phone on the back seat enters a bin half a second later; most cars keep 2 s or more."""


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


def co_travelling(
    at: Centres, passes: pd.DataFrame, voter: Ints, dated: Bools, *, way_m: float
) -> Companions:
    """Trips of several devices that drove past a cluster in one car.

    Parameters
    ----------
    at : Centres
        The clusters that it matters for.
    passes : DataFrame
        ``PASSES`` around them, in any order.
    voter : (n,) int64
        Of each pass; below 0: it names no device, has no vote, and is nobody's companion.
    dated : (n,) bool
        Whether the clock of each pass names days: without, two times cannot be compared.
    way_m : float
        How far from a cluster ways are compared.

    Returns
    -------
    Companions
        Those with at least one other; the voter is the least of the company.

    In each bin the trips within `TOGETHER_NS` of the one before are a company, and each is compared
    with the next by key: time grows with the passes and not with their pairs, however large a cart.
    """
    use = np.flatnonzero(dated & (voter >= 0))
    near, row = _bins_around(at, passes["bin"].to_numpy()[use], way_m=way_m)
    row = use[row]
    trip, bins, t_ns = (passes[name].to_numpy()[row] for name in ("trip_key", "bin", "t_utc_ns"))
    one, other, cluster = _together(near, bins, t_ns, trip)
    return _companies(cluster, one, other, passes["trip_key"].to_numpy(), voter)


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


def _together(cluster: Ints, bins: Ints, t_ns: Ints, trip: Ints) -> tuple[Ints, Ints, Ints]:
    """Pairs of trips that share `SHARED_BINS` around a cluster, and the cluster."""
    order = np.lexsort((t_ns, bins, cluster))
    cluster, bins, t_ns, trip = cluster[order], bins[order], t_ns[order], trip[order]
    alone = np.zeros(len(order), np.bool_)
    alone[1:] = np.diff(t_ns) > TOGETHER_NS
    company = np.zeros(len(order), np.int64)
    company[group_starts(cluster, bins, np.cumsum(alone))] = 1
    company = np.cumsum(company)
    order = np.lexsort((trip, company))
    cluster, bins, trip, company = cluster[order], bins[order], trip[order], company[order]
    pair = np.flatnonzero((company[1:] == company[:-1]) & (trip[1:] != trip[:-1]))
    cluster, bins, one, other = cluster[pair], bins[pair], trip[pair], trip[pair + 1]
    order = np.lexsort((bins, other, one, cluster))
    cluster, bins, one, other = cluster[order], bins[order], one[order], other[order]
    shared = group_starts(cluster, one, other, bins)
    first = group_starts(cluster[shared], one[shared], other[shared])
    enough = shared[first[np.diff(np.append(first, len(shared))) >= SHARED_BINS]]
    return one[enough], other[enough], cluster[enough]


def _companies(cluster: Ints, one: Ints, other: Ints, trips: Ints, voter: Ints) -> Companions:
    """Everybody who is joined with somebody, by cluster, with the least voter of the company."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    keys, first = np.unique(trips, return_index=True)
    width = max(len(keys), 1)
    a, b = (cluster * width + np.searchsorted(keys, side) for side in (one, other))
    nodes, at = np.unique(np.concatenate((a, b)), return_inverse=True)
    joined = (at[: len(a)], at[len(a) :])
    edges = coo_array((np.ones(len(a), np.int8), joined), shape=(len(nodes),) * 2)
    count, company = connected_components(edges, directed=False)
    own = voter[first[nodes % width]] if len(nodes) else nodes
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, company, own)
    return Companions(nodes // width, keys[nodes % width] if len(nodes) else nodes, least[company])
