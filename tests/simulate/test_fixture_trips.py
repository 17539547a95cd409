"""Claims about fixtures/trips: they are what the script makes, and true to what was placed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from streetbump.geo import distance_m
from streetbump.model import OBSTACLE_CLASS
from tests.conftest import load_script

ROOT = Path(__file__).parents[2]
TRIPS = ROOT / "fixtures" / "trips"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("make_fixtures")


@pytest.fixture(scope="module")
def made(script) -> dict[str, bytes]:
    return script.fixture_files()


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return pd.read_csv(TRIPS / "truth.csv")


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    return pd.read_csv(TRIPS / "expected.csv")


NUMBER = re.compile(rb"-?\d+\.\d+")


def test_the_script_makes_the_files_that_are_there(made):
    """Every file is what the script makes; numbers may differ in their last digit elsewhere."""
    assert sorted(made) == sorted(p.name for p in TRIPS.iterdir())
    for name, data in made.items():
        there = (TRIPS / name).read_bytes()
        if there == data:
            continue
        # Another processor: same text around the numbers, and the same numbers to 0.002
        # (two decimals where a coarse phone rounds the other way).
        assert NUMBER.sub(b"", there) == NUMBER.sub(b"", data), name
        ours, theirs = (np.array(NUMBER.findall(d), dtype=np.float64) for d in (data, there))
        assert np.abs(ours - theirs).max() < 0.0105, name
        assert np.mean(np.abs(ours - theirs) > 2e-3) < 1e-3, name


def test_the_files_are_small():
    """4 MB in all, 600 KB the largest."""
    sizes = [p.stat().st_size for p in TRIPS.iterdir()]
    assert sum(sizes) <= 4_000_000
    assert max(sizes) <= 600_000


def test_the_scene_has_what_the_tests_of_others_need(script, truth):
    """Kinds, phones, days, directions and rates are as documented."""
    assert truth["kind"].value_counts().to_dict() == {
        "patch": 12, "pothole": 5, "casting": 3, "hump": 2, "rail": 1,
    }  # fmt: skip
    assert truth["along_m"].between(560, 2040).all()
    assert len({o.device for o in script.OUTINGS}) == 7
    assert len({o.start[:10] for o in script.OUTINGS}) == 4
    assert [o.direction for o in script.OUTINGS].count("back") == 4
    assert {p.rate_hz for p in script.PHONES.values()} == {10.0, 20.0, 25.0, 50.0, 100.0}


def test_every_pothole_is_hit_by_enough_cars(script, expected):
    """Six passes of five phones on three days, at the least, hit each pothole."""
    outing = {o.file: o for o in script.OUTINGS}
    holes = expected[expected["defect_id"].str.startswith("pothole")]
    assert holes["defect_id"].nunique() == 5
    for _, rows in holes.groupby("defect_id"):
        drives = [outing[f] for f in rows["trip"]]
        assert len(drives) >= 6
        assert len({o.device for o in drives}) >= 5
        assert len({o.start[:10] for o in drives}) >= 3


def test_expected_times_are_where_the_truth_is(truth, expected):
    """At the time a trip reached a defect, its fixes are there, as far as fixes can be.

    A fix errs by sqrt(2² + 2²) = 2.8 m per axis, is 0.3 s (4 m) late, is of the phone (up to 2.5 m
    behind the front axle), and the lane lies 1.75 m off a defect on the centreline: with three
    standard errors 8.5 + 4 + 2.5 + 1.75 = 16.7 m.
    """
    at = truth.set_index("defect_id")
    for name, rows in expected.groupby("trip"):
        trip = pd.read_csv(TRIPS / str(name), comment="#")
        fix = trip[trip["lat"].notna()]
        t = (fix["t"] - trip.dropna(subset="ax")["t"].iloc[0]).to_numpy()
        lat = np.interp(rows["t_s"], t, fix["lat"].to_numpy())
        lon = np.interp(rows["t_s"], t, fix["lon"].to_numpy())
        placed = at.loc[rows["defect_id"]]
        assert distance_m(lat, lon, placed["lat_deg"], placed["lon_deg"]).max() < 16.7


def test_expected_defects_lie_in_the_lane_driven(script, truth, expected):
    """Nobody hits what lies in the other lane, and every hump in reach is hit."""
    lane = truth.set_index("defect_id")["direction"]
    for outing in script.OUTINGS:
        hit = expected.loc[expected["trip"] == outing.file, "defect_id"]
        assert set(lane[hit]) <= {"both", outing.direction}
        inside = truth["along_m"].between(outing.start_m, outing.end_m)
        humps = truth.loc[inside & (truth["kind"] == "hump"), "defect_id"]
        assert set(humps) <= set(hit)


@pytest.mark.parametrize(
    ("kind", "low_ms2", "high_ms2"),
    [("pothole", 3.0, 9.5), ("hump", 2.3, 5.0), ("casting", 1.4, 5.0), ("patch", 0.9, 3.5)],
)
def test_jolts_are_as_strong_as_real_ones(truth, expected, kind, low_ms2, high_ms2):
    """The median peak of each kind at 20 Hz and faster lies where the literature has it."""
    ids = set(truth.loc[truth["kind"] == kind, "defect_id"])
    peaks = []
    for name, rows in expected[expected["defect_id"].isin(ids)].groupby("trip"):
        if str(name).startswith("fay"):
            continue  # 10 Hz: between two samples a peak is lost
        trip = pd.read_csv(TRIPS / str(name), comment="#").dropna(subset="ax")
        t = (trip["t"] - trip["t"].iloc[0]).to_numpy()
        size = np.linalg.norm(trip[["ax", "ay", "az"]], axis=1)
        size = np.abs(size - np.median(size))
        peaks += [size[(t > s - 0.3) & (t < s + 0.9)].max() for s in rows["t_s"]]
    assert low_ms2 < np.median(peaks) < high_ms2


def test_the_inventory_lists_humps_castings_and_the_crossing(truth):
    """The inventory holds the listed kinds under names that clustering knows, and no pothole."""
    features = json.loads((TRIPS / "obstacles.geojson").read_text("utf-8"))["features"]
    listed = truth[truth["kind"].isin(["hump", "casting", "rail"])]
    assert sorted(f["properties"]["id"] for f in features) == sorted(listed["defect_id"])
    assert all(f["properties"]["kind"] in OBSTACLE_CLASS for f in features)
    assert all(f["properties"]["owner"] for f in features)
