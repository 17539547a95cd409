"""Whether what is stated of a town's places holds: radii, hit rates, severities, probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from streetbump.model import Bools, Floats, JoltClass
from streetbump.report import scoring
from streetbump.report.scoreboard import NOT_TUNED, Figure, figure, share_figure
from streetbump.report.series import reliability_rows
from streetbump.report.town import (
    ENOUGH,
    Snapshot,
    Tally,
    Town,
    at_pothole,
    nearest_is_pothole,
)

STATED = "places: stated against true"
RELIABILITY = "places: stated and observed p_pothole"

HALF = 0.5
"""A cluster is a pothole when this share of its jolts stems from one. Chosen by us."""

RADIUS_50, RADIUS_90 = (float(np.sqrt(-2 * np.log(1 - held))) for held in (0.5, 0.9))
"""Of a round normal error: the radius that holds so much, in standard deviations of one axis."""


def of_reports(town: Town, shot: Snapshot, flagged: Tally, *, method: str) -> Iterator[Figure]:
    """How often stated intervals of true reports hold the truth, and how severity ranks depth.

    Of all true reports, and of those at potholes with `ENOUGH` passes.
    """
    found = flagged.report_of >= 0
    yield from _of_matched(town, shot, flagged, found, method=method, at="")
    driven = found & (flagged.site_passes >= ENOUGH)
    if driven.any():
        yield from _of_matched(town, shot, flagged, driven, method=method, at=f"{ENOUGH}+ passes")


def _of_matched(
    town: Town, shot: Snapshot, flagged: Tally, keep: Bools, *, method: str, at: str
) -> Iterator[Figure]:
    def share(measure: str, values: Floats, unit: str = "1") -> Figure:
        each = np.arange(len(values))
        return share_figure(STATED, method, NOT_TUNED, measure, values, each, at=at, unit=unit)

    site, row = town.sites.iloc[flagged.site[keep]], flagged.report_of[keep]
    report, away_m = shot.reports.iloc[row], flagged.away_m[row]
    pos_err_m = report["pos_err_m"].to_numpy()
    for held, radius in (("50 %", RADIUS_50 * pos_err_m), ("90 %", RADIUS_90 * pos_err_m)):
        yield share(f"{held} radius holds the site", (away_m <= radius).astype(np.float64))
        yield share(f"{held} radius, mean", radius, "m")
    rate = scoring.ratio(flagged.site_felt[keep], site["passes"].to_numpy())
    known = np.isfinite(rate)
    if known.any():
        lo, hi = (report[c].to_numpy()[known] for c in ("hit_rate_lo", "hit_rate_hi"))
        holds = (lo <= rate[known]) & (rate[known] <= hi)
        yield share("hit-rate interval holds it", holds.astype(np.float64))
    depth_m, severity = -site["height_m"].to_numpy(), report["severity"].to_numpy()
    both = np.isfinite(depth_m) & np.isfinite(severity)
    if both.any():
        rank, n = scoring.boot_spearman(severity[both], depth_m[both]), int(both.sum())
        measure = "severity with depth, Spearman"
        yield figure(STATED, method, NOT_TUNED, measure, rank, at=at, n=n, n_units=n)


def of_probabilities(
    town: Town, shot: Snapshot, share: pd.Series | None, *, method: str
) -> list[Figure]:
    """Calibration of p_pothole over all clusters.

    A cluster is right when a pothole lies within its tolerance; beside it, when of all true places
    the nearest is one (much of a pothole's neighbourhood is jolts of other things), and when half
    of its jolts stem from one.

    Parameters
    ----------
    share : Series or None
        By cluster_id, :func:`~streetbump.report.town.share_of_potholes`; None where unknown.
    """
    c = shot.clusters
    if len(c) == 0 or not (town.sites["class"] == JoltClass.POTHOLE.value).any():
        return []
    p, unit = c["p_pothole"].to_numpy(), np.arange(len(c))

    def ece(measure: str, right: Floats) -> Figure:
        found = scoring.boot_ece(p, right, unit)
        return figure(STATED, method, NOT_TUNED, measure, found, n=len(c), n_units=len(c))

    right = at_pothole(c, town.sites).astype(np.float64)
    nearest = nearest_is_pothole(c, town.sites).astype(np.float64)
    figures = [
        ece("ECE of p_pothole", right),
        ece("ECE of p_pothole, nearest thing", nearest),
    ]
    if share is not None:
        stems = share.reindex(c["cluster_id"]).fillna(0.0).to_numpy() >= HALF
        figures.append(ece("ECE of p_pothole, what its jolts stem from", stems.astype(np.float64)))
    return [*figures, *reliability_rows(RELIABILITY, p, right, unit)]
