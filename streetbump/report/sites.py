"""Towns whose defects are known: whether the right places are reported, and how soon.

What is scored is what a user gets: the store's places after the trips came in, in time order, and
beside them every cluster that is called pothole whatever its quorum. The peers are the classics,
their jolts placed by our track and grouped by scikit-learn's DBSCAN, tuned on one half of the town
and applied to the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from streetbump.detect.locate import Track
from streetbump.geo import bearing_deg, ecef_m, from_local_m, local_m
from streetbump.model import Bools, Floats, Ints, JoltClass
from streetbump.report import scoring
from streetbump.report.hearing import Heard
from streetbump.report.scoreboard import NOT_TUNED, OURS, Figure, figure, share_figure
from streetbump.report.series import reliability_rows
from streetbump.report.truth import Description

PART = "places"
BY_PASSES = "places by passes"
STATED = "places: stated against true"
RELIABILITY = "places: stated and observed p_pothole"

FLAGGED = f"{OURS}, flagged"
CALLED = f"{OURS}, p ≥ 0.5"
HALVES = "on the other half"
FELT = "felt by 3 trips or more"

PASS_M = 20.0
"""A trip whose track comes this near has passed a place, m: half a street's width and a phone's
usual error. Chosen by us."""
STEP_M = 10.0
"""Tracks are looked at every so often, m."""
BINS = (1, 2, 3, 4, 6, 10, 20, 50)
"""Lower ends of the bins of true passes."""
SAME_PLACE_M = 10.0
"""Clusters of both lanes this near are one report, m: as the shipped settings have it."""
RADIUS_50, RADIUS_90 = (float(np.sqrt(-2 * np.log(1 - held))) for held in (0.5, 0.9))
"""Of a round normal error: the radius that holds so much, in standard deviations of one axis."""
OBSTACLES = (JoltClass.HUMP, JoltClass.CASTING, JoltClass.JOINT, JoltClass.MARKER)
"""What must not be reported as a pothole."""

EPS_M = (8.0, 15.0)
"""Radii that are tried for the peers' DBSCAN, m. Chosen by us."""
QUORUM = (2, 3, 5, 8)
"""Least distinct trips that are tried for a peer's group. Chosen by us."""
MAX_PER_KM = 20.0
"""A threshold at which a peer fires more often than this hears every crack. Chosen by us."""
EVERY = 6
"""Of the settings of a classic's grid every so many is tried: of a threshold in g a step of some
15 %. Chosen by us."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The store after so many trips: its clusters, and the places it would report as potholes.

    `clusters` is ``CLUSTERS``; `reports` has lat_deg, lon_deg, pos_err_m, hit_rate_lo,
    hit_rate_hi; `n_trips` of all trips in time order were taken in.
    """

    n_trips: int
    clusters: pd.DataFrame
    reports: pd.DataFrame


REPORT_COLUMNS = ("lat_deg", "lon_deg", "pos_err_m", "hit_rate_lo", "hit_rate_hi")


def site_table(
    truth: pd.DataFrame, more: pd.DataFrame | None, *, description: Description
) -> pd.DataFrame:
    """True places: site_id, class (str), lat_deg, lon_deg, tol_m, passes and felt (NaN unknown)."""
    rows = truth[truth["kind"] == "site"].reset_index(drop=True)
    named = rows["note"].where(rows["note"] != "", [f"site {k}" for k in range(len(rows))])
    classes = [description.class_of(label) or label for label in rows["label"]]
    table = pd.DataFrame(
        {
            "site_id": named,
            "class": pd.Series([str(c) for c in classes], dtype="str"),
            "lat_deg": rows["lat"], "lon_deg": rows["lon"], "tol_m": rows["tol_m"],
        }
    )  # fmt: skip
    if more is None:
        return table.assign(passes=np.nan, felt=np.nan)
    at = scoring.match_places(
        more["lat_deg"].to_numpy(), more["lon_deg"].to_numpy(),
        true_lat_deg=table["lat_deg"].to_numpy(), true_lon_deg=table["lon_deg"].to_numpy(),
        tol_m=np.full(len(table), 1.0),
    )  # fmt: skip
    known = pd.DataFrame(np.nan, index=table.index, columns=["passes", "felt"])
    known.iloc[at.truth] = more[["passes", "felt"]].to_numpy()[at.found]
    ids = table["site_id"].to_numpy(dtype=object).copy()
    ids[at.truth] = more["site_id"].to_numpy(dtype=object)[at.found]
    return table.assign(site_id=pd.Series(ids, dtype="str"), **known)


