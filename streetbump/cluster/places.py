"""Places: what clusters become once they deserve a report. The ledger's side of clustering.

Clusters have no history; a place has nothing else. :func:`follow` decides, from the clusters as
they are now and the places as they were, which places begin, move or change state. It writes
nothing: the caller stores what it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from streetbump.config import FlagSettings
from streetbump.geo import distance_m, heading_difference_deg
from streetbump.model import Bools, JoltClass, PlaceState

REPORTABLE = (JoltClass.POTHOLE, JoltClass.CASTING)
"""Classes that may need a repair: a hole goes to the road crew, a bad casting to its owner."""

OTHER_LANE_DEG = 90.0
"""Clusters whose headings differ by more are felt in different lanes."""

SENT = frozenset(
    {
        PlaceState.REPORTED,
        PlaceState.CLOSED_CLAIMED,
        PlaceState.REPAIR_SEEN,
        PlaceState.STILL_THERE,
        PlaceState.REJECTED,
        PlaceState.FADED,
    }
)
"""States that clusters alone never change: a city, a person or later passes have spoken
(:mod:`streetbump.cluster.life`)."""


@dataclass(frozen=True)
class Place:
    """A place as the ledger holds it; `clusters` are the ids it is linked with now."""

    place_id: str
    jolt_class: JoltClass
    lat_deg: float
    lon_deg: float
    state: PlaceState
    episode: int
    why: str
    clusters: tuple[str, ...]


def flagged(clusters: pd.DataFrame, *, settings: FlagSettings) -> Bools:
    """Which rows of ``CLUSTERS`` deserve a report: quorum, rate, class, and no known obstacle."""
    p = np.select(
        [clusters["class"] == c.value for c in REPORTABLE],
        [clusters[f"p_{c.value}"] for c in REPORTABLE],
        default=0.0,
    )
    return np.asarray(
        (clusters["n_devices"] >= settings.min_devices)
        & (clusters["n_days"] >= settings.min_days)
        & (clusters["hit_rate_lo"] >= settings.min_hit_rate_lo)
        & (p >= settings.min_class_p)
        & clusters["obstacle_id"].isna()
    )


def why_not(row: pd.Series | Mapping[Hashable, Any], *, settings: FlagSettings) -> str:
    """Why one row of ``CLUSTERS`` is not flagged, for people; empty when it is."""
    if pd.notna(row["obstacle_id"]):
        return f"known obstacle {row['obstacle_id']}"
    if row["n_devices"] < settings.min_devices:
        return f"{row['n_devices']} named devices, {settings.min_devices} needed"
    if row["n_days"] < settings.min_days:
        return f"{row['n_days']} days, {settings.min_days} needed"
    if row["class"] not in {c.value for c in REPORTABLE}:
        return f"class {row['class']} is not reported"
    if row["hit_rate_lo"] < settings.min_hit_rate_lo:
        return f"hit rate may be as low as {row['hit_rate_lo']:.2f}"
    if row[f"p_{row['class']}"] < settings.min_class_p:
        return f"only {row['p_' + row['class']]:.2f} sure of its class"
    return ""


def follow(
    places: Sequence[Place],
    clusters: pd.DataFrame,
    *,
    creating: Bools,
    new_id: Callable[[], str],
    settings: FlagSettings,
) -> tuple[Place, ...]:
    """The places that are new or changed, given the clusters around them now.

    Parameters
    ----------
    places : sequence of Place
        Every place near the clusters.
    clusters : DataFrame
        Every current cluster near the places (``CLUSTERS``), flagged or not.
    creating : (n,) bool
        Which of the clusters may begin a place; the others are only there to be linked.
    new_id : callable
        Draws a random place id; called once per new place.

    Returns
    -------
    tuple of Place
        Only those that differ from what was given, new ones last.
    """
    due = clusters.assign(creating=creating)[flagged(clusters, settings=settings)]
    fresh: list[Place] = []
    linked = _linked(places, due, limit_m=settings.same_place_m)
    homeless = due[~due["cluster_id"].isin(_ids(linked)) & due["creating"]]
    homeless = homeless.sort_values(
        ["n_devices", "hits", "cluster_id"], ascending=[False, False, True]
    )
    for _, row in homeless.iterrows():  # flagged clusters are few
        home = _home(row, fresh, linked, limit_m=settings.same_place_m)
        if home is None:
            home = _new_place(row, new_id())
            fresh.append(home)
        linked.setdefault(home.place_id, []).append(row)
    others = _also_there([*places, *fresh], clusters, settings=settings)

    def updated(place: Place) -> Place:
        rows = linked.get(place.place_id, [])
        ids = {str(r["cluster_id"]) for r in rows} | others.get(place.place_id, set())
        return _updated(replace(place, clusters=tuple(sorted(ids))), rows, clusters, settings)

    after = [updated(p) for p in places]
    changed = [new for old, new in zip(places, after, strict=True) if new != old]
    return (*changed, *map(updated, fresh))


def _also_there(
    places: Sequence[Place], clusters: pd.DataFrame, *, settings: FlagSettings
) -> dict[str, set[str]]:
    """Clusters at a place that are not flagged (any more), by place: each at its nearest one.

    A place whose defect was mended keeps its clusters, or nobody could see that it was.
    """
    rest = clusters[~flagged(clusters, settings=settings)]
    lat, lon, kind = (rest[name].to_numpy() for name in ("lat_deg", "lon_deg", "class"))
    best: dict[str, tuple[float, str]] = {}
    for place in places:  # places near some cells are few
        away = distance_m(place.lat_deg, place.lon_deg, lat, lon)
        alike = (kind == place.jolt_class.value) | (kind == JoltClass.UNSURE.value)
        for k in np.flatnonzero(alike & (away <= settings.same_place_m)).tolist():
            found = (float(away[k]), place.place_id)
            cluster_id = str(rest["cluster_id"].iloc[k])
            best[cluster_id] = min(best.get(cluster_id, found), found)
    homes: dict[str, set[str]] = {}
    for cluster_id, (_, place_id) in best.items():
        homes.setdefault(place_id, set()).add(cluster_id)
    return homes


Linked = dict[str, list[pd.Series]]
"""Place id → the flagged clusters that it is linked with."""


def _ids(linked: Linked) -> list[str]:
    return [str(row["cluster_id"]) for rows in linked.values() for row in rows]


def _linked(places: Sequence[Place], due: pd.DataFrame, *, limit_m: float) -> Linked:
    """Flagged clusters by the place of their class that holds them, or else the nearest in reach.

    Who holds it comes first: a place moves to its best cluster, and would lose the others. A place
    takes one cluster of a lane: two of one lane are two things, or they would be one cluster. The
    nearest pair comes first, the lower ids among equals.
    """
    linked: Linked = {}
    housed: set[str] = set()
    for place_id, row in _candidates(places, due, limit_m=limit_m):
        if row["cluster_id"] not in housed and not _has_lane(linked.get(place_id, []), row):
            linked.setdefault(place_id, []).append(row)
            housed.add(row["cluster_id"])
    return linked


def _candidates(
    places: Sequence[Place], due: pd.DataFrame, *, limit_m: float
) -> Iterator[tuple[str, pd.Series]]:
    """Places and flagged clusters of one class that hold each other or are near, the best first."""
    if not places or len(due) == 0:
        return
    lat, lon = due["lat_deg"].to_numpy(), due["lon_deg"].to_numpy()
    away_m = np.array([distance_m(p.lat_deg, p.lon_deg, lat, lon) for p in places])
    holds = np.array([due["cluster_id"].isin(p.clusters).to_numpy() for p in places])
    alike = np.array([(due["class"] == p.jolt_class.value).to_numpy() for p in places])
    place, row = np.nonzero(alike & (holds | (away_m <= limit_m)))
    place_id = np.array([p.place_id for p in places])[place]
    cluster_id = due["cluster_id"].to_numpy(str)[row]
    for k in np.lexsort((cluster_id, place_id, away_m[place, row], ~holds[place, row])):
        yield str(place_id[k]), due.iloc[row[k]]


def _home(row: pd.Series, places: list[Place], linked: Linked, *, limit_m: float) -> Place | None:
    """The nearest of some places within reach that has room for this cluster."""
    lat_deg, lon_deg = (np.array([getattr(p, c) for p in places]) for c in ("lat_deg", "lon_deg"))
    away_m = distance_m(row["lat_deg"], row["lon_deg"], lat_deg, lon_deg)
    near = [(float(away_m[k]), places[k]) for k in np.flatnonzero(away_m <= limit_m)]
    free = [
        (away, p.place_id, p)
        for away, p in near
        if p.jolt_class == row["class"] and not _has_lane(linked[p.place_id], row)
    ]
    return min(free, key=lambda entry: entry[:2])[2] if free else None


def _has_lane(rows: list[pd.Series], row: pd.Series) -> bool:
    """Whether one of some clusters is driven over in the direction of this one."""
    turns = [heading_difference_deg(r["heading_deg"], row["heading_deg"]) for r in rows]
    return any(turn <= OTHER_LANE_DEG for turn in turns)


def _new_place(row: pd.Series, place_id: str) -> Place:
    return Place(
        place_id=place_id,
        jolt_class=JoltClass(row["class"]),
        lat_deg=float(row["lat_deg"]),
        lon_deg=float(row["lon_deg"]),
        state=PlaceState.FLAGGED,
        episode=1,
        why="",
        clusters=(),
    )


def _updated(
    place: Place, rows: list[pd.Series], clusters: pd.DataFrame, settings: FlagSettings
) -> Place:
    """The place in the state that follows from the flagged clusters it has now."""
    if place.state in SENT or place.state is PlaceState.HELD:
        return place
    if rows:
        best = max(rows, key=lambda r: (r["n_devices"], r["hits"], r["cluster_id"]))
        return replace(
            place,
            lat_deg=float(best["lat_deg"]),
            lon_deg=float(best["lon_deg"]),
            state=PlaceState.FLAGGED,
            why=f"{int(best['hits'])} of {int(best['passes'])} passes jolted",
        )
    here = distance_m(
        place.lat_deg, place.lon_deg, clusters["lat_deg"].to_numpy(), clusters["lon_deg"].to_numpy()
    )
    near = clusters[here <= settings.same_place_m]
    explained = near[near["obstacle_id"].notna()]
    if len(explained):
        obstacle = explained.sort_values("cluster_id")["obstacle_id"].iloc[0]
        return replace(place, state=PlaceState.KNOWN_OBSTACLE, why=f"obstacle {obstacle}")
    return replace(place, state=PlaceState.CANDIDATE, why="no cluster reaches the quorum now")
