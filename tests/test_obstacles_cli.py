"""``streetbump obstacles`` and ``review mark-obstacle`` as a user runs them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from streetbump.cluster.propose import Bar
from streetbump.commands import obstacles as room
from streetbump.commands.session import Session
from streetbump.errors import InputError, UsageError
from streetbump.report.output import render

from .conftest import FIXTURES, TRIPS, Workshop, import_inventory, shared_data, take_in
from .test_cli import streetbump

DAY_NS = 86_400_000_000_000
HEAD = "id,kind,lat,lon\n"


def write(folder: Path, text: str, name: str = "humps.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_importing_says_what_was_dropped_and_why(tmp_path: Path) -> None:
    """Reasons come as a table with an example row each; importing again changes nothing."""
    path = write(tmp_path, HEAD + "1,hump,42,-71\n2,hump,0,0\n3,fountain,42,-71\n4,hump,0,0\n")
    done = streetbump("obstacles", "import", path, cwd=tmp_path)
    assert (done.returncode, [json.loads(x) for x in done.stdout.splitlines()]) == (0, [
        {"reason": "position 0, 0", "rows": 2, "example_row": "2"},
        {"reason": "kind not known", "rows": 1, "example_row": "3"},
    ])  # fmt: skip
    assert b"1 distinct obstacles in 4 rows: 1 new, 0 changed, 0 known already, 0 retired" in (
        done.stderr
    )
    again = streetbump("obstacles", "import", path, cwd=tmp_path)
    assert b"0 new, 0 changed, 1 known already, 0 retired" in again.stderr
    counts = streetbump("obstacles", "list", "--counts", cwd=tmp_path).stdout
    assert json.loads(counts) == {"source": "humps", "kind": "hump", "owner": None,
                                  "obstacles": 1, "ended": 0, "in_another_list": 0}  # fmt: skip


def test_a_newer_list_retires_what_is_gone(workshop: Workshop, tmp_path: Path) -> None:
    """What a source lists no more ends on the day of the import; what comes back stands again."""
    session = workshop.open()
    rows = [f"{k},hump,{42 + k / 100},-71\n" for k in range(5)]
    path = write(tmp_path, HEAD + "".join(rows))
    assert room.import_obstacles(session, path).new == 5
    write(tmp_path, HEAD + "".join(rows[1:]))
    done = room.import_obstacles(session, path)
    assert (done.new, done.changed, done.retired) == (0, 0, 1)
    ended = session.store.obstacles().set_index("source_id")["valid_to"]
    assert ended["0"] == "2026-03-15"
    assert ended.notna().sum() == 1
    workshop.now_ns += 9 * DAY_NS
    assert room.import_obstacles(session, path).retired == 0
    write(tmp_path, HEAD + "".join(rows))
    assert room.import_obstacles(session, path).changed == 1
    assert session.store.obstacles()["valid_to"].isna().all()
    other = write(tmp_path, HEAD + "9,hump,50,-71\n", name="other.csv")
    assert room.import_obstacles(session, other).retired == 0  # another source


def test_a_list_cut_short_changes_nothing(workshop: Workshop, tmp_path: Path) -> None:
    """A file that lost most of its rows is refused, unless somebody says that it is whole."""
    session = workshop.open()
    rows = [f"{k},hump,{42 + k / 100},-71\n" for k in range(5)]
    path = write(tmp_path, HEAD + "".join(rows))
    room.import_obstacles(session, path)
    write(tmp_path, HEAD + rows[0])
    with pytest.raises(InputError, match=r"4 of the obstacles of humps are not in it any more"):
        room.import_obstacles(session, path)
    assert session.store.obstacles()["valid_to"].isna().all()
    assert room.import_obstacles(session, path, shrink=True).retired == 4


def test_the_order_of_imports_does_not_matter(workshop: Workshop, tmp_path: Path) -> None:
    """Two lists in either order give the same obstacles, and each names its twin in the other."""
    city = write(tmp_path, HEAD + "1,hump,42,-71\n2,hump,43,-71\n", name="city.csv")
    osm = write(tmp_path, HEAD + "7,bump,42.00005,-71\n8,casting,43,-71\n", name="osm.csv")
    tables = []
    for name, order in (("a", (city, osm)), ("b", (osm, city))):
        session = workshop.open(name)
        done = [room.import_obstacles(session, path) for path in order]
        assert [d.twins for d in done] == [0, 1]
        tables.append(room.obstacle_table(session.store))
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["same_as"].notna().sum() == 2


def test_two_orders_of_sao_paulo_are_equal(workshop: Workshop, tmp_path: Path) -> None:
    """The catalogue of 34,257 rows, forwards and backwards, is the same 18,451 humps."""
    catalogue = shared_data("saopaulo_physics_toolbox", "speed_bumps_city_catalogue.csv")
    lines = catalogue.read_text("utf-8").splitlines()
    tables = []
    for name, order in (("a", lines), ("b", lines[::-1])):
        session = workshop.open(name)
        path = write(tmp_path, "\n".join(order), name="catalogue.csv")
        done = room.import_obstacles(session, path, kind="hump")
        assert (done.new, done.found.total) == (18_451, 34_257)
        tables.append(session.store.obstacles())
    pd.testing.assert_frame_equal(*tables)


def test_a_listing_can_be_imported_again(workshop: Workshop, tmp_path: Path) -> None:
    """The list as CSV or GeoJSON holds points and lines as they were read."""
    session = workshop.open()
    import_inventory(session)
    table = room.obstacle_table(session.store)
    for kind in ("csv", "geojson"):
        path = tmp_path / f"again.{kind}"
        path.write_bytes(render(table, kind))
        again = room.import_obstacles(workshop.open(kind), path)
        assert len(again.found.dropped) == 0
        assert sorted(again.found.rows["wkt"]) == sorted(table["wkt"])


# ------------------------------------------------------------------------------- GIS files


def shapefile(folder: Path, **options: Any) -> Path:
    """Two humps in feet of a state plane, and a column of dates."""
    pyogrio = pytest.importorskip(
        "pyogrio", reason="the extra gis is not installed: Shapefile and GeoPackage are NOT tested"
    )
    import shapely

    points = shapely.to_wkb(shapely.points([[1450000.0, 540000.0], [1450300.0, 540000.0]]))
    given = {"driver": "ESRI Shapefile", "crs": "EPSG:2264", **options}
    path = folder / {"GPKG": "humps.gpkg"}.get(given["driver"], "humps.shp")
    pyogrio.raw.write(
        path, geometry=points, geometry_type="Point", fields=["ASSET", "BUILT"],
        field_data=[np.array(["a", "b"], object),
                    np.array(["2020-05-01", "NaT"], "datetime64[D]")], **given,
    )  # fmt: skip
    return path


@pytest.mark.parametrize("form", ["shp", "zip", "gpkg"])
def test_gis_files_are_read_in_degrees(workshop: Workshop, tmp_path: Path, form: str) -> None:
    """Shapefile, zipped or not, and GeoPackage: feet become degrees, columns are mapped."""
    path = shapefile(tmp_path, **({"driver": "GPKG"} if form == "gpkg" else {}))
    if form == "zip":
        packed = tmp_path / "humps.zip"
        with zipfile.ZipFile(packed, "w") as z:
            for part in tmp_path.glob("humps.*"):
                if part.suffix != ".zip":
                    z.write(part, part.name)
        path = packed
    columns = write(tmp_path, 'id = "ASSET"\nvalid_from = "BUILT"', name="map.toml")
    done = room.import_obstacles(workshop.open(), path, kind="hump", columns=columns)
    rows = done.found.rows.sort_values("source_id")
    assert rows["source_id"].tolist() == ["a", "b"]
    assert rows["valid_from"].tolist()[0] == "2020-05-01"
    assert rows["valid_from"].isna().tolist() == [False, True]
    lon, lat = (float(v) for v in rows["wkt"].iloc[0][7:-1].split())
    assert (lon, lat) == pytest.approx((-80.85, 35.22), abs=0.02)


def test_a_shapefile_without_its_system_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    """Where on Earth its numbers lie is not guessed; a column map may say it."""
    path = shapefile(tmp_path)
    (tmp_path / "humps.prj").unlink()
    with pytest.raises(InputError, match="does not say its reference system"):
        room.import_obstacles(workshop.open(), path, kind="hump")
    columns = write(tmp_path, 'crs = "EPSG:2264"', name="map.toml")
    assert room.import_obstacles(workshop.open(), path, kind="hump", columns=columns).new == 2


def test_a_broken_gis_file_is_said(workshop: Workshop, tmp_path: Path) -> None:
    """What GDAL cannot open is an error in words."""
    pytest.importorskip("pyogrio", reason="the extra gis is not installed: NOT tested")
    path = write(tmp_path, "not a geopackage", name="x.gpkg")
    with pytest.raises(InputError, match=r"x\.gpkg"):
        room.import_obstacles(workshop.open(), path, kind="hump")


# ------------------------------------------------------------------------------- findings

LOW = Bar(devices=3, passes=2, hit_rate_lo=0.3, class_p=0.4, span_days=0.0)


def test_proposals_can_be_reviewed_and_imported(workshop: Workshop, tmp_path: Path) -> None:
    """The fixtures' unlisted obstacles are proposed; imported from GeoJSON they are listed."""
    session = workshop.open()
    take_in(session)
    table = room.propose(session.store, bar=LOW)
    assert "hump" in table["kind"].tolist()
    path = tmp_path / "proposed.geojson"
    path.write_bytes(render(table, "geojson"))
    done = room.import_obstacles(session, path)
    assert done.new == len(table)
    assert set(done.found.rows["source_id"]) == set(table["id"])
    assert len(room.propose(session.store, bar=LOW)) < len(table)


