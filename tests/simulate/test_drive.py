"""Claims about how cars are driven along their way."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.simulate.drive import (
    HUMP_SPEED_MS,
    TURN_WITHIN_M,
    Driver,
    Stop,
    curvature,
    drive,
    lane_position,
    random_stops,
    wished_speed,
)
from streetbump.simulate.roads import Edge, Network, grid_network, random_legs, way_along

HZ = 100.0
NORTH = Network(0.0, 0.0, (Edge(0, 1, np.zeros(2), np.array([0.0, 600.0])),))
STRAIGHT = way_along(NORTH, [(0, "out")])
GRID = grid_network(6, 5, block_m=120.0, rng=np.random.default_rng(1))
TOWN_WAY = way_along(
    GRID, random_legs(GRID, start=8, length_m=2000.0, rng=np.random.default_rng(2)), start_m=9.0
)


def driven(way=STRAIGHT, *, slow=(), stops=(), driver=None, cruise_ms=12.0, seed=1):
    driver = driver or Driver()
    wished = wished_speed(way, np.full(way.s_m.size, cruise_ms), slow=slow, driver=driver)
    return drive(
        way, wished, driver=driver, rate_hz=HZ, rng=np.random.default_rng(seed), stops=stops
    )


@pytest.mark.parametrize("way", [STRAIGHT, TOWN_WAY], ids=["straight", "town"])
def test_a_drive_starts_and_ends_at_rest_and_goes_all_the_way(way):
    """From standing at 0 m to standing at the last metre, never backwards."""
    d = driven(way)
    assert d.s_m[0] == 0.0
    assert d.s_m[-1] == pytest.approx(way.length_m, abs=1e-6)
    assert d.speed_ms[[0, -1]].tolist() == [0.0, 0.0]
    assert (np.diff(d.s_m) >= 0).all()
    # Distance is the integral of speed, up to the millimetres by which easing moves the end.
    assert np.sum(d.speed_ms) / HZ == pytest.approx(way.length_m, rel=1e-3)


def test_nobody_pulls_harder_than_agreed():
    """Speeding up and slowing down stay within the driver's pull, through bends and stops."""
    driver = Driver(pull_ms2=1.1)
    d = driven(TOWN_WAY, driver=driver, stops=[Stop(400.0, 5.0)])
    assert np.abs(d.pull_ms2).max() < 1.1 * driver.pull_ms2
    assert np.abs(d.pull_ms2).max() > 0.8 * driver.pull_ms2


@pytest.mark.parametrize("hump_ms", [HUMP_SPEED_MS, 4.0])
def test_drivers_slow_down_for_humps(hump_ms):
    """Over the hump and a wheelbase either side of it the car keeps the hump's speed.

    Nobody holds a speed to better than some 4 %, which is its wander's standard deviation.
    """
    d = driven(slow=[(300.0, hump_ms)])
    near = np.abs(d.s_m - 300.0) < TURN_WITHIN_M - 1.0
    assert d.speed_ms[near] == pytest.approx(hump_ms, rel=0.15)
    assert d.speed_ms.max() > 10.0


def test_bends_are_taken_at_the_drivers_sideways_acceleration():
    """v² κ stays within what the driver likes, but for the easing of the pedals."""
    driver = Driver(corner_ms2=2.0)
    d = driven(TOWN_WAY, driver=driver)
    sideways = d.speed_ms**2 * np.interp(d.s_m, TOWN_WAY.s_m, curvature(TOWN_WAY))
    assert np.percentile(np.abs(sideways), 99.5) < 1.3 * driver.corner_ms2
    assert np.abs(sideways).max() > 0.6 * driver.corner_ms2


def test_the_car_stands_where_it_stops():
    """It stands at the line for its time, less the second and a half of easing out and in."""
    d = driven(stops=[Stop(200.0, 12.0), Stop(420.0, 6.0)])
    for at, stand in ((200.0, 12.0), (420.0, 6.0)):
        still = (d.speed_ms < 1e-6) & (np.abs(d.s_m - at) < 0.5)
        assert np.count_nonzero(still) / HZ == pytest.approx(stand - 1.6, abs=0.3)


def test_two_stops_at_one_place_add_up():
    """Standing 5 s twice at the same line is standing 10 s."""
    twice, once = (driven(stops=s).t_s[-1] for s in ([Stop(300.0, 5.0)] * 2, [Stop(300.0, 10.0)]))
    assert twice == pytest.approx(once, abs=1e-6)


def test_stops_next_to_each_other_do_not_last_for_ever():
    """Two stops a quarter of a metre apart take the car seconds to creep between, not days."""
    d = driven(stops=[Stop(300.0, 5.0), Stop(300.25, 5.0)])
    plain = driven(stops=[Stop(300.0, 10.0)])
    assert d.t_s[-1] < plain.t_s[-1] + 10.0


def test_reaching_a_place_is_passing_it():
    """The time at which a place is reached is that at which the distance driven is its own."""
    d = driven(stops=[Stop(200.0, 5.0)])
    places = np.array([10.0, 199.0, 201.0, 590.0])
    assert np.interp(d.reaches(places), d.t_s, d.s_m) == pytest.approx(places, abs=0.02)
    assert np.isnan(d.reaches(np.array([-5.0, 700.0]))).all()


def test_red_lights_stand_before_junctions():
    """Stops lie 6 to 20 m before where a leg begins, as often as the driver meets red."""
    rng = np.random.default_rng(4)
    stops = random_stops(TOWN_WAY, Driver(stops=1.0), rng=rng)
    before = TOWN_WAY.enter_m - np.array([[s.s_m] for s in stops])
    nearest = np.where(before > 0, before, np.inf).min(axis=1)
    assert ((nearest >= 6.0) & (nearest <= 20.0)).all()
    assert len(stops) >= len(TOWN_WAY.legs) - 3
    assert random_stops(TOWN_WAY, Driver(stops=0.0), rng=rng) == ()


def test_the_place_in_the_lane_has_its_spread():
    """Over many ways the place in the lane has the driver's mean and standard deviation."""
    driver = Driver(side_m=0.2, sway_m=0.15)
    rng = np.random.default_rng(5)
    y = np.array([lane_position(STRAIGHT, driver, dodge=[], rng=rng)[300] for _ in range(2000)])
    # Standard error of the mean 0.15 / √2000 = 0.003; splines lie within 10 % of their knots' sd.
    assert y.mean() == pytest.approx(0.2, abs=0.02)
    assert y.std() == pytest.approx(0.15, rel=0.15)


def test_a_dodge_is_over_after_a_dozen_metres():
    """Steering aside by 0.55 m is whole at the hole, half of it 6 m before, none 12 m away."""
    still = Driver(sway_m=0.0)
    y = lane_position(STRAIGHT, still, dodge=[(300.0, -0.55)], rng=np.random.default_rng(6))
    assert y[[288, 294, 300, 306, 312]] == pytest.approx([0, -0.275, -0.55, -0.275, 0], abs=1e-9)