def score_sites(
    snapshots: Sequence[Snapshot],
    trips: Sequence[Heard],
    truth: pd.DataFrame,
    more: pd.DataFrame | None,
    crossings: pd.DataFrame | None = None,
    *,
    description: Description,
) -> list[Figure]:
    """Every table of places; `trips` in time order, the last snapshot holds all of them.

    `crossings` (trip_id, site_id) says which trip passed which site while it was there; without
    it a trip has passed what its track came near to.
    """
    sites = site_table(truth, more, description=description)
    if len(sites) == 0 or not snapshots:
        return []
    tracks = [h.track for h in trips]
    if crossings is None:
        near = visits(sites, tracks)
    else:
        near = crossed(sites, [h.trip_id for h in trips], crossings)
    town = Town(sites, near, tracks, _felt(sites, truth))
    figures: list[Figure] = []
    for shot in snapshots:
        for method, reports in ours_of(shot).items():
            tally = town.tally(reports, n_trips=shot.n_trips)
            figures += _overall(tally, method, NOT_TUNED, _after(shot))
    last = snapshots[-1]
    ours = {m: town.tally(r, n_trips=last.n_trips) for m, r in ours_of(last).items()}
    tallies = [(method, NOT_TUNED, tally) for method, tally in ours.items()]
    peers = [(name, HALVES, peer_tally(town, trips, name)) for name in trips[0].peers]
    for method, tuning, tally in peers:
        figures += _overall(tally, method, tuning, _after(last))
    for method, tuning, tally in (*tallies, *peers):
        figures += _by_passes(tally, method, tuning)
    figures += _could_be_felt(town, last.n_trips)
    figures += _stated(town, last, ours[FLAGGED])
    return [*figures, *_probabilities(town, last)]


def _after(shot: Snapshot) -> str:
    return f"after {shot.n_trips} trip{'s'[: shot.n_trips != 1]}"


def ours_of(shot: Snapshot) -> dict[str, pd.DataFrame]:
    """What is scored of ours: flagged places, and every cluster that is likelier than not one."""
    c = shot.clusters
    called = c[(c["p_pothole"] >= 0.5) & c["obstacle_id"].isna()]
    return {FLAGGED: shot.reports, CALLED: one_per_place(called)[list(REPORT_COLUMNS)]}


def one_per_place(clusters: pd.DataFrame) -> pd.DataFrame:
    """Of clusters within `SAME_PLACE_M` of each other the one with most hits."""
    from scipy.spatial import cKDTree

    ordered = clusters.sort_values(["hits", "cluster_id"], ascending=[False, True])
    at = ecef_m(ordered["lat_deg"].to_numpy(), ordered["lon_deg"].to_numpy())
    keep = np.ones(len(ordered), np.bool_)
    pairs = sorted(cKDTree(at).query_pairs(SAME_PLACE_M)) if len(at) else []
    for first, second in pairs:  # near pairs are few, and what comes first is settled first
        keep[second] &= not keep[first]
    return ordered[keep].reset_index(drop=True)


# ------------------------------------------------------------------------------- passes


def visits(points: pd.DataFrame, tracks: Sequence[Track]) -> Bools:
    """Which trips came within `PASS_M` of which points, (n_points, n_trips).

    Directions and lanes are not told apart: who drove by in the other lane counts as a pass.
    """
    return np.isfinite(_courses(points, tracks))


def lane_passes(points: pd.DataFrame, tracks: Sequence[Track]) -> Ints:
    """How many trips passed each point in the busier of its two directions, (n_points,).

    A report does not say in which lane it lies; the lane with more trips is the likelier one.
    """
    course = _courses(points, tracks)
    # Courses doubled have one mean direction for both lanes: the axis of the street.
    axis = np.angle(np.nansum(np.exp(2j * course), axis=1)) / 2
    onward = np.cos(course - axis[:, None])
    return np.maximum((onward > 0).sum(axis=1), (onward < 0).sum(axis=1))


