"""Jolts, passes and obstacles of many trips → clusters; clusters → places.

``cluster_region`` is a pure function: the same trips and obstacles give the same clusters,
whatever the order of rows, the cells they are stored in, or what was computed before.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from streetbump.cluster import evidence, match
from streetbump.cluster.density import NOISE, density_clusters
from streetbump.cluster.priority import priority
from streetbump.config import ClusterSettings
from streetbump.geo import bin_centre, bin_of, cell_of, ecef_mm
from streetbump.model import (
    BUMPS,
    CLUSTERS,
    MEMBERS,
    OBSTACLES,
    P_COLUMNS,
    PASSES,
    STRETCHES,
    TRIPS,
    Bools,
    Clustering,
    Floats,
    Ints,
    classify_rows,
)

ALGORITHM = "cluster-4"
"""Changes whenever the same settings would give other clusters: part of the generation's key."""

__all__ = ["ALGORITHM", "cluster_region"]


def cluster_region(
    bumps: pd.DataFrame,
    passes: pd.DataFrame,
    trips: pd.DataFrame,
    obstacles: pd.DataFrame,
    *,
    owned: Ints | None,
    generation: str,
    settings: ClusterSettings,
) -> Clustering:
    """The clusters and rough stretches of a region.

    Parameters
    ----------
    bumps, passes, trips, obstacles : DataFrame
        Tables ``BUMPS``, ``PASSES``, ``TRIPS``, ``OBSTACLES``, in any order, of the region and
        its halo.
    owned : (k,) int64 or None
        Storage cells whose clusters are wanted; None means all.
    generation : str
        Goes into the clusters' ids.

    Returns
    -------
    Clustering
        Sorted by cluster id, and by bin; empty tables when nothing is known.
    """
    BUMPS.check(bumps), PASSES.check(passes), TRIPS.check(trips), OBSTACLES.check(obstacles)
    usable = _usable(bumps, settings=settings)
    labels, core, long = _label(usable, settings=settings)
    stretches = _stretches(usable[long], owned=owned, settings=settings)
    # A label is the row of the cluster's first core: its owner, whose cell stores the cluster.
    cell = cell_of(usable["lat_deg"].to_numpy(), usable["lon_deg"].to_numpy())[labels]
    rows = np.flatnonzero(~long & _is_owned(cell, owned))
    rows = rows[np.lexsort((rows, labels[rows]))]
    if len(rows) == 0:
        return Clustering(CLUSTERS.empty(), MEMBERS.empty(), stretches)
    grouped = _Grouped(
        usable.iloc[rows].reset_index(drop=True), core[rows], cell[rows], labels[rows]
    )
    return Clustering(
        *_describe(grouped, passes, trips, obstacles, generation, settings), stretches
    )


class _Grouped:
    """Jolts sorted by cluster, trip and sequence, and where each cluster begins."""

    def __init__(self, hits: pd.DataFrame, core: Bools, cell: Ints, label: Ints) -> None:
        self.hits, self.core = hits, core
        self.starts = evidence.group_starts(label)
        self.number = np.repeat(
            np.arange(len(self.starts)), np.diff(np.append(self.starts, len(hits)))
        )
        self.cell = cell[self.starts]


def _usable(bumps: pd.DataFrame, *, settings: ClusterSettings) -> pd.DataFrame:
    """The jolts that may join a cluster, sorted by trip and sequence."""
    keep = (
        bumps["lat_deg"].notna()
        & bumps["heading_deg"].notna()
        & (bumps["pos_err_m"] <= settings.max_pos_err_m)
        & (bumps["score"] >= settings.min_score)
        & (bumps["weight"] > 0)
    )
    return bumps[keep].sort_values(["trip_key", "seq"]).reset_index(drop=True)


