"""``streetbump coverage`` as a user runs it: on a store, with streets, with districts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from streetbump.commands import coverage as room
from streetbump.errors import InputError, UsageError
from streetbump.geo import bin_centre
from streetbump.report.coverage import COLUMNS
from streetbump.report.districts import COLUMNS as DISTRICT_COLUMNS
from streetbump.report.streets import SURVEY_COLUMNS

from .conftest import TRIPS, Workshop, take_in
from .test_cli import streetbump

TODAY = "2026-03-15"


def collection(path: Path, shapes: list[Any], **properties: list[str]) -> Path:
    features = [
        {"type": "Feature", "geometry": json.loads(shapely.to_geojson(shape)),
         "properties": {name: values[k] for name, values in properties.items()}}
        for k, shape in enumerate(shapes)
    ]  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return path


@pytest.fixture
def town(workshop: Workshop, tmp_path: Path) -> tuple[Any, Path, Path]:
    """A store with the fixtures' trips, streets along and beside their way, two districts."""
    session = workshop.open()
    take_in(session)
    passes, _ = session.store.passes(session.store.pass_cells())
    lat, lon = bin_centre(np.unique(passes["bin"].to_numpy()))
    box = shapely.MultiPoint(np.column_stack((lon, lat))).bounds
    middle = (box[0] + box[2]) / 2
    one = passes[passes["trip_key"] == passes["trip_key"].iloc[0]].sort_values("seq")
    through = shapely.LineString(np.column_stack(bin_centre(one["bin"].to_numpy())[::-1]))
    track = through.simplify(2e-4)  # not from bin to bin, askew, but as a street goes
    aside = shapely.LineString([(box[0], box[3] + 0.002), (box[2], box[3] + 0.002)])
    streets = collection(tmp_path / "streets.geojson", [track, aside], NAME=["Way", "Aside"])
    west, east = (
        shapely.box(x, box[1] - 0.01, x2, box[3] + 0.01)
        for x, x2 in ((box[0] - 0.01, middle), (middle, box[2] + 0.01))
    )
    areas = collection(tmp_path / "areas.geojson", [west, east], ward=["West", "East"])
    return session.store, streets, areas


def test_the_store_says_what_was_driven(town: Any) -> None:
    """Rows by bin and direction, none of which fewer than k devices drove."""
    store, _, _ = town
    found = room.cover(store, room.Order(k=2, today=TODAY))
    assert tuple(found.table.columns) == COLUMNS
    assert len(found.table) > 50
    assert found.table["devices"].min() == 2
    assert (found.table["places"] > 0).sum() > 0
    assert any("are not told of" in word for word in found.words)
    assert len(room.cover(store, room.Order(k=1, today=TODAY)).table) > len(found.table)
    assert len(room.cover(store, room.Order(k=9, today=TODAY)).table) == 0


