"""Claims about the shapes of what lies in a road, and of what a wheel makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.simulate.defects import (
    BACK,
    BOTH,
    DOME_M,
    DOMES_APART_M,
    GAUGE_M,
    LABELS,
    OUT,
    SHAPES,
    TRACK_HALF_M,
    TYRE,
    TYRE_M,
    WATTS_HEIGHT_M,
    WATTS_M,
    Defect,
    rolled,
    under_tyre,
)

STEP_M = 0.005
X = np.arange(-4.0, 4.0 + STEP_M / 2, STEP_M)
WATTS = Defect("h", "hump", 0, 0.0, WATTS_HEIGHT_M, WATTS_M)


def height(d: Defect, wheel_m: float = 0.0) -> np.ndarray:
    return under_tyre(d, X, wheel_m=wheel_m, height_m=d.height_m)


def test_every_kind_has_a_shape_and_a_class():
    """Shapes and classes name the same kinds."""
    assert set(SHAPES) == set(LABELS)


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_are_level_outside_and_whole_inside(kind):
    """A shape is 0 beyond its length, between 0 and 1 everywhere, and 1 somewhere under it."""
    d = Defect("d", kind, 0, 0.0, 1.0, 1.8, 1.2, edge_m=0.05)
    shape = SHAPES[kind](d, X, np.linspace(-1.0, 1.0, 41))
    assert shape.shape == (X.size, 41)
    assert not shape[np.abs(X) > d.length_m / 2 + 1e-9].any()
    assert shape.min() >= 0.0
    assert shape.max() == pytest.approx(1.0, abs=0.01)
    assert shape == pytest.approx(shape[::-1], abs=1e-9)  # the same from both sides


def test_a_watts_hump_is_an_arc_of_a_circle():
    """The parabola lies within 0.2 mm of the arc of 3 in over 12 ft.

    Through both feet it has R = (1.829² + 0.0762²) / (2 · 0.0762) = 21.99 m.
    """
    radius = ((WATTS_M / 2) ** 2 + WATTS_HEIGHT_M**2) / (2 * WATTS_HEIGHT_M)
    assert radius == pytest.approx(21.99, abs=0.01)
    over = np.abs(X) <= WATTS_M / 2
    arc = np.sqrt(radius**2 - X[over] ** 2) - (radius - WATTS_HEIGHT_M)
    assert height(WATTS)[over] == pytest.approx(arc, abs=2e-4)


@pytest.mark.parametrize(
    ("wheel_m", "share"),
    [
        pytest.param(0.0, 1.0, id="over the middle"),
        pytest.param(0.6, 1.0, id="the tyre's five strips are just on it"),
        pytest.param(0.7, 0.6, id="its edge: three of five strips, that on the edge included"),
        pytest.param(0.9, 0.0, id="beside it"),
    ],
)
def test_a_tyre_feels_the_mean_height_across_its_width(wheel_m, share):
    """A patch 1.4 m wide ends 0.7 m from its middle; a tyre is 0.2 m wide."""
    patch = Defect("a", "patch", 0, 0.0, 0.01, 2.0, 1.4)
    assert height(patch, wheel_m).max() == pytest.approx(0.01 * share, abs=1e-12)
    assert pytest.approx(0.2) == TYRE_M


def test_a_tyre_on_a_cushions_side_feels_half_of_it():
    """The side ramp of 0.3 m ends 0.84 m from the middle: half-way up at 0.69 m."""
    cushion = Defect("u", "cushion", 0, 0.0, 0.075, 3.0, 1.68, edge_m=0.6)
    assert height(cushion, 0.69).max() == pytest.approx(0.0375, abs=1e-9)


def test_a_car_can_straddle_a_lid():
    """A lid of 0.65 m in the middle of the lane lies between wheels 1.5 m apart."""
    lid = Defect("c", "casting", 0, 0.0, 0.02, 0.65, 0.65, OUT)
    assert not height(lid, TRACK_HALF_M).any()
    assert not height(lid, -TRACK_HALF_M).any()
    assert height(lid).max() == pytest.approx(0.02, abs=1e-9)


def test_the_rails_of_a_crossing_are_a_gauge_apart():
    """Two strips with their middles 1.435 m apart, level between them."""
    shape = height(Defect("r", "rail", 0, 0.0, 0.02, GAUGE_M + 0.2, edge_m=0.04))
    on = np.flatnonzero(shape > 0.01)
    first, second = np.split(on, np.flatnonzero(np.diff(on) > 1) + 1)
    assert X[second].mean() - X[first].mean() == pytest.approx(GAUGE_M, abs=STEP_M)
    assert not shape[np.abs(X) < 0.5].any()


def test_rows_of_markers_are_counted_by_their_length():
    """One row is as long as a dome, and each further one adds the distance between rows."""
    for rows in (1, 2, 4):
        length = DOME_M + DOMES_APART_M * (rows - 1)
        shape = height(Defect("m", "marker", 0, 0.0, 0.03, length))
        assert np.count_nonzero((shape[1:-1] > shape[:-2]) & (shape[1:-1] >= shape[2:])) == rows


def test_lanes_and_days_bound_a_defect():
    """It is met in its own lane, and is there from its first day until the day of its repair."""
    d = Defect("p", "pothole", 0, 0.0, -0.04, 0.5, lane=BACK, from_day=3.0, until_day=9.0)
    assert [d.lies_in(lane) for lane in (OUT, BACK)] == [False, True]
    assert [d.height_on(day) for day in (2.9, 3.0, 8.9, 9.0)] == [0.0, -0.04, -0.04, 0.0]
    assert Defect("h", "hump", 0, 0.0, 0.07, 3.6, lane=BOTH).height_on(-1e6) == 0.07


# ------------------------------------------------------------------------------- a wheel on it


def on_a_circle(road: np.ndarray) -> np.ndarray:
    """Height of a real circle's lowest point as it rests on a profile, by geometry alone."""
    reach = int(TYRE.radius_m / STEP_M)
    u = np.arange(-reach, reach + 1) * STEP_M
    drop = TYRE.radius_m - np.sqrt(np.maximum(TYRE.radius_m**2 - u**2, 0.0))
    padded = np.pad(road, reach, mode="edge")
    return np.array([(padded[k : k + 2 * reach + 1] - drop).max() for k in range(road.size)])


