"""What the passes over a place say: hit rate, position, class, severity, each with its doubt.

All functions take whole columns over many clusters at once. Rows come sorted by cluster, trip and
sequence, and sums run in that order, so that a cluster's numbers do not depend on what else was
computed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from streetbump.config import ClusterSettings
from streetbump.geo import (
    bin_centre,
    ecef_mm,
    from_local_m,
    heading_difference_deg,
    local_m,
    right_of_m,
)
from streetbump.model import CLASSES, Bools, Floats, Ints

NS_PER_DAY = 86_400_000_000_000
FAR_NS = np.iinfo(np.int64).max

ALIKE = 0.25
"""How alike two passes of one phone over one place are, beyond what all passes share: so many of
its passes count as four at most. Chosen by us: no phone shall decide by itself."""

SPREAD_M, CLAIMED, FEW = 5.5, 0.45, 2.0
"""Standard deviation of a jolt's place along or across the street, m, is ``hypot(SPREAD_M,
CLAIMED · pos_err_m)``: phones err by 5 m whatever they claim, and their claims are off by up to 2
either way. The variance of a mean of n is taken ``1 + FEW / n`` times as large: what has few jolts
is partly somebody else's. Measured on a simulated town (docs/decisions/clusters-and-places.md)."""

SHARED_ERROR_M = 0.7
"""What averaging over cars cannot remove, m per axis: where wheels meet a hole of a metre or two,
where in the lane people drive, how late all receivers are. Measured on simulated towns."""

PAST_M = 0.7
"""How far past a pothole a phone is when it shakes most, m: axles follow each other, and the peak
comes after the blow. Median along the street of 5,122 jolts at simulated potholes: 0.63 (0.7 and
0.6 of places, in two towns)."""

BESIDE_M, LANE_M = 6.5, 1.5
"""How far right or left of a place the lines of cars run that felt nothing there, standard
deviation, m: each by itself, and all of them together (they may keep another lane, or swerve).
Measured within and between the reported places of three simulated towns (6.2 to 6.7; 1 to 2)."""

USUAL_SPEED_MS = 8.0
"""Taken where a jolt has no speed, m/s: what people drive in town. Chosen by us."""

OUTLYING = 1.5
"""Jolts further off than this many standard deviations pull with that of one only (Huber 1964, doi
10.1214/aoms/1177703732; 1.345 is usual)."""

SCORE_MS2 = 1.15
"""A score of 1 as the jolt of the reference car at the reference speed, m/s²: the median over 4,568
jolts at 344 potholes of two simulated towns (1.13 and 1.17)."""

CAR_SPREAD = 0.37
"""Spread of the log of one jolt's severity between cars and phones at one place, measured there; a
measured spread of the place itself above it is used instead."""


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


def votes(cluster: Ints, voter: Ints, weight: Floats) -> Floats:
    """What each row counts when the rows of one voter in one cluster resemble each other.

    n of them count as ``n / (1 + ALIKE (n - 1))``, never as ``1 / ALIKE`` or more: nobody gains
    much by driving round the block, and no phone decides by itself.

    >>> votes(np.array([0, 0, 0]), np.array([7, 7, 8]), np.ones(3)).tolist()
    [0.8, 0.8, 1.0]
    """
    order = np.lexsort((voter, cluster))
    starts = group_starts(cluster[order], voter[order])
    size = np.diff(np.append(starts, len(order)))
    count = np.empty(len(order), np.int64)
    count[order] = np.repeat(size, size)
    return weight / (1 + ALIKE * (count - 1))


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows sorted by cluster: where each cluster begins, and each row's cluster and votes."""

    starts: Ints
    number: Ints
    votes: Floats

    def sum(self, values: Floats) -> Floats:
        """Sum of each cluster, of columns where there are several."""
        return np.add.reduceat(values, self.starts, axis=0)

    def mean(self, values: Floats) -> Floats:
        """Mean over the votes of each cluster, of columns where there are several."""
        votes = self.votes if values.ndim == 1 else self.votes[:, None]
        return self.sum(votes * values) / self.sum(votes)

    def median(self, values: Floats) -> Floats:
        """The plain median of each cluster."""
        ordered = values[np.lexsort((values, self.number))]
        count = np.diff(np.append(self.starts, len(values)))
        low, high = self.starts + (count - 1) // 2, self.starts + count // 2
        return (ordered[low] + ordered[high]) / 2


