"""Where a jolt is put: how far off one pass is, and how many passes are less."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.geo import local_m
from streetbump.model import UNKNOWN, Gravity, TimeBasis, Trip
from streetbump.simulate.defects import Defect
from streetbump.simulate.drive import random_stops
from streetbump.simulate.fleet import random_device
from streetbump.simulate.roads import OUT, Edge, Network, way_along
from streetbump.simulate.trip import Scene, simulate_trip
from streetbump.trips.canonical import quantise_acc

TRIPS = 48
HUMP_M = 450.0
CORNERS_M = np.array([[0.0, 0.0], [300.0, 0.0], [300.0, 300.0], [600.0, 300.0], [600.0, 600.0]])


def passes(found) -> np.ndarray:
    """Metres past a hump, and stated error, of each trip's jolt there; one street with bends."""
    edge = Edge(0, 1, CORNERS_M[:, 0], CORNERS_M[:, 1])
    hump = Defect("h", "hump", 0, HUMP_M, 0.0762, 3.658)
    scene = Scene(Network(12.0, -150.0, (edge,)), (hump,), seed=1)
    way = way_along(scene.network, [(0, OUT)])
    rows = []
    for k in range(TRIPS):
        rng = np.random.default_rng([5, k])
        device = random_device("", home=0, rng=rng)
        trip = simulate_trip(
            scene, way, car=device.car, driver=device.driver,
            phone=device.phone_for(120.0, rng=rng), receiver=device.receiver, rng=rng,
            stops=random_stops(way, device.driver, rng=rng),
        )  # fmt: skip
        bumps = found(canonical(trip)).bumps
        (crossing,) = trip.crossings
        near = bumps[(bumps["t_s"] + trip.t_s[0] - crossing.t_s).abs() < 1.0].dropna()
        if len(near):
            row = near.loc[near["score"].idxmax()]
            _, north = local_m(row["lat_deg"], row["lon_deg"], lat0_deg=12.0, lon0_deg=-150.0)
            rows.append((north - (HUMP_M - 300.0), row["pos_err_m"]))
    return np.array(rows, float).reshape(-1, 2)


def canonical(drive) -> Trip:
    t_ns, fix_ns = (np.rint(t * 1e9).astype(np.int64) for t in (drive.t_s, drive.fixes.t_s))
    keep, new = (np.diff(t, prepend=t[0] - 1) > 0 for t in (t_ns, fix_ns))
    whole = {
        "lat_e7": drive.fixes.lat_deg * 1e7,
        "lon_e7": drive.fixes.lon_deg * 1e7,
        "speed_mms": np.full(len(fix_ns), UNKNOWN),
        "heading_cdeg": np.full(len(fix_ns), UNKNOWN),
        "accuracy_mm": drive.fixes.accuracy_m * 1e3,
    }
    return Trip(
        "00" * 32, "00" * 32, "simulated", t_ns[keep], quantise_acc(drive.acc_ms2[keep]),
        fix_ns[new], origin_ns=int(t_ns[0]), gravity=Gravity.KEPT, time_basis=TimeBasis.RELATIVE,
        **{name: np.rint(v[new]).astype(np.int32) for name, v in whole.items()},
    )  # fmt: skip


@pytest.fixture(scope="module")
def along(found) -> np.ndarray:
    return passes(found)


def test_the_stated_error_is_honest(along):
    """About two thirds of the jolts lie within their stated error along the street."""
    assert len(along) >= 0.8 * TRIPS
    within = np.abs(along[:, 0]) < along[:, 1]
    assert 0.5 <= within.mean() <= 0.9  # 0.68 is due; 38 trips tell it to 0.08


def test_passes_together_are_nearer(along):
    """The mean of four passes is about half as far off as one, of sixteen about a quarter."""
    rng = np.random.default_rng(3)
    error = along[:, 0] - along[:, 0].mean()  # what all receivers share does not shrink

    def rms(n: int) -> float:
        means = [rng.choice(error, n, replace=False).mean() for _ in range(400)]
        return float(np.sqrt(np.mean(np.square(means))))

    one = rms(1)
    assert 2.0 < one < 12.0
    assert rms(4) == pytest.approx(one / 2, rel=0.25, abs=0)
    assert abs(along[:, 0].mean()) < 3 * one / np.sqrt(len(along)) + 1.0
