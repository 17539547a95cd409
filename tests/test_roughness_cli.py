"""``streetbump roughness`` as a user runs it: on files, and on a store."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streetbump.commands import roughness as room
from streetbump.commands.inputs import TripOptions
from streetbump.commands.session import offer_files
from streetbump.config import shipped_settings
from streetbump.report.roughness import COLUMNS

from .conftest import FIXTURES, TRIPS, Workshop
from .test_cli import streetbump


def of_files(*paths: str) -> pd.DataFrame:
    return room.roughness_of_files(
        paths, TripOptions(), settings=shipped_settings(), stdin=bytes
    ).rows


def test_files_give_stretches_the_surely_rough_on_top():
    """Every stretch of the fixtures stands there once; a trip given twice changes nothing."""
    table = of_files(*TRIPS)
    assert tuple(table.columns) == COLUMNS
    assert len(table) > 50
    assert not table.duplicated(["lat_deg", "lon_deg", "heading_deg"]).any()
    assert (table["roughness_err_ms2"] > 0).all()
    least = table["roughness_ms2"] - table["roughness_err_ms2"]
    assert least.is_monotonic_decreasing
    pd.testing.assert_frame_equal(of_files(*TRIPS[::-1], TRIPS[0]), table, check_exact=True)


def test_the_store_says_what_its_passes_say(workshop: Workshop, monkeypatch: pytest.MonkeyPatch):
    """Its stretches are nearly all among those of the files, however many are read at once."""
    session = workshop.open()
    assert len(room.roughness_of_store(session.store)) == 0
    offer_files(session, TRIPS, TripOptions(), stdin=bytes)
    session.until_idle(lanes=("intake",))
    table = room.roughness_of_store(session.store)
    whole = of_files(*TRIPS)  # a store trims the ends of a trip
    key = ["lat_deg", "lon_deg"]
    assert 0 < len(table) < len(whole)
    known = set(map(tuple, whole[key].to_numpy()))
    assert np.mean([tuple(at) in known for at in table[key].to_numpy()]) > 0.95
    monkeypatch.setattr(room, "CELLS_AT_ONCE", 1)
    pd.testing.assert_frame_equal(room.roughness_of_store(session.store), table, check_exact=True)


def test_data_for_programs_and_a_box(tmp_path: Path):
    """JSON lines, CSV, GeoJSON points; a box narrows; words of refusal and exit code 1."""
    trip = TRIPS[0]
    done = streetbump("roughness", trip, cwd=tmp_path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, tuple(rows[0])) == (0, COLUMNS)
    middle = np.median([r["lat_deg"] for r in rows])
    south = streetbump("roughness", trip, f"--bbox=-180,-90,180,{middle}", "--format", "csv",
                       cwd=tmp_path)  # fmt: skip
    table = pd.read_csv(io.BytesIO(south.stdout))
    assert len(table) == sum(r["lat_deg"] <= middle for r in rows)
    shapes = json.loads(streetbump("roughness", trip, "--format", "geojson", cwd=tmp_path).stdout)
    assert {f["geometry"]["type"] for f in shapes["features"]} == {"Point"}
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing,here\n1,2\n")
    refused = streetbump("roughness", bad, "-q", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b"no such file" in streetbump("roughness", FIXTURES / "none", cwd=tmp_path).stderr


def test_without_files_and_without_a_store_it_says_so(tmp_path: Path):
    """A store that is not there is an error, as for every command that only looks."""
    done = streetbump("roughness", cwd=tmp_path)
    assert done.returncode == 4
    assert b"does not exist" in done.stderr
