"""Inventories as cities publish them: every row is used, or dropped for a reason that is told."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.cluster.inventory import (
    RADIUS_M,
    Inventory,
    looks_broken,
    parse_map,
    read_inventory,
    retired,
)
from streetbump.errors import ConfigError, InputError, UsageError
from streetbump.model import OBSTACLES
from tests.conftest import shared_data


def read(data: str | bytes, **options: Any) -> Inventory:
    raw = data.encode() if isinstance(data, str) else data
    return read_inventory(raw, source="list", **{"kind": "hump", **options})


def reasons(found: Inventory) -> dict[str, int]:
    """Why rows were dropped, and how many."""
    return dict(zip(found.dropped["reason"], found.dropped["rows"].tolist(), strict=True))


def geojson(*features: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": list(features)})


def point(lon: Any = -71.0, lat: Any = 42.0, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": properties,
    }


def shape(kind: str, coordinates: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}}


HEAD = "id,latitude,longitude\n"
POINT_1 = "POINT (-71 42)"


@pytest.mark.parametrize(
    ("data", "wkt", "dropped"),
    [
        pytest.param(HEAD + "7,42,-71\n", [POINT_1], {}, id="with a header"),
        pytest.param("X;Y\n-71.0;42.0\n", [POINT_1], {}, id="semicolons, x and y"),
        pytest.param("lat\tlng\n42\t-71\n", [POINT_1], {}, id="tabs"),
        pytest.param("Lat , LON\n 42 , -71 \n", [POINT_1], {}, id="blanks and capitals"),
        pytest.param("\ufefflat,lon\n42,-71\n", [POINT_1], {}, id="byte order mark"),
        pytest.param("lat,lon\r\n42,-71\r\n\r\n", [POINT_1], {}, id="from Windows, blank line"),
        pytest.param("lat,lon,\n42,-71,\n", [POINT_1], {}, id="a separator at each end"),
        pytest.param(HEAD + "7,42,-71,\n", [POINT_1], {}, id="a separator at the rows' end"),
        pytest.param("42.0,-71.0\n", [POINT_1], {}, id="no header"),
        pytest.param("-23.5;-46.4;blue\n", ["POINT (-46.4 -23.5)"], {},
                     id="no header, and a word"),
        pytest.param("-171.0,42.0\n-172.0,42.0\n",
                     ["POINT (-171 42)", "POINT (-172 42)"], {},
                     id="no header, longitude first"),
        pytest.param('a,lat,lon\n"two\nlines",42,-71\n', [POINT_1], {}, id="a quoted line break"),
        pytest.param(HEAD + "1,0,0\n2,42,-71\n", [POINT_1], {"position 0, 0": 1}, id="0, 0"),
        pytest.param(HEAD + "1,91,0\n2,42,-181\n3,42,-71\n", [POINT_1],
                     {"position out of range": 2}, id="out of range"),
        pytest.param(HEAD + "1,x,0\n2,,\n3,nan,5\n4,inf,5\n5,42,-71\n", [POINT_1],
                     {"position is not a number": 4}, id="not numbers"),
        pytest.param("id;lat;lon\n1;42,5;-71,5\n", [], {"position is not a number": 1},
                     id="a decimal comma is not guessed at"),
        pytest.param(HEAD + "1,42,-71\n2,42,-71\n", [POINT_1], {"same place as another row": 1},
                     id="the same place twice"),
        pytest.param(HEAD + "1,42,-71\n2,42.000000004,-71\n", [POINT_1],
                     {"same place as another row": 1}, id="the same place to 1e-7 degrees"),
        pytest.param(HEAD + "1,42,-71\n1,43,-71\n", [POINT_1], {"same id as another row": 1},
                     id="the same id twice"),
        pytest.param(HEAD + "1,42,-71,5,6\n2,42,-71\n", [POINT_1], {"wrong number of fields": 1},
                     id="too many fields"),
        pytest.param(HEAD + "1\n2,42,-71\n", [POINT_1], {"position is not a number": 1},
                     id="too few fields"),
        pytest.param(HEAD, [], {}, id="only a header"),
    ],
)  # fmt: skip
def test_csv_rows(data, wkt, dropped):
    """A CSV gives its points; what cannot be used is counted by reason, and nothing is lost."""
    found = read(data)
    OBSTACLES.check(found.rows)
    assert sorted(found.rows["wkt"]) == wkt
    assert reasons(found) == dropped
    assert len(found.rows) + found.dropped["rows"].sum() == found.total


@pytest.mark.parametrize(
    ("feature", "reason"),
    [
        pytest.param(None, "no geometry", id="null"),
        pytest.param({"geometry": None}, "no geometry", id="no geometry"),
        pytest.param({"geometry": "here"}, "geometry cannot be read", id="a word"),
        pytest.param(shape("Point", []), "no geometry|geometry cannot be read", id="empty"),
        pytest.param(point(None, 3), "geometry cannot be read", id="null coordinate"),
        pytest.param(shape("LineString", [[1, 2]]), "geometry cannot be read", id="line of one"),
        pytest.param(shape("Polygon", [[[0, 0], [1, 1], [1, 0], [0, 0]]]),
                     "geometry Polygon is not a point or line", id="area"),
        pytest.param(point(200, 3), "position out of range", id="out of range"),
        pytest.param(point(0, 0), "position 0, 0", id="0, 0"),
        pytest.param(point(), "same place as another row", id="the same place"),
        pytest.param({**point(1, 2), "id": 7}, "same id as another row", id="the same id"),
    ],
)  # fmt: skip
def test_geojson_features_that_cannot_be_used(feature, reason):
    """A feature that cannot be used is dropped, with its reason, and the others stay."""
    found = read(geojson({**point(), "id": 7}, feature))
    assert found.rows["wkt"].tolist() == ["POINT (-71 42)"]
    ((said, count),) = reasons(found).items()
    assert said in reason.split("|")
    assert (count, found.total) == (1, 2)


@pytest.mark.parametrize(
    ("geometry", "wkt"),
    [
        (shape("LineString", [[1, 2], [3, 4]]), "LINESTRING (1 2, 3 4)"),
        (shape("MultiLineString", [[[1, 2], [3, 4]]]), "MULTILINESTRING ((1 2, 3 4))"),
        (shape("Point", [1, 2, 350.5]), "POINT (1 2)"),
    ],
    ids=["line", "lines", "height is left out"],
)
def test_lines_stay_lines(geometry, wkt):
    """A rail crossing that is drawn as a line is kept as one."""
    assert read(geojson(geometry), kind="rail").rows["wkt"].tolist() == [wkt]


@pytest.mark.parametrize("properties", [None, [1, 2], "text", {}], ids=repr)
def test_properties_may_be_anything(properties):
    """A feature whose properties are missing or no object is still a place."""
    assert len(read(geojson({**point(), "properties": properties})).rows) == 1


def test_what_the_file_says_is_kept():
    """Kind, owner, id and validity are read where the file has them."""
    found = read(
        geojson(point(Kind="casting", OWNER="Water Co", ObjectID=0, valid_from="2020-01-01")),
        kind=None, owner="City",
    )  # fmt: skip
    (row,) = found.rows.to_dict("records")
    assert (row["kind"], row["class"], row["owner"]) == ("casting", "casting", "Water Co")
    assert (row["source_id"], row["valid_from"]) == ("0", "2020-01-01")
    assert row["radius_m"] == RADIUS_M["casting"]
    assert row["revision"] == 1


def test_what_the_file_leaves_open_is_said_by_the_caller():
    """Kind and owner come from the caller where the file has none."""
    (row,) = read(HEAD + "7,42,-71\n", kind="rail", owner="City").rows.to_dict("records")
    assert (row["kind"], row["class"], row["owner"]) == ("rail", "joint", "City")


def test_unknown_kinds_are_dropped_and_counted():
    """A row of a kind that excuses nothing is not guessed at."""
    found = read("kind,lat,lon\nhump,42,-71\nfountain,43,-71\n,44,-71\n", kind=None)
    assert found.rows["kind"].tolist() == ["hump"]
    assert reasons(found) == {"kind not known": 2}


def test_two_kinds_at_one_place_are_two_obstacles():
    """Without ids, rows at the same place and of different kinds get different ids."""
    found = read("kind,lat,lon\nhump,42,-71\ncasting,42,-71\n", kind=None)
    assert found.rows["obstacle_id"].nunique() == len(found.rows) == 2


def test_ids_depend_on_source_and_row_alone():
    """Reading a list again, in another order, gives the same ids; another list gives others."""
    a = read(HEAD + "1,42,-71\n2,43,-71\n").rows["obstacle_id"].tolist()
    b = read(HEAD + "2,43,-71\n1,42,-71\n").rows["obstacle_id"].tolist()
    c = read_inventory((HEAD + "1,42,-71\n").encode(), source="other", kind="hump")
    assert a == b
    assert c.rows["obstacle_id"].tolist()[0] not in a


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        pytest.param("", {}, "the file is empty", id="empty file"),
        pytest.param("\n \n", {}, "the file is empty", id="blank lines"),
        pytest.param(HEAD, {"kind": "bumpy"}, r"--kind bumpy: not known; one of bridge_joint, bump",
                     id="unknown kind"),
        pytest.param("lat,lon\n42,-71\n", {"kind": None}, "no column says what kind.*--kind",
                     id="no kind"),
        pytest.param("a,b\n1,2\n", {}, "no position columns among a, b: name them latitude",
                     id="no position columns"),
        pytest.param("blue\n42\n", {}, "no position columns among blue", id="one column"),
        pytest.param("1,42.0,-71.0\n", {}, r"exactly two columns of numbers.*\(got 3\)",
                     id="three numbers and no header"),
        pytest.param("42.0,x\n", {}, r"exactly two columns of numbers.*\(got 1\)", id="one number"),
        pytest.param(HEAD + '1,42,"-71\n2,43,-71\n', {}, "a quote is opened and never closed",
                     id="open quote"),
        pytest.param("{", {}, "not valid GeoJSON", id="broken JSON"),
        pytest.param('{"type": "Point"}', {}, "no list of features", id="JSON of something else"),
    ],
)  # fmt: skip
def test_files_that_are_no_inventory(data, options, said):
    """A file that cannot be an inventory is refused with what to do about it."""
    with pytest.raises((InputError, UsageError), match=said):
        read(data, **options)


def test_a_byte_order_mark_is_no_obstacle():
    """GeoJSON from a Windows tool is read as GeoJSON."""
    assert len(read("\ufeff" + geojson(point())).rows) == 1


def test_text_of_another_encoding_is_read():
    """A list in the Windows code page is read; letters matter less than places."""
    assert len(read("rua,lat,lon\nS\xe3o Jo\xe3o,42,-71\n".encode("cp1252")).rows) == 1


CELLS = st.sampled_from(["42", "42.0", "-71", "0", "91", "", "x", "1e1", " 7 ", '"5"', "nan"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=12))
def test_no_row_is_lost(rows):
    """Rows used and rows dropped are the rows of the file, and no two share an id."""
    text = "id,lat,lon\n" + "".join(",".join(r) + "\n" for r in rows)
    found = read(text)
    there = [r for r in rows if len(r) > 1 or r[0].strip()]
    assert len(found.rows) + found.dropped["rows"].sum() == found.total == len(there)
    assert found.rows["obstacle_id"].is_unique


# ---------------------------------------------------------------------- real inventories

REAL = [
    # file, kind, rows used, rows in the file
    ("saopaulo_physics_toolbox/speed_bumps_city_catalogue.csv", "hump", 18_451, 34_257),
    ("charlotte_speed_humps/Speed_Humps.geojson", "hump", 1_952, 1_964),
    ("pittsburgh_open_data/speed_humps.csv", "hump", 79, 79),
    ("cambridge_open_data/TRANS_Rail.geojson", "rail", 81, 97),
]


@pytest.mark.parametrize(("name", "kind", "used", "total"), REAL, ids=[r[0] for r in REAL])
def test_published_inventories(name, kind, used, total):
    """The lists of four cities are read in full; duplicates and holes in them are counted."""
    found = read_inventory(shared_data(name).read_bytes(), source=name, kind=kind)
    assert (len(found.rows), found.total) == (used, total)
    assert used + found.dropped["rows"].sum() == total
    assert found.rows["obstacle_id"].is_unique


def test_every_row_of_charlotte_is_explained():
    """1,953 of the 1,964 features have a place; two of these are one. Year and notes are used."""
    data = shared_data("charlotte_speed_humps/Speed_Humps.geojson").read_bytes()
    columns = parse_map('id = "AssetID"\nkind = "Notes"\nvalid_from = "YEAR"', where="map.toml")
    found = read_inventory(data, source="charlotte", kind="hump", columns=columns)
    assert found.dropped.to_dict("records") == [
        {"reason": "no geometry", "rows": 11, "example_row": "182"},
        {"reason": "same place as another row", "rows": 1, "example_row": "230"},
    ]
    assert found.rows["kind"].value_counts().to_dict() == {"hump": 1939, "cushion": 11, "table": 2}
    assert found.rows["valid_from"].dropna().between("1997-01-01", "2022-01-01").all()


def test_only_rails_that_streets_can_cross_are_listed():
    """Cambridge's elevated lines, and those whose grade nobody says, excuse nothing."""
    data = shared_data("cambridge_open_data/TRANS_Rail.geojson").read_bytes()
    found = read_inventory(data, source="rail", kind="rail")
    assert reasons(found) == {"not at grade: no street crosses it": 13, "grade is not said": 3}


