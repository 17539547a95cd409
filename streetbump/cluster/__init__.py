"""Jolts, passes and obstacles of many trips → clusters; clusters → places.

``cluster_region`` is a pure function: the same trips and obstacles give the same clusters,
whatever the order of rows, the cells they are stored in, or what was computed before.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from streetbump.cluster import evidence, kinds, match
from streetbump.cluster.companions import Companions, Felt, co_travelling
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

ALGORITHM = "cluster-8"
"""Changes whenever the same settings would give other clusters: part of the generation's key."""

__all__ = ["ALGORITHM", "Examined", "cluster_region", "examine"]


def cluster_region(
    bumps: pd.DataFrame,
    passes: pd.DataFrame,
    trips: pd.DataFrame,
    obstacles: pd.DataFrame,
    *,
    owned: Ints | None,
    generation: str,
    settings: ClusterSettings,
    model: kinds.PlaceModel,
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
    model : PlaceModel
        What tells potholes from the rest (:func:`streetbump.cluster.kinds.load_place_model`).

    Returns
    -------
    Clustering
        Sorted by cluster id, and by bin; empty tables when nothing is known.
    """
    found, stretches = examine(bumps, passes, trips, obstacles, owned=owned, settings=settings)
    if found is None:
        return Clustering(CLUSTERS.empty(), MEMBERS.empty(), stretches)
    return Clustering(*_describe(found, generation, settings, model), stretches)


@dataclass(frozen=True, eq=False)
class Examined:
    """What the jolts of each cluster say before it is judged what it is.

    `hits` are rows of ``BUMPS`` by cluster, trip and sequence, `core` whether each is one; `cell`
    is that of each cluster's owner. `tally` and `severity` are columns of ``CLUSTERS``; `x` is what
    the model weighs; `listed` are the known obstacles near by, rows of `known`, and `nearness` how
    near one of each class is, (n, 8).
    """

    hits: pd.DataFrame
    core: Bools
    g: evidence.Groups
    cell: Ints
    at: evidence.Centres
    tally: dict[str, np.ndarray]
    votes: evidence.Votes
    severity: tuple[Floats, ...]
    x: Floats
    known: pd.DataFrame
    listed: match.Matches
    nearness: Floats


def examine(
    bumps: pd.DataFrame,
    passes: pd.DataFrame,
    trips: pd.DataFrame,
    obstacles: pd.DataFrame,
    *,
    owned: Ints | None,
    settings: ClusterSettings,
) -> tuple[Examined | None, pd.DataFrame]:
    """The clusters of a region before they are judged (None without any), and its stretches.

    Parameters are those of :func:`cluster_region`.
    """
    BUMPS.check(bumps), PASSES.check(passes), TRIPS.check(trips), OBSTACLES.check(obstacles)
    usable = _usable(bumps, settings=settings)
    labels, core = _label(usable, settings=settings)
    # A label is the row of the cluster's peak: its owner, whose cell stores the cluster.
    cell = cell_of(usable["lat_deg"].to_numpy(), usable["lon_deg"].to_numpy())[labels]
    rough = _is_stretch(usable, labels, settings=settings)
    stretches = _stretches(usable[rough], owned=owned, settings=settings)
    rows = np.flatnonzero(~rough & _is_owned(cell, owned))
    rows = rows[np.lexsort((rows, labels[rows]))]
    if len(rows) == 0:
        return None, stretches
    hits, who = usable.iloc[rows].reset_index(drop=True), _Who(trips)
    voter = who.voter(hits["trip_key"].to_numpy())
    g = evidence.groups(labels[rows], voter, hits["weight"].to_numpy())
    company = _company(hits, g, voter, passes, who, settings=settings)
    voter = company.voters(g.number, hits["trip_key"].to_numpy(), voter)
    g = evidence.groups(labels[rows], voter, hits["weight"].to_numpy())
    at = evidence.centres(hits, g)
    tally = _tally(hits, g, voter, at.lon_deg, who)
    visits = evidence.find_visits(hits, g.number, at, passes, s=settings)
    dated = who.dated(visits.trip)
    day = np.where(dated, evidence.solar_day(visits.t_ns, at.lon_deg[visits.cluster]), 0)
    passer = company.voters(visits.cluster, visits.trip, who.voter(visits.trip))
    at = evidence.in_lane(at, visits, passer)
    votes = evidence.tally(visits, passer, day, dated, n=len(g.starts))
    log_jolt = evidence.reference_jolt(hits, s=settings)
    known = obstacles.sort_values("obstacle_id").reset_index(drop=True)
    listed = match.in_force(
        match.match(at, known, reach_m=settings.reach_m),
        known,
        first_ns=tally["first_seen_utc_ns"],
        last_ns=tally["last_seen_utc_ns"],
    )
    other = kinds.opposite(at, usable, passes, s=settings)
    found = Examined(
        hits=hits,
        core=core[rows],
        g=g,
        cell=cell[rows][g.starts],
        at=at,
        tally=tally,
        votes=votes,
        severity=evidence.severity(hits, log_jolt, g, credible=settings.credible),
        x=kinds.features(hits, g, log_jolt, visits, votes, other),
        known=known,
        listed=listed,
        nearness=match.listed_classes(listed, known, at.pos_err_m),
    )
    return found, stretches


def _company(
    hits: pd.DataFrame, g: evidence.Groups, voter: Ints, passes: pd.DataFrame, who: _Who, *,
    settings: ClusterSettings,
) -> Companions:  # fmt: skip
    """Who is one witness past the clusters that several named devices felt."""
    named = voter >= 0
    several = np.flatnonzero(kinds.distinct(g.number[named], voter[named], len(g.starts)) > 1)
    at = evidence.centres(hits, g)
    theirs = np.flatnonzero(np.isin(g.number, several))
    felt = Felt(
        np.searchsorted(several, g.number[theirs]),
        *(hits[name].to_numpy()[theirs] for name in ("trip_key", "t_utc_ns", "score")),
    )
    found = co_travelling(
        evidence.Centres(*(getattr(at, f)[several] for f in at.__dataclass_fields__)),
        felt,
        passes,
        who.voter(passes["trip_key"].to_numpy()),
        who.dated(passes["trip_key"].to_numpy()),
        way_m=settings.company_m,
    )
    return replace(found, cluster=several[found.cluster])


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


def _label(usable: pd.DataFrame, *, settings: ClusterSettings) -> tuple[Ints, Bools]:
    """Cluster label per jolt, and cores. A lone jolt is a cluster of its own."""
    labels, core = density_clusters(
        ecef_mm(usable["lat_deg"].to_numpy(), usable["lon_deg"].to_numpy()),
        np.rint(usable["heading_deg"].to_numpy() * 100).astype(np.int64),
        usable["trip_key"].to_numpy(),
        usable["t_utc_ns"].to_numpy(),
        eps_mm=round(settings.eps_m * 1000),
        reach_mm=round(settings.join_m * 1000),
        apart_mm=round(settings.apart_m * 1000),
        halves_mm=round(settings.halves_m * 1000),
        visit_ns=round(settings.visit_gap_s * 1e9),
        core_trips=settings.core_trips,
        max_heading_cdeg=round(settings.max_heading_deg * 100),
    )
    return np.where(labels == NOISE, np.arange(len(labels)), labels), core


def _is_stretch(usable: pd.DataFrame, labels: Ints, *, settings: ClusterSettings) -> Bools:
    """Which jolts belong to clusters on a rough stretch: who jolts there jolts again and again.

    A defect gives a car one jolt, or two with its neighbour. Where most trips of a cluster jolt
    ``rough_jolts`` times within ``max_extent_m`` of it, ahead or behind, it is no defect.
    """
    again = _jolts_around(usable, settings=settings)
    members = np.bincount(labels, minlength=len(labels))
    often = np.bincount(labels, weights=again >= settings.rough_jolts, minlength=len(labels))
    return (2 * often > members)[labels]


def _jolts_around(usable: pd.DataFrame, *, settings: ClusterSettings) -> Ints:
    """How many jolts of the same trip and visit lie around each, its own included."""
    xyz = ecef_mm(usable["lat_deg"].to_numpy(), usable["lon_deg"].to_numpy())
    trip, t_ns = usable["trip_key"].to_numpy(), usable["t_utc_ns"].to_numpy()
    limit_mm, gap_ns = round(settings.max_extent_m * 1000), round(settings.visit_gap_s * 1e9)
    count = np.ones(len(usable), np.int64)
    for step in range(1, len(usable)):  # as many as a trip jolts within visit_gap_s
        visit = (trip[step:] == trip[:-step]) & (t_ns[step:] - t_ns[:-step] <= gap_ns)
        if not visit.any():
            break
        near = visit & (((xyz[step:] - xyz[:-step]) ** 2).sum(axis=1) <= limit_mm**2)
        count[:-step] += near
        count[step:] += near
    return count


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
            "severity": np.exp(_median(evidence.reference_jolt(jolts, s=settings), starts)),
        }
    )


def _describe(
    found: Examined, generation: str, settings: ClusterSettings, model: kinds.PlaceModel
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The evidence of every cluster (``CLUSTERS``), and who its members are (``MEMBERS``)."""
    hits, g, at, votes, known = found.hits, found.g, found.at, found.votes, found.known
    p = kinds.class_posterior(found.x, found.nearness, model)
    rate = kinds.hit_rate(votes, found.x, p, model, credible=settings.credible)
    level, level_lo, level_hi = found.severity
    classes = [c.value for c in classify_rows(p, unsure_below=settings.unsure_below)]
    explained = match.explained_by(found.listed, known, classes)
    revision = dict(zip(known["obstacle_id"], known["revision"], strict=True))
    ids = _cluster_ids(hits, g.starts, generation)
    clusters = CLUSTERS.build(
        {
            "cluster_id": ids,
            "cell": found.cell,
            "lat_deg": at.lat_deg,
            "lon_deg": at.lon_deg,
            "pos_err_m": at.pos_err_m,
            "heading_deg": at.heading_deg,
            "hits": votes.hits,
            "passes": votes.passes,
            "hit_rate": rate.mean,
            "hit_rate_lo": rate.lo,
            "hit_rate_hi": rate.hi,
            "class": classes,
            **{name: p[:, k] for k, name in enumerate(P_COLUMNS)},
            "severity": level,
            "severity_lo": level_lo,
            "severity_hi": level_hi,
            "priority": priority(
                votes.voted,
                votes.passed,
                level,
                level_lo,
                np.bincount(g.number, minlength=len(g.starts)).astype(np.float64),
                credible=settings.credible,
            ),
            "obstacle_id": explained,
            "obstacle_revision": [revision[o] if o else 0 for o in explained],
            **found.tally,
        }
    )
    members = MEMBERS.build(
        {
            "cluster_id": [ids[k] for k in g.number.tolist()],
            "trip_key": hits["trip_key"].to_numpy(),
            "seq": hits["seq"].to_numpy(),
            "core": found.core,
        }
    )
    return (
        clusters.sort_values("cluster_id").reset_index(drop=True),
        members.sort_values(["cluster_id", "trip_key", "seq"]).reset_index(drop=True),
    )


def _median(values: Floats, starts: Ints) -> Floats:
    number = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
    return evidence.Groups(starts, number, np.ones(len(values))).median(values)


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
        # Devices from 0 up. All trips that name none are one voter: any number of them can be made.
        self._voter = np.where(named, code, -1)
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


def _tally(
    hits: pd.DataFrame, g: evidence.Groups, voter: Ints, lon_deg: Floats, who: _Who
) -> dict[str, np.ndarray]:
    """Distinct trips, devices and days of each cluster's hits, and when they were."""
    trip, t_ns = hits["trip_key"].to_numpy(), hits["t_utc_ns"].to_numpy()
    n = len(g.starts)
    named, dated = who.named(trip), who.dated(trip)
    day = evidence.solar_day(t_ns, lon_deg[g.number])
    first = np.minimum.reduceat(np.where(dated, t_ns, evidence.FAR_NS), g.starts)
    return {
        "n_trips": kinds.distinct(g.number, trip, n),
        "n_devices": kinds.distinct(g.number[named], voter[named], n),
        "n_days": kinds.distinct(g.number[named & dated], day[named & dated], n),
        "synthetic": np.logical_or.reduceat(who.synthetic(trip), g.starts),
        "first_seen_utc_ns": np.where(first == evidence.FAR_NS, -1, first),
        "last_seen_utc_ns": np.maximum.reduceat(np.where(dated, t_ns, -1), g.starts),
    }
