#!/usr/bin/env python3
"""Write fixtures/trips: one invented street, thirteen simulated trips, and the placed truth.

    python scripts/make_fixtures.py [FOLDER]

The same code gives the same bytes on one machine. Nothing here looks at a detector: the truth is
what was placed, and the expected times are when the front axle was there.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from streetbump.simulate.defects import (
    BACK,
    BOTH,
    OUT,
    TRACK_HALF_M,
    WATTS_HEIGHT_M,
    WATTS_M,
    Defect,
)
from streetbump.simulate.drive import Driver
from streetbump.simulate.gps import Receiver
from streetbump.simulate.phone import Phone
from streetbump.simulate.roads import Edge, Network, way_along
from streetbump.simulate.surface import ISO_GD
from streetbump.simulate.trip import Scene, SimulatedTrip, simulate_trip
from streetbump.simulate.vehicle import CARS
from streetbump.simulate.writers import About, write

SEED = 20260317
FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "trips"


def _hole(name: str, along_m: float, depth_m: float, size_m: float, right_m: float) -> Defect:
    """A pothole about the right wheel path of the lane ``out``, `right_m` off it."""
    across = TRACK_HALF_M + right_m
    edge = 0.18 * size_m
    return Defect(name, "pothole", 0, along_m, -depth_m, size_m, size_m, OUT, across, edge_m=edge)


def _lid(name: str, along_m: float, step_m: float, right_m: float, lane: str = OUT) -> Defect:
    """A casting of 0.65 m about the right wheel path."""
    across = TRACK_HALF_M + right_m
    return Defect(name, "casting", 0, along_m, step_m, 0.65, 0.65, lane, across, edge_m=0.04)


def _hump(name: str, along_m: float) -> Defect:
    return Defect(name, "hump", 0, along_m, WATTS_HEIGHT_M, WATTS_M)


def _patch(name: str, along_m: float, step_m: float, length_m: float) -> Defect:
    """A shallow patch across both lanes: felt, but nobody would report it."""
    return Defect(name, "patch", 0, along_m, step_m, length_m, 8.0, BOTH, edge_m=0.6)


# Everything to be found lies between 560 m and 2040 m: a trip loses up to 500 m at either end.
DEFECTS: tuple[Defect, ...] = (
    _hump("hump-1", 700.0),
    _hole("pothole-1", 725.0, 0.075, 1.30, 0.00),
    _lid("casting-1", 850.0, 0.025, 0.15),
    _hole("pothole-2", 980.0, 0.065, 1.10, 0.05),
    _lid("casting-2", 1120.0, -0.025, -0.20),
    _hole("pothole-3", 1240.0, 0.085, 1.50, 0.10),
    _hump("hump-2", 1400.0),
    _hole("pothole-4", 1530.0, 0.065, 1.00, -0.05),
    _lid("casting-3", 1650.0, 0.022, 0.10, BACK),
    Defect("rail-1", "rail", 0, 1780.0, 0.022, 1.635, edge_m=0.04),
    _hole("pothole-5", 1900.0, 0.075, 1.30, -0.10),
    _patch("patch-01", 590.0, -0.011, 1.8),
    _patch("patch-02", 640.0, 0.010, 2.4),
    _patch("patch-03", 775.0, -0.010, 1.5),
    _patch("patch-04", 905.0, 0.010, 2.0),
    _patch("patch-05", 1050.0, -0.012, 2.2),
    _patch("patch-06", 1180.0, 0.010, 1.5),
    _patch("patch-07", 1310.0, -0.011, 1.8),
    _patch("patch-08", 1460.0, 0.012, 1.6),
    _patch("patch-09", 1590.0, -0.012, 2.4),
    _patch("patch-10", 1715.0, 0.011, 1.5),
    _patch("patch-11", 1840.0, -0.011, 1.9),
    _patch("patch-12", 1975.0, 0.012, 2.2),
)

OBSTACLE_OWNERS = {
    "hump": ("hump", "Example Public Works"),
    "casting": ("casting", "Example Water"),
    "rail": ("rail_crossing", "Example Rail"),
}
"""Kind of defect → kind in the inventory, and who owns it."""

PHONES = {
    "phone-ada": Phone(25.0, (0.0, 0.0, 0.0), 0.6, 0.3, 0.5, offset_ms2=(0.03, -0.05, 0.12)),
    "phone-ben": Phone(25.0, (25.0, 62.0, 0.0), 0.8, -0.3, 0.6, noise_ms2=0.08),
    "phone-cleo": Phone(100.0, (0.0, 75.0, 4.0), 0.7, 0.0, 0.5, offset_ms2=(-0.06, 0.02, 0.05)),
    "phone-dev": Phone(50.0, (90.0, 0.0, 88.0), 0.2, 0.2, 0.1, offset_ms2=(0.05, 0.08, -0.15)),
    "phone-eva": Phone(20.0, (180.0, 35.0, 10.0), 0.4, 0.1, 0.2, noise_ms2=0.07),
    "phone-fay": Phone(10.0, (-40.0, 50.0, -20.0), 0.5, -0.1, 0.4, jitter=0.05),
    "phone-gus": Phone(20.0, (10.0, -70.0, 30.0), -0.9, 0.4, 0.0, jitter=0.06),
}
"""Device name → its rate and mount; one driver always mounts it alike."""


RECEIVER = Receiver(
    lag_s=0.3, bias_m=2.0, sigma_m=2.0, outlier_share=0.0, dropout_per_hour=0.0,
    missed_share=0.0, smooth_s=0.0,
)  # fmt: skip
"""An open sky and a good receiver: what these files test is not the receiver."""


@dataclass(frozen=True)
class Outing:
    """One trip to be made."""

    device: str
    car: str
    start: str
    direction: str
    cruise_ms: float
    start_m: float = 20.0
    end_m: float = 2580.0
    side_m: float = 0.0

    @property
    def file(self) -> str:
        """Name of the trip's file."""
        day, hour = self.start[:10], self.start[11:16].replace(":", "")
        return f"{self.device.removeprefix('phone-')}-{day}-{hour}.csv"