# ---------------------------------------------------------------------- what the caller says

MAPPED = "Ref;What;Since;Lng_X;Lat_Y;State\n1;Sinusoidal;2010;-71;42;built\n2;;;-72;42;planned\n"


def mapped(text: str, **options: Any) -> Inventory:
    return read(MAPPED, columns=parse_map(text, where="map.toml"), **options)


def test_a_column_map_names_what_the_file_calls_otherwise():
    """Ids, kinds, days and positions come from any column; the file's words become kinds."""
    found = mapped(
        'id = "Ref"\nkind = "What"\nvalid_from = "Since"\nlat = "Lat_Y"\nlon = "Lng_X"\n'
        '[kinds]\nsinusoidal = "table"\n'
    )
    rows = found.rows.sort_values("source_id").to_dict("records")
    assert [(r["source_id"], r["kind"]) for r in rows] == [("1", "table"), ("2", "hump")]
    assert rows[0]["valid_from"] == "2010-01-01"
    assert rows[0]["radius_m"] > rows[1]["radius_m"]


def test_only_rows_that_are_wanted_are_taken():
    """Humps that are merely planned stay out, and are counted."""
    found = mapped('lat = "Lat_Y"\nlon = "Lng_X"\n[only]\nState = ["built"]\n')
    assert reasons(found) == {"State is not one that is wanted": 1}


