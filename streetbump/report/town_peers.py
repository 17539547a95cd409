"""What the classics would report of a town: their jolts on our track, grouped by DBSCAN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from streetbump.geo import from_local_m, local_m
from streetbump.model import Bools, Floats, Ints, JoltClass
from streetbump.report import scoring
from streetbump.report.hearing import Heard
from streetbump.report.town import Tally, Town, match

EPS_M = (8.0, 15.0)
"""Radii that are tried for the peers' DBSCAN, m. Chosen by us."""
QUORUM = (2, 3, 5, 8)
"""Least distinct trips that are tried for a peer's group. Chosen by us."""
MAX_PER_KM = 20.0
"""A threshold at which a peer fires more often than this hears every crack. Chosen by us."""
EVERY = 6
"""Of the settings of a classic's grid every so many is tried: of a threshold in g a step of some
15 %. Chosen by us."""


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
        hits = len(match(found, true).found)
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
