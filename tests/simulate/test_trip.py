"""Claims about whole trips: what was driven over is what was recorded, when and where it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streetbump.geo import distance_m
from streetbump.model import STANDARD_GRAVITY_MS2
from streetbump.simulate.defects import BACK, LANE_OFFSET_M, OUT, WATTS_HEIGHT_M, WATTS_M, Defect
from streetbump.simulate.drive import Driver, Stop
from streetbump.simulate.gps import EXACT, Receiver
from streetbump.simulate.phone import Phone, mount_rotation
from streetbump.simulate.roads import Edge, Network, way_along
from streetbump.simulate.trip import Scene, SimulatedTrip, simulate_trip
from streetbump.simulate.vehicle import GOLDEN, Car

PERFECT = Phone(400.0, ahead_m=0.0, above_m=0.0, noise_ms2=0.0, jitter=0.0, lsb_ms2=1e-9)
STEADY = Driver(sway_m=0.0)
SLOPPY = Phone(100.0, noise_ms2=0.03, jitter=0.05)


def hole(name="p", along_m=300.0, **changed) -> Defect:
    plain = Defect(name, "pothole", 0, along_m, -0.06, 0.6, 0.6, OUT, across_m=0.75)
    return replace(plain, **changed)


def hump(name="h", along_m=300.0) -> Defect:
    return Defect(name, "hump", 0, along_m, WATTS_HEIGHT_M, WATTS_M)


def gone(d: Defect) -> Defect:
    """The same with no height: the driver's chances stay the same, the road is level."""
    return replace(d, height_m=-1e-12)


def street(*defects: Defect, gd_m3: float = 0.0, cruise_ms: float = 10.0) -> Scene:
    edge = Edge(
        0, 1, np.zeros(2), np.array([0.0, 600.0]), cruise_ms=cruise_ms, gd_m3=(gd_m3, gd_m3)
    )
    return Scene(Network(12.0, -150.0, (edge,)), defects, seed=1)


def driven(
    scene: Scene, *, lane=OUT, phone=PERFECT, driver=STEADY, car: Car = GOLDEN, seed=2, day=0.0,
    receiver: Receiver = EXACT, stops=(), start_m=10.0,
) -> SimulatedTrip:  # fmt: skip
    way = way_along(scene.network, [(0, lane)], start_m=start_m, end_m=590.0)
    return simulate_trip(
        scene, way, car=car, driver=driver, phone=phone, receiver=receiver, day=day, stops=stops,
        rng=np.random.default_rng(seed),
    )  # fmt: skip


def up_ms2(trip: SimulatedTrip) -> np.ndarray:
    """Vertical acceleration of a phone that lies flat, m/s²."""
    return trip.acc_ms2[:, 2] - STANDARD_GRAVITY_MS2


def pitch_rads2(scene: Scene, **how) -> np.ndarray:
    """Two phones a metre apart along the car: what one is lifted more than the other."""
    ahead, middle = (driven(scene, phone=replace(PERFECT, ahead_m=a), **how) for a in (1.0, 0.0))
    return up_ms2(ahead) - up_ms2(middle)


def roll_rads2(scene: Scene, **how) -> np.ndarray:
    """The same with one phone a metre to the right of the other."""
    right, middle = (driven(scene, phone=replace(PERFECT, right_m=r), **how) for r in (1.0, 0.0))
    return up_ms2(right) - up_ms2(middle)


def test_the_same_seed_gives_the_same_trip():
    """The same seed gives the same arrays to the last bit, another seed others."""
    scene = street(hole(), gd_m3=64e-6)
    first, again, other = (
        driven(s, phone=SLOPPY, driver=Driver(), receiver=Receiver(), seed=k)
        for s, k in ((scene, 7), (street(hole(), gd_m3=64e-6), 7), (scene, 8))
    )
    assert first.acc_ms2.tobytes() == again.acc_ms2.tobytes()
    assert first.fixes.lat_deg.tobytes() == again.fixes.lat_deg.tobytes()
    assert first.crossings == again.crossings
    assert first.acc_ms2.tobytes() != other.acc_ms2.tobytes()


def test_everybody_drives_on_the_same_surface():
    """Two drives of one lane shake alike, whoever drives; the other lane shakes otherwise."""
    scene = street(gd_m3=256e-6, cruise_ms=8.0)
    here, again, there = (
        driven(scene, lane=lane, seed=k) for lane, k in ((OUT, 3), (OUT, 4), (BACK, 3))
    )

    def along(trip):  # by distance, as nobody holds a speed
        s = distance_m(
            trip.fixes.lat_deg, trip.fixes.lon_deg, trip.fixes.lat_deg[:1], trip.fixes.lon_deg[:1]
        )
        at = np.interp(np.arange(100.0, 400.0, 0.2), s, trip.fixes.t_s)
        return np.interp(at, trip.t_s, up_ms2(trip))

    assert np.corrcoef(along(here), along(again))[0, 1] > 0.5
    assert abs(np.corrcoef(along(here), along(there))[0, 1]) < 0.3