def _courses(points: pd.DataFrame, tracks: Sequence[Track]) -> Floats:
    """Direction in which each trip passed each point, radians; NaN where it did not come near."""
    from scipy.spatial import cKDTree

    at = ecef_m(points["lat_deg"].to_numpy(), points["lon_deg"].to_numpy())
    course = np.full((len(points), len(tracks)), np.nan)
    for k, track in enumerate(tracks):
        lat, lon = _along(track)
        if len(lat) > 1 and len(at):
            away, point = cKDTree(ecef_m(lat, lon)).query(at)
            psi = np.radians(bearing_deg(lat[:-1], lon[:-1], lat[1:], lon[1:]))
            course[:, k] = np.where(away <= PASS_M, psi[np.minimum(point, len(psi) - 1)], np.nan)
    return course


def crossed(sites: pd.DataFrame, trip_ids: Sequence[str], crossings: pd.DataFrame) -> Bools:
    """Which trips drove past which sites in their lane while they were there, (n_sites, n_trips).

    >>> sites = pd.DataFrame({"site_id": ["a", "b"]})
    >>> met = pd.DataFrame({"trip_id": ["t2"], "site_id": ["b"]})
    >>> crossed(sites, ["t1", "t2"], met).tolist()
    [[False, False], [False, True]]
    """
    site = pd.Index(sites["site_id"]).get_indexer(crossings["site_id"])
    trip = pd.Index(trip_ids).get_indexer(crossings["trip_id"])
    known = (site >= 0) & (trip >= 0)
    near = np.zeros((len(sites), len(trip_ids)), np.bool_)
    near[site[known], trip[known]] = True
    return near


def _along(track: Track) -> tuple[Floats, Floats]:
    """Points every `STEP_M` or less along a track, degrees."""
    legs = np.flatnonzero(track.joined)
    length = track.pace_ms[legs] * np.diff(track.t_ns)[legs] * 1e-9
    count = np.maximum(np.ceil(length / STEP_M).astype(np.int64), 1)
    leg = np.repeat(legs, count)
    first = np.repeat(np.cumsum(count) - count, count)
    share = (np.arange(len(leg)) - first + 0.5) / np.repeat(count, count)

    def between(values: Floats) -> Floats:
        return np.asarray(values[leg] + share * (values[leg + 1] - values[leg]))

    return between(track.lat_deg), between(track.lon_deg)


def _felt(sites: pd.DataFrame, truth: pd.DataFrame) -> Floats:
    """How many trips could feel each site; from its events, else as the table of sites says."""
    events = truth[(truth["kind"] == "event") & (truth["note"] != "")]
    counted = events.groupby("note")["trip_id"].nunique()
    if len(counted) == 0:
        return sites["felt"].to_numpy(np.float64)
    return sites["site_id"].map(counted).fillna(0).to_numpy(np.float64)


# ------------------------------------------------------------------------------- matching


@dataclass(frozen=True, eq=False)
class Tally:
    """One method's reports against the potholes of a town, one row each.

    Sites that nobody drove by are left out: a street without a pass is unknown, not smooth.
    `report_of`: the report at each driven pothole, -1 where it was missed.
    """

    site: Ints
    site_passes: Ints
    report_of: Ints
    report_passes: Ints
    hit: Bools  # per report
    other: np.ndarray  # class of what a false report lies at, "" for nothing
    away_m: Floats  # per report, NaN where false