OUTINGS = (
    Outing("phone-ada", "golden", "2026-03-03T15:02:11", OUT, 13.5),
    Outing("phone-ben", "soft", "2026-03-03T15:40:37", OUT, 11.5),
    Outing("phone-cleo", "stiff", "2026-03-03T16:12:05", OUT, 13.5, end_m=1330.0),
    Outing("phone-dev", "stiff", "2026-03-05T08:05:44", OUT, 12.5),
    Outing("phone-eva", "golden", "2026-03-05T08:31:20", OUT, 10.5),
    Outing("phone-fay", "golden", "2026-03-05T12:10:09", OUT, 11.0),
    Outing("phone-ben", "soft", "2026-03-05T17:20:52", BACK, 12.0),
    Outing("phone-cleo", "stiff", "2026-03-10T07:55:13", OUT, 14.0, start_m=1190.0),
    Outing("phone-ada", "golden", "2026-03-10T09:14:30", BACK, 14.0),
    Outing("phone-gus", "soft", "2026-03-10T16:48:01", OUT, 12.0),
    Outing("phone-eva", "golden", "2026-03-10T18:03:26", BACK, 11.5),
    Outing("phone-dev", "stiff", "2026-03-12T08:09:58", OUT, 14.0),
    Outing("phone-gus", "soft", "2026-03-12T17:31:47", BACK, 12.0),
)


def centreline() -> tuple[np.ndarray, np.ndarray]:
    """Corners of a street of 2.6 km with two bends, m east and north of its start."""
    legs = [(70.0, 900.0), *_bend(70.0, 102.0), (102.0, 720.0), *_bend(102.0, 60.0), (60.0, 790.0)]
    heading, length = np.radians([h for h, _ in legs]), np.array([m for _, m in legs])
    east = np.concatenate(([0.0], np.cumsum(length * np.sin(heading))))
    north = np.concatenate(([0.0], np.cumsum(length * np.cos(heading))))
    return east, north


