"""Any other CSV: column maps, and names that leave no doubt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streetbump.errors import ConfigError
from streetbump.model import UNKNOWN, Gravity, Reason, TimeBasis, Trip
from streetbump.trips import parse_column_map

from .kit import read_all, refusal_of, trip_in

SHIPPED = Path(__file__).parents[2] / "docs" / "column-maps"

IPHONE = """\
timestamp,latitude,longitude,speed,accelerometerX,accelerometerY,accelerometerZ,gyroX
1492637237.8,40.4445168,-79.9444221,1.11,0.01,-0.95,0.15,-100.0
1492637238.0,40.4445168,-79.9444221,1.11,0.02,-0.97,0.16,0.1
1492637238.2,40.4445251,-79.9444204,-1.0,-0.03,-0.96,0.18,0.1
1492637238.4,40.4445251,-79.9444204,-1.0,-0.01,-100.0,0.2,0.1
1492637238.6,40.4445300,-79.9444204,0.50,-0.01,-0.98,0.2,0.1
1492637238.8,40.4445300,-79.9444204,0.50,-0.01,-0.99,0.2,0.1
"""

MAP = """
time = {column = "when", unit = "s", epoch = "start"}
acceleration = {x = "a1", y = "a2", z = "a3", unit = "m/s2", sign = "android"}
"""


def test_every_shipped_map_is_valid() -> None:
    """The maps in the documentation can be used as they are."""
    maps = sorted(SHIPPED.glob("*.toml"))
    assert maps
    for path in maps:
        parse_column_map(path.read_text("utf-8"), where=path.name)


def test_an_iphone_table_through_its_map_by_hand() -> None:
    """Apple's sign and unit, missing cells and held positions come out as worked out.

    Apple's -0.95 g on y is +9.31632 m/s² in ours, 93163 units; -100 is an empty cell, so the
    fourth row has no whole sample; speed -1 is not known; a held position counts once.
    """
    columns = parse_column_map((SHIPPED / "phone-5hz-g-ios.toml").read_text("utf-8"), where="map")
    trip = trip_in(IPHONE, columns=columns)
    assert trip.acc[0].tolist() == [-981, 93163, -14710]
    assert len(trip.t_ns) == 5
    assert trip.origin_ns == 1_492_637_237_800_000_000
    assert trip.lat_e7.tolist() == [404445168, 404445251, 404445300]
    assert trip.speed_mms.tolist() == [1110, UNKNOWN, 500]
    assert trip.gravity is Gravity.KEPT
    assert trip.warnings == ("1 of 6 rows could not be read and were dropped",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "m.toml: not valid TOML"),
        (MAP.replace('"m/s2"', '"ft/s2"'), "m.toml: Invalid enum value 'ft/s2'"),
        (MAP + "colour = 1\n", "m.toml: Object contains unknown field `colour`"),
        (MAP.replace('unit = "s", ', ""), "m.toml: Object missing required field `unit`"),
        (MAP.replace('"a2"', '"a1"'), "m.toml: acceleration: x, y, z and time.column must be four"),
        (
            MAP + 'position = {lat = "a", lon = "b", speed = "v"}',
            "m.toml: position.speed_unit: say",
        ),
    ],
)
def test_a_wrong_map_says_what_is_wrong_and_where(text: str, message: str) -> None:
    """A column map with a fault is the caller's mistake, and names the key."""
    with pytest.raises(ConfigError, match="^" + re.escape(message)):
        parse_column_map(text, where="m.toml")


def test_a_map_that_does_not_fit_refuses_the_file() -> None:
    """A named column that is not there is a fault of the file, and is named."""
    columns = parse_column_map(MAP, where="m")
    missing = refusal_of("when,a1,a2\n0,1,2\n", columns=columns)
    assert (missing.reason, "'a3'" in missing.hint) == (Reason.SCHEMA, True)
    nothing = refusal_of("a,b\n1,2\n", columns=columns)
    assert (nothing.reason, "'when'" in nothing.hint) == (Reason.SCHEMA, True)


def test_delimiter_decimal_sign_and_header_line_through_a_map() -> None:
    """Lines above the header are passed over until the time column is found."""
    columns = parse_column_map('delimiter = "|"\ndecimal = ","\n' + MAP, where="m")
    rows = "".join(f"{k},5|0,{k}|0|9,8|\n" for k in range(9))
    trip = trip_in("Report of my ride\n\nwhen|a1|a2|a3|\n" + rows, columns=columns)
    assert trip.time_basis is TimeBasis.RELATIVE
    assert trip.acc[1].tolist() == [1000, 0, 98000]
    assert trip.t_ns[1] == 10**9