@dataclass(frozen=True, eq=False)
class Town:
    """True places, who passed them, and how often they were felt."""

    sites: pd.DataFrame
    near: Bools
    tracks: Sequence[Track]
    felt: Floats

    def passes(self, n_trips: int) -> Ints:
        """How many of the first trips passed each site; none where its truth knows of none."""
        never = (self.sites["passes"] == 0).to_numpy()
        return np.where(never, 0, self.near[:, :n_trips].sum(axis=1))

    def tally(self, reports: pd.DataFrame, *, n_trips: int) -> Tally:
        """Reports ↔ potholes, one to one within the tolerance."""
        passes = self.passes(n_trips)
        pothole = self.sites["class"] == JoltClass.POTHOLE.value
        site = np.flatnonzero(pothole & (passes > 0))
        pairs = _match(reports, self.sites.iloc[site])
        report_of = np.full(len(site), -1)
        report_of[pairs.truth] = pairs.found
        report_passes = lane_passes(reports, self.tracks[:n_trips])
        report_passes[pairs.found] = passes[site[pairs.truth]]
        hit = np.zeros(len(reports), np.bool_)
        hit[pairs.found] = True
        return Tally(
            site=site,
            site_passes=passes[site],
            report_of=report_of,
            report_passes=report_passes,
            hit=hit,
            other=self._others(reports, hit),
            away_m=_away(reports, self.sites.iloc[site], pairs),
        )

    def _others(self, reports: pd.DataFrame, hit: Bools) -> np.ndarray:
        found = np.full(len(reports), "", dtype=object)
        false = np.flatnonzero(~hit)
        rest = self.sites[self.sites["class"] != JoltClass.POTHOLE.value]
        pairs = _match(reports.iloc[false], rest)
        found[false[pairs.found]] = rest["class"].to_numpy(dtype=object)[pairs.truth]
        return found


def _match(reports: pd.DataFrame, sites: pd.DataFrame) -> scoring.Pairs:
    return scoring.match_places(
        reports["lat_deg"].to_numpy(), reports["lon_deg"].to_numpy(),
        true_lat_deg=sites["lat_deg"].to_numpy(), true_lon_deg=sites["lon_deg"].to_numpy(),
        tol_m=sites["tol_m"].to_numpy(),
    )  # fmt: skip


def _away(reports: pd.DataFrame, sites: pd.DataFrame, pairs: scoring.Pairs) -> Floats:
    away = np.full(len(reports), np.nan)
    r, s = reports.iloc[pairs.found], sites.iloc[pairs.truth]
    here, there = (ecef_m(t["lat_deg"].to_numpy(), t["lon_deg"].to_numpy()) for t in (r, s))
    away[pairs.found] = np.linalg.norm(here - there, axis=1)
    return away


# ------------------------------------------------------------------------------- rows


def _overall(tally: Tally, method: str, tuning: str, at: str) -> list[Figure]:
    every_site, every_report = (np.ones(len(x), np.bool_) for x in (tally.site, tally.hit))
    return _rows(tally, every_site, every_report, PART, method, tuning, at)


def _by_passes(tally: Tally, method: str, tuning: str) -> Iterator[Figure]:
    for lo, hi in pairwise((*BINS, 10**9)):
        sites = (tally.site_passes >= lo) & (tally.site_passes < hi)
        reports = (tally.report_passes >= lo) & (tally.report_passes < hi)
        if sites.any():
            yield from _rows(tally, sites, reports, BY_PASSES, method, tuning, _bin(lo, hi))


def _bin(lo: int, hi: int) -> str:
    if hi == lo + 1:
        return str(lo)
    return f"{lo}+" if hi > 10**6 else f"{lo}-{hi - 1}"


def _rows(
    tally: Tally, sites: Bools, reports: Bools, part: str, method: str, tuning: str, at: str
) -> list[Figure]:
    missed = tally.report_of[sites] < 0
    hit, other = tally.hit[reports], tally.other[reports]
    obstacle = np.isin(other, [c.value for c in OBSTACLES])
    # Recall from sites and precision from reports; F1 from both, each drawn as a unit of its own.
    units = np.zeros((len(missed) + len(hit), 5))
    units[: len(missed), :2] = np.column_stack((~missed, missed))
    units[len(missed) :, 2:] = np.column_stack((hit, ~hit, obstacle))
    precision, recall, f1, share = scoring.boot_sums(units, _site_measures)
    away = tally.away_m[reports & np.isfinite(tally.away_m)]
    unit = np.arange(len(away))
    quantiles = [scoring.boot_quantile(away, unit, q=q, n_units=len(away)) for q in (0.5, 0.9)]
    rows = [
        ("precision", precision, len(hit), "1"), ("recall", recall, len(missed), "1"),
        ("F1", f1, len(units), "1"), ("reports at obstacles", share, len(hit), "1"),
        ("off by, median", quantiles[0], len(away), "m"),
        ("off by, p90", quantiles[1], len(away), "m"),
    ]  # fmt: skip
    return [
        figure(part, method, tuning, m, v, at=at, n=n, n_units=n, unit=u) for m, v, n, u in rows
    ]