def _label(usable: pd.DataFrame, *, settings: ClusterSettings) -> tuple[Ints, Bools, Bools]:
    """Cluster label per jolt, cores, and what lies along a rough stretch.

    A lone jolt is a cluster of its own.
    """
    labels, core, along = density_clusters(
        ecef_mm(usable["lat_deg"].to_numpy(), usable["lon_deg"].to_numpy()),
        np.rint(usable["heading_deg"].to_numpy() * 100).astype(np.int64),
        usable["trip_key"].to_numpy(),
        eps_mm=round(settings.eps_m * 1000),
        core_trips=settings.core_trips,
        max_heading_cdeg=round(settings.max_heading_deg * 100),
        max_extent_mm=round(settings.max_extent_m * 1000),
    )
    return np.where(labels == NOISE, np.arange(len(labels)), labels), core, along


def _is_owned(cells: Ints, owned: Ints | None) -> Bools:
    return np.ones(len(cells), np.bool_) if owned is None else np.isin(cells, owned)


def _stretches(
    jolts: pd.DataFrame, *, owned: Ints | None, settings: ClusterSettings
) -> pd.DataFrame:
    """Jolts of long chains per bin and direction."""
    if len(jolts) == 0:
        return STRETCHES.empty()
    bins = bin_of(jolts["lat_deg"].to_numpy(), jolts["lon_deg"].to_numpy())
    cells = cell_of(*bin_centre(bins))
    mine = _is_owned(cells, owned)
    sector = (np.rint(jolts["heading_deg"].to_numpy() / 45).astype(np.int64)) % 8
    order = np.lexsort((jolts["seq"], jolts["trip_key"], sector, bins))
    order = order[mine[order]]
    if len(order) == 0:
        return STRETCHES.empty()
    bins, sector, cells, jolts = bins[order], sector[order], cells[order], jolts.iloc[order]
    starts = evidence.group_starts(bins, sector)
    trips = evidence.group_starts(bins, sector, jolts["trip_key"].to_numpy())
    return STRETCHES.build(
        {
            "cell": cells[starts],
            "bin": bins[starts],
            "heading_sector": sector[starts],
            "n_trips": np.diff(np.append(np.searchsorted(trips, starts), len(trips))),
            "jolts": np.diff(np.append(starts, len(bins))),
            "severity": evidence.severity(jolts, starts, s=settings)[0],
        }
    )


