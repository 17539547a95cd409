"""Which known obstacles stand where a cluster is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.cluster.evidence import CLASS_NUMBER, Centres
from streetbump.geo import ecef_mm
from streetbump.model import CLASSES, DAY_NS, Floats, Ints

LINE_STEP_DEG = 2e-5
"""Lines are matched by points this far apart: about 2 m, under any obstacle's radius."""

PLACED_M = {"hump": 6.0, "joint": 4.0, "casting": 2.5, "marker": 2.5}
"""Standard error of the drawn place of each class, m. Chosen by us: city lists put humps at
addresses, 10 to 30 m along the street at worst; castings are surveyed."""

SIGMAS = 2.0
"""An obstacle within its radius plus this many standard errors of the distance may be it. Ours."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs of cluster number and row of the obstacle table, and their distance."""

    cluster: Ints
    obstacle: Ints
    distance_m: Floats


def match(at: Centres, obstacles: pd.DataFrame, *, reach_m: float) -> Matches:
    """Every known obstacle that may be what each cluster feels, nearest first.

    Both may be misplaced: their distance is held against the standard errors of either.
    `obstacles` are rows of ``OBSTACLES``; none gives no matches. `reach_m` bounds how far a poorly
    placed cluster looks, so that a cell's clusters depend on the cell and its halo alone.
    """
    none = np.empty(0, np.int64)
    if len(obstacles) == 0 or len(at.lat_deg) == 0:
        return Matches(none, none, np.empty(0))
    from scipy.spatial import cKDTree

    xy, owner = points_of(obstacles)
    near = cKDTree(ecef_mm(at.lat_deg, at.lon_deg).astype(np.float64)).sparse_distance_matrix(
        cKDTree(ecef_mm(xy[:, 1], xy[:, 0]).astype(np.float64)),
        reach_m * 1000,
        output_type="coo_matrix",
    )
    cluster, obstacle = near.row.astype(np.int64), owner[near.col]
    distance = near.data / 1000
    within = distance <= felt_within_m(obstacles, obstacle, at.pos_err_m[cluster])
    cluster, obstacle, distance = cluster[within], obstacle[within], distance[within]
    order = np.lexsort((obstacle, distance, cluster))
    return Matches(cluster[order], obstacle[order], distance[order])


def felt_within_m(obstacles: pd.DataFrame, row: Ints, pos_err_m: Floats) -> Floats:
    """How far from its drawn place an obstacle may seem to be felt, m.

    `row` are rows of `obstacles`, `pos_err_m` the standard errors of what was felt.
    """
    placed = obstacles["class"].map(PLACED_M).to_numpy(dtype=np.float64)[row]
    return obstacles["radius_m"].to_numpy()[row] + SIGMAS * np.hypot(placed, pos_err_m)


def twins(obstacles: pd.DataFrame) -> list[str | None]:
    """For each obstacle the nearest of its class in another source that may be the same, or None.

    Both stay: a source that drops one must not take the other with it.
    """
    from scipy.spatial import cKDTree

    result: list[str | None] = [None] * len(obstacles)
    if len(obstacles) < 2:
        return result
    xy, owner = points_of(obstacles)
    points = ecef_mm(xy[:, 1], xy[:, 0]).astype(np.float64)
    reach = 2 * SIGMAS * max(PLACED_M.values()) * 1000
    near = cKDTree(points).sparse_distance_matrix(cKDTree(points), reach, output_type="coo_matrix")
    a, b, distance = owner[near.row], owner[near.col], near.data / 1000
    source, kinds = obstacles["source"].to_numpy(object), obstacles["class"].to_numpy(object)
    placed = obstacles["class"].map(PLACED_M).to_numpy(dtype=np.float64)
    keep = (source[a] != source[b]) & (kinds[a] == kinds[b])
    keep &= distance <= SIGMAS * np.hypot(placed[a], placed[b])
    a, b, distance = a[keep], b[keep], distance[keep]
    ids = obstacles["obstacle_id"].tolist()
    for k in np.lexsort((b, distance, a)).tolist():  # one step per pair nearby
        if result[a[k]] is None:
            result[a[k]] = ids[b[k]]
    return result


