"""Claims about networks of streets and the ways through them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from streetbump.geo import from_local_m, local_m
from streetbump.simulate.defects import BACK, LANE_OFFSET_M, OUT
from streetbump.simulate.drive import curvature
from streetbump.simulate.roads import (
    Edge,
    Network,
    grid_network,
    heading_rad,
    network_of_lines,
    random_legs,
    way_along,
)

LAT0, LON0 = 12.0, -150.0


def street(*corners: tuple[float, float], start: int = 0, end: int = 1) -> Edge:
    east, north = np.array(corners, dtype=np.float64).T
    return Edge(start, end, east, north)


NORTH = Network(LAT0, LON0, (street((0, 0), (0, 300)),))
CORNER = Network(
    LAT0, LON0, (street((0, 0), (0, 200)), street((0, 200), (200, 200), start=1, end=2))
)


@pytest.mark.parametrize(
    ("lane", "east_m", "heading_deg"),
    [
        pytest.param(OUT, LANE_OFFSET_M, 0.0, id="out: to the north, east of the centreline"),
        pytest.param(BACK, -LANE_OFFSET_M, 180.0, id="back: to the south, west of it"),
    ],
)
def test_cars_keep_to_the_right(lane, east_m, heading_deg):
    """The way lies 1.75 m right of the centreline of a street to the north."""
    way = way_along(NORTH, [(0, lane)])
    assert way.east_m == pytest.approx(np.full(way.s_m.size, east_m), abs=1e-9)
    assert np.degrees(way.heading_rad) % 360.0 == pytest.approx(heading_deg, abs=1e-9)
    along = way.s_m if lane == OUT else 300.0 - way.s_m
    assert way.north_m == pytest.approx(along, abs=1e-9)
    assert way.along_m == pytest.approx(along, abs=1e-9)


@pytest.mark.parametrize("lane", [OUT, BACK])
def test_a_way_may_begin_and_end_within_a_street(lane):
    """From 40 m into the leg to 250 m into it, in the direction driven."""
    way = way_along(NORTH, [(0, lane)], start_m=40.0, end_m=250.0)
    assert way.length_m == pytest.approx(210.0, abs=1e-9)
    ends = way.along_m[[0, -1]]
    assert ends == pytest.approx([40.0, 250.0] if lane == OUT else [260.0, 50.0], abs=1e-9)


def test_legs_follow_each_other_where_they_meet():
    """The second leg begins where the rest of the first ends."""
    way = way_along(CORNER, [(0, OUT), (1, OUT)], start_m=50.0)
    assert way.enter_m.tolist() == [0.0, 150.0]
    assert way.length_m == 350.0
    assert way.along_m[[149, 151]].tolist() == [199.0, 1.0]
    assert way.leg[[149, 151]].tolist() == [0, 1]


def test_corners_are_rounded_as_cars_take_them():
    """Turns of 90° over some 13 m: a tight one to the right, a wide one to the left."""
    right = way_along(CORNER, [(0, OUT), (1, OUT)])
    left = way_along(CORNER, [(1, BACK), (0, BACK)])
    for way, turn, radius_m in ((right, 1, (4.0, 8.0)), (left, -1, (7.0, 12.0))):
        bend = turn * curvature(way)
        assert np.sum(bend) == pytest.approx(np.pi / 2, abs=0.01)
        assert np.sum(np.minimum(bend, 0.0)) > -np.radians(8.0)  # it may swing out a little
        assert radius_m[0] < 1 / bend.max() < radius_m[1]
        assert np.abs(bend[np.abs(way.s_m - 200.0) > 15.0]).max() < 1e-6


def test_a_dead_end_turns_round():
    """Going back the same street turns the car by 180° and brings it to the other lane."""
    way = way_along(NORTH, [(0, OUT), (0, BACK)])
    assert abs(way.heading_rad[-1] - way.heading_rad[0]) == pytest.approx(np.pi, abs=1e-9)
    assert way.heading_rad[-1] < 0  # over the left, where the other lane lies
    assert way.east_m[[0, -1]] == pytest.approx([LANE_OFFSET_M, -LANE_OFFSET_M], abs=1e-9)


def test_places_are_right_of_the_street():
    """`place` measures to the right of ``out``: of a street to the north, eastwards."""
    lat, lon = NORTH.place(0, np.array([100.0]), 10.0)
    east, north = local_m(lat, lon, lat0_deg=LAT0, lon0_deg=LON0)
    assert [float(east[0]), float(north[0])] == pytest.approx([10.0, 100.0], abs=0.01)


def test_drives_turn_round_in_dead_ends_only():
    """Ten long drives through a grid with one dead end: U-turns happen there and nowhere else."""
    grid = grid_network(4, 3, block_m=100.0, rng=np.random.default_rng(1))
    stub = street((0, 0), (80, 0), start=0, end=99)
    network = Network(LAT0, LON0, (*grid.edges, stub))
    turned = []
    for seed in range(10):
        legs = random_legs(network, start=0, length_m=6000.0, rng=np.random.default_rng(seed))
        node = 0
        for k, (edge, lane) in enumerate(legs):
            e = network.edges[edge]
            assert node == (e.start if lane == OUT else e.end)  # legs are connected
            if k and edge == legs[k - 1][0]:
                turned.append(node)
            node = e.end if lane == OUT else e.start
        assert sum(network.edges[edge].length_m for edge, _ in legs) >= 6000.0
    assert set(turned) == {99}


def test_drivers_prefer_busy_streets_and_going_straight_on():
    """Two of three ways out of a crossing turn off; drivers go straight on more often."""
    grid = grid_network(12, 12, block_m=100.0, rng=np.random.default_rng(1))
    legs = random_legs(grid, start=80, length_m=100_000.0, rng=np.random.default_rng(2))
    names = [grid.edges[edge].name for edge, _ in legs]
    straight = np.mean([a == b for a, b in pairwise(names)])
    assert straight > 0.4
    busy = np.mean([grid.edges[edge].traffic > 1 for edge, _ in legs])
    assert busy > np.mean([e.traffic > 1 for e in grid.edges]) + 0.2


# ------------------------------------------------------------------------------- surveyed lines


def line(*corners: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    east, north = np.array(corners, dtype=np.float64).T
    lat, lon = from_local_m(east, north, lat0_deg=LAT0, lon0_deg=LON0)
    return lon, lat


@pytest.mark.parametrize("at_m", [100.0, 100.4, 100.5, 100.6], ids=str)
def test_ends_within_a_metre_are_one_junction(at_m):
    """Two lines whose ends lie 0.3 m apart are connected, wherever the metre grid falls."""
    lines = [line((0, 0), (at_m - 0.15, 0)), line((at_m + 0.15, 0), (200, 0))]
    network = network_of_lines(lines, lat0_deg=LAT0, lon0_deg=LON0)
    assert len(network.edges) == 2
    assert network.edges[0].end == network.edges[1].start


def test_ends_two_metres_apart_are_not():
    """A gap of 2 m parts a network; the larger part is kept."""
    lines = [line((0, 0), (99, 0)), line((101, 0), (200, 0)), line((200, 0), (200, 90))]
    network = network_of_lines(lines, lat0_deg=LAT0, lon0_deg=LON0, names=["a", "b", "c"])
    assert [e.name for e in network.edges] == ["b", "c"]


def test_lines_keep_their_corners_and_lengths():
    """A line with a corner has the length of its legs, and is driven from end to end."""
    network = network_of_lines([line((0, 0), (60, 0), (60, 80))], lat0_deg=LAT0, lon0_deg=LON0)
    (edge,) = network.edges
    assert edge.length_m == pytest.approx(140.0, abs=0.01)
    assert len(network.turns) == 2
    assert (
        len(random_legs(network, start=edge.end, length_m=200.0, rng=np.random.default_rng(1))) == 2
    )


def test_repeated_corners_have_no_direction():
    """A line that gives its corners twice heads where it goes, at its ends as well."""
    twice = [line((0, 0), (0, 0), (90, 0), (90, 0), (90, 70), (90, 70))]
    network = network_of_lines(twice, lat0_deg=LAT0, lon0_deg=LON0)
    (edge,) = network.edges
    heading = heading_rad(edge, np.array([0.0, 50.0, 120.0, 160.0]))
    assert np.degrees(heading) == pytest.approx([90.0, 90.0, 0.0, 0.0], abs=0.01)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="no line"),
        pytest.param([((0, 0), (5, 0))], id="a short line"),
        pytest.param([((0, 0), (50, 50), (0, 0.2))], id="a loop"),
    ],
)
def test_where_there_is_no_street_there_is_no_network(lines):
    """Short lines and loops alone leave a network without streets."""
    network = network_of_lines([line(*c) for c in lines], lat0_deg=LAT0, lon0_deg=LON0)
    assert network.edges == ()
