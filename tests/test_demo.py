"""The demo, run as a user runs it, and judged by the practice city's own ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from streetbump.geo import distance_m

from .conftest import FIXTURES, ROOT

MARK = Path(sys.prefix) / ".made-by-streetbump-scripts"

pytestmark = pytest.mark.skipif(
    not MARK.exists() or MARK.read_text("utf-8") != str(ROOT),
    reason="not in an environment that scripts/test made for this checkout: run scripts/test",
)


def demo(folder: Path, *options: str) -> str:
    done = subprocess.run(
        [ROOT / "scripts" / "demo", *options],
        env={**os.environ, "STREETBUMP_DEMO": str(folder), "STREETBUMP_VENV": sys.prefix},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def ledger(folder: Path) -> list[dict[str, object]]:
    path = folder / "practice-city.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [json.loads(line)["request"] for line in lines]


def test_the_demo_reports_exactly_the_fixture_potholes(tmp_path: Path) -> None:
    """One request at each placed pothole, none at a hump, casting, crossing or patch.

    A second run reports nothing new; nor does one after the city's ledger was wiped (no request
    arrives at all), nor one after the store was wiped (the open requests are found).
    """
    said = demo(tmp_path)
    assert "Reported to the practice city: 5 new, 5 in its ledger." in said
    truth = pd.read_csv(FIXTURES / "truth.csv")
    nearest = []
    for request in ledger(tmp_path):
        away = distance_m(
            float(str(request["lat"])), float(str(request["long"])),
            truth["lat_deg"].to_numpy(), truth["lon_deg"].to_numpy(),
        )  # fmt: skip
        assert away.min() <= 6
        nearest.append(truth["defect_id"][int(away.argmin())])
    assert sorted(nearest) == sorted(truth.loc[truth["kind"] == "pothole", "defect_id"])

    assert "Nothing new was reported" in demo(tmp_path)
    assert len(ledger(tmp_path)) == 5

    assert "Nothing new was reported" in demo(tmp_path, "--wipe-store")
    assert len(ledger(tmp_path)) == 5

    assert "Nothing was reported, and the city's ledger is empty." in demo(tmp_path, "--wipe-city")
    assert ledger(tmp_path) == []
