"""One simulated trip: a car on a street with a phone in it, and what it truly drove over."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streetbump.geo import MEAN_RADIUS_M
from streetbump.model import Floats, Ints
from streetbump.simulate.drive import Drive, DrivePlan, drive
from streetbump.simulate.gps import Receiver, position_error, said_accuracy
from streetbump.simulate.phone import Phone, sample_times, sense, specific_force
from streetbump.simulate.street import (
    LANE_OFFSET_M,
    OUT,
    STEP_M,
    Street,
    draw_hits,
    heading_rad,
    place,
    profile,
)
from streetbump.simulate.vehicle import Car, Ride, ride, through_tyre

SOLVE_HZ = 500.0
"""Rate at which the car is computed, Hz: 3 cm of road at 14 m/s, far below a contact patch."""


@dataclass(frozen=True, eq=False)
class SimulatedTrip:
    """What the phone recorded, and the truth.

    Attributes
    ----------
    t_s : (n,) float64
        Sample times from the start of the drive, s.
    acc_ms2 : (n, 3) float64
        Acceleration in device axes, gravity included, Android sign, m/s².
    fix_row : (m,) int64
        Which samples carry a fix; the fix has the sample's time.
    lat_deg, lon_deg, speed_ms, heading_deg, accuracy_m : (m,) float64
        The fixes; heading is NaN while the car stands.
    hits : tuple of (str, float)
        Defects the wheels went over: id and time, s on the clock of `t_s`, when the front axle
        was over its middle; by time.
    """

    t_s: Floats
    acc_ms2: Floats
    fix_row: Ints
    lat_deg: Floats
    lon_deg: Floats
    speed_ms: Floats
    heading_deg: Floats
    accuracy_m: Floats
    hits: tuple[tuple[str, float], ...] = field(default=())


def simulate_trip(
    street: Street, plan: DrivePlan, *, car: Car, phone: Phone, receiver: Receiver,
    rng: np.random.Generator,
) -> SimulatedTrip:  # fmt: skip
    """One trip along the street; the same generator state gives the same trip.

    >>> from streetbump.simulate.street import hump, make_street
    >>> from streetbump.simulate.vehicle import GOLDEN
    >>> s = make_street(np.array([0.0, 300.0]), np.zeros(2), lat0_deg=0.0, lon0_deg=0.0,
    ...                 gd_m3=16e-6, defects=[hump("h", 150.0)], rng=np.random.default_rng(0))
    >>> trip = simulate_trip(s, DrivePlan("out", 10.0, 10.0, 290.0), car=GOLDEN,
    ...     phone=Phone(50.0), receiver=Receiver(), rng=np.random.default_rng(1))
    >>> [name for name, _ in trip.hits], trip.acc_ms2.shape[1]
    (['h'], 3)
    """
    driven = drive(street, plan, rate_hz=SOLVE_HZ, rng=rng)
    hit = draw_hits(street, plan.direction, rng=rng)
    body = ride_along(street, driven, car=car, hit=hit)
    turn = np.gradient(
        heading_rad(street, driven.along_m, direction=plan.direction), 1 / SOLVE_HZ
    )  # fmt: skip
    force = specific_force(
        body, phone, pull_ms2=driven.pull_ms2, side_ms2=driven.speed_ms * turn
    )  # fmt: skip
    t = sample_times(float(driven.t_s[-1]), phone, rng=rng)
    acc = sense(force, t, phone, rate_hz=SOLVE_HZ, rng=rng)
    behind_m = car.front_arm_m - phone.ahead_m
    fixes = _fixes(street, driven, t, behind_m=behind_m, receiver=receiver, rng=rng)
    return SimulatedTrip(t, acc, *fixes, hits=_hit_times(street, driven, hit))


def ride_along(street: Street, driven: Drive, *, car: Car, hit: tuple[str, ...]) -> Ride:
    """What the car's body does on a drive over the defects `hit`.

    >>> from streetbump.simulate.street import make_street
    >>> from streetbump.simulate.vehicle import GOLDEN
    >>> s = make_street(np.array([0.0, 100.0]), np.zeros(2), lat0_deg=0.0, lon0_deg=0.0,
    ...                 gd_m3=0.0, defects=(), rng=np.random.default_rng(0))
    >>> d = drive(s, DrivePlan("out", 8.0, 10.0, 90.0), rate_hz=500.0,
    ...           rng=np.random.default_rng(1))
    >>> bool(ride_along(s, d, car=GOLDEN, hit=()).bounce_ms2.any())
    False
    """
    height = through_tyre(profile(street, driven.direction, hit=hit))
    grid = np.arange(height.size) * STEP_M
    behind = -car.wheelbase_m if driven.direction == OUT else car.wheelbase_m
    front = np.interp(driven.along_m, grid, height)
    rear = np.interp(driven.along_m + behind, grid, height)
    return ride(car, front, rear, rate_hz=SOLVE_HZ)


def _hit_times(
    street: Street, driven: Drive, hit: tuple[str, ...]
) -> tuple[tuple[str, float], ...]:
    times = [(d.defect_id, driven.reaches(d.along_m)) for d in street.defects if d.defect_id in hit]
    return tuple(sorted((p for p in times if np.isfinite(p[1])), key=lambda p: p[1]))


def _fixes(
    street: Street, driven: Drive, t_s: Floats, *, behind_m: float, receiver: Receiver,
    rng: np.random.Generator,
) -> tuple[Ints, Floats, Floats, Floats, Floats, Floats]:  # fmt: skip
    """Rows, latitude, longitude, speed, heading and accuracy of the fixes."""
    phase = rng.uniform(0.0, receiver.interval_s)
    due = np.arange(phase, t_s[-1], receiver.interval_s)
    row = np.unique(np.searchsorted(t_s, due))
    seen = np.maximum(t_s[row] - receiver.lag_s, 0.0)
    sign = 1.0 if driven.direction == OUT else -1.0
    along = np.interp(seen, driven.t_s, driven.along_m) - sign * behind_m
    lat, lon = place(street, along, sign * LANE_OFFSET_M)
    error = position_error(row.size, receiver, rng=rng)
    lat = lat + np.degrees(error[:, 1] / MEAN_RADIUS_M)
    lon = lon + np.degrees(error[:, 0] / (MEAN_RADIUS_M * np.cos(np.radians(lat))))
    speed = np.interp(seen, driven.t_s, driven.speed_ms)
    said = np.maximum(speed + receiver.speed_ms * rng.standard_normal(row.size), 0.0)
    sway = receiver.heading_deg * 10.0 / np.maximum(speed, 1.0) * rng.standard_normal(row.size)
    true = np.degrees(heading_rad(street, along, direction=driven.direction))
    heading = np.where(speed > 0.5, (true + sway) % 360.0, np.nan)
    return row, lat, lon, said, heading, said_accuracy(row.size, receiver, rng=rng)
