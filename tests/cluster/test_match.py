"""Which known obstacles stand where a cluster is, and what they excuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from streetbump.cluster.evidence import Centres
from streetbump.cluster.match import explained_by, listed_classes, match, points_of, twins
from streetbump.geo import distance_m, from_local_m
from streetbump.model import CLASSES, OBSTACLES

from .kit import CLUSTER, HERE, obstacle


def cluster_at(east_m: float, north_m: float = 0.0, *, err_m: float = 1.0,
               at: tuple[float, float] = HERE) -> Centres:  # fmt: skip
    lat, lon = from_local_m(np.array([east_m]), np.array([north_m]), lat0_deg=at[0], lon0_deg=at[1])
    return Centres(lat, lon, np.array([err_m]), np.zeros(1))


def found(at: Centres, *rows: pd.DataFrame) -> list[int]:
    known = pd.concat(rows).reset_index(drop=True)
    return match(at, known, reach_m=CLUSTER.reach_m).obstacle.tolist()


@pytest.mark.parametrize(
    ("east_m", "err_m", "there"),
    [
        pytest.param(0.0, 1.0, True, id="on it"),
        pytest.param(16.0, 1.0, True, id="within radius + two errors of either"),
        pytest.param(16.5, 1.0, False, id="beyond"),
        pytest.param(27.0, 10.0, True, id="badly placed"),
        pytest.param(28.0, 10.0, False, id="errors do not add up straight"),
        pytest.param(40.0, 50.0, False, id="never beyond the reach"),
    ],
)
def test_an_obstacle_is_felt_around_its_place(east_m, err_m, there):
    """A hump matches within 4 m plus twice the root of 6² and the cluster's own error squared."""
    assert found(cluster_at(east_m, err_m=err_m), obstacle(0.0, radius_m=4.0)) == [0] * there


def test_a_casting_is_placed_better_than_a_hump():
    """At 12 m a hump may be what was felt; a casting, which is surveyed, is not."""
    assert found(cluster_at(12.0), obstacle(0.0, kind="hump", radius_m=4.0)) == [0]
    assert found(cluster_at(12.0), obstacle(0.0, kind="casting", radius_m=2.0)) == []


def test_the_same_thing_in_two_lists_is_told():
    """Humps of two lists 10 m apart are twins; of one list, or two classes, or far apart, none."""

    def row(east_m: float, name: str, source: str, kind: str = "hump") -> pd.DataFrame:
        return obstacle(east_m, name=name, kind=kind).assign(source=pd.array([source], dtype="str"))

    known = pd.concat([
        row(0.0, "a", "city"), row(10.0, "b", "osm"), row(12.0, "c", "city"),
        row(1.0, "d", "osm", "casting"), row(32.5, "e", "osm"),
    ]).reset_index(drop=True)  # fmt: skip
    assert twins(known) == ["b", "c", "b", None, None]
    assert twins(known.head(1)) == [None]


def test_nearest_comes_first():
    """Several obstacles come by distance; equal ones in the order of their rows."""
    rows = [obstacle(x, name=n) for x, n in ((8.0, "a"), (2.0, "b"), (-8.0, "c"))]
    assert found(cluster_at(0.0), *rows) == [1, 0, 2]


def test_a_line_is_felt_all_along():
    """A rail of 200 m matches a cluster anywhere along it, and not beyond its end."""
    rail = obstacle([0, 200], [0, 0], kind="rail", radius_m=4.0)
    assert all(set(found(cluster_at(x, 5.0), rail)) == {0} for x in (0.0, 77.7, 200.0))
    assert found(cluster_at(230.0), rail) == []


def test_points_of_a_line_leave_no_gap():
    """The points a line is matched by are nowhere more than 2.3 m apart."""
    xy, owner = points_of(obstacle([0, 150], [0, 90], kind="rail"))
    assert (owner == 0).all()
    assert distance_m(xy[:-1, 1], xy[:-1, 0], xy[1:, 1], xy[1:, 0]).max() < 2.3


def test_a_line_over_the_antimeridian_stays_short():
    """A rail that crosses the antimeridian is not drawn once round the Earth."""
    there = (12.0, 180.0)
    rail = obstacle([-30, 30], [0, 0], kind="rail", at=there, radius_m=10.0)
    assert len(points_of(rail)[0]) < 60
    assert set(found(cluster_at(10.0, 3.0, at=there), rail)) == {0}


def test_no_inventory_excuses_nothing():
    """Without obstacles, or without clusters, there is no match."""
    assert len(match(cluster_at(0.0), OBSTACLES.empty(), reach_m=30.0).cluster) == 0
    nowhere = Centres(*[np.empty(0)] * 4)
    assert len(match(nowhere, obstacle(), reach_m=30.0).cluster) == 0


def test_only_the_own_class_is_excused():
    """The nearest obstacle of the cluster's own class explains it; others excuse nothing."""
    known = pd.concat(
        [
            obstacle(1.0, kind="casting", name="lid"),
            obstacle(3.0, kind="bump", name="near"),
            obstacle(6.0, kind="hump", name="far"),
        ]
    ).reset_index(drop=True)
    pairs = match(cluster_at(0.0), known, reach_m=CLUSTER.reach_m)
    assert explained_by(pairs, known, ["hump"]) == ["near"]
    assert explained_by(pairs, known, ["casting"]) == ["lid"]
    assert explained_by(pairs, known, ["pothole"]) == [None]
    listed = listed_classes(pairs, known, np.array([2.0]))[0]
    assert {c.value for c, yes in zip(CLASSES, listed, strict=True) if yes} == {"hump", "casting"}