@pytest.mark.parametrize(
    "turn_deg", [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0), (20.0, 70.0, 0.0), (90.0, -60.0, 45.0)], ids=str
)
def test_a_standing_phone_reads_gravity_upwards(turn_deg):
    """At rest the phone reads 9.81 m/s² along the direction that points up, however it lies."""
    trip = driven(street(), phone=replace(PERFECT, turn_deg=turn_deg))
    up = mount_rotation(turn_deg) @ np.array([0.0, 0.0, STANDARD_GRAVITY_MS2])
    assert trip.acc_ms2[0] == pytest.approx(up, abs=0.002)


def test_a_level_street_does_not_shake():
    """Without roughness and defects the vertical is gravity alone."""
    assert np.abs(up_ms2(driven(street()))).max() < 1e-6


# ------------------------------------------------------------------------------- defects


def test_a_jolt_comes_when_the_axle_is_there():
    """Before the front axle reaches the only defect of a level street, nothing shakes."""
    trip = driven(street(hole()))
    (crossing,) = trip.crossings
    up = up_ms2(trip)
    assert np.abs(up[trip.t_s < crossing.t_s - 0.1]).max() < 0.01
    at = trip.t_s[np.abs(up).argmax()] - crossing.t_s
    assert -0.1 < at < 0.1 + GOLDEN.wheelbase_m / crossing.speed_ms + 0.2


@pytest.mark.parametrize("lane", [OUT, BACK])
@pytest.mark.parametrize("d", [hole(lane="both"), hump()], ids=["hole", "hump"])
def test_the_crossing_tells_peak_speed_and_place(d, lane):
    """Its peak is that of the drive with the defect less the drive without; its place the defect's.

    The recorder averages over its interval of 2.5 ms, which takes next to nothing off a jolt.
    """
    with_it, without = (
        driven(street(one, gd_m3=64e-6), lane=lane, driver=replace(STEADY, hump_ms=10.0))
        for one in (d, gone(d))
    )
    (crossing,) = with_it.crossings
    if d.kind == "pothole":  # nobody slows down for it, so both drives are the same
        jolt = up_ms2(with_it) - up_ms2(without)
        assert crossing.peak_ms2 == pytest.approx(np.abs(jolt).max(), rel=0.05)
    fixes = with_it.fixes
    speed = np.interp(crossing.t_s, fixes.t_s, fixes.speed_ms)
    assert crossing.speed_ms == pytest.approx(speed, abs=0.3)
    front = np.argmin(np.abs(fixes.t_s - crossing.t_s - GOLDEN.front_arm_m / crossing.speed_ms))
    apart = distance_m(
        fixes.lat_deg[[front]], fixes.lon_deg[[front]],
        np.array([crossing.lat_deg]), np.array([crossing.lon_deg]),
    )  # fmt: skip
    assert apart[0] < 0.6 * crossing.speed_ms  # half the second between fixes


def test_the_peak_of_a_hump_is_its_own():
    """A lone hump on a level street is all that is felt of the street."""
    trip = driven(street(hump()))
    assert trip.crossings[0].peak_ms2 == pytest.approx(np.abs(up_ms2(trip)).max(), rel=0.05)


def test_a_neighbours_jolt_is_not_a_defects_own():
    """A faint crack 4 m behind a hole keeps its own small peak, and the recording holds the sum."""
    crack = Defect("k", "crack", 0, 304.0, -0.004, 0.4)
    both, first, second = (
        driven(street(*ds))
        for ds in ((hole(), crack), (hole(), gone(crack)), (gone(hole()), crack))
    )
    alone = {"p": first.crossings[0], "k": second.crossings[1]}
    for crossing in both.crossings:
        lone = alone[crossing.defect_id]
        assert crossing.peak_ms2 == pytest.approx(lone.peak_ms2, rel=0.03)
        assert crossing.t_s == lone.t_s
    assert alone["k"].peak_ms2 < 0.3 * alone["p"].peak_ms2
    added = up_ms2(first) + up_ms2(second)
    assert up_ms2(both) == pytest.approx(added, abs=0.03 * alone["p"].peak_ms2)


