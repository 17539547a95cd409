"""Claims about the populations of cars, drivers and phones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streetbump.simulate.fleet import random_car, random_device, random_driver
from streetbump.simulate.vehicle import state_matrices

MANY = 200


@pytest.fixture(scope="module")
def devices():
    return [
        random_device(f"phone-{k:03d}", home=k, rng=np.random.default_rng([9, k]))
        for k in range(MANY)
    ]


def test_cars_ride_as_passenger_cars_do():
    """Undamped bounce at 0.9-2.0 Hz and wheel hop at 8-17 Hz (Gillespie 1992, ch. 5)."""
    rng = np.random.default_rng(1)
    for _ in range(MANY):
        car = replace(random_car(rng), damper_s1=(0.0, 0.0))
        hz = np.sort(np.abs(np.linalg.eigvals(state_matrices(car)[0])))[::2] / (2 * np.pi)
        assert 0.9 < hz[0] < 2.0
        assert ((hz[3:] > 8.0) & (hz[3:] < 17.0)).all()


def test_cars_are_damped_as_passenger_cars_are():
    """Damping c / 2√k at 0.2-0.42 of critical when new, front and rear alike; worn to 0.08."""
    rng = np.random.default_rng(2)
    for _ in range(MANY):
        car = random_car(rng)
        share = np.array(car.damper_s1) / (2 * np.sqrt(car.spring_s2))
        assert share == pytest.approx(share[0], rel=0.15)
        assert ((share > 0.07) & (share < 0.45)).all()


def test_drivers_differ_and_are_sane():
    """Chances lie in 0 to 1, and nobody drives twice as fast as traffic or backwards."""
    rng = np.random.default_rng(3)
    drivers = [random_driver(rng) for _ in range(MANY)]
    for d in drivers:
        assert 0.5 < d.pace < 1.5
        assert d.pull_ms2 > 0.5
        assert d.hump_ms > 2.0
        assert 0.0 <= d.avoids <= 1.0
        assert 0.0 <= d.stops <= 1.0
    assert len({round(d.pace, 2) for d in drivers}) > 20


def test_a_device_is_drawn_from_its_seed(devices):
    """The same seed gives the same device, another one another."""
    again = random_device("phone-004", home=4, rng=np.random.default_rng([9, 4]))
    assert again == devices[4]
    assert devices[4].car != devices[5].car


def test_many_kinds_of_phones_contribute(devices):
    """Slow and fast loggers, both platforms, all mounts, batches, and clipping chips."""
    phones = [d.phone for d in devices]
    assert {p.platform for p in phones} == {"android", "ios"}
    assert {p.mount for p in phones} == {"rigid", "cradle", "cupholder", "seat", "pocket", "purse"}
    rates = np.array([p.rate_hz for p in phones])
    assert (rates < 11).any()
    assert (rates > 190).any()
    assert np.mean((rates > 45) & (rates < 105)) > 0.5
    assert any(p.batch > 1 for p in phones)
    assert any(p.range_ms2 < 25 for p in phones)


def test_the_same_phone_lies_otherwise_every_day(devices):
    """Hardware stays, the mounting turns a little, and mishaps are drawn per trip."""
    device = devices[0]
    days = [device.phone_for(3600.0, rng=np.random.default_rng(k)) for k in range(20)]
    kept = [replace(p, turn_deg=device.phone.turn_deg, events=()) for p in days]
    assert all(p == device.phone for p in kept)
    turns = np.array([p.turn_deg for p in days]) - device.phone.turn_deg
    assert 1.0 < turns.std() < 6.0