def _describe(
    g: _Grouped,
    passes: pd.DataFrame,
    trips: pd.DataFrame,
    obstacles: pd.DataFrame,
    generation: str,
    settings: ClusterSettings,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The evidence of every cluster (``CLUSTERS``), and who its members are (``MEMBERS``)."""
    n = len(g.starts)
    who = _Who(trips)
    at = evidence.centres(g.hits, g.starts)
    known = obstacles.sort_values("obstacle_id").reset_index(drop=True)
    tally = _tally(g, at.lon_deg, who)
    found = match.in_force(
        match.match(at, known, reach_m=settings.reach_m),
        known,
        first_ns=tally["first_seen_utc_ns"],
        last_ns=tally["last_seen_utc_ns"],
    )
    listed = match.listed_classes(found, known, n=n)
    p = evidence.class_posterior(g.hits, g.starts, listed, s=settings)
    classes = [c.value for c in classify_rows(p, unsure_below=settings.unsure_below)]
    explained = match.explained_by(found, known, classes)
    revision = dict(zip(known["obstacle_id"], known["revision"], strict=True))
    visits = evidence.find_visits(g.hits, g.number, at, passes, s=settings)
    day = evidence.solar_day(visits.t_ns, at.lon_deg[visits.cluster])
    rate = evidence.hit_rate(
        visits,
        who.voter(visits.trip),
        np.where(who.dated(visits.trip), day, 0),
        n=n,
        credible=settings.credible,
    )
    level, level_lo, level_hi = evidence.severity(g.hits, g.starts, s=settings)
    ids = _cluster_ids(g.hits, g.starts, generation)
    clusters = CLUSTERS.build(
        {
            "cluster_id": ids,
            "cell": g.cell,
            "lat_deg": at.lat_deg,
            "lon_deg": at.lon_deg,
            "pos_err_m": at.pos_err_m,
            "heading_deg": at.heading_deg,
            "hits": rate.hits,
            "passes": rate.passes,
            "hit_rate": rate.mean,
            "hit_rate_lo": rate.lo,
            "hit_rate_hi": rate.hi,
            "class": classes,
            **{name: p[:, k] for k, name in enumerate(P_COLUMNS)},
            "severity": level,
            "severity_lo": level_lo,
            "severity_hi": level_hi,
            "priority": priority(
                rate.voted,
                rate.passed,
                level,
                level_lo,
                np.bincount(g.number, minlength=n).astype(np.float64),
                credible=settings.credible,
            ),
            "obstacle_id": explained,
            "obstacle_revision": [revision[o] if o else 0 for o in explained],
            **tally,
        }
    )
    members = MEMBERS.build(
        {
            "cluster_id": [ids[k] for k in g.number.tolist()],
            "trip_key": g.hits["trip_key"].to_numpy(),
            "seq": g.hits["seq"].to_numpy(),
            "core": g.core,
        }
    )
    return (
        clusters.sort_values("cluster_id").reset_index(drop=True),
        members.sort_values(["cluster_id", "trip_key", "seq"]).reset_index(drop=True),
    )


def _cluster_ids(hits: pd.DataFrame, starts: Ints, generation: str) -> list[str]:
    """Content key of each cluster: hash of the generation and its jolts."""
    rows = np.column_stack((hits["trip_key"].to_numpy(), hits["seq"].to_numpy())).astype("<i8")
    ends = np.append(starts[1:], len(rows))
    prefix = generation.encode()
    return [
        hashlib.sha256(prefix + rows[a:b].tobytes()).hexdigest()[:16]
        for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]  # one step per cluster


class _Who:
    """Devices and days of trips, by trip key."""

    def __init__(self, trips: pd.DataFrame) -> None:
        ordered = trips.sort_values("trip_key")
        self._keys = ordered["trip_key"].to_numpy()
        named = ordered["device"].notna().to_numpy()
        code, _ = pd.factorize(ordered["device"], sort=True)
        # Devices from 0 up, unnamed trips each a voter of its own from -2 down.
        self._voter = np.where(named, code, -2 - np.arange(len(code)))
        self._named = named
        self._dated = ordered["dated"].to_numpy()
        self._synthetic = ordered["synthetic"].to_numpy()

    def _at(self, trip: Ints) -> Ints:
        return np.searchsorted(self._keys, trip)

    def voter(self, trip: Ints) -> Ints:
        return self._voter[self._at(trip)]

    def named(self, trip: Ints) -> Bools:
        return self._named[self._at(trip)]

    def dated(self, trip: Ints) -> Bools:
        return self._dated[self._at(trip)]

    def synthetic(self, trip: Ints) -> Bools:
        return self._synthetic[self._at(trip)]


def _tally(g: _Grouped, lon_deg: Floats, who: _Who) -> dict[str, np.ndarray]:
    """Distinct trips, devices and days of each cluster's hits, and when they were."""
    trip, t_ns = g.hits["trip_key"].to_numpy(), g.hits["t_utc_ns"].to_numpy()
    n = len(g.starts)
    named, dated = who.named(trip), who.dated(trip)
    day = evidence.solar_day(t_ns, lon_deg[g.number])
    far = np.iinfo(np.int64).max
    first = np.minimum.reduceat(np.where(dated, t_ns, far), g.starts)
    return {
        "n_trips": _distinct(g.number, trip, n),
        "n_devices": _distinct(g.number[named], who.voter(trip[named]), n),
        "n_days": _distinct(g.number[named & dated], day[named & dated], n),
        "synthetic": np.logical_or.reduceat(who.synthetic(trip), g.starts),
        "first_seen_utc_ns": np.where(first == far, -1, first),
        "last_seen_utc_ns": np.maximum.reduceat(np.where(dated, t_ns, -1), g.starts),
    }


def _distinct(group: Ints, value: Ints, n: int) -> Ints:
    """How many distinct values each of `n` groups holds."""
    order = np.lexsort((value, group))
    starts = evidence.group_starts(group[order], value[order])
    return np.bincount(group[order][starts], minlength=n)