def _site_measures(s: Floats) -> Floats:
    """Precision, recall, F1 and share at obstacles of (found, missed, true, false, obstacle)."""
    reported = s[..., 2] + s[..., 3]
    precision = scoring.ratio(s[..., 2], reported)
    recall = scoring.ratio(s[..., 0], s[..., 0] + s[..., 1])
    under = np.nan_to_num(precision) + np.nan_to_num(recall)
    f1 = scoring.ratio(2 * np.nan_to_num(precision) * np.nan_to_num(recall), under)
    f1 = np.where(np.isfinite(recall) & (under == 0), 0.0, f1)
    return np.stack((precision, recall, f1, scoring.ratio(s[..., 4], reported)), -1)


def _could_be_felt(town: Town, n_trips: int) -> Iterator[Figure]:
    """The share of potholes that three trips or more could feel: a ceiling for any quorum of 3."""
    if not np.isfinite(town.felt).any():
        return
    passes = town.passes(n_trips)
    pothole = (town.sites["class"] == JoltClass.POTHOLE.value).to_numpy()
    for lo, hi in pairwise((*BINS, 10**9)):
        keep = pothole & (passes >= lo) & (passes < hi)
        if keep.any():
            by_three, site = (town.felt[keep] >= 3).astype(float), np.flatnonzero(keep)
            yield share_figure(BY_PASSES, FELT, "", "recall", by_three, site, at=_bin(lo, hi))


def _stated(town: Town, shot: Snapshot, flagged: Tally) -> Iterator[Figure]:
    """How often stated intervals of flagged places hold the truth."""
    right = np.flatnonzero(flagged.hit)
    pos_err_m = shot.reports["pos_err_m"].to_numpy()[right]
    for held, radius in (("50 %", RADIUS_50 * pos_err_m), ("90 %", RADIUS_90 * pos_err_m)):
        inside = (flagged.away_m[right] <= radius).astype(np.float64)
        yield _stated_figure(f"{held} radius holds the site", inside)
        yield _stated_figure(f"{held} radius, mean", radius, unit="m")
    found = flagged.report_of >= 0
    site, report = flagged.site[found], shot.reports.iloc[flagged.report_of[found]]
    rate = scoring.ratio(town.felt[site], town.sites["passes"].to_numpy()[site])
    known = np.isfinite(rate)
    if known.any():
        lo, hi = (report[c].to_numpy()[known] for c in ("hit_rate_lo", "hit_rate_hi"))
        holds = (lo <= rate[known]) & (rate[known] <= hi)
        yield _stated_figure("hit-rate interval holds it", holds.astype(np.float64))


def _stated_figure(measure: str, values: Floats, *, unit: str = "1") -> Figure:
    each = np.arange(len(values))
    return share_figure(STATED, FLAGGED, NOT_TUNED, measure, values, each, unit=unit)


def _probabilities(town: Town, shot: Snapshot) -> list[Figure]:
    """Calibration of p_pothole over all clusters: how often a pothole lies within the tolerance."""
    c = shot.clusters
    potholes = town.sites[town.sites["class"] == JoltClass.POTHOLE.value]
    if len(c) == 0 or len(potholes) == 0:
        return []
    right = _within_tolerance(c, potholes).astype(np.float64)
    p, unit = c["p_pothole"].to_numpy(), np.arange(len(c))
    ece = scoring.boot_ece(p, right, unit)
    first = figure(STATED, FLAGGED, NOT_TUNED, "ECE of p_pothole", ece, n=len(c), n_units=len(c))
    return [first, *reliability_rows(RELIABILITY, p, right, unit)]


def _within_tolerance(points: pd.DataFrame, sites: pd.DataFrame) -> Bools:
    """Whether any of the sites lies as near to each point as its tolerance asks."""
    from scipy.spatial import cKDTree

    here, there = (
        ecef_m(t["lat_deg"].to_numpy(), t["lon_deg"].to_numpy()) for t in (points, sites)
    )
    inside = np.zeros(len(points), np.bool_)
    for near in cKDTree(here).query_ball_point(there, sites["tol_m"].to_numpy()):
        inside[near] = True
    return inside


# ------------------------------------------------------------------------------- peers