def test_an_obstacle_that_is_not_there_is_doubted(workshop: Workshop, tmp_path: Path) -> None:
    """A hump listed on a quiet stretch is doubted, those that are there are not."""
    session = workshop.open()
    take_in(session)
    import_inventory(session)
    bar = replace(LOW, felt_hi=0.6)
    before = room.doubt(session.store, bar=bar)
    quiet = _quiet_place(session)
    path = write(tmp_path, f"{HEAD}ghost,hump,{quiet[0]},{quiet[1]}\n", name="ghosts.csv")
    room.import_obstacles(session, path)
    after = room.doubt(session.store, bar=bar)
    new = after[~after["obstacle_id"].isin(before["obstacle_id"])]
    assert new["source_id"].tolist() == ["ghost"]
    assert new["finding"].tolist() == ["not felt"]


def _quiet_place(session: Session) -> tuple[float, float]:
    """The middle of the bin with most passes that is far from every jolt."""
    from streetbump.geo import bin_centre, distance_m

    store = session.store
    passes, _ = store.passes(store.pass_cells())
    active = store.active()
    assert active is not None
    jolts = store.load_region(active.name, store.pass_cells()).bumps.dropna(subset=["lat_deg"])
    bins, count = np.unique(passes["bin"].to_numpy(), return_counts=True)
    lat, lon = bin_centre(bins)
    far = [
        distance_m(a, o, jolts["lat_deg"].to_numpy(), jolts["lon_deg"].to_numpy()).min() > 45
        for a, o in zip(lat, lon, strict=True)
    ]
    best = int(np.argmax(np.where(far, count, 0)))
    return float(lat[best]), float(lon[best])


