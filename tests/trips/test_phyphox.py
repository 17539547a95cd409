"""phyphox: the zip with its runs, the table alone, and the five dialects."""

from __future__ import annotations

import datetime
import re

import numpy as np
import pytest

from streetbump.model import UNKNOWN, Gravity, Reason, TimeBasis
from streetbump.trips.bundle import packed
from streetbump.trips.door import pseudonym

from .kit import FORMATS, KEY, members_of, refusal_of, trip_in

START_NS = 1_700_000_000 * 10**9
SINGLE = (FORMATS / "phyphox-single.csv").read_bytes()
MEMBERS = members_of("phyphox")


def zipped(**changed: bytes | None) -> bytes:
    """The export, some of its tables exchanged or left out; ``meta_time`` is ``meta/time.csv``."""
    members = dict(MEMBERS)
    for table, data in changed.items():
        name = f"{table.replace('_', '/')}.csv"
        members.pop(name, None)
        if data is not None:
            members[name] = data
    return packed(members)


def test_zip_by_hand() -> None:
    """Two runs, the second ten seconds later; on iOS 9.81 stands for one g.

    0 and 10 ms lie in the first run; 20 and 30 ms in the second, which began at 20 ms and 10 s
    of the clock: 10.000 and 10.010 s. Of the fixes, 5 ms in the first, 25 ms in the second.
    z 9.81, 10.791, 8.829, 9.81 are 1, 1.1, 0.9, 1 g = 9.80665, 10.787315, 8.825985, 9.80665;
    x 0.981 is 0.980665, y -0.981 and 1.962 are -0.980665 and 1.96133. A row of NaN is nothing.
    """
    trip = trip_in(zipped())
    assert (trip.t_ns - START_NS).tolist() == [k * 10**6 for k in (0, 10, 10_000, 10_010)]
    assert trip.acc * 1e-4 == pytest.approx(
        np.array([
            [0.980665, 0, 9.80665], [0, -0.980665, 10.787315],
            [0, 0, 8.825985], [0, 1.96133, 9.80665],
        ]),
        abs=1e-4,
    )  # fmt: skip
    assert (trip.fix_t_ns - START_NS).tolist() == [5_000_000, 10_005_000_000]
    assert trip.lat_e7.tolist() == [120_000_001, 120_000_002]
    assert trip.speed_mms.tolist() == [UNKNOWN, 12_500]
    assert trip.heading_cdeg.tolist() == [UNKNOWN, 9050]
    assert trip.accuracy_mm.tolist() == [8000, 5000]
    assert (trip.format, trip.time_basis, trip.gravity) == (
        "phyphox", TimeBasis.ABSOLUTE, Gravity.KEPT
    )  # fmt: skip
    assert trip.device == pseudonym("iPhone99,9", key=KEY)
    assert trip.warnings == (
        "the experiment was paused 1 times: times set run by run",
        "1 of 5 rows held neither a sample nor a fix",
    )


def test_on_android_numbers_are_taken_as_they_stand() -> None:
    """There the app hands on what the sensor says, in m/s²."""
    trip = trip_in(zipped(meta_device=MEMBERS["meta/device.csv"].replace(b"Apple", b"google")))
    assert trip.acc[0].tolist() == [9810, 0, 98100]


@pytest.mark.parametrize(
    ("cut", "decimal"), [(",", "."), (";", "."), ("\t", "."), (";", ","), ("\t", ",")]
)
def test_the_five_dialects_are_one_trip(cut: str, decimal: str) -> None:
    """Comma, semicolon or tab with a point; semicolon or tab with a decimal comma."""

    def spoken(data: bytes) -> bytes:
        cells = re.findall(r'("[^"]*"|[^,\n]*)(,|\n)', data.decode())
        return "".join(
            (cell if cell.startswith('"') else cell.replace(".", decimal))
            + (cut if end == "," else end)
            for cell, end in cells
        ).encode()

    members = {name: spoken(data) for name, data in MEMBERS.items()}
    assert trip_in(packed(members)).trip_id == trip_in(zipped()).trip_id


def test_a_table_alone_is_relative_and_says_what_would_help() -> None:
    """7.370882400E-2 s is the start; neither a date nor a zone gives the day.

    The steps are 10 ms; without gravity, as the numbers say.
    """
    trip = trip_in(SINGLE, date=datetime.date(2024, 1, 1), tz="Europe/Tallinn")
    assert trip.time_basis is TimeBasis.RELATIVE
    assert trip.t_ns.tolist() == [0, 10_000_000, 20_000_000]
    assert trip.acc.tolist() == [[1000, 0, -2000], [0, 3000, 0], [-1000, 0, 2000]]
    assert (trip.gravity, trip.format) == (Gravity.REMOVED, "phyphox")
    assert trip.warnings[0].startswith("the table has no absolute time")