def flown(road: np.ndarray, speed_ms: float) -> np.ndarray:
    """The same moved step by step: where the ground falls away faster, it falls by `TYRE.fall_ms2`.

    What throws it up is taken by the tyre.
    """
    ground = on_a_circle(road)
    z, rise, dt = ground[0], 0.0, STEP_M / speed_ms
    path = [z]
    for below in ground[1:]:
        rise -= TYRE.fall_ms2 * dt
        fallen = z + rise * dt
        if fallen <= below:
            fallen, rise = below, min((below - z) / dt, 0.0)
        z = fallen
        path.append(z)
    return np.array(path)


HOLE = Defect("p", "pothole", 0, 0.0, -0.05, 0.5, 0.5, edge_m=0.06)
SMALL = Defect("p", "pothole", 0, 0.0, -0.05, 0.25, 0.4, edge_m=0.03)
LID = Defect("c", "casting", 0, 0.0, 0.02, 0.65, 0.65, edge_m=0.04)


@pytest.mark.parametrize("d", [HOLE, SMALL, LID, WATTS], ids=["hole", "small", "lid", "hump"])
def test_a_slow_wheel_rests_on_the_road_as_a_circle_does(d):
    """At walking pace nothing flies: the parabola lies within 4 mm of the true circle.

    Over s = 0.15 m the circle sinks by R - √(R² - s²) = 38.7 mm and the parabola by s² / 2R =
    36.3 mm.
    """
    road = height(d)
    assert rolled(road, step_m=STEP_M, speed_ms=0.5) == pytest.approx(on_a_circle(road), abs=4e-3)


@pytest.mark.parametrize("speed_ms", [3.0, 5.0, 8.0, 14.0])
@pytest.mark.parametrize("d", [HOLE, SMALL, LID], ids=["hole", "small", "lid"])
def test_a_fast_wheel_flies_over_an_edge(d, speed_ms):
    """What is dilated lies within 4 mm of a wheel that is moved step by step."""
    road = height(d)
    ours = rolled(road, step_m=STEP_M, speed_ms=speed_ms)
    assert ours == pytest.approx(flown(road, speed_ms), abs=4e-3)


def test_a_wheel_flies_by_the_parabola_of_its_fall():
    """At 12 m/s the fall's parabola has a radius of 144 / 75 = 1.92 m, over the wheel's 0.31 m.

    Over a pit without end it has sunk by 0.5² / (2 · 1.92) = 65 mm half a metre from the edge.
    """
    road = np.where(X > 0, -0.5, 0.0)
    path = rolled(road, step_m=STEP_M, speed_ms=12.0)
    assert np.interp(0.5, X, path) == pytest.approx(-0.0651, abs=5e-4)


def test_a_hump_is_left_some_millimetres_late_and_no_more():
    """On the far ramp of slope 0.083 the dilation floats by slope² · v² / 2F: 3.8 mm at 9 m/s."""
    road = height(WATTS)
    above = rolled(road, step_m=STEP_M, speed_ms=9.0) - on_a_circle(road)
    assert above.min() >= -1e-4
    assert above.max() < 0.0833**2 * 81 / (2 * TYRE.fall_ms2) + 1e-4


@pytest.mark.parametrize("speed_ms", [1.0, 14.0])
def test_a_wheel_never_sinks_into_the_road(speed_ms):
    """The path lies nowhere below the road, and on it where the road is level for long."""
    road = height(HOLE) + height(LID)
    path = rolled(road, step_m=STEP_M, speed_ms=speed_ms)
    assert (path >= road - 1e-12).all()
    assert not path[np.abs(X) > 3.0].any()


def test_faster_wheels_sink_less():
    """The depth that a wheel takes falls with its speed."""
    depth = [-rolled(height(HOLE), step_m=STEP_M, speed_ms=v).min() for v in (1, 5, 8, 11, 15)]
    assert depth == sorted(depth, reverse=True)
    assert depth[0] > 2 * depth[-1]