def _bend(first_deg: float, last_deg: float) -> list[tuple[float, float]]:
    """Legs of a bend of 95 m from one heading to another."""
    return [(h, 9.5) for h in np.linspace(first_deg, last_deg, 10)]


def fixture_scene() -> Scene:
    """The invented street: ISO class B, in the middle of an ocean."""
    east, north = centreline()
    street = Edge(0, 1, east, north, gd_m3=(ISO_GD["B"], ISO_GD["B"]), cruise_ms=1.0)
    return Scene(Network(12.0, -150.0, (street,)), DEFECTS, SEED)


def make_trip(scene: Scene, number: int) -> SimulatedTrip:
    """The trip of ``OUTINGS[number]``, from its own stream of random numbers."""
    outing = OUTINGS[number]
    length = scene.network.edges[0].length_m
    span = (outing.start_m, outing.end_m)
    if outing.direction == BACK:
        span = (length - outing.end_m, length - outing.start_m)
    way = way_along(scene.network, [(0, outing.direction)], start_m=span[0], end_m=span[1])
    driver = Driver(pace=outing.cruise_ms, side_m=outing.side_m, brakes=0.65, hole_ms=3.5)
    return simulate_trip(
        scene, way, car=CARS[outing.car], driver=driver, phone=PHONES[outing.device],
        receiver=RECEIVER, rng=np.random.default_rng([SEED, 1 + number]),
    )  # fmt: skip


def trip_bytes(outing: Outing, trip: SimulatedTrip) -> bytes:
    """The trip as its phone would have logged it."""
    start = datetime.fromisoformat(outing.start).replace(tzinfo=UTC).timestamp()
    about = About(device=outing.device, start_utc_s=start, platform="android", tz="UTC")
    return write(trip, about=about, logger="plain-csv")


def truth_csv(scene: Scene) -> str:
    """Every placed defect, where it is."""
    lines = ["defect_id,kind,lat_deg,lon_deg,direction,along_m"]
    for d in sorted(scene.defects, key=lambda d: d.along_m):
        lat, lon = scene.place_of(d)
        lines.append(f"{d.defect_id},{d.kind},{lat:.7f},{lon:.7f},{d.lane},{d.along_m:.1f}")
    return "\n".join(lines) + "\n"


def expected_csv(trips: list[SimulatedTrip]) -> str:
    """When each trip's front axle went over the middle of each defect that it did not miss."""
    lines = ["trip,defect_id,t_s"]
    for outing, trip in zip(OUTINGS, trips, strict=True):
        first = trip.t_s[0]
        lines += [
            f"{outing.file},{c.defect_id},{c.t_s - first:.3f}" for c in trip.crossings if c.wheels
        ]
    return "\n".join(lines) + "\n"


def obstacles_geojson(scene: Scene) -> str:
    """The inventory: humps, castings and the crossing, with their owners."""
    features = []
    for d in scene.defects:
        if d.kind in OBSTACLE_OWNERS:
            kind, owner = OBSTACLE_OWNERS[d.kind]
            lat, lon = scene.place_of(d)
            features.append(
                {
                    "type": "Feature",
                    "properties": {"id": d.defect_id, "kind": kind, "owner": owner},
                    "geometry": {"type": "Point", "coordinates": [round(lon, 7), round(lat, 7)]},
                }
            )
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"


def fixture_files() -> dict[str, bytes]:
    """Name and content of every file."""
    scene = fixture_scene()
    trips = [make_trip(scene, k) for k in range(len(OUTINGS))]
    files = {o.file: trip_bytes(o, t) for o, t in zip(OUTINGS, trips, strict=True)}
    files["truth.csv"] = truth_csv(scene).encode()
    files["expected.csv"] = expected_csv(trips).encode()
    files["obstacles.geojson"] = obstacles_geojson(scene).encode()
    return files


def main(argv: list[str]) -> None:
    """Write every file and say how large they are."""
    folder = Path(argv[0]) if argv else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    files = fixture_files()
    for name, data in files.items():
        (folder / name).write_bytes(data)
        print(f"{len(data):8d} {name}")
    print(f"{sum(map(len, files.values())):8d} in all")


if __name__ == "__main__":
    main(sys.argv[1:])
