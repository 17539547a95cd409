"""Claims about whole simulated trips."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.geo import distance_m
from streetbump.model import STANDARD_GRAVITY_MS2
from streetbump.simulate.drive import HUMP_SPEED_MS, PULL_MS2, DrivePlan, drive
from streetbump.simulate.gps import Receiver
from streetbump.simulate.phone import Phone, mount_rotation
from streetbump.simulate.street import Street, hump, make_street, place, pothole
from streetbump.simulate.trip import SOLVE_HZ, SimulatedTrip, ride_along, simulate_trip
from streetbump.simulate.vehicle import GOLDEN

QUIET = Phone(50.0, ahead_m=0.0, noise_ms2=0.0, jitter=0.0)
EXACT = Receiver(bias_m=0.0, sigma_m=0.0, lag_s=0.0, speed_ms=0.0, heading_deg=0.0)


def straight(*defects, gd_m3=0.0) -> Street:
    return make_street(
        np.zeros(2), np.array([0.0, 600.0]), lat0_deg=12.0, lon0_deg=-150.0, gd_m3=gd_m3,
        defects=defects, rng=np.random.default_rng(1),
    )  # fmt: skip


def trip_over(street, *, cruise_ms=10.0, phone=QUIET, receiver=EXACT, seed=2) -> SimulatedTrip:
    plan = DrivePlan("out", cruise_ms, 10.0, 590.0)
    return simulate_trip(
        street, plan, car=GOLDEN, phone=phone, receiver=receiver, rng=np.random.default_rng(seed)
    )


def test_the_same_seed_gives_the_same_trip():
    """The same seed gives the same samples, another seed others."""
    street = straight(pothole("p", 300.0, depth_m=0.06, length_m=0.6), gd_m3=64e-6)
    phone = Phone(100.0)
    first, again, other = (
        trip_over(street, phone=phone, seed=s).acc_ms2.tobytes() for s in (7, 7, 8)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "turn_deg", [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0), (20.0, 70.0, 0.0), (90.0, -60.0, 45.0)], ids=str
)
def test_a_standing_phone_reads_gravity_upwards(turn_deg):
    """At rest the phone reads 9.81 m/s² along the direction that points up, however it lies."""
    phone = Phone(50.0, turn_deg, noise_ms2=0.0)
    trip = trip_over(straight(), phone=phone)
    up = mount_rotation(turn_deg) @ np.array([0.0, 0.0, STANDARD_GRAVITY_MS2])
    assert trip.acc_ms2[0] == pytest.approx(up, abs=0.002)


def test_the_rear_axle_follows_after_wheelbase_over_speed():
    """Two axles hit twice, wheelbase / speed apart: 2.7 m / 10 m/s = 0.27 s.

    The pitch is driven upwards by one axle and downwards by the other, so its correlation with
    itself is most negative at that lag.
    """
    street = straight(pothole("p", 300.0, depth_m=0.06, length_m=0.4, hit_probability=1.0))
    driven = drive(
        street, DrivePlan("out", 10.0, 10.0, 590.0), rate_hz=SOLVE_HZ, rng=np.random.default_rng(2)
    )
    pitch = ride_along(street, driven, car=GOLDEN, hit=("p",)).pitch_rads2
    speed = float(np.interp(driven.reaches(300.0), driven.t_s, driven.speed_ms))
    lags = np.arange(50, 250)
    auto = np.array([np.sum(pitch[k:] * pitch[:-k]) for k in lags])
    assert lags[auto.argmin()] / SOLVE_HZ == pytest.approx(GOLDEN.wheelbase_m / speed, abs=0.02)


def test_a_jolt_comes_when_the_axle_is_there():
    """Before the front axle reaches the only defect of a flat street, nothing shakes."""
    street = straight(pothole("p", 300.0, depth_m=0.06, length_m=0.6, hit_probability=1.0))
    trip = trip_over(street)
    ((name, t),) = trip.hits
    up = trip.acc_ms2[:, 2] - STANDARD_GRAVITY_MS2
    assert name == "p"
    assert np.abs(up[trip.t_s < t - 0.1]).max() < 0.01
    assert np.abs(up[(trip.t_s > t - 0.1) & (trip.t_s < t + 0.5)]).max() > 3.0


def test_drivers_slow_down_for_humps_and_never_pull_hard():
    """The car crosses a hump at its speed, and pulls as agreed."""
    street = straight(hump("h", 300.0))
    driven = drive(
        street, DrivePlan("out", 12.0, 10.0, 590.0), rate_hz=100.0, rng=np.random.default_rng(2)
    )
    over = np.interp(driven.reaches(300.0), driven.t_s, driven.speed_ms)
    assert over == pytest.approx(HUMP_SPEED_MS, rel=0.15)
    assert np.abs(driven.pull_ms2).max() < 1.5 * PULL_MS2
    assert driven.speed_ms[[0, -1]].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("direction", ["out", "back"])
def test_fixes_without_error_lie_on_the_lane(direction):
    """An exact receiver gives the phone's own place, 1.75 m right of the centreline."""
    street = straight()
    plan = DrivePlan(direction, 10.0, 10.0, 590.0)
    trip = simulate_trip(
        street, plan, car=GOLDEN, phone=QUIET, receiver=EXACT, rng=np.random.default_rng(2)
    )
    right = 1.75 if direction == "out" else -1.75
    lat, lon = place(street, np.linspace(0.0, 600.0, 6001), right)
    apart = distance_m(trip.lat_deg[:, None], trip.lon_deg[:, None], lat[None, :], lon[None, :])
    assert apart.min(axis=1).max() < 0.06  # half of the 0.1 m grid
    heading = trip.heading_deg[np.isfinite(trip.heading_deg)]
    assert heading == pytest.approx(0.0 if direction == "out" else 180.0, abs=1e-6)