def test_the_rear_axle_follows_after_wheelbase_over_speed():
    """Two axles hit twice, wheelbase / speed apart: 2.7 m / 10 m/s = 0.27 s.

    The pitch is driven upwards by one axle and downwards by the other, so its correlation with
    itself is most negative at that lag.
    """
    scene = street(hole(length_m=0.4))
    pitch = pitch_rads2(scene)
    (crossing,) = driven(scene).crossings
    lags = np.arange(50, 200)
    auto = np.array([np.sum(pitch[k:] * pitch[:-k]) for k in lags])
    repeat_s = lags[auto.argmin()] / PERFECT.rate_hz
    assert repeat_s == pytest.approx(GOLDEN.wheelbase_m / crossing.speed_ms, abs=0.02)


@pytest.mark.parametrize("lane", [OUT, BACK])
@pytest.mark.parametrize(
    ("across_m", "sign"), [(0.75, -1.0), (-0.75, 1.0)], ids=["right wheel", "left wheel"]
)
def test_a_hole_is_under_the_same_wheel_in_either_direction(lane, across_m, sign):
    """`across_m` is measured to the right of the way driven: the right wheel falls, in both lanes.

    A car whose right side drops turns with its right side down: the first roll is negative.
    """
    scene = street(hole(lane=lane, across_m=across_m))
    roll = roll_rads2(scene, lane=lane)
    trip = driven(scene, lane=lane)
    (crossing,) = trip.crossings
    assert crossing.wheels == 1
    first = (trip.t_s > crossing.t_s - 0.05) & (np.abs(roll) > 0.3 * np.abs(roll).max())
    assert np.sign(roll[np.argmax(first)]) == sign


def test_what_lies_across_the_street_does_not_roll():
    """A hump lifts both wheels alike."""
    assert np.abs(roll_rads2(street(hump()))).max() < 1e-6
    assert driven(street(hump())).crossings[0].wheels == 2


@pytest.mark.parametrize("lane", [OUT, BACK])
def test_a_defect_is_met_in_its_own_lane_only(lane):
    """Cars that drive the other way neither feel it nor count as having passed it."""
    scene = street(hole(lane=lane))
    other = BACK if lane == OUT else OUT
    assert [c.defect_id for c in driven(scene, lane=lane).crossings] == ["p"]
    assert driven(scene, lane=other).crossings == ()
    assert np.abs(up_ms2(driven(scene, lane=other))).max() < 1e-6


@pytest.mark.parametrize("lane", [OUT, BACK])
def test_defects_come_in_the_order_of_the_way(lane):
    """Driving back meets the last first, at mirrored distances; the first metres are not driven."""
    holes = [hole(f"p{k}", along, lane="both") for k, along in enumerate((5.0, 200.0, 450.0))]
    trip = driven(street(*holes), lane=lane)
    names = [c.defect_id for c in trip.crossings]
    assert names == (["p1", "p2"] if lane == OUT else ["p2", "p1"])
    times = [c.t_s for c in trip.crossings]
    assert times == sorted(times)


def test_places_of_defects_are_right_of_the_middle():
    """A hole in the right wheel path of either lane lies 2.5 m right of the centreline."""
    scene = street(hole(lane=OUT), hole("q", lane=BACK))
    (lat, lon), (lat_back, lon_back) = (scene.place_of(d) for d in scene.defects)
    middle_lat, middle_lon = scene.network.place(0, 300.0)
    assert lon > middle_lon[0] > lon_back
    for at_lat, at_lon in ((lat, lon), (lat_back, lon_back)):
        apart = distance_m(np.array([at_lat]), np.array([at_lon]), middle_lat, middle_lon)
        assert apart[0] == pytest.approx(LANE_OFFSET_M + 0.75, abs=0.01)


def test_a_car_beside_a_hole_misses_it():
    """A car 0.7 m to the left rolls past a hole in its right wheel path: passed, not felt."""
    (missed,) = driven(street(hole()), driver=replace(STEADY, side_m=-0.7)).crossings
    assert (missed.wheels, missed.peak_ms2, missed.felt) == (0, 0.0, False)
    (met,) = driven(street(hole())).crossings
    assert (met.wheels, met.felt) == (1, True)


def test_a_careful_driver_steers_round_what_is_seen():
    """With `avoids` 1 every hole longer than half a metre is missed; small ones are not seen."""
    careful = replace(STEADY, avoids=1.0)
    (seen,) = driven(street(hole(length_m=0.7)), driver=careful).crossings
    (unseen,) = driven(street(hole(length_m=0.4)), driver=careful).crossings
    assert (seen.wheels, unseen.wheels) == (0, 1)