def test_other_coordinates_are_brought_to_degrees():
    """Feet of a state plane become degrees; 0.1 m is what is asked for."""
    text = "X,Y\n1450000,540000\n"
    found = read(text, columns=parse_map('crs = "EPSG:2264"', where="map.toml"))
    (wkt,) = found.rows["wkt"].tolist()
    lon, lat = (float(v) for v in wkt[7:-1].split())
    assert (lon, lat) == pytest.approx((-80.8484, 35.2211), abs=0.01)
    with pytest.raises(InputError, match="not a known reference system"):
        read(text, columns=parse_map('crs = "EPSG:1"', where="map.toml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('key = "x"', "unknown field `key`"),
        ('[kinds]\nx = "fountain"', "kinds.x: fountain is not a kind"),
        ('id = "Nr"\nlat = "Lat_Y"\nlon = "Lng_X"', "has no column Nr: ref, what, since"),
        ('lat = "Nord"\nlon = "Lng_X"', "no position columns among ref, what"),
    ],
)
def test_a_wrong_map_is_said(text, said):
    """A map that does not fit is an error, never a guess."""
    with pytest.raises((ConfigError, InputError), match=said):
        mapped(text)


def test_shapes_as_text_are_read():
    """A CSV with a column of well-known text keeps its lines; what is none is a reason."""
    text = 'id,the_geom\n1,"LINESTRING (-71 42, -71.001 42)"\n2,POINT (5\n3,\n4,POINT (1 2)\n'
    found = read(text, kind="rail")
    assert sorted(found.rows["wkt"]) == ["LINESTRING (-71 42, -71.001 42)", "POINT (1 2)"]
    assert reasons(found) == {"geometry cannot be read": 1, "no geometry": 1}