@pytest.mark.parametrize(
    ("unit", "cells", "start_ns"),
    [
        ("ms", ["1700000000000", "1700000000200", "1700000000400"], 1_700_000_000_000_000_000),
        (
            "iso",
            ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.2Z", "2023-11-14T22:13:20.40Z"],
            1_700_000_000_000_000_000,
        ),
        (
            "iso",
            [
                "2023-11-15T00:13:20+02:00",
                "2023-11-15 00:13:20.2+0200",
                "2023-11-15T00:13:20.4+02:00",
            ],
            1_700_000_000_000_000_000,
        ),
    ],
)
def test_units_of_time_through_a_map(unit: str, cells: list[str], start_ns: int) -> None:
    """Counts and ISO 8601 times with an offset name the same moments."""
    text = MAP.replace('unit = "s", epoch = "start"', f'unit = "{unit}"')
    data = "when,a1,a2,a3\n" + "".join(f"{c},0.{k},0,9.8\n" for k, c in enumerate(cells))
    trip = trip_in(data, columns=parse_column_map(text, where="m"))
    assert trip.t_ns.tolist() == [start_ns, start_ns + 200_000_000, start_ns + 400_000_000]
    assert trip.time_basis is TimeBasis.ABSOLUTE


def test_a_leap_second_is_folded_into_its_minute() -> None:
    """23:59:60 is a time, the last millisecond of its minute."""
    text = MAP.replace('unit = "s", epoch = "start"', 'unit = "iso"')
    data = (
        "when,a1,a2,a3\n2016-12-31T23:59:59.5Z,0,0,9.8\n2016-12-31T23:59:60Z,0.1,0,9.8\n"
        "2017-01-01T00:00:00Z,0.2,0,9.8\n"
    )
    trip = trip_in(data, columns=parse_column_map(text, where="m"))
    assert (trip.t_ns - trip.t_ns[0]).tolist() == [0, 499_000_000, 500_000_000]


def test_phones_in_one_table_are_trips_of_their_own() -> None:
    """A device column parts the rows, and names each trip's phone."""
    columns = parse_column_map('device = "phone"\n' + MAP, where="m")
    rows = "".join(f"{k / 10},0.{k},0,9.8,{'ab'[k % 2]}\n" for k in range(10))
    got = read_all("when,a1,a2,a3,phone\n" + rows, columns=columns)
    assert [len(t.t_ns) for t in got if isinstance(t, Trip)] == [5, 5]
    assert len({t.device for t in got if isinstance(t, Trip)}) == 2


def test_a_stated_gravity_is_checked() -> None:
    """A map that says gravity was removed does not fit numbers that hold it."""
    text = MAP.replace("}\n", "}\n", 1).replace(
        'sign = "android"', 'sign = "android", gravity = "removed"'
    )
    rows = "".join(f"{k / 10},0.{k},0,9.8\n" for k in range(10))
    got = refusal_of("when,a1,a2,a3\n" + rows, columns=parse_column_map(text, where="m"))
    assert got.reason is Reason.UNIT


def test_known_names_need_no_map_and_every_inference_is_said() -> None:
    """The iPhone table without a map: g is told from its size; what cannot be told is said."""
    trip = trip_in(IPHONE)
    assert trip.format == "mapped-csv"
    assert trip.gravity is Gravity.KEPT
    assert trip.warnings[0] == "columns told from their names"
    assert "sign taken as Android's: the numbers cannot tell" in trip.warnings
    assert "speed not used: its unit cannot be told; say it in --columns" in trip.warnings
    assert set(trip.speed_mms.tolist()) == {UNKNOWN}


@pytest.mark.parametrize(("per_ms", "unit"), [(1.0, "m/s"), (3.6, "km/h")])
def test_the_unit_of_speed_is_told_from_the_way(per_ms: float, unit: str) -> None:
    """15 m/s driven and 15 or 54 written leave one answer; 33 written (mph or kn) leaves none."""

    def table(factor: float) -> str:
        return "timestamp,accel_x,accel_y,accel_z,lat,lng,speed\n" + "".join(
            f"{1_700_000_000 + k},0.{k % 10},0,9.8,{42 + k * 15 / 111195:.7f},-71,{15 * factor}\n"
            for k in range(30)
        )

    trip = trip_in(table(per_ms))
    assert set(trip.speed_mms.tolist()) == {15_000}
    assert f"speed taken as {unit}, from the way between fixes" in trip.warnings
    assert set(trip_in(table(2.09)).speed_mms.tolist()) == {UNKNOWN}


def test_names_that_mean_the_same_are_not_guessed() -> None:
    """Two columns for one part are refused, and the way out is named."""
    got = refusal_of("time,timestamp,ax,ay,az\n0,0,0,0,9.8\n")
    assert got.reason is Reason.SCHEMA
    assert "--columns" in got.hint


def test_a_header_in_a_comment_is_a_header() -> None:
    """NumPy writes its header behind a hash sign."""
    rows = "".join(f"{1_700_000_000_000 + 100 * k},0.{k},0,9.8\n" for k in range(9))
    assert trip_in("# timestamp,accX,accY,accZ\n" + rows).rate_hz == 10.0