def test_marking_a_place_makes_an_obstacle(workshop: Workshop) -> None:
    """A person's word makes a known obstacle; who and why are kept, and nothing is sent."""
    session = workshop.open()
    take_in(session)
    places = {p.place_id: p for p in session.store.places() if p.state == "flagged"}
    pothole = next(p for p in places.values() if p.jolt_class == "pothole")
    made = room.mark_obstacle(session, pothole.place_id, kind="hump", by="Ann", note="seen it")
    rows = session.store.obstacles().set_index("obstacle_id")
    assert (rows.loc[made, "kind"], rows.loc[made, "source"]) == ("hump", "review")
    now = session.store.place(pothole.place_id)
    assert now is not None
    assert now.state in {"known_obstacle", "rejected"}
    decided = [a for a in session.store.audit(pothole.place_id) if a["what"] == "review"]
    assert json.loads(decided[-1]["detail"])["by"] == "Ann"
    assert "hump, marked by Ann: seen it" in [
        h["why"] for h in session.store.history(pothole.place_id)
    ]
    with pytest.raises(InputError, match="no such place"):
        room.mark_obstacle(session, "P-NONE", kind="hump", by="Ann", note="")
    with pytest.raises(UsageError, match="--kind moon: not known"):
        room.mark_obstacle(session, pothole.place_id, kind="moon", by="Ann", note="")


def test_the_commands_speak(tmp_path: Path) -> None:
    """propose, propose --doubts and mark-obstacle work from the command line."""
    streetbump("run", *TRIPS, "--obstacles", FIXTURES / "obstacles.geojson", cwd=tmp_path)
    lax = ("--min-devices", "3", "--min-passes", "2", "--min-hit-rate", "0.3",
           "--min-class-p", "0.4", "--min-span-days", "0")  # fmt: skip
    assert streetbump("obstacles", "propose", *lax, cwd=tmp_path).returncode == 0
    doubts = streetbump("obstacles", "propose", "--doubts", "--format", "table", cwd=tmp_path)
    assert (doubts.returncode, b"finding" in doubts.stdout) == (0, True)
    listed = [json.loads(x) for x in streetbump("review", "list", cwd=tmp_path).stdout.splitlines()]
    place = next(row["place_id"] for row in listed if row["class"] == "pothole")
    done = streetbump("review", "mark-obstacle", place, "--kind", "hump", "--by", "Ann",
                      cwd=tmp_path)  # fmt: skip
    assert (done.returncode, b"marked by Ann" in done.stderr) == (0, True)
