"""A hole right behind a hump: the hole is reported, the hump is not."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from streetbump.cluster import cluster_region
from streetbump.cluster.inventory import read_inventory
from streetbump.cluster.kinds import load_place_model
from streetbump.cluster.places import flagged
from streetbump.config import shipped_settings
from streetbump.geo import distance_m
from streetbump.model import OBSTACLES, TRIPS, Detection, Trip
from streetbump.pipeline.intake import detect_trip
from streetbump.trips import ReadOptions, read

from .conftest import load_script

SETTINGS = shipped_settings()


@pytest.fixture(scope="module")
def fixtures() -> ModuleType:
    """The script that makes the sample trips, for its street and its drives."""
    return load_script("make_fixtures")


def driven(fixtures: ModuleType, scene: object) -> list[tuple[Trip, Detection]]:
    """The jolts of every drive through a scene."""
    found = []
    for number, outing in enumerate(fixtures.OUTINGS):
        data = fixtures.trip_bytes(outing, fixtures.make_trip(scene, number))
        (trip,) = read(data, name="", options=ReadOptions(), pseudonym=str)
        assert isinstance(trip, Trip)
        found.append((trip, detect_trip(trip, SETTINGS)))
    return found


@pytest.mark.parametrize("metres_on", [8.0, 12.0])
def test_the_hole_is_reported_and_the_hump_is_not(fixtures: ModuleType, metres_on: float) -> None:
    """Eight drives over both: two clusters, and only the hole deserves a report.

    With the hump in the city's list and without.
    """
    hump = next(d for d in fixtures.DEFECTS if d.defect_id == "hump-1")
    hole = replace(
        next(d for d in fixtures.DEFECTS if d.defect_id == "pothole-1"),
        along_m=hump.along_m + metres_on,
    )
    rest = [d for d in fixtures.DEFECTS if d.defect_id not in ("hump-1", "pothole-1")]
    scene = replace(fixtures.fixture_scene(), defects=(hump, hole, *rest))
    drives = driven(fixtures, scene)
    trips = pd.DataFrame(
        [(t.key, t.device, t.dated, t.synthetic) for t, _ in drives], columns=list(TRIPS.names)
    )
    listed = read_inventory(
        fixtures.obstacles_geojson(scene).encode(), source="city", kind=None, owner=None
    ).rows
    for obstacles in (OBSTACLES.empty(), listed):
        clusters = cluster_region(
            pd.concat([d.bumps for _, d in drives], ignore_index=True),
            pd.concat([d.passes for _, d in drives], ignore_index=True),
            TRIPS.build({name: trips[name] for name in TRIPS.names}), obstacles,
            owned=None, generation="g", settings=SETTINGS.cluster, model=load_place_model(),
        ).clusters  # fmt: skip
        away = {
            name: distance_m(*scene.place_of(d), *clusters[["lat_deg", "lon_deg"]].to_numpy().T)
            for name, d in (("hole", hole), ("hump", hump))
        }
        due = flagged(clusters, settings=SETTINGS.flag)
        near = np.minimum(away["hole"], away["hump"]) < 20.0
        (row,) = clusters[due & near].to_dict("records")
        assert (row["class"], row["hits"], row["passes"]) == ("pothole", 8, 8)
        assert away["hole"][due & near][0] < 4.0
        humps = clusters[near & ~due & (clusters["class"] == "hump").to_numpy()]
        assert (humps["n_devices"] >= SETTINGS.flag.min_devices).any()