def test_life_is_felt():
    """A hole that grows by a tenth a day is felt more from day to day, and no more when mended."""
    scene = street(hole(from_day=0.0, until_day=10.0, growth_per_day=0.1))
    days = [driven(scene, day=day).crossings for day in (-1.0, 0.0, 5.0, 11.0)]
    assert [len(c) for c in days] == [0, 1, 1, 0]
    assert days[2][0].peak_ms2 > days[1][0].peak_ms2


def test_drivers_slow_down_for_humps_but_not_for_holes():
    """The car crosses a hump at the driver's speed over humps, and a hole at full speed."""
    (over,) = driven(street(hump())).crossings
    (through,) = driven(street(hole())).crossings
    assert over.speed_ms == pytest.approx(STEADY.hump_ms, rel=0.15)
    assert through.speed_ms == pytest.approx(10.0, rel=0.15)


def test_jolts_ring_out():
    """After a hump the softest of cars comes to rest; nothing is cut off half-way."""
    soft = Car("soft", 2.8, 0.53, (42.0, 44.0), (2.6, 2.7), 600.0, 0.16, 0.95)
    trip = driven(street(hump()), car=soft)
    up = up_ms2(trip)
    assert np.abs(np.diff(up)).max() < 0.15 * np.abs(up).max()
    late = trip.t_s > trip.crossings[0].t_s + 3.0
    assert np.abs(up[late]).max() < 0.08 * np.abs(up).max()


# ------------------------------------------------------------------------------- the car's motion


def test_braking_and_bends_are_felt_in_the_plane():
    """The integral of the forward axis between two stands is no change of speed: 0.

    Its mean square is that of the pull, so the phone feels the driver, not only the road.
    """
    trip = driven(street(), stops=[Stop(300.0, 5.0)])
    forward = trip.acc_ms2[:, 1]
    assert np.sum(forward) / PERFECT.rate_hz == pytest.approx(0.0, abs=0.05)
    assert 0.8 * STEADY.pull_ms2 < np.abs(forward).max() < 1.1 * STEADY.pull_ms2
    assert np.abs(trip.acc_ms2[:, 0]).max() < 1e-6


def test_a_right_turn_pushes_the_phone_to_the_right():
    """Turning right is an acceleration to the right: v²/R, here at most the driver's liking."""
    edges = (
        Edge(0, 1, np.zeros(2), np.array([0.0, 200.0])),
        Edge(1, 2, np.array([0.0, 200.0]), np.array([200.0, 200.0])),
    )
    scene = Scene(Network(12.0, -150.0, tuple(replace(e, gd_m3=(0.0, 0.0)) for e in edges)), (), 1)
    way = way_along(scene.network, [(0, OUT), (1, OUT)])
    trip = simulate_trip(
        scene, way, car=GOLDEN, driver=STEADY, phone=PERFECT, receiver=EXACT,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    right = trip.acc_ms2[:, 0]
    assert 1.0 < right.max() < 1.5 * STEADY.corner_ms2
    assert right.sum() > 0


@pytest.mark.parametrize("lane", [OUT, BACK])
def test_fixes_without_error_lie_on_the_lane(lane):
    """An exact receiver gives the phone's own place, 1.75 m right of the centreline."""
    scene = street()
    trip = driven(scene, lane=lane)
    right = LANE_OFFSET_M if lane == OUT else -LANE_OFFSET_M
    lat, lon = scene.network.place(0, np.linspace(0.0, 600.0, 6001), right)
    fixes = trip.fixes
    apart = distance_m(fixes.lat_deg[:, None], fixes.lon_deg[:, None], lat[None, :], lon[None, :])
    assert apart.min(axis=1).max() < 0.06  # half of the 0.1 m grid
    heading = fixes.heading_deg[np.isfinite(fixes.heading_deg)]
    assert (heading + 90.0) % 360.0 - 90.0 == pytest.approx(0.0 if lane == OUT else 180.0, abs=1e-6)


def test_fixes_show_the_phone_not_the_axle():
    """Before the start the phone stands behind the front axle by the front arm less its place.

    The golden car's centre is 0.44 · 2.7 = 1.188 m behind its front axle, which starts at 10 m.
    """
    scene = street()
    lat, lon = scene.network.place(0, 10.0 - 1.188 + 0.5, LANE_OFFSET_M)
    fixes = driven(scene, phone=replace(PERFECT, ahead_m=0.5)).fixes
    assert distance_m(fixes.lat_deg[:1], fixes.lon_deg[:1], lat, lon)[0] < 0.01