def test_two_tables_of_one_experiment_are_on_one_clock() -> None:
    """Samples with the positions beside them, both without a date: 5 ms after the first sample."""
    trip = trip_in(MEMBERS["Accelerometer.csv"], gps=MEMBERS["Location.csv"])
    assert trip.fix_t_ns.tolist() == [5_000_000, 25_000_000]


LINEAR = (
    b'"Time (s)",'
    + b",".join(b'"Linear Acceleration %s (m/s^2)"' % axis for axis in (b"x", b"y", b"z"))
    + b"\n0,0,0.5,0\n0.01,0.5,0,0\n0.02,0,0,0.5\n0.03,0,0,0\n"
)


def test_raw_is_preferred_to_linear_whatever_the_names() -> None:
    """Of two tables the one with gravity is read; the linear one where it is alone."""
    members = {n: d for n, d in MEMBERS.items() if n != "Accelerometer.csv"}
    both = members | {"A.csv": LINEAR, "Raw Data.csv": MEMBERS["Accelerometer.csv"]}
    assert trip_in(packed(both)).trip_id == trip_in(zipped()).trip_id
    alone = trip_in(packed(members | {"Raw Data.csv": LINEAR}))
    assert alone.gravity is Gravity.REMOVED
    assert alone.acc[0, 1] * 1e-4 == pytest.approx(0.5 * 9.80665 / 9.81, abs=1e-4)


def test_linear_and_gravity_are_added() -> None:
    """Where only the two parts were recorded, their sum is what the sensor felt."""
    gravity = LINEAR.replace(b"Linear Acceleration", b"Gravity").replace(b"0.5", b"0")
    gravity = re.sub(rb"(?m)[0-9.]+$", b"9.81", gravity)
    trip = trip_in(zipped(Accelerometer=LINEAR, Gravity=gravity))
    assert trip.gravity is Gravity.KEPT
    assert trip.acc[0] * 1e-4 == pytest.approx([0, 0.49983, 9.80665], abs=1e-4)


def test_customised_experiments_are_read() -> None:
    """Names without units, -1 for what is not known."""
    acc = b'"time","Acceleration x","Acceleration y","Acceleration z","abs Acceleration"\n'
    acc += b"".join(b"0.0%d,0,0.%d,9.8,9.8\n" % (k, k) for k in range(1, 5))
    place = b'"time","Latitude","Longitude","Altitude","Direction","Speed"\n'
    place += b"0.015,12,-150,-1,-1,-1\n0.03,12.1,-150,0,90,3\n"
    trip = trip_in(zipped(Accelerometer=acc, Location=place, meta_device=None))
    assert trip.speed_mms.tolist() == [UNKNOWN, 3000]
    assert trip.heading_cdeg.tolist() == [UNKNOWN, 9000]
    assert trip.acc[0].tolist() == [0, 1000, 98000]
    assert trip_in(acc, gps=place).format == "phyphox"


@pytest.mark.parametrize("table", ["Accelerometer.csv", "Acceleration.csv", "Raw Data.csv"])
def test_a_zip_that_lost_its_meta_is_relative_whatever_its_names(table: str) -> None:
    """`Accelerometer.csv` and `Location.csv` are Sensor Logger's names, too: the header tells."""
    tables = {table: MEMBERS["Accelerometer.csv"], "Location.csv": MEMBERS["Location.csv"]}
    trip = trip_in(packed(tables))
    assert (trip.format, trip.time_basis) == ("phyphox", TimeBasis.RELATIVE)
    assert len(trip.fix_t_ns) == 2
    assert trip.warnings[0].startswith("the table has no absolute time")


def test_no_meta_no_acceleration_no_fixes() -> None:
    """Each lack has its own outcome: relative, refused, a trip without fixes."""
    assert trip_in(zipped(meta_time=None)).time_basis is TimeBasis.RELATIVE
    assert refusal_of(zipped(Accelerometer=None)).reason is Reason.NO_ACCEL
    assert len(trip_in(zipped(Location=None)).fix_t_ns) == 0
    header = MEMBERS["Location.csv"].splitlines()[0] + b"\n"
    assert len(trip_in(zipped(Location=header)).fix_t_ns) == 0