def peer_tally(town: Town, trips: Sequence[Heard], name: str) -> Tally:
    """A classic's jolts grouped by DBSCAN, each half of the town with the other half's best."""
    middle = float(town.sites["lon_deg"].median())
    best: list[tuple[float, pd.DataFrame]] = [(-1.0, _no_reports())] * 2
    for reports in _candidates(trips, name):
        east = reports["lon_deg"].to_numpy() >= middle
        f1 = _half_f1(town, reports, east, middle, len(trips))
        for half in (0, 1):
            if f1[half] > best[half][0]:
                best[half] = (f1[half], reports)
    # What was best in the west is applied in the east, and the other way round.
    chosen = [best[1][1], best[0][1]]
    kept = [r[(r["lon_deg"] >= middle) == bool(half)] for half, r in enumerate(chosen)]
    return town.tally(pd.concat(kept, ignore_index=True), n_trips=len(trips))


def _half_f1(
    town: Town, reports: pd.DataFrame, east: Bools, middle: float, n_trips: int
) -> tuple[float, float]:
    """F1 of a set of reports in the west and in the east."""
    driven = town.passes(n_trips) > 0
    pothole = (town.sites["class"] == JoltClass.POTHOLE.value).to_numpy() & driven
    side = (town.sites["lon_deg"] >= middle).to_numpy()
    scores = []
    for half in (False, True):
        found, true = reports[east == half], town.sites[pothole & (side == half)]
        hits = len(_match(found, true).found)
        counts = np.array([hits, len(found) - hits, len(true) - hits], np.float64)
        scores.append(float(np.nan_to_num(scoring.precision_recall_f1(counts)[2])))
    return scores[0], scores[1]


def _candidates(trips: Sequence[Heard], name: str) -> Iterator[pd.DataFrame]:
    """The reports of a classic at every threshold, radius and quorum that is tried."""
    for k in range(0, len(trips[0].peers[name]), EVERY):
        lat, lon, trip = _located(trips, name, k)
        if len(lat) > MAX_PER_KM * sum(h.km for h in trips):
            continue
        for eps_m in EPS_M:
            groups = group_jolts(lat, lon, trip, eps_m=eps_m)
            for quorum in QUORUM:
                yield groups[groups["n_trips"] >= quorum].reset_index(drop=True)


def _located(trips: Sequence[Heard], name: str, k: int) -> tuple[Floats, Floats, Ints]:
    places = [h.place(h.peers[name][k]) for h in trips]
    lat, lon = (np.concatenate([p[i] for p in places]) for i in (0, 1))
    trip = np.repeat(np.arange(len(trips)), [len(p[0]) for p in places])
    known = np.isfinite(lat)
    return lat[known], lon[known], trip[known]


def group_jolts(lat_deg: Floats, lon_deg: Floats, trip: Ints, *, eps_m: float) -> pd.DataFrame:
    """Groups of jolts by scikit-learn's DBSCAN: mean place and distinct trips of each.

    >>> at = np.array([12.0, 12.00001, 12.5]), np.full(3, -150.0)
    >>> group_jolts(*at, np.array([0, 1, 2]), eps_m=8.0)["n_trips"].tolist()
    [2]
    """
    if len(lat_deg) == 0:
        return _no_reports()
    from sklearn.cluster import DBSCAN

    lat0, lon0 = float(np.median(lat_deg)), float(np.median(lon_deg))
    east, north = local_m(lat_deg, lon_deg, lat0_deg=lat0, lon0_deg=lon0)
    label = DBSCAN(eps=eps_m, min_samples=2).fit_predict(np.column_stack((east, north)))
    jolts = pd.DataFrame({"label": label, "east": east, "north": north, "trip": trip})
    groups = (
        jolts[label >= 0]
        .groupby("label")
        .agg(east=("east", "mean"), north=("north", "mean"), n_trips=("trip", "nunique"))
    )
    lat, lon = from_local_m(
        groups["east"].to_numpy(), groups["north"].to_numpy(), lat0_deg=lat0, lon0_deg=lon0
    )
    return pd.DataFrame({"lat_deg": lat, "lon_deg": lon, "n_trips": groups["n_trips"].to_numpy()})


def _no_reports() -> pd.DataFrame:
    return pd.DataFrame({"lat_deg": [], "lon_deg": [], "n_trips": []}, dtype="float64")
