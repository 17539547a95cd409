"""Parquet: the plain CSV's columns, from local paths only."""

from __future__ import annotations

import csv
import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streetbump.model import Reason

from .kit import plain_csv, read_all, refusal_of, trip_in

CSV = plain_csv(seconds=20)


def as_table(text: str = CSV) -> pa.Table:
    """A plain CSV without comments as an Arrow table; empty cells are null."""
    rows = list(csv.DictReader(text.splitlines()))
    return pa.table({n: [float(r[n]) if r[n] else None for r in rows] for n in rows[0]})


def encoded(table: pa.Table, **metadata: str) -> bytes:
    """The Parquet file of a table."""
    out = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), out)
    return out.getvalue().to_pybytes()


def with_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    """The table with one column of another kind."""
    return table.set_column(table.column_names.index(name), name, column)


TABLE = as_table()
DATA = encoded(TABLE)


def test_parquet_is_the_plain_csv_by_another_name() -> None:
    """The same rows as CSV and as Parquet are one trip."""
    trip, plain = trip_in(DATA, local=True), trip_in(CSV)
    assert trip.trip_id == plain.trip_id
    assert (trip.format, trip.warnings, trip.synthetic) == ("parquet", (), False)


def test_parquet_is_never_read_at_a_live_door() -> None:
    """Unless the caller says that the bytes come from a local path, they are refused."""
    got = refusal_of(DATA)
    assert got.reason is Reason.UNSUPPORTED_TYPE
    assert "local paths only" in got.hint
    assert refusal_of(DATA, local=False).reason is Reason.UNSUPPORTED_TYPE


def test_a_parquet_position_file_is_no_way_round() -> None:
    """At a live door a position file is refused as well; from a local path it is read."""
    fixes = encoded(TABLE.select(["t", "lat", "lon"]).drop_null())
    assert len(trip_in(CSV, gps=fixes, local=True).lat_e7) == 20
    assert refusal_of(CSV, gps=fixes).reason is Reason.UNSUPPORTED_TYPE


def test_the_metadata_name_the_phone_and_mark_the_trip() -> None:
    """Device and mark stand in the metadata of the schema; a column of that name marks, too."""
    named = trip_in("# device: phone 7\n" + CSV)
    trip = trip_in(encoded(TABLE, device="phone 7", synthetic="yes"), local=True)
    assert (trip.device, trip.synthetic) == (named.device, True)
    ones = TABLE.append_column("streetbump-synthetic", pa.array([1] * len(TABLE)))
    assert trip_in(encoded(ones), local=True).synthetic


T = TABLE.column("t").to_numpy()
UTC = pa.array(np.rint(T * 1e6).astype(np.int64)).cast(pa.timestamp("us", "UTC"))
TALLINN = UTC.cast(pa.timestamp("us", "Europe/Tallinn"))


@pytest.mark.parametrize(
    "table",
    [
        TABLE.rename_columns([n.upper() for n in TABLE.column_names]),
        TABLE.select(TABLE.column_names[::-1]),
        TABLE.append_column("note", pa.array(["x"] * len(TABLE))),
        with_column(TABLE, "t", UTC),
        with_column(TABLE, "t", TALLINN),
        with_column(TABLE, "speed", TABLE.column("speed").cast(pa.int32())),
        with_column(TABLE, "ax", TABLE.column("ax").cast(pa.float32())),
    ],
    ids=["capitals", "order", "other columns", "UTC", "zone", "whole numbers", "float32"],
)
def test_what_only_looks_different_is_the_same(table: pa.Table) -> None:
    """Order, capitals, other columns and kinds of numbers change nothing."""
    assert trip_in(encoded(table), local=True).trip_id == trip_in(CSV).trip_id


def test_times_in_ns_are_told_from_their_size() -> None:
    """Whole nanoseconds since 1970 are taken with a warning, as in the plain CSV."""
    ns = pa.array(np.rint(T * 1e3).astype(np.int64) * 1_000_000)
    trip = trip_in(encoded(with_column(TABLE, "t", ns)), local=True)
    assert trip.trip_id == trip_in(CSV).trip_id
    assert trip.warnings == ("time taken as ns since 1970, from its size",)


WORDS = pa.array(["9.8"] * len(TABLE))
NAIVE = UTC.cast(pa.timestamp("us"))
DATES = pa.array([datetime.date(2023, 11, 14)] * len(TABLE))
NESTED = pa.array([[9.8]] * len(TABLE))
CASES = [
    ("magic alone", b"PAR1", Reason.UNREADABLE),
    ("cut in half", DATA[: len(DATA) // 2], Reason.UNREADABLE),
    ("no footer", DATA[:-8] + b"\xff" * 8, Reason.UNREADABLE),
    ("no row", encoded(TABLE.slice(0, 0)), Reason.EMPTY),
    ("a column twice", encoded(TABLE.append_column("AX", TABLE.column("ax"))), Reason.SCHEMA),
    ("words", encoded(with_column(TABLE, "az", WORDS)), Reason.SCHEMA),
    ("nested", encoded(with_column(TABLE, "az", NESTED)), Reason.SCHEMA),
    ("times without a zone", encoded(with_column(TABLE, "t", NAIVE)), Reason.SCHEMA),
    ("dates", encoded(with_column(TABLE, "t", DATES)), Reason.SCHEMA),
    ("no time", encoded(TABLE.drop_columns(["t"])), Reason.SCHEMA),
    ("latitude alone", encoded(TABLE.drop_columns(["lon"])), Reason.SCHEMA),
    ("no acceleration", encoded(TABLE.select(["t"])), Reason.NO_ACCEL),
    ("later version", encoded(TABLE, **{"streetbump-parquet": "2"}), Reason.VERSION),
    ("too many rows", encoded(pa.table({"t": np.zeros(2_000_001)})), Reason.ROW_LIMIT),
    ("too many columns", encoded(pa.table({f"c{k}": [1] for k in range(300)})), Reason.LINE_LIMIT),
]


@pytest.mark.parametrize(("data", "reason"), [pytest.param(d, r, id=i) for i, d, r in CASES])
def test_bad_parquet_is_refused_with_its_reason(data: bytes, reason: Reason) -> None:
    """Each kind of bad file has one reason code and a hint."""
    got = refusal_of(data, local=True)
    assert got.reason is reason, got.hint
    assert len(got.hint) > 15
    assert got.hint.isprintable()


def test_broken_bytes_never_raise() -> None:
    """A few bytes changed anywhere give a trip or a refusal."""
    rng = np.random.default_rng(3)
    for _ in range(300):
        data = bytearray(DATA)
        for at in rng.integers(4, len(data), 3):
            data[at] = rng.integers(256)
        assert len(read_all(bytes(data), local=True)) == 1
