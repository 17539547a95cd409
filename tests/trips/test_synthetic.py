"""A made-up trip says so in every format, and is known for it."""

from __future__ import annotations

import re

import pytest

from streetbump.model import Trip
from streetbump.trips import parse_column_map

from .kit import plain_csv, read_all, trip_in

TABLES = {
    "plain-csv": "t,ax,ay,az\n" + "".join(f"{1.7e9 + k / 10},0,0.{k},9.8\n" for k in range(9)),
    "physics-toolbox": "time,gFx,gFy,gFz,\n" + "".join(f"0.{k},0,0.0{k},1,\n" for k in range(1, 9)),
    "androsensor": "Time since start in ms ;ACCELEROMETER X (m/s²);ACCELEROMETER Y (m/s²);"
    "ACCELEROMETER Z (m/s²)\n" + "".join(f"{20 * k};0.{k};0;9.8\n" for k in range(9)),
    "streetbump-2011": "Time,Longitude,Latitude,AccelX,AccelY,AccelZ,OrientX,OrientY,OrientZ\n"
    + "".join(
        f"{1_300_000_000_000 + 5000 * k},-71,42.000{k},0,0.{k},9.8,1,2,3\n" for k in range(9)
    ),
    "mapped-csv": "timestamp,accX,accY,accZ\n"
    + "".join(f"{1.7e9 + k / 10},0,0.{k},9.8\n" for k in range(9)),
}


def marked(table: str) -> str:
    """The table with the mark's column at its end."""
    header, *rows = table.splitlines()
    cut = ";" if ";" in header else ","
    end = cut if header.endswith(cut) else ""
    added = [row.removesuffix(end) + cut + "1" + end for row in rows]
    return "\n".join([header.removesuffix(end) + f"{cut}streetbump-synthetic{end}", *added]) + "\n"


@pytest.mark.parametrize(("format_", "table"), TABLES.items(), ids=TABLES)
def test_the_column_marks_a_trip_in_every_table(format_: str, table: str) -> None:
    """A column of that name makes the trip synthetic, and changes nothing else."""
    plain, made_up = (trip_in(t) for t in (table, marked(table)))
    assert (plain.format, made_up.format) == (format_, format_)
    assert (plain.synthetic, made_up.synthetic) == (False, True)
    assert plain.trip_id == made_up.trip_id


def test_capitals_and_a_column_map_do_not_hide_the_mark() -> None:
    """The mark is found in any case, and where the caller's map names other columns."""
    columns = parse_column_map(
        'time = {column = "timestamp", unit = "s"}\n'
        'acceleration = {x="accX", y="accY", z="accZ", unit="m/s2", sign="android"}',
        where="map",
    )
    table = marked(TABLES["mapped-csv"]).replace("streetbump-synthetic", "Streetbump-Synthetic")
    assert trip_in(table, columns=columns).synthetic


def test_every_trip_of_a_marked_file_is_marked() -> None:
    """A record of two trips, ten minutes apart, has the mark on both."""
    table = marked(TABLES["streetbump-2011"])
    later = re.sub(r"(?m)^1300000", "1300009", table.split("\n", 1)[1])
    trips = read_all(table + later)
    assert [isinstance(t, Trip) and t.synthetic for t in trips] == [True, True]


def test_made_up_positions_make_a_trip_synthetic() -> None:
    """Real samples with the positions of a marked file are no real trip."""
    drive = plain_csv()
    assert not trip_in(drive, gps=drive.encode()).synthetic
    assert trip_in(drive, gps=("# synthetic: yes\n" + drive).encode()).synthetic


def test_the_word_elsewhere_is_no_mark() -> None:
    """Only a column's whole name counts, not a cell or a part of a name."""
    table = TABLES["plain-csv"]
    assert not trip_in(table.replace("az\n", "az,not-streetbump-synthetic\n")
                       .replace(",9.8\n", ",9.8,streetbump-synthetic\n")).synthetic  # fmt: skip