def groups(cluster: Ints, voter: Ints, weight: Floats) -> Groups:
    """Rows that come sorted by cluster, grouped."""
    starts = group_starts(cluster)
    number = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(cluster))))
    return Groups(starts, number, votes(number, voter, weight))


@dataclass(frozen=True, eq=False)
class Centres:
    """Position of each cluster, its standard error (of one axis), and the mean heading."""

    lat_deg: Floats
    lon_deg: Floats
    pos_err_m: Floats
    heading_deg: Floats


def centres(hits: pd.DataFrame, g: Groups) -> Centres:
    """Position and heading of each cluster from its jolts (rows of ``BUMPS``).

    Along and across the street each a mean weighted by votes and 1/error², in which far jolts
    pull no more than those at `OUTLYING` deviations; `PAST_M` back from it is the place. The error
    is that of the mean of as many votes, and `SHARED_ERROR_M`.
    """
    lat, lon = hits["lat_deg"].to_numpy(), hits["lon_deg"].to_numpy()
    lat0, lon0 = lat[g.starts], lon[g.starts]
    east, north = local_m(lat, lon, lat0_deg=lat0[g.number], lon0_deg=lon0[g.number])
    psi = np.radians(hits["heading_deg"].to_numpy())
    heading = np.arctan2(g.mean(np.sin(psi)), g.mean(np.cos(psi)))
    sin, cos = np.sin(heading), np.cos(heading)
    variance = SPREAD_M**2 + (CLAIMED * hits["pos_err_m"].to_numpy()) ** 2
    s, c = sin[g.number], cos[g.number]
    along = _robust_mean(east * s + north * c, variance, g) - PAST_M
    right = _robust_mean(east * c - north * s, variance, g)
    voted = g.sum(g.votes)
    lat_deg, lon_deg = from_local_m(
        along * sin + right * cos, along * cos - right * sin, lat0_deg=lat0, lon0_deg=lon0
    )
    return Centres(
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        pos_err_m=np.sqrt(g.mean(variance) / voted * (1 + FEW / voted) + SHARED_ERROR_M**2),
        heading_deg=np.degrees(heading) % 360.0,
    )


def _robust_mean(x: Floats, variance: Floats, g: Groups) -> Floats:
    """Mean of each cluster, by four steps from the median."""
    mean = g.median(x)
    for _ in range(4):
        off = np.abs(x - mean[g.number]) / np.sqrt(variance)
        weight = g.votes / variance * np.minimum(1.0, OUTLYING / np.maximum(off, 1e-9))
        mean = g.sum(weight * x) / g.sum(weight)
    return mean


def in_lane(at: Centres, visits: Visits, voter: Ints) -> Centres:
    """The positions, moved across the street towards where cars drive.

    Who drove by and felt nothing kept to the same lane, and his fixes err on their own: so the mean
    of such lines tells, beside the jolts, how far right or left a place lies. The two are weighed
    by their variances. `voter` is that of each visit; places without such a visit stay.
    """
    lined = (visits.hit == 0) & np.isfinite(visits.right_m)
    if not lined.any():
        return at
    g = groups(visits.cluster[lined], voter[lined], visits.weight[lined])
    right = _robust_mean(visits.right_m[lined], np.full(len(g.number), BESIDE_M**2), g)
    known = visits.cluster[lined][g.starts]
    lane = BESIDE_M**2 / g.sum(g.votes) + LANE_M**2
    felt = at.pos_err_m[known] ** 2 - SHARED_ERROR_M**2
    share = felt / (felt + lane)
    psi = np.radians(at.heading_deg[known])
    lat_deg, lon_deg, variance = at.lat_deg.copy(), at.lon_deg.copy(), at.pos_err_m**2
    lat_deg[known], lon_deg[known] = from_local_m(
        share * right * np.cos(psi), -share * right * np.sin(psi),
        lat0_deg=lat_deg[known], lon0_deg=lon_deg[known],
    )  # fmt: skip
    variance[known] -= share * felt / 2  # the mean over two axes, of which this one is surer now
    return replace(at, lat_deg=lat_deg, lon_deg=lon_deg, pos_err_m=np.sqrt(variance))