def test_cells_at_once_do_not_matter(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read cell by cell the table is the same, jolts across a border included."""
    store, _, areas = town
    order = room.Order(k=1, today=TODAY)
    by = room.Order(k=1, today=TODAY, districts=areas)
    whole, district = room.cover(store, order).table, room.cover(store, by).table
    monkeypatch.setattr(room, "CELLS_AT_ONCE", 1)
    pd.testing.assert_frame_equal(room.cover(store, order).table, whole, check_exact=True)
    pd.testing.assert_frame_equal(room.cover(store, by).table, district, check_exact=True)


def test_streets_tell_what_is_unknown(town: Any) -> None:
    """The street that was driven is known, the one beside is unknown, and is surveyed first."""
    store, streets, _ = town
    table = room.cover(store, room.Order(k=1, streets=streets, today=TODAY)).table
    known = table.groupby("street")["state"].agg(lambda s: (s != "unknown").mean())
    assert known["Aside"] == 0.0
    assert known["Way"] > 0.9
    runs = room.cover(store, room.Order(k=1, streets=streets, survey=2, today=TODAY)).table
    assert tuple(runs.columns) == SURVEY_COLUMNS
    assert runs["streets"].iloc[0] == "Aside"


def test_districts_share_the_city(town: Any) -> None:
    """Passes and reports of the districts add up to those of the city."""
    store, streets, areas = town
    for order in (room.Order(k=1, districts=areas, today=TODAY),
                  room.Order(k=1, districts=areas, streets=streets, today=TODAY)):  # fmt: skip
        rows = room.cover(store, order).table.set_index("district")
        assert (*["district"], *rows.columns) == DISTRICT_COLUMNS
        assert rows.index.tolist() == ["West", "East", "(all shown)"]
        for name in ("passes", "reports"):
            assert rows.loc[["West", "East"], name].sum() == rows.loc["(all shown)", name]
        assert rows["reports"].iloc[-1] == 5
        assert rows["street_km"].notna().all() == (order.streets is not None)


def test_what_does_not_fit_is_said(town: Any, tmp_path: Path) -> None:
    """A survey without streets, polygons without names, lines that are none."""
    store, streets, areas = town
    with pytest.raises(UsageError, match="--survey: needs --streets"):
        room.cover(store, room.Order(survey=3, today=TODAY))
    with pytest.raises(
        InputError, match=r"no property names the polygons \(ward\): give --district"
    ):
        room.cover(store, room.Order(districts=areas, district_name="x", today=TODAY))
    with pytest.raises(InputError, match="holds no street centrelines"):
        room.cover(store, room.Order(streets=areas, today=TODAY))
    with pytest.raises(InputError, match="holds no polygons"):
        room.cover(store, room.Order(districts=streets, today=TODAY))
    with pytest.raises(InputError, match="no property nom: name"):
        room.cover(store, room.Order(streets=streets, street_name="nom", today=TODAY))
    with pytest.raises(InputError, match="No such file"):
        room.cover(store, room.Order(streets=tmp_path / "none.geojson", today=TODAY))


def test_the_map_is_drawn_and_repeats_itself(town: Any, tmp_path: Path) -> None:
    """A PNG by its ending; the same coverage gives the same bytes; an empty one a map as well."""
    pytest.importorskip("matplotlib", reason="the extra plot is not installed: NOT tested")
    store, streets, _ = town
    for name, order in {
        "bins": room.Order(k=1, today=TODAY),
        "streets": room.Order(k=1, streets=streets, today=TODAY),
        "nothing": room.Order(k=99, today=TODAY),
    }.items():
        found = room.cover(store, order)
        paths = [tmp_path / f"{name}{k}.png" for k in (1, 2)]
        for path in paths:
            room.draw(found, path, title="Town")
        assert paths[0].read_bytes()[:4] == b"\x89PNG"
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_command_speaks(tmp_path: Path) -> None:
    """Table, CSV, GeoJSON and a picture; nothing below k devices leaves the store."""
    streetbump("run", *TRIPS, cwd=tmp_path)
    done = streetbump("coverage", cwd=tmp_path)
    assert done.returncode == 0
    assert all(json.loads(row)["devices"] >= 5 for row in done.stdout.splitlines())
    out = tmp_path / "c.geojson"
    assert streetbump("coverage", "--min-devices", "2", "-o", out, cwd=tmp_path).returncode == 0
    features = json.loads(out.read_text("utf-8"))["features"]
    assert {f["geometry"]["type"] for f in features} == {"Point"}
    assert "wkt" not in features[0]["properties"]
    table = streetbump("coverage", "--min-devices", "2", "--format", "table", cwd=tmp_path)
    assert b"felt by at most" in table.stdout
    box = shapely.box(-151, 11, -149, 13)
    areas = collection(tmp_path / "areas.geojson", [box], name=["All"])
    rows = streetbump("coverage", "--districts", areas, "--format", "table", cwd=tmp_path)
    assert (rows.returncode, b"vehicle-day" in rows.stdout) == (0, True)
    bad = streetbump("coverage", "--survey", "3", cwd=tmp_path)
    assert (bad.returncode, b"needs --streets" in bad.stderr) == (2, True)
