"""What the passes over a place say: hit rate, position, class, severity, each with its doubt.

All functions take whole columns over many clusters at once. Rows come sorted by cluster, trip and
sequence, and sums run in that order, so that a cluster's numbers do not depend on what else was
computed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.config import ClusterSettings
from streetbump.geo import bin_centre, ecef_mm, from_local_m, heading_difference_deg, local_m
from streetbump.model import CLASSES, P_COLUMNS, Floats, Ints

NS_PER_DAY = 86_400_000_000_000

SHARED_ERROR_M = 1.0
"""What averaging over cars cannot remove: receivers of one street share errors, m. Ours."""

CAR_SPREAD = 0.4
"""Spread of the log of one jolt between cars and phones at one place. Chosen by us until it is
calibrated from shared sites; a measured spread above it is used instead."""

P_FLOOR = 1e-3
"""No single jolt may exclude a class altogether."""


def group_starts(*keys: Ints) -> Ints:
    """Where each group of equal neighbouring keys begins.

    >>> group_starts(np.array([1, 1, 2, 2]), np.array([5, 6, 6, 6])).tolist()
    [0, 1, 2]
    """
    if len(keys[0]) == 0:
        return np.empty(0, np.int64)
    change = np.zeros(len(keys[0]), np.bool_)
    change[0] = True
    for key in keys:
        change[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(change)


def solar_day(t_utc_ns: Ints, lon_deg: Floats) -> Ints:
    """Number of the local mean solar day: a day that needs no time zone, only a place.

    >>> solar_day(np.array([0, 43_200_000_000_000]), np.array([-71.0, -71.0])).tolist()
    [-1, 0]
    """
    offset_ns = np.rint(np.asarray(lon_deg) * 240).astype(np.int64) * 1_000_000_000
    return (t_utc_ns + offset_ns) // NS_PER_DAY


@dataclass(frozen=True, eq=False)
class Centres:
    """Weighted mean position of each cluster, its standard error, and the mean heading."""

    lat_deg: Floats
    lon_deg: Floats
    pos_err_m: Floats
    heading_deg: Floats


def centres(hits: pd.DataFrame, starts: Ints) -> Centres:
    """Position and heading of each cluster from its jolts, weighted by 1/error².

    `hits` are rows of ``BUMPS`` sorted by cluster; `starts` says where each cluster begins.
    """
    lat, lon = hits["lat_deg"].to_numpy(), hits["lon_deg"].to_numpy()
    count = np.diff(np.append(starts, len(lat)))
    lat0, lon0 = np.repeat(lat[starts], count), np.repeat(lon[starts], count)
    weight = 1.0 / np.maximum(hits["pos_err_m"].to_numpy(), 0.5) ** 2
    total = np.add.reduceat(weight, starts)
    east, north = _offsets_m(lat, lon, lat0, lon0)
    mean_e = np.add.reduceat(weight * east, starts) / total
    mean_n = np.add.reduceat(weight * north, starts) / total
    at = [
        from_local_m(e, n, lat0_deg=float(la), lon0_deg=float(lo))
        for e, n, la, lo in zip(mean_e, mean_n, lat[starts], lon[starts], strict=True)
    ]  # one step per cluster
    heading = np.radians(hits["heading_deg"].to_numpy())
    mean_heading = np.degrees(
        np.arctan2(
            np.add.reduceat(weight * np.sin(heading), starts),
            np.add.reduceat(weight * np.cos(heading), starts),
        )
    )
    return Centres(
        lat_deg=np.array([float(p[0]) for p in at]),
        lon_deg=np.array([float(p[1]) for p in at]),
        pos_err_m=np.hypot(1.0 / np.sqrt(total), SHARED_ERROR_M),
        heading_deg=mean_heading % 360.0,
    )


def _offsets_m(lat: Floats, lon: Floats, lat0: Floats, lon0: Floats) -> tuple[Floats, Floats]:
    """East and north of each point from its own origin, m."""
    east, north = local_m(lat - lat0, lon - lon0, lat0_deg=0.0, lon0_deg=0.0)
    return east * np.cos(np.radians(lat0)), north


@dataclass(frozen=True, eq=False)
class Visits:
    """Times a car drove past a cluster, sorted by cluster, trip and time.

    `cluster` is the cluster's number; `hit` whether the car jolted; `weight` what it counts.
    """

    cluster: Ints
    trip: Ints
    t_ns: Ints
    hit: Floats
    weight: Floats


def find_visits(
    hits: pd.DataFrame, hit_cluster: Ints, at: Centres, passes: pd.DataFrame, *, s: ClusterSettings
) -> Visits:
    """Every pass over every cluster, in its direction, with or without a jolt.

    The bins near a cluster and the jolts in it are put on one time line per trip; a pause longer
    than ``visit_gap_s`` begins another visit. So there are never more hits than passes.
    """
    cluster, row = _passes_near(at, passes, s=s)
    events = {
        "cluster": np.concatenate((cluster, hit_cluster)),
        "trip": np.concatenate((passes["trip_key"].to_numpy()[row], hits["trip_key"].to_numpy())),
        "t_ns": np.concatenate((passes["t_utc_ns"].to_numpy()[row], hits["t_utc_ns"].to_numpy())),
        "hit": np.concatenate((np.zeros(len(row)), np.ones(len(hits)))),
        "weight": np.concatenate((passes["weight"].to_numpy()[row], hits["weight"].to_numpy())),
    }
    order = np.lexsort((events["hit"], events["t_ns"], events["trip"], events["cluster"]))
    events = {name: column[order] for name, column in events.items()}
    pause = np.zeros(len(order), np.bool_)
    pause[1:] = np.diff(events["t_ns"]) > s.visit_gap_s * 1e9
    starts = group_starts(events["cluster"], events["trip"], np.cumsum(pause))
    if len(starts) == 0:
        none = np.empty(0, np.int64)
        return Visits(none, none, none, np.empty(0), np.empty(0))
    return Visits(
        cluster=events["cluster"][starts],
        trip=events["trip"][starts],
        t_ns=events["t_ns"][starts],
        hit=np.maximum.reduceat(events["hit"], starts),
        weight=np.maximum.reduceat(events["weight"], starts),
    )


def _passes_near(at: Centres, passes: pd.DataFrame, *, s: ClusterSettings) -> tuple[Ints, Ints]:
    """Pairs of cluster number and row of `passes` that go by it, near and the same way."""
    none = np.empty(0, np.int64)
    if len(passes) == 0 or len(at.lat_deg) == 0:
        return none, none
    from scipy.spatial import cKDTree

    counted = np.flatnonzero(passes["weight"].to_numpy() > 0)
    by_bin = counted[np.argsort(passes["bin"].to_numpy()[counted], kind="stable")]
    bins, first = np.unique(passes["bin"].to_numpy()[by_bin], return_index=True)
    count = np.diff(np.append(first, len(by_bin)))
    places = cKDTree(ecef_mm(at.lat_deg, at.lon_deg).astype(np.float64))
    middles = cKDTree(ecef_mm(*bin_centre(bins)).astype(np.float64))
    near = places.sparse_distance_matrix(middles, s.pass_radius_m * 1000, output_type="coo_matrix")
    cluster = np.repeat(near.row.astype(np.int64), count[near.col])
    within = np.arange(count[near.col].sum()) - np.repeat(
        np.cumsum(count[near.col]) - count[near.col], count[near.col]
    )
    row = by_bin[np.repeat(first[near.col], count[near.col]) + within]
    turn = heading_difference_deg(passes["heading_deg"].to_numpy()[row], at.heading_deg[cluster])
    same_way = turn <= s.max_heading_deg
    return cluster[same_way], row[same_way]


@dataclass(frozen=True, eq=False)
class HitRate:
    """Hits and passes of each cluster, and the share of passes that hit, with its interval.

    `voted` and `passed` are the votes behind it, of cars that hit and of all.
    """

    hits: Ints
    passes: Ints
    voted: Floats
    passed: Floats
    mean: Floats
    lo: Floats
    hi: Floats


def hit_rate(visits: Visits, voter: Ints, day: Ints, *, n: int, credible: float) -> HitRate:
    """Hit rate of each of `n` clusters with a beta posterior (Jeffreys prior).

    One voter (a device, or a trip that names none) has one vote per cluster and local day,
    worth the mean of its visits that day: nobody gains weight by driving round the block.
    """
    from scipy.special import betaincinv

    order = np.lexsort((day, voter, visits.cluster))
    cluster, hit, weight = visits.cluster[order], visits.hit[order], visits.weight[order]
    starts = group_starts(cluster, voter[order], day[order])
    a, b = np.full(n, 0.5), np.full(n, 0.5)
    if len(starts):
        size = np.diff(np.append(starts, len(cluster)))
        share = np.add.reduceat(hit, starts) / size
        worth = np.maximum.reduceat(weight, starts)
        voted = group_starts(cluster[starts])
        who = cluster[starts][voted]
        a[who] += np.add.reduceat(worth * share, voted)
        b[who] += np.add.reduceat(worth * (1 - share), voted)
    tail = (1 - credible) / 2
    return HitRate(
        hits=np.bincount(visits.cluster, weights=visits.hit, minlength=n).astype(np.int64),
        passes=np.bincount(visits.cluster, minlength=n).astype(np.int64),
        voted=a - 0.5,
        passed=a + b - 1.0,
        mean=a / (a + b),
        lo=betaincinv(a, b, tail),
        hi=betaincinv(a, b, 1 - tail),
    )


def class_posterior(
    hits: pd.DataFrame, starts: Ints, listed: Floats, *, s: ClusterSettings
) -> Floats:
    """Probability of each class for each cluster, shape (n, 8).

    Jolts multiply their likelihoods; because the jolts of one place share a street, a car park of
    phones and a model, they count as at most ``effective_passes`` independent ones. `listed`,
    shape (n, 8), is 1 where the inventory holds an obstacle of that class here.
    """
    log_p = np.log(np.maximum(hits[list(P_COLUMNS)].to_numpy(), P_FLOOR))
    weight = hits["weight"].to_numpy()
    total = np.maximum(np.add.reduceat(weight, starts), 1e-9)
    summed = np.add.reduceat(log_p * weight[:, None], starts, axis=0)
    evidence = summed * np.minimum(1.0, s.effective_passes / total)[:, None]
    logits = evidence + listed * np.log(s.obstacle_odds)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def severity(hits: pd.DataFrame, starts: Ints, *, s: ClusterSettings) -> tuple[Floats, ...]:
    """Jolt of the reference car at the reference speed, m/s²: median, and the interval's ends.

    A jolt is brought to the reference speed by a power law (as roughness is: Alessandroni et al.
    2017, doi 10.3390/s17020305); one without a speed is taken as it is.
    """
    from scipy.special import ndtri

    speed = hits["speed_ms"].to_numpy()
    factor = (s.reference_speed_ms / np.maximum(speed, 1.0)) ** s.speed_exponent
    log_jolt = np.log(
        np.maximum(hits["peak_ms2"].to_numpy() * np.where(np.isfinite(speed), factor, 1.0), 1e-3)
    )
    centre, spread, count = _median_and_spread(log_jolt, starts)
    half = ndtri(0.5 + s.credible / 2) * np.maximum(spread, CAR_SPREAD) / np.sqrt(count)
    return np.exp(centre), np.exp(centre - half), np.exp(centre + half)


def _median_and_spread(values: Floats, starts: Ints) -> tuple[Floats, Floats, Ints]:
    """Median and robust standard deviation (1.4826 × MAD) of each group, and its size."""
    count = np.diff(np.append(starts, len(values)))
    group = np.repeat(np.arange(len(starts)), count)

    def medians(x: Floats) -> Floats:
        ordered = x[np.lexsort((x, group))]
        return (ordered[starts + (count - 1) // 2] + ordered[starts + count // 2]) / 2

    centre = medians(values)
    return centre, 1.4826 * medians(np.abs(values - centre[group])), count


CLASS_NUMBER = {c.value: k for k, c in enumerate(CLASSES)}
