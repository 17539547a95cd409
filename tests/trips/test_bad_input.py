"""A bad file is data: every kind is refused with its reason code and a hint."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.errors import UsageError
from streetbump.model import Reason, Rejected, Trip, upload_id_of

from .kit import plain_csv, read_all, refusal_of, trip_in

HEAD = "t,ax,ay,az,lat,lon\n"
OK = "".join(f"{1.7e9 + k},0,0.{k},9.8,42.{k},-71\n" for k in range(9))


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("a.csv", HEAD + OK)
    return out.getvalue()


CASES: list[tuple[str, bytes | str, Reason]] = [
    ("no byte", b"", Reason.EMPTY),
    ("only a mark", b"\xef\xbb\xbf", Reason.EMPTY),
    ("only line ends", b"\r\n\r\n", Reason.EMPTY),
    ("only a header", HEAD, Reason.EMPTY),
    ("only a header, no line end", HEAD.strip(), Reason.EMPTY),
    ("PNG named csv", b"\x89PNG\r\n\x1a\n" + b"\0" * 99, Reason.UNSUPPORTED_TYPE),
    ("ELF", b"\x7fELF" + b"\2" * 99, Reason.UNSUPPORTED_TYPE),
    ("PDF", b"%PDF-1.7\n", Reason.UNSUPPORTED_TYPE),
    ("table that is a zip too", (HEAD + OK).encode() + _zip(), Reason.UNSUPPORTED_TYPE),
    ("gzip cut off", b"\x1f\x8b\x08\0", Reason.TRUNCATED),
    ("pickle", b"\x80\x04\x95", Reason.UNSUPPORTED_TYPE),
    ("SQLite", b"SQLite format 3\0", Reason.UNSUPPORTED_TYPE),
    ("HTML", b"<!DOCTYPE html><html>", Reason.UNSUPPORTED_TYPE),
    ("GPX", b"<?xml version='1.0'?><gpx><trk/></gpx>", Reason.NO_ACCEL),
    ("Latin-1 in a name", b"# device: M\xfcller\n" + (HEAD + OK).encode(), Reason.ENCODING),
    ("overlong UTF-8", b"# device: \xc0\xaf\n" + (HEAD + OK).encode(), Reason.ENCODING),
    ("UTF-16 without a mark", (HEAD + OK).encode("utf-16-le"), Reason.CONTROL_CHARS),
    ("UTF-16 cut in half", (HEAD + OK).encode("utf-16")[:-1], Reason.ENCODING),
    ("NUL", HEAD + OK + "\0", Reason.CONTROL_CHARS),
    ("terminal escape", "# device: \x1b[31m\n" + HEAD + OK, Reason.CONTROL_CHARS),
    ("text turned round", "# device: \u202ecsv\n" + HEAD + OK, Reason.CONTROL_CHARS),
    ("long line", HEAD + OK + "9" * 17_000, Reason.LINE_LIMIT),
    ("many fields in the header", ",".join(f"c{k}" for k in range(300)) + "\n1", Reason.LINE_LIMIT),
    ("many fields in a row", HEAD + OK + "," * 300 + "\n", Reason.LINE_LIMIT),
    ("open quote", HEAD + OK + '"1700000010,1\n' + OK, Reason.LINE_LIMIT),
    (
        "open quote in the last field",
        HEAD + OK + '1700000010,0,0,9.8,42,"71\n' + OK,
        Reason.LINE_LIMIT,
    ),
    ("too many rows", b"t,ax,ay,az\n" + b"1\n" * 2_000_100, Reason.ROW_LIMIT),
    ("no header", OK, Reason.SCHEMA),
    ("column twice", "t,ax,ay,az,AX\n" + OK, Reason.SCHEMA),
    ("no time", "ax,ay,az\n0,0,9.8\n0,0,9.7\n0,0,9.9\n", Reason.SCHEMA),
    ("lat without lon", "t,ax,ay,az,lat\n" + OK, Reason.SCHEMA),
    ("no row fits the header", "t,ax,ay,az\n" + OK, Reason.SCHEMA),
    ("no accelerometer", "t,lat,lon\n1700000000,42,-71\n", Reason.NO_ACCEL),
    (
        "contract without axes",
        "# streetbump-csv 1\nt,lat,lon\n1700000000,42,-71\n",
        Reason.NO_ACCEL,
    ),
    ("other table", "name,city\nAda,London\n", Reason.NO_ACCEL),
    ("later version", "# streetbump-csv 2\n" + HEAD + OK, Reason.VERSION),
    ("version of the far future", "# streetbump-csv: 99\n" + HEAD + OK, Reason.VERSION),
    ("m/s² and g mixed up", (HEAD + OK).replace(",9.8,", ",96.1,"), Reason.UNIT),
    ("half of gravity", (HEAD + OK).replace(",9.8,", ",4.9,"), Reason.UNIT),
    ("1e-7 degrees", (HEAD + OK).replace(",42.", ",42000000"), Reason.COORD_RANGE),
    ("clock before 2000", (HEAD + OK).replace("170000000", "31596480"), Reason.TIME_RANGE),
    ("clock of the year 10000", (HEAD + OK).replace("170000000", "25340230080"), Reason.TIME_RANGE),
    ("two units of time", (HEAD + OK + OK.replace("1700000", "1700000000")), Reason.TIME_UNIT),
    ("two recordings in one", plain_csv() + plain_csv().split("\n", 1)[1], Reason.TIME_ORDER),
    ("step back of 3 s", HEAD + OK.replace("1700000008.0", "1700000003.5"), Reason.TIME_ORDER),
    ("two samples", HEAD + "".join(OK.splitlines(True)[:2]), Reason.TOO_SHORT),
    ("49 hours", HEAD + OK + f"{1.7e9 + 49 * 3600},0,0,9.8,,\n", Reason.TOO_LONG),
    (
        "all zero",
        "t,ax,ay,az\n" + "".join(f"{1.7e9 + k},0,0,0\n" for k in range(9)),
        Reason.SENSOR_DEAD,
    ),
    (
        "all equal",
        "t,ax,ay,az\n" + "".join(f"{1.7e9 + k},1,2,9.6\n" for k in range(9)),
        Reason.SENSOR_DEAD,
    ),
    ("200 g", (HEAD + OK).replace(",9.8,", ",1961.3,"), Reason.PHYSICS_ACCEL),
    ("a third unreadable", HEAD + OK + "x,y,z,w,,\n" * 5, Reason.TOO_LITTLE_USABLE),
]


@pytest.mark.parametrize(("data", "reason"), [pytest.param(d, r, id=i) for i, d, r in CASES])
def test_a_bad_file_is_refused_with_its_reason(data: bytes | str, reason: Reason) -> None:
    """Each kind of bad file has one reason code, a hint, and the identity of its bytes."""
    got = refusal_of(data)
    assert got.reason is reason, got.hint
    assert len(got.hint) > 15
    assert got.hint.isprintable()
    assert got.upload_id == upload_id_of(data.encode() if isinstance(data, str) else data)


NEAR_MISSES = [
    ("one bad row among many", plain_csv() + "x,y,z,w,,,,,\n"),
    ("line of 16,000 characters", HEAD + OK + "1700000010,0,0,9.8,42," + " " * 15_900 + "-71\n"),
    ("other letters in a comment", "# device: Müller\n" + HEAD + OK),
    ("blank lines", HEAD + OK.replace("\n", "\n\n")),
    ("47 hours", HEAD + OK + f"{1.7e9 + 47 * 3600},0,0,9.8,,\n"),
    ("first line end only at the header", (HEAD + OK).rstrip()),
    ("minus zero", (HEAD + OK).replace(",0,", ",-0.0,")),
]


@pytest.mark.parametrize("data", [pytest.param(d, id=i) for i, d in NEAR_MISSES])
def test_a_near_miss_is_taken(data: str) -> None:
    """What only looks like a fault is a trip: strictness is measured both ways."""
    assert trip_in(data).trip_id


def test_a_spike_is_dropped_and_a_trip_stays() -> None:
    """One sample of 1e6 m/s² costs that sample."""
    lines = plain_csv().splitlines()
    cells = lines[300].split(",")
    lines[300] = ",".join([cells[0], "1e6", *cells[2:]])
    trip = trip_in("\n".join(lines))
    assert len(trip.t_ns) == 2399
    assert trip.warnings == ("1 samples above 100 g dropped",)


def test_an_unknown_zone_is_the_callers_mistake() -> None:
    """A wrong --tz is an error of use, not a bad file."""
    with pytest.raises(UsageError, match="--tz Mars/Base: no such zone"):
        read_all(HEAD + OK, tz="Mars/Base")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_can_raise(data: bytes) -> None:
    """Whatever the bytes, the answer is rows of trips and refusals."""
    assert all(isinstance(x, Trip | Rejected) for x in read_all(data))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [
            "t,ax,ay,az,lat,lon",
            "time,gFx,gFy,gFz,Latitude,Longitude",
            "timestamp;accelX;accelY;accelZ",
            "Time since start in ms ,ACCELEROMETER X (m/s²),ACCELEROMETER Y ,ACCELEROMETER Z",
            "Time,Longitude,Latitude,AccelX,AccelY,AccelZ,OrientX,OrientY,OrientZ,Speed",
        ]
    ),
    st.lists(st.text(alphabet='0123456789.,;:-+eE"naifT \t', max_size=60), max_size=12),
)
def test_no_rows_can_raise(header: str, rows: list[str]) -> None:
    """Whatever stands under a known header, the answer is rows of trips and refusals."""
    got = read_all("\n".join([header, *rows]))
    assert all(isinstance(x, Trip | Rejected) for x in got)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255))
def test_one_changed_byte_cannot_raise(at: int, byte: int) -> None:
    """A trip file with any one byte changed is a trip or a refusal."""
    data = bytearray(plain_csv(seconds=4).encode())
    data[at % len(data)] = byte
    assert all(isinstance(x, Trip | Rejected) for x in read_all(bytes(data)))


@pytest.mark.parametrize("value", ["1e308", "-1e308", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("column", range(1, 9))
def test_a_number_beyond_any_measurement_costs_at_most_its_row(value: str, column: int) -> None:
    """Whatever the column, huge and infinite numbers overflow nothing."""
    lines = plain_csv().splitlines()
    cells = lines[21].split(",")  # a row with a sample and a fix
    cells[column] = value
    lines[21] = ",".join(cells)
    trip = trip_in("\n".join(lines))
    assert len(trip.t_ns) == 2400 - (column < 4)
    assert len(trip.fix_t_ns) == 120 - (column < 6)
