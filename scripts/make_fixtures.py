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

from streetbump.simulate.drive import DrivePlan
from streetbump.simulate.gps import Receiver
from streetbump.simulate.phone import Phone
from streetbump.simulate.street import (
    BACK,
    OUT,
    Defect,
    Street,
    casting,
    hump,
    make_street,
    patch,
    place,
    pothole,
    rail,
)
from streetbump.simulate.trip import SimulatedTrip, simulate_trip
from streetbump.simulate.vehicle import CARS
from streetbump.simulate.writers import plain_csv

SEED = 20260317  # of twenty tried: every pothole is hit on six passes or more (docs/fixtures.md)
FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "trips"

# Everything to be found lies between 560 m and 2040 m: a trip loses up to 500 m at either end.
DEFECTS: tuple[Defect, ...] = (
    hump("hump-1", 700.0),
    pothole("pothole-1", 725.0, depth_m=0.070, length_m=0.70, hit_probability=0.95),
    casting("casting-1", 850.0, height_m=0.025, hit_probability=0.70),
    pothole("pothole-2", 980.0, depth_m=0.060, length_m=0.60, hit_probability=0.85),
    casting("casting-2", 1120.0, height_m=-0.025, hit_probability=0.60),
    pothole("pothole-3", 1240.0, depth_m=0.080, length_m=0.90, hit_probability=0.90),
    hump("hump-2", 1400.0),
    pothole("pothole-4", 1530.0, depth_m=0.055, length_m=0.60, hit_probability=0.80),
    casting("casting-3", 1650.0, height_m=0.022, direction=BACK, hit_probability=0.75),
    rail("rail-1", 1780.0, height_m=0.022),
    pothole("pothole-5", 1900.0, depth_m=0.070, length_m=0.80, hit_probability=0.75),
    patch("patch-01", 590.0, height_m=-0.011, length_m=1.8),
    patch("patch-02", 640.0, height_m=0.010, length_m=2.4),
    patch("patch-03", 775.0, height_m=-0.010, length_m=1.5),
    patch("patch-04", 905.0, height_m=0.010, length_m=2.0),
    patch("patch-05", 1050.0, height_m=-0.012, length_m=2.2),
    patch("patch-06", 1180.0, height_m=0.010, length_m=1.5),
    patch("patch-07", 1310.0, height_m=-0.011, length_m=1.8),
    patch("patch-08", 1460.0, height_m=0.012, length_m=1.6),
    patch("patch-09", 1590.0, height_m=-0.012, length_m=2.4),
    patch("patch-10", 1715.0, height_m=0.011, length_m=1.5),
    patch("patch-11", 1840.0, height_m=-0.011, length_m=1.9),
    patch("patch-12", 1975.0, height_m=0.012, length_m=2.2),
)

OBSTACLE_OWNERS = {
    "hump": ("hump", "Example Public Works"),
    "casting": ("casting", "Example Water"),
    "rail": ("rail_crossing", "Example Rail"),
}
"""Kind of defect → kind in the inventory, and who owns it."""

PHONES = {
    "phone-ada": Phone(
        50.0, (0.0, 0.0, 0.0), 0.6, 0.5, lsb_ms2=0.01, offset_ms2=(0.03, -0.05, 0.12)
    ),
    "phone-ben": Phone(25.0, (25.0, 62.0, 0.0), 0.8, 0.6, lsb_ms2=0.01, noise_ms2=0.08),
    "phone-cleo": Phone(
        100.0, (0.0, 75.0, 4.0), 0.7, 0.5, lsb_ms2=0.01, offset_ms2=(-0.06, 0.02, 0.05)
    ),
    "phone-dev": Phone(
        50.0, (90.0, 0.0, 88.0), 0.2, 0.1, lsb_ms2=0.01, offset_ms2=(0.05, 0.08, -0.15)
    ),
    "phone-eva": Phone(25.0, (180.0, 35.0, 10.0), 0.4, 0.2, lsb_ms2=0.01, noise_ms2=0.07),
    "phone-fay": Phone(10.0, (-40.0, 50.0, -20.0), 0.5, 0.4, lsb_ms2=0.01, jitter=0.05),
    "phone-gus": Phone(20.0, (10.0, -70.0, 30.0), -0.9, 0.0, lsb_ms2=0.01, jitter=0.06),
}
"""Device name → its rate and mount; one driver always mounts it alike."""


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

    @property
    def file(self) -> str:
        """Name of the trip's file."""
        day, hour = self.start[:10], self.start[11:16].replace(":", "")
        return f"{self.device.removeprefix('phone-')}-{day}-{hour}.csv"


