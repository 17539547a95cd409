"""A town whose defects are known: its true places, and which reports lie at which.

A report and a pothole meet within the pothole's tolerance, one to one. Sites that nobody drove by
are left out: a street without a pass is unknown, not smooth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.detect.locate import Track
from streetbump.geo import bearing_deg, ecef_m
from streetbump.model import Bools, Floats, Ints, JoltClass
from streetbump.report import scoring
from streetbump.report.truth import Description, classes_of

PASS_M = 20.0
"""A trip whose track comes this near has passed a place, m: half a street's width and a phone's
usual error. Chosen by us."""
STEP_M = 10.0
"""Tracks are looked at every so often, m."""
KNOWN = ("passes", "felt", "height_m")
"""What a table of sites may say of each."""
ENOUGH = 10
"""So many passes tell much of a place."""
FELT_BY = 3
"""Of so many trips that feel a place a quorum can be made."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The store after so many trips: its clusters, and the places it would report as potholes.

    `clusters` is ``CLUSTERS``; `jolts` their members (cluster_id, trip_key, t_s); `reports` has
    lat_deg, lon_deg, pos_err_m, hit_rate_lo, hit_rate_hi, severity; `n_trips` of all trips in time
    order were taken in.
    """

    n_trips: int
    clusters: pd.DataFrame
    jolts: pd.DataFrame
    reports: pd.DataFrame


REPORT_COLUMNS = ("lat_deg", "lon_deg", "pos_err_m", "hit_rate_lo", "hit_rate_hi", "severity")


def named_classes(labels: Sequence[str], description: Description) -> list[str]:
    """The class of each label by its name; the label itself where it stands for none.

    >>> named_classes(["manhole", "elephant"], Description())
    ['casting', 'elephant']
    """
    known = classes_of(labels, description)
    return [str(c or label) for c, label in zip(known, labels, strict=True)]


def site_table(
    truth: pd.DataFrame, more: pd.DataFrame | None, *, description: Description
) -> pd.DataFrame:
    """True places: site_id, class (str), lat_deg, lon_deg, tol_m; `KNOWN` (NaN unknown)."""
    rows = truth[truth["kind"] == "site"].reset_index(drop=True)
    named = rows["note"].where(rows["note"] != "", [f"site {k}" for k in range(len(rows))])
    table = pd.DataFrame(
        {
            "site_id": named,
            "class": pd.Series(named_classes(rows["label"].tolist(), description), dtype="str"),
            "lat_deg": rows["lat"], "lon_deg": rows["lon"], "tol_m": rows["tol_m"],
        }
    )  # fmt: skip
    if more is None:
        return table.assign(**dict.fromkeys(KNOWN, np.nan))
    at = scoring.match_places(
        more["lat_deg"].to_numpy(), more["lon_deg"].to_numpy(),
        true_lat_deg=table["lat_deg"].to_numpy(), true_lon_deg=table["lon_deg"].to_numpy(),
        tol_m=np.full(len(table), 1.0),
    )  # fmt: skip
    known = pd.DataFrame(np.nan, index=table.index, columns=list(KNOWN))
    known.iloc[at.truth] = more[list(KNOWN)].to_numpy()[at.found]
    ids = table["site_id"].to_numpy(dtype=object).copy()
    ids[at.truth] = more["site_id"].to_numpy(dtype=object)[at.found]
    return table.assign(site_id=pd.Series(ids, dtype="str"), **known)


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

    at = metres(points)
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


def felt_by(sites: pd.DataFrame, truth: pd.DataFrame) -> Floats:
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

    `report_of`: the report at each driven pothole, -1 where it was missed; `served`: whether any
    report lies within its tolerance, also one that is matched to another pothole.
    """

    site: Ints
    site_passes: Ints
    site_felt: Floats  # NaN where unknown
    report_of: Ints
    served: Bools
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
        pairs = match(reports, self.sites.iloc[site])
        report_of = np.full(len(site), -1)
        report_of[pairs.truth] = pairs.found
        report_passes = lane_passes(reports, self.tracks[:n_trips])
        report_passes[pairs.found] = passes[site[pairs.truth]]
        hit = np.zeros(len(reports), np.bool_)
        hit[pairs.found] = True
        return Tally(
            site=site,
            site_passes=passes[site],
            site_felt=self.felt[site],
            report_of=report_of,
            served=served(reports, self.sites.iloc[site]),
            report_passes=report_passes,
            hit=hit,
            other=self._others(reports, hit),
            away_m=_away(reports, self.sites.iloc[site], pairs),
        )

    def _others(self, reports: pd.DataFrame, hit: Bools) -> np.ndarray:
        found = np.full(len(reports), "", dtype=object)
        false = np.flatnonzero(~hit)
        rest = self.sites[self.sites["class"] != JoltClass.POTHOLE.value]
        pairs = match(reports.iloc[false], rest)
        found[false[pairs.found]] = rest["class"].to_numpy(dtype=object)[pairs.truth]
        return found