def in_force(found: Matches, obstacles: pd.DataFrame, *, first_ns: Ints, last_ns: Ints) -> Matches:
    """The matches whose obstacle stood there at some time between a cluster's first and last hit.

    `first_ns` and `last_ns` are per cluster, -1 where no hit is dated: then nothing is left out.
    """
    built = _day_ns(obstacles["valid_from"], otherwise=np.iinfo(np.int64).min)
    gone = _day_ns(obstacles["valid_to"], otherwise=np.iinfo(np.int64).max - DAY_NS) + DAY_NS
    first, last = first_ns[found.cluster], last_ns[found.cluster]
    stood = (built[found.obstacle] <= last) & (gone[found.obstacle] > first)
    keep = stood | (first < 0)
    return Matches(found.cluster[keep], found.obstacle[keep], found.distance_m[keep])


def _day_ns(days: pd.Series, *, otherwise: int) -> Ints:
    """Midnight UTC of days as text (YYYY-MM-DD), ns; `otherwise` where none is said."""
    # What cannot be read as a day counts as not said: a stored row must not stop everything.
    when = pd.to_datetime(days.astype("object"), format="%Y-%m-%d", errors="coerce", utc=True)
    return when.dt.as_unit("ns").astype("int64").where(when.notna(), otherwise).to_numpy()


def points_of(obstacles: pd.DataFrame) -> tuple[Floats, Ints]:
    """Longitude and latitude of points along each obstacle, and the row each belongs to.

    On an obstacle that crosses the antimeridian longitudes go on beyond 180.
    """
    import shapely

    shapes = shapely.from_wkt(obstacles["wkt"].to_numpy(object))
    west, _, east, _ = shapely.bounds(shapes).T
    over = east - west > 180  # nothing is that wide: it crosses, and is not drawn round the Earth
    shapes[over] = shapely.transform(shapes[over], _eastward)
    shapes = shapely.segmentize(shapes, LINE_STEP_DEG)
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    return xy, owner.astype(np.int64)


def _eastward(xy: Floats) -> Floats:
    return np.column_stack((np.where(xy[:, 0] < 0, xy[:, 0] + 360.0, xy[:, 0]), xy[:, 1]))


def listed_classes(found: Matches, obstacles: pd.DataFrame, pos_err_m: Floats) -> Floats:
    """How near an obstacle of each class is that the inventory holds, (n, 8): 0 none, 1 right here.

    It falls as a normal law whose standard deviation is the cluster's error (`pos_err_m`, (n,))
    and ``PLACED_M`` together.
    """
    listed = np.zeros((len(pos_err_m), len(CLASSES)))
    number = obstacles["class"].map(CLASS_NUMBER).to_numpy(dtype=np.int64)
    placed = obstacles["class"].map(PLACED_M).to_numpy(dtype=np.float64)[found.obstacle]
    spread = np.hypot(pos_err_m[found.cluster], placed)
    near = np.exp(-0.5 * (found.distance_m / spread) ** 2)
    np.maximum.at(listed, (found.cluster, number[found.obstacle]), near)
    return listed


def explained_by(found: Matches, obstacles: pd.DataFrame, classes: list[str]) -> list[str | None]:
    """For each cluster the nearest obstacle of its own class, or None: others excuse nothing."""
    kinds = obstacles["class"].tolist()
    ids = obstacles["obstacle_id"].tolist()
    result: list[str | None] = [None] * len(classes)
    for c, o in zip(found.cluster.tolist(), found.obstacle.tolist(), strict=True):
        if result[c] is None and kinds[o] == classes[c]:  # pairs come nearest first
            result[c] = ids[o]
    return result