OUTINGS = (
    Outing("phone-ada", "golden", "2026-03-03T15:02:11", OUT, 13.5),
    Outing("phone-ben", "soft", "2026-03-03T15:40:37", OUT, 11.5),
    Outing("phone-cleo", "stiff", "2026-03-03T16:12:05", OUT, 13.5, end_m=1490.0),
    Outing("phone-dev", "stiff", "2026-03-05T08:05:44", OUT, 12.5),
    Outing("phone-eva", "golden", "2026-03-05T08:31:20", OUT, 10.5),
    Outing("phone-fay", "golden", "2026-03-05T12:10:09", OUT, 11.0),
    Outing("phone-ben", "soft", "2026-03-05T17:20:52", BACK, 12.0),
    Outing("phone-cleo", "stiff", "2026-03-10T07:55:13", OUT, 14.0, start_m=1090.0),
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


def fixture_street() -> Street:
    """The invented street: ISO class B, in the middle of an ocean."""
    east, north = centreline()
    rng = np.random.default_rng([SEED, 0])
    return make_street(
        east, north, lat0_deg=12.0, lon0_deg=-150.0, gd_m3=64e-6, defects=DEFECTS, rng=rng
    )


def make_trip(street: Street, number: int) -> SimulatedTrip:
    """The trip of ``OUTINGS[number]``, from its own stream of random numbers."""
    outing = OUTINGS[number]
    plan = DrivePlan(outing.direction, outing.cruise_ms, outing.start_m, outing.end_m)
    return simulate_trip(
        street, plan, car=CARS[outing.car], phone=PHONES[outing.device], receiver=Receiver(),
        rng=np.random.default_rng([SEED, 1 + number]),
    )  # fmt: skip


def trip_bytes(outing: Outing, trip: SimulatedTrip) -> bytes:
    """The trip as its phone would have logged it."""
    start = datetime.fromisoformat(outing.start).replace(tzinfo=UTC).timestamp()
    coarse = PHONES[outing.device].lsb_ms2 >= 0.01
    return plain_csv(
        trip, device=outing.device, start_utc_s=start, decimals=2 if coarse else 3
    )  # fmt: skip


def truth_csv(street: Street) -> str:
    """Every placed defect, where it is."""
    lines = ["defect_id,kind,lat_deg,lon_deg,direction,along_m"]
    for d in sorted(street.defects, key=lambda d: d.along_m):
        lat, lon = place(street, np.array([d.along_m]), d.right_m)
        lines.append(
            f"{d.defect_id},{d.kind},{lat[0]:.7f},{lon[0]:.7f},{d.direction},{d.along_m:.1f}"
        )
    return "\n".join(lines) + "\n"


def expected_csv(trips: list[SimulatedTrip]) -> str:
    """When each trip's front axle went over the middle of each defect that it did not miss."""
    lines = ["trip,defect_id,t_s"]
    for outing, trip in zip(OUTINGS, trips, strict=True):
        lines += [f"{outing.file},{name},{t - trip.t_s[0]:.3f}" for name, t in trip.hits]
    return "\n".join(lines) + "\n"


def obstacles_geojson(street: Street) -> str:
    """The inventory: humps, castings and the crossing, with their owners."""
    features = []
    for d in street.defects:
        if d.kind in OBSTACLE_OWNERS:
            kind, owner = OBSTACLE_OWNERS[d.kind]
            lat, lon = place(street, np.array([d.along_m]), d.right_m)
            point = [round(float(lon[0]), 7), round(float(lat[0]), 7)]
            features.append(
                {
                    "type": "Feature",
                    "properties": {"id": d.defect_id, "kind": kind, "owner": owner},
                    "geometry": {"type": "Point", "coordinates": point},
                }
            )
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"


def fixture_files() -> dict[str, bytes]:
    """Name and content of every file."""
    street = fixture_street()
    trips = [make_trip(street, k) for k in range(len(OUTINGS))]
    files = {o.file: trip_bytes(o, t) for o, t in zip(OUTINGS, trips, strict=True)}
    files["truth.csv"] = truth_csv(street).encode()
    files["expected.csv"] = expected_csv(trips).encode()
    files["obstacles.geojson"] = obstacles_geojson(street).encode()
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
