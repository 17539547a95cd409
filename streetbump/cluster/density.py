"""Density clustering of jolts: cores by distinct trips, chains cut down, borders to nearest cores.

The idea is DBSCAN (Ester, Kriegel, Sander, Xu 1996, KDD-96, pp. 226-231) with four departures. A
core needs neighbours from enough *distinct trips*, so that one car going round the block proves
nothing. Two jolts are neighbours only when their headings agree. Where cores hang together in a
chain longer than any defect, the chain is looked at again with more trips asked of a core, until
its parts are short: a busy street must not melt its holes into one, as positions scatter by
metres. (This walks down the tree of density-connected parts, as HDBSCAN does: Campello, Moulavi
and Sander 2013, doi 10.1007/978-3-642-37456-2_14.) And a border point, which in DBSCAN falls to
whichever cluster is visited first, goes to its nearest core, the one that comes first among equals:
the result does not depend on the order of rows. All comparisons are between integers.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import Bools, Ints

NOISE = -1
NEXT_LEVEL = (7, 5)
"""A long chain is looked at again with this many times the trips. Chosen by us: some ten steps from
2 to 100 trips; finer ones find the same parts."""


def density_clusters(
    xyz_mm: Ints,
    heading_cdeg: Ints,
    trip: Ints,
    *,
    eps_mm: int,
    core_trips: int,
    max_heading_cdeg: int,
    max_extent_mm: int,
) -> tuple[Ints, Bools, Bools]:
    """Cluster label of each jolt, whether it is a core, and whether it lies along a long chain.

    Parameters
    ----------
    xyz_mm : (n, 3) int64
        Positions in whole millimetres (:func:`streetbump.geo.ecef_mm`).
    heading_cdeg : (n,) int64
        Direction of travel, 1/100 degree.
    trip : (n,) int64
        Which trip each jolt belongs to.
    eps_mm, max_heading_cdeg : int
        Two jolts within both limits (inclusive) are neighbours.
    core_trips : int
        Distinct trips among a core's neighbours, its own included; more within a long chain.
    max_extent_mm : int
        Longest diagonal of the box around the cores of a cluster.

    Returns
    -------
    labels : (n,) int64
        The row of the cluster's first core; -1 for noise. Rows in an order that depends on
        content alone (trip, then time) give labels that do too.
    core : (n,) bool
        Cores of clusters.
    chained : (n,) bool
        Noise that is a core of a long chain, or has one as a neighbour.

    Memory and time grow with the number of neighbour pairs.

    >>> xyz = np.array([[0, 0, 0], [900, 0, 0], [1800, 0, 0], [90_000, 0, 0]])
    >>> density_clusters(xyz, np.zeros(4, int), np.array([1, 2, 3, 4]), eps_mm=1000, core_trips=2,
    ...                  max_heading_cdeg=4500, max_extent_mm=5000)[0].tolist()
    [0, 0, 0, -1]
    """
    n = len(xyz_mm)
    labels, core, chain = np.full(n, NOISE, np.int64), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    if n == 0:
        return labels, core, chain
    a, b, d2 = _neighbours(xyz_mm, heading_cdeg, eps_mm, max_heading_cdeg)
    trips = _distinct_trips(a, b, trip)
    level, times = core_trips, NEXT_LEVEL
    asked = trips >= level
    while asked.any():  # some ten levels
        part = _components(a, b, asked)
        long = asked & _is_long(xyz_mm, part, max_extent_mm)
        labels = np.where(asked & ~long, part, labels)
        core |= asked & ~long
        chain |= long
        level = max(level + 1, level * times[0] // times[1])
        asked = long & (trips >= level)
    chain &= ~core
    _join_borders(labels, a, b, d2, core)
    near = np.bincount(a, weights=chain[b], minlength=n) > 0
    return labels, core, (labels == NOISE) & (chain | near)


def _is_long(xyz_mm: Ints, part: Ints, limit_mm: int) -> Bools:
    """Whether each row's part (-1: none) spans more than the limit."""
    rows = np.flatnonzero(part != NOISE)
    rows = rows[np.argsort(part[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(part[rows], prepend=NOISE))
    xyz = xyz_mm[rows]
    span = np.maximum.reduceat(xyz, starts) - np.minimum.reduceat(xyz, starts)
    long = (span**2).sum(axis=1) > limit_mm * limit_mm
    return np.isin(part, part[rows][starts][long])


def _neighbours(
    xyz_mm: Ints, heading_cdeg: Ints, eps_mm: int, max_heading_cdeg: int
) -> tuple[Ints, Ints, Ints]:
    """Both directions of every neighbour pair, and its squared length in mm²."""
    from scipy.spatial import cKDTree

    # One millimetre more than eps, then compared as integers: no rounding decides.
    pairs = cKDTree(xyz_mm.astype(np.float64)).query_pairs(eps_mm + 1, output_type="ndarray")
    a, b = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
    d2 = ((xyz_mm[a] - xyz_mm[b]) ** 2).sum(axis=1)
    turn = np.abs((heading_cdeg[a] - heading_cdeg[b] + 18_000) % 36_000 - 18_000)
    keep = (d2 <= eps_mm * eps_mm) & (turn <= max_heading_cdeg)
    a, b, d2 = a[keep], b[keep], d2[keep]
    return np.concatenate((a, b)), np.concatenate((b, a)), np.concatenate((d2, d2))


def _distinct_trips(a: Ints, b: Ints, trip: Ints) -> Ints:
    """How many distinct trips stand around each row, its own included."""
    _, rank = np.unique(trip, return_inverse=True)
    width = int(rank.max()) + 1
    rows = np.arange(len(trip))
    seen = np.unique(np.concatenate((a, rows)) * width + np.concatenate((rank[b], rank)))
    return np.bincount(seen // width, minlength=len(trip))


def _components(a: Ints, b: Ints, core: Bools) -> Ints:
    """Label of each core: the first core it is connected with; -1 elsewhere."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(core)
    both = core[a] & core[b]
    edges = coo_array((np.ones(both.sum(), np.int8), (a[both], b[both])), shape=(n, n))
    _, component = connected_components(edges, directed=False)
    rows = np.flatnonzero(core)
    _, first, inverse = np.unique(component[rows], return_index=True, return_inverse=True)
    labels = np.full(n, NOISE, np.int64)
    labels[rows] = rows[first][inverse]
    return labels


def _join_borders(labels: Ints, a: Ints, b: Ints, d2: Ints, core: Bools) -> None:
    """Give each border row the label of its nearest core, the first among equals."""
    border = ~core[a] & core[b]
    a, b, d2 = a[border], b[border], d2[border]
    order = np.lexsort((b, d2, a))
    rows, nearest = np.unique(a[order], return_index=True)
    labels[rows] = labels[b[order][nearest]]