def match(reports: pd.DataFrame, sites: pd.DataFrame) -> scoring.Pairs:
    """Reports ↔ sites, one to one within each site's tolerance."""
    return scoring.match_places(
        reports["lat_deg"].to_numpy(), reports["lon_deg"].to_numpy(),
        true_lat_deg=sites["lat_deg"].to_numpy(), true_lon_deg=sites["lon_deg"].to_numpy(),
        tol_m=sites["tol_m"].to_numpy(),
    )  # fmt: skip


def served(points: pd.DataFrame, sites: pd.DataFrame) -> Bools:
    """Whether any of the points lies within each site's tolerance, (n_sites,)."""
    from scipy.spatial import cKDTree

    here, there = metres(points), metres(sites)
    if len(here) == 0:
        return np.zeros(len(there), np.bool_)
    away, _ = cKDTree(here).query(there)
    return np.asarray(away <= sites["tol_m"].to_numpy())


def at_pothole(points: pd.DataFrame, sites: pd.DataFrame) -> Bools:
    """Whether any pothole lies within its tolerance of each point, (n_points,)."""
    from scipy.spatial import cKDTree

    potholes = sites[sites["class"] == JoltClass.POTHOLE.value]
    inside = np.zeros(len(points), np.bool_)
    if len(points) and len(potholes):
        tree = cKDTree(metres(points))
        for near in tree.query_ball_point(metres(potholes), potholes["tol_m"].to_numpy()):
            inside[near] = True
    return inside


def nearest_is_pothole(points: pd.DataFrame, sites: pd.DataFrame) -> Bools:
    """Whether of all true places the nearest to each point is a pothole in tolerance, (n_points,).

    >>> sites = pd.DataFrame({"class": ["pothole", "hump"], "lat_deg": [12.0, 12.0001],
    ...                       "lon_deg": [-150.0, -150.0], "tol_m": [15.0, 15.0]})
    >>> points = pd.DataFrame({"lat_deg": [11.9999, 12.00008, 12.1], "lon_deg": [-150.0] * 3})
    >>> nearest_is_pothole(points, sites).tolist()
    [True, False, False]
    """
    from scipy.spatial import cKDTree

    if len(points) == 0 or len(sites) == 0:
        return np.zeros(len(points), np.bool_)
    away, which = cKDTree(metres(sites)).query(metres(points))
    nearest = sites.iloc[which]
    pothole = (nearest["class"] == JoltClass.POTHOLE.value).to_numpy()
    return np.asarray(pothole & (away <= nearest["tol_m"].to_numpy()))


def share_of_potholes(jolts: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    """What share of each cluster's jolts stems from potholes, by cluster_id.

    Parameters
    ----------
    jolts : DataFrame
        cluster_id, trip_id, t_s.
    events : DataFrame
        trip_id, class (str), t_start_s, t_end_s, tol_lo_s, tol_hi_s. Of those whose span, with its
        tolerance, holds a jolt it stems from the nearest; from nothing without any.

    >>> jolts = pd.DataFrame({"cluster_id": ["a", "a", "b"], "t_s": [1.0, 2.9, 9.0]})
    >>> events = pd.DataFrame({"trip_id": "t", "class": ["pothole", "joint"],
    ...                        "t_start_s": [1.0, 3.0], "t_end_s": [1.0, 3.0],
    ...                        "tol_lo_s": -2.0, "tol_hi_s": 2.0})
    >>> share_of_potholes(jolts.assign(trip_id="t"), events).to_dict()
    {'a': 0.5, 'b': 0.0}
    """
    met = jolts.reset_index(drop=True).rename_axis("jolt").reset_index().merge(events, on="trip_id")
    late_s, early_s = met["t_s"] - met["t_end_s"], met["t_start_s"] - met["t_s"]
    holds = (late_s <= met["tol_hi_s"]) & (early_s <= -met["tol_lo_s"])
    met = met.assign(off_s=np.maximum(late_s, early_s))[holds]
    cause = met.sort_values(["jolt", "off_s", "class"]).groupby("jolt")["class"].first()
    from_one = cause.reindex(range(len(jolts))).eq(JoltClass.POTHOLE.value)
    return from_one.groupby(jolts["cluster_id"].to_numpy()).mean()


def metres(points: pd.DataFrame) -> Floats:
    """Positions in earth-centred metres, (n, 3)."""
    return ecef_m(points["lat_deg"].to_numpy(), points["lon_deg"].to_numpy())


def _away(reports: pd.DataFrame, sites: pd.DataFrame, pairs: scoring.Pairs) -> Floats:
    away = np.full(len(reports), np.nan)
    r, s = reports.iloc[pairs.found], sites.iloc[pairs.truth]
    away[pairs.found] = np.linalg.norm(metres(r) - metres(s), axis=1)
    return away