@pytest.mark.parametrize(
    ("said", "day"),
    [("2010", "2010-12-31"), ("2010-02", "2010-02-28"), ("2010/05/03 00:00:00+00", "2010-05-03"),
     ("2010-05-03T10:00:00.000Z", "2010-05-03"), ("03/05/2010", None), ("2010-13", None)],
)  # fmt: skip
def test_days_as_cities_write_them(said, day):
    """A year or month ends with its last day; a day whose order nobody knows is a reason."""
    found = read(f"lat,lon,valid_to\n42,-71,{said}\n")
    assert found.rows["valid_to"].tolist() == ([] if day is None else [day])


def test_order_of_rows_does_not_matter():
    """The same rows in another order are the same inventory, whichever of two alike is first."""
    rows = ["1,42,-71", "2,42,-71", "2,43,-71", "3,44,-71", "3,45,-71", ",46,-71", ",46,-71"]
    one, other = (read(HEAD + "\n".join(r) + "\n").rows for r in (rows, rows[::-1]))
    assert one.equals(other)
    assert len(one) == 4


# ---------------------------------------------------------------------- newer revisions


def test_what_a_newer_list_lacks_is_retired():
    """A hump that the newer list does not hold ends today; one whose place is lost stays."""
    old = read(HEAD + "1,42,-71\n2,43,-71\n3,44,-71\n").rows
    new = read(HEAD + "1,42,-71\n3,,\n")
    gone = retired(new, old, day="2026-03-15")
    assert gone["source_id"].tolist() == ["2"]
    assert gone["valid_to"].tolist() == ["2026-03-15"]
    again = pd.concat([old[old["source_id"] != "2"], gone])
    assert len(retired(new, again, day="2026-03-16")) == 0
    assert not looks_broken(gone, old, day="2026-03-15")


def test_a_list_cut_short_is_noticed():
    """A file that lacks most of what its source held before is not believed."""
    old = read(HEAD + "1,42,-71\n2,43,-71\n3,44,-71\n").rows
    gone = retired(read(HEAD + "1,42,-71\n"), old, day="2026-03-15")
    assert looks_broken(gone, old, day="2026-03-15")
