"""Towns whose defects are known: whether the right places are reported, and how soon.

What is scored is what a user gets: the store's places after the trips came in, in time order, and
beside them every cluster that is called pothole whatever its quorum. The peers are the classics,
their jolts placed by our track and grouped by scikit-learn's DBSCAN, tuned on one half of the town
and applied to the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from streetbump.model import Bools, Floats, JoltClass
from streetbump.report import scoring, stated
from streetbump.report.hearing import Heard
from streetbump.report.scoreboard import NOT_TUNED, OURS, Figure, figure, share_figure
from streetbump.report.town import (
    ENOUGH,
    FELT_BY,
    REPORT_COLUMNS,
    Snapshot,
    Tally,
    Town,
    crossed,
    felt_by,
    metres,
    named_classes,
    share_of_potholes,
    site_table,
    visits,
)
from streetbump.report.town_peers import peer_tally
from streetbump.report.truth import Description

PART = "places"
BY_PASSES = "places by passes"
WELL_DRIVEN = f"places with {ENOUGH} passes, felt by {FELT_BY}"

FLAGGED = f"{OURS}, flagged"
CALLED = f"{OURS}, p ≥ 0.5"
HALVES = "on the other half"
FELT = f"felt by {FELT_BY} trips or more"

BINS = (1, 2, 3, 4, 6, ENOUGH, 20, 50)
"""Lower ends of the bins of true passes."""
SAME_PLACE_M = 10.0
"""Clusters of both lanes this near are one report, m: as the shipped settings have it."""
OBSTACLES = (JoltClass.HUMP, JoltClass.CASTING, JoltClass.JOINT, JoltClass.MARKER)
"""What must not be reported as a pothole."""


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
    town = Town(sites, near, tracks, felt_by(sites, truth))
    figures: list[Figure] = []
    ours: dict[str, Tally] = {}
    for shot in snapshots:
        ours = {m: town.tally(r, n_trips=shot.n_trips) for m, r in ours_of(shot).items()}
        for method, tally in ours.items():
            figures += _overall(tally, method, NOT_TUNED, _after(shot))
    last = snapshots[-1]
    peers = [(name, HALVES, peer_tally(town, trips, name)) for name in trips[0].peers]
    for method, tuning, tally in peers:
        figures += _overall(tally, method, tuning, _after(last))
    everybody = [*((method, NOT_TUNED, tally) for method, tally in ours.items()), *peers]
    for method, tuning, tally in everybody:
        figures += _well_driven(tally, method, tuning, _after(last))
    for method, tuning, tally in everybody:
        figures += _by_passes(tally, method, tuning)
    figures += _could_be_felt(town, last.n_trips)
    figures += stated.of_reports(town, last, ours[FLAGGED], method=FLAGGED)
    share = _share_of_potholes(last, trips, truth, description=description)
    return [*figures, *stated.of_probabilities(town, last, share, method=FLAGGED)]


def _share_of_potholes(
    shot: Snapshot, trips: Sequence[Heard], truth: pd.DataFrame, *, description: Description
) -> pd.Series | None:
    """What share of each cluster's jolts stems from potholes; None when no event has a time."""
    events = truth[(truth["kind"] == "event") & truth["t_start_s"].notna()]
    if len(events) == 0:
        return None
    classes = named_classes(events["label"].tolist(), description)
    names = {key: h.trip_id for h in trips for key in h.bumps["trip_key"].unique()}
    jolts = shot.jolts.assign(trip_id=shot.jolts["trip_key"].map(names))
    return share_of_potholes(jolts, events.assign(**{"class": classes}))


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
    at = metres(ordered)
    keep = np.ones(len(ordered), np.bool_)
    pairs = sorted(cKDTree(at).query_pairs(SAME_PLACE_M)) if len(at) else []
    for first, second in pairs:  # near pairs are few, and what comes first is settled first
        keep[second] &= not keep[first]
    return ordered[keep].reset_index(drop=True)


# ------------------------------------------------------------------------------- rows


def _overall(tally: Tally, method: str, tuning: str, at: str) -> list[Figure]:
    every_site, every_report = (np.ones(len(x), np.bool_) for x in (tally.site, tally.hit))
    return _rows(tally, every_site, every_report, PART, method, tuning, at)


def _well_driven(tally: Tally, method: str, tuning: str, at: str) -> list[Figure]:
    """Reports with `ENOUGH` passes, and potholes that `FELT_BY` trips felt, where that is known."""
    sites = (tally.site_passes >= ENOUGH) & ~(tally.site_felt < FELT_BY)
    reports = tally.report_passes >= ENOUGH
    return _rows(tally, sites, reports, WELL_DRIVEN, method, tuning, at)


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
    served = tally.served[sites].astype(np.float64)
    near = scoring.boot_share(served, np.arange(len(served)))
    rows = [
        ("precision", precision, len(hit), "1"), ("recall", recall, len(missed), "1"),
        ("a report is near", near, len(missed), "1"),
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
            by_three, site = (town.felt[keep] >= FELT_BY).astype(float), np.flatnonzero(keep)
            yield share_figure(BY_PASSES, FELT, "", "recall", by_three, site, at=_bin(lo, hi))
