"""Walks and trips without noise are told at the door; what is not certain goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streetbump.model import Trip
from streetbump.trips.refusal import Refusal
from streetbump.trips.vehicle import drivable

from .cases import noiseless, on_foot
from .kit import trip_in


def walk(k: int = 0) -> Trip:
    """Two minutes on foot."""
    return trip_in(on_foot(np.random.default_rng([54, k]), k).data)


def test_a_walk_is_no_drive() -> None:
    """By its pace and slowness together, whether the fixes state a speed or only show it."""
    for k in range(2):
        with pytest.raises(Refusal, match="NOT_VEHICLE"):
            drivable(walk(k))


def test_a_fast_trip_is_no_walk_whatever_shakes_it() -> None:
    """A car whose engine or road shakes it twice a second drives on."""
    trip = walk()
    drivable(replace(trip, speed_mms=np.full_like(trip.speed_mms, 8000)))


def test_a_walk_to_the_car_does_not_spoil_the_drive() -> None:
    """Half of the windows at the pace of steps are not enough."""
    trip = walk()
    acc = trip.acc.copy()
    acc[len(acc) // 2 :] = np.random.default_rng(1).normal(0, 3000, (len(acc) - len(acc) // 2, 3))
    acc[len(acc) // 2 :, 2] += 98_000
    drivable(replace(trip, acc=acc))


def test_a_pace_is_not_looked_for_where_samples_are_sparse() -> None:
    """Below eight samples a second an alias may look like steps."""
    trip = walk()
    drivable(replace(trip, t_ns=trip.t_ns[::4], acc=trip.acc[::4]))


def test_without_noise_only_a_marked_trip_is_taken() -> None:
    """One reading all the time is no sensor's; whoever says that it is made up may make it so."""
    trip = trip_in(noiseless(np.random.default_rng(1), 1).data)
    with pytest.raises(Refusal, match="SYNTHETIC"):
        drivable(trip)
    drivable(replace(trip, synthetic=True))


def test_a_car_that_stands_may_be_quiet() -> None:
    """Readings while nothing moves are no evidence: a coarse sensor at rest repeats itself."""
    trip = trip_in(noiseless(np.random.default_rng(1), 1).data)
    drivable(replace(trip, speed_mms=np.zeros_like(trip.speed_mms), acc=trip.acc))