@dataclass(frozen=True, eq=False)
class Visits:
    """Times a car drove past a cluster, sorted by cluster, trip and time.

    `cluster` is the cluster's number; `hit` whether the car jolted; `weight` what it counts;
    `log_speed` the mean logarithm of its speed (m/s) while it was near;
    `right_m` how far right of the cluster's place its line ran, NaN where no bin says.
    """

    cluster: Ints
    trip: Ints
    t_ns: Ints
    hit: Floats
    weight: Floats
    log_speed: Floats
    right_m: Floats


def find_visits(
    hits: pd.DataFrame, hit_cluster: Ints, at: Centres, passes: pd.DataFrame, *, s: ClusterSettings
) -> Visits:
    """Every pass over every cluster, in its direction, with or without a jolt.

    The bins near a cluster and the jolts in it are put on one time line per trip; a pause longer
    than ``visit_gap_s`` begins another visit. So there are never more hits than passes.
    """
    cluster, row = passes_near(at, passes, s=s)
    events = {
        "cluster": np.concatenate((cluster, hit_cluster)),
        "trip": np.concatenate((passes["trip_key"].to_numpy()[row], hits["trip_key"].to_numpy())),
        "t_ns": np.concatenate((passes["t_utc_ns"].to_numpy()[row], hits["t_utc_ns"].to_numpy())),
        "hit": np.concatenate((np.zeros(len(row)), np.ones(len(hits)))),
        "weight": np.concatenate((passes["weight"].to_numpy()[row], hits["weight"].to_numpy())),
        "log_speed": log_speed(
            np.concatenate((passes["speed_ms"].to_numpy()[row], hits["speed_ms"].to_numpy()))
        ),
    }
    line = _right_m(at, cluster, passes, row)
    events["right_m"] = np.concatenate((line, np.full(len(hits), np.nan)))
    order = np.lexsort((events["hit"], events["t_ns"], events["trip"], events["cluster"]))
    events = {name: column[order] for name, column in events.items()}
    pause = np.zeros(len(order), np.bool_)
    pause[1:] = np.diff(events["t_ns"]) > s.visit_gap_s * 1e9
    starts = group_starts(events["cluster"], events["trip"], np.cumsum(pause))
    if len(starts) == 0:
        none = np.empty(0, np.int64)
        return Visits(none, none, none, *(np.empty(0) for _ in range(4)))
    return Visits(
        cluster=events["cluster"][starts],
        trip=events["trip"][starts],
        t_ns=events["t_ns"][starts],
        hit=np.maximum.reduceat(events["hit"], starts),
        weight=np.maximum.reduceat(events["weight"], starts),
        log_speed=np.add.reduceat(events["log_speed"], starts)
        / np.diff(np.append(starts, len(order))),
        right_m=_mean_known(events["right_m"], starts),
    )


def _mean_known(values: Floats, starts: Ints) -> Floats:
    """Mean of each group's numbers, NaN where there is none."""
    known = np.isfinite(values)
    total = np.add.reduceat(np.where(known, values, 0.0), starts)
    count = np.add.reduceat(known, starts, dtype=np.int64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _right_m(at: Centres, cluster: Ints, passes: pd.DataFrame, row: Ints) -> Floats:
    """How far right of a cluster's place the car's line through a bin runs, m."""
    bins, course_deg, aside_m = (
        passes[name].to_numpy()[row] for name in ("bin", "heading_deg", "aside_m")
    )
    here = {"lat0_deg": at.lat_deg[cluster], "lon0_deg": at.lon_deg[cluster]}
    return np.asarray(aside_m + right_of_m(*bin_centre(bins), course_deg, **here))


def log_speed(speed_ms: Floats) -> Floats:
    """Logarithm of a speed of at least 1 m/s; an unknown one is `USUAL_SPEED_MS`."""
    return np.log(np.maximum(np.where(np.isfinite(speed_ms), speed_ms, USUAL_SPEED_MS), 1.0))


def passes_near(at: Centres, passes: pd.DataFrame, *, s: ClusterSettings) -> tuple[Ints, Ints]:
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
class Votes:
    """Hits and passes of each cluster, counted and in votes.

    `early` are the passes of dated trips before the first hit; `voted`, `passed` are what the hits
    and passes weigh (:func:`votes`).
    """

    hits: Ints
    passes: Ints
    voted: Floats
    passed: Floats
    early: Ints


def tally(visits: Visits, voter: Ints, day: Ints, dated: Bools, *, n: int) -> Votes:
    """What the visits to each of `n` clusters say together.

    One voter has one vote per cluster and local day, worth the mean of its visits that day, and
    its days resemble each other.
    """
    order = np.lexsort((day, voter, visits.cluster))
    cluster, hit, weight = visits.cluster[order], visits.hit[order], visits.weight[order]
    starts = group_starts(cluster, voter[order], day[order])
    voted, passed = np.zeros(n), np.zeros(n)
    if len(starts):
        size = np.diff(np.append(starts, len(cluster)))
        share = np.add.reduceat(hit, starts) / size
        worth = votes(cluster[starts], voter[order][starts], np.maximum.reduceat(weight, starts))
        first = group_starts(cluster[starts])
        voted[cluster[starts][first]] = np.add.reduceat(worth * share, first)
        passed[cluster[starts][first]] = np.add.reduceat(worth, first)
    begun = np.full(n, FAR_NS)
    was_hit = dated & (visits.hit > 0)
    np.minimum.at(begun, visits.cluster[was_hit], visits.t_ns[was_hit])
    before = dated & (visits.t_ns < begun[visits.cluster])
    return Votes(
        hits=np.bincount(visits.cluster, weights=visits.hit, minlength=n).astype(np.int64),
        passes=np.bincount(visits.cluster, minlength=n),
        voted=voted,
        passed=passed,
        early=np.bincount(visits.cluster[before & (begun[visits.cluster] < FAR_NS)], minlength=n),
    )


def reference_jolt(hits: pd.DataFrame, *, s: ClusterSettings) -> Floats:
    """Logarithm of each jolt as the reference car would feel it, log m/s².

    A jolt is brought to the reference speed by a power law (as roughness is: Alessandroni et al.
    2017, doi 10.3390/s17020305); one without a speed is taken as it is.
    """
    speed = hits["speed_ms"].to_numpy()
    factor = (s.reference_speed_ms / np.maximum(speed, 1.0)) ** s.speed_exponent
    peak = hits["peak_ms2"].to_numpy() * np.where(np.isfinite(speed), factor, 1.0)
    return np.log(np.maximum(peak, 1e-3))


def severity(
    hits: pd.DataFrame, log_jolt: Floats, g: Groups, *, credible: float
) -> tuple[Floats, ...]:
    """Jolt of the reference car at the reference speed, m/s²: its middle, and the interval's ends.

    Cars and phones answer differently to one hole. A jolt's score, which is its size over what the
    same car and phone feel on the road around, knows of that: so the mean is that of the logarithms
    of `log_jolt` (:func:`reference_jolt`) and of the score in m/s², half and half. Far jolts pull
    no more than near ones.
    """
    from scipy.special import ndtri

    scored = np.log(np.maximum(hits["score"].to_numpy(), 1e-3) * SCORE_MS2)
    level = (log_jolt + scored) / 2
    centre = _robust_mean(level, np.full(len(level), CAR_SPREAD**2), g)
    spread = 1.4826 * g.median(np.abs(level - centre[g.number]))
    half = ndtri(0.5 + credible / 2) * np.maximum(spread, CAR_SPREAD) / np.sqrt(g.sum(g.votes))
    return np.exp(centre), np.exp(centre - half), np.exp(centre + half)


CLASS_NUMBER = {c.value: k for k, c in enumerate(CLASSES)}
