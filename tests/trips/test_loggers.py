"""Each logger's dialects, on small files typed by hand."""

from __future__ import annotations

import datetime
import re

import numpy as np
import pytest

from streetbump.model import UNKNOWN, Gravity, Reason, TimeBasis, Trip

from .kit import read_all, refusal_of, trip_in

PHYSICS = """\
time,gFx,gFy,gFz,Latitude,Longitude,Speed (m/s),
23:59:59:900,"0,0000","0,1000","1,0000","0,00000000","0,00000000","0,00000000",
00:00:00:057,"0,0100","0,1000","0,9000","-23,47741348","-46,61025436","1,50000000",
time,gFx,gFy,gFz,Latitude,Longitude,Speed (m/s),
00:00:00:214,"0,0200","0,1000","1,0000","-23,47741348","-46,61025436","1,50000000",
00:00:00:371,"-0,0100","0,1000","1,1000","-23,47741400","-46,61025436","2,00000000",
00:00:00:528,"-0,0100","0,1000","1,0500","-23,47741400","-46,61025436","2,00000000",
00:00:00:685,"-0,0100","0,1000","1,0000","-23,47741400","-46,61025436","2,00000000",
"""


def test_physics_toolbox_by_hand() -> None:
    """Units, clock, held positions and the header in mid-file come out as worked out.

    0.1 g is 0.980665 m/s², 9807 units; the header in mid-file is no sample; 0, 0 is no fix;
    the held position counts once; 23:59:59.9 local on 15 October 2018 in Tallinn (UTC+3) is
    20:59:59.9 UTC, 1539637199.9 s since 1970, and the clock runs on over midnight.
    """
    trip = trip_in(PHYSICS, tz="Europe/Tallinn", date=datetime.date(2018, 10, 15))
    assert trip.origin_ns == 1_539_637_199_900_000_000
    assert np.diff(trip.t_ns).tolist() == [157_000_000] * 5
    assert trip.acc[0].tolist() == [0, 9807, 98066]
    assert trip.lat_e7.tolist() == [-234774135, -234774140]
    assert (trip.fix_t_ns - trip.origin_ns).tolist() == [157_000_000, 471_000_000]
    assert trip.speed_mms.tolist() == [1500, 2000]
    assert trip.heading_cdeg.tolist() == [UNKNOWN, UNKNOWN]
    assert (trip.time_basis, trip.format) == (TimeBasis.DATE_GIVEN, "physics-toolbox")
    assert trip.warnings == ("1 of 7 rows could not be read and were dropped",)


def test_a_date_in_the_name_is_the_last_resort_and_said() -> None:
    """The file's name gives the date only where nobody else does, and a warning says so."""
    trip = trip_in(PHYSICS, "2018-10-1523.59.59.csv", tz="Europe/Tallinn")
    given = trip_in(
        PHYSICS, "2001-01-01.csv", tz="Europe/Tallinn", date=datetime.date(2018, 10, 15)
    )
    assert trip.trip_id == given.trip_id
    assert trip.warnings[0] == "the clock has no date: 2018-10-15 taken from the file's name"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "give --date"),
        ({"tz": "Europe/Tallinn"}, "give --date"),
        ({"date": datetime.date(2018, 10, 15)}, "give --tz"),
    ],
)
def test_a_clock_without_zone_or_date_is_relative_and_says_what_to_give(
    options: dict[str, object], hint: str
) -> None:
    """Without zone and date there are no days; the trip loads, from zero, and says what lacks."""
    trip = trip_in(PHYSICS, **options)
    assert trip.time_basis is TimeBasis.RELATIVE
    assert trip.t_ns[0] == trip.origin_ns == 0
    assert hint in trip.warnings[0]


def _semicolons(text: str) -> str:
    """Every separator a semicolon, every decimal comma bare."""
    return re.sub('"([^"]*)"|(,)', lambda m: m[1] if m[2] is None else ";", text)


def _points(text: str) -> str:
    """Every quoted decimal comma a bare point."""
    return re.sub('"(-?[0-9]+),([0-9]+)"', r"\1.\2", text)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_semicolons, id="semicolon, bare decimal commas"),
        pytest.param(_points, id="decimal points"),
        pytest.param(lambda s: s.replace(",\n", "\n"), id="no trailing separator"),
        pytest.param(lambda s: s.replace("(m/s),\n", "(m/s)\n"), id="trailing in rows only"),
        pytest.param(lambda s: s.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(
            lambda s: "\n" + _semicolons(s).replace("-", "\u2212"), id="minus sign U+2212"
        ),
    ],
)
def test_the_dialects_of_physics_toolbox_are_one_trip(change: object) -> None:
    """Decimal sign, separator and a trailing separator do not change the trip."""
    assert trip_in(change(PHYSICS)).trip_id == trip_in(PHYSICS).trip_id  # type: ignore[operator]


def test_rows_that_another_sensor_wrote_are_no_samples() -> None:
    """Of six rows one precedes any reading and two repeat one; a position on such a row counts.

    The readings stand at 10, 20 and 50 ms: 1 g is 98066.5 units, to even 98066; 0.02 g is 1961.33.
    Alone beside positions, a reading that is the one before it is a reading.
    """
    head = "time,gFx,gFy,gFz,wx,wy,wz,Latitude,Longitude,Speed (m/s),\n"
    rows = (
        "22:13:20:000,0.0000,0.0000,0.0000,0.1000,0.0000,0.0000,0.0,0.0,0.0,\n"
        "22:13:20:010,0.0000,0.0000,1.0000,0.1000,0.0000,0.0000,0.0,0.0,0.0,\n"
        "22:13:20:020,0.0200,0.0000,1.0000,0.1000,0.0000,0.0000,0.0,0.0,0.0,\n"
        "22:13:20:030,0.0200,0.0000,1.0000,0.2000,0.0000,0.0000,0.0,0.0,0.0,\n"
        "22:13:20:040,0.0200,0.0000,1.0000,0.2000,0.0000,0.0000,12.0000001,-150.25,9.5,\n"
        "22:13:20:050,0.0000,0.0200,1.0000,0.2000,0.0000,0.0000,12.0000001,-150.25,9.5,\n"
    )
    trip = trip_in(head + rows)
    assert trip.t_ns.tolist() == [0, 10_000_000, 40_000_000]
    assert trip.acc.tolist() == [[0, 0, 98066], [1961, 0, 98066], [0, 1961, 98066]]
    assert trip.fix_t_ns.tolist() == [30_000_000]
    assert "3 of 6 rows are another sensor's" in trip.warnings[1]
    weighed = head + rows.partition("\n")[2]
    alone = trip_in(re.sub(r"(?m)^((?:[^,]*,){4})(?:[^,]*,){3}", r"\1", weighed))
    assert len(alone.t_ns) == 5


def test_physics_toolbox_in_m_s2_without_gravity() -> None:
    """The app's m/s² table, told by its own |a| column aT, is read as it stands."""
    rows = "".join(f"{k / 100},{0.1 * (-1) ** k},0.2,0,0.22\n" for k in range(10))
    trip = trip_in("time,ax,ay,az,aT\n" + rows)
    assert (trip.gravity, trip.rate_hz, trip.format) == (Gravity.REMOVED, 100.0, "physics-toolbox")
    assert trip.acc[0].tolist() == [1000, 2000, 0]


@pytest.mark.parametrize(
    ("when", "what"),
    [
        ("2018-11-03 23:59:59:900", "spring forward at midnight: 00:30 of 4 November never was"),
        ("2018-02-17 23:10:00:000", "fall back at midnight: 23:10 of 17 February was twice"),
    ],
)
def test_a_local_time_that_was_twice_or_never_is_refused(when: str, what: str) -> None:
    """Only a trip that touches a change of clocks is refused, in its own zone."""
    clock = datetime.datetime.strptime(when, "%Y-%m-%d %H:%M:%S:%f")  # noqa: DTZ007
    rows = "".join(
        f"{k * 100},0.1,0.2,9.{k},"
        + (clock + datetime.timedelta(seconds=k)).strftime("%Y-%m-%d %H:%M:%S:%f")[:-3]
        + "\n"
        for k in range(9)
    )
    data = ANDRO_HEAD.format("²") + rows
    assert refusal_of(data, tz="America/Sao_Paulo").reason is Reason.TIME_ZONE, what
    assert trip_in(data, tz="America/Bogota").time_basis is TimeBasis.DATE_GIVEN


ANDRO_HEAD = (
    "Time since start in ms ,ACCELEROMETER X (m/s{0}),ACCELEROMETER Y (m/s{0}),"
    "ACCELEROMETER Z (m/s{0}),YYYY-MO-DD HH-MI-SS_SSS\n"
)
ANDRO = (
    "ACCELEROMETER X (m/s²);ACCELEROMETER Y (m/s²);ACCELEROMETER Z (m/s²);LOCATION Latitude : ;"
    "LOCATION Longitude : ;LOCATION Speed ( Kmh);LOCATION Accuracy ( m);LOCATION ORIENTATION (°);"
    "Satellites in range;Time since start in ms ;YYYY-MO-DD HH-MI-SS_SSS\n"
    "0.1;0.2;9.8;;;;;;0 / 0;18;2021-12-05 19:36:43:867\n"
    "0.1;0.3;9.9;58.1;26.7;36.0;4;184.8;18 / 19;78;2021-12-05 19:36:43:930\n"
    "0.1;0.4;9.7;58.1;26.7;36.0;4;184.8;18 / 19;138;2021-12-05 19:36:43:987\n"
    "0.1;0.5;9.6;58.2;26.7;7.2;4;184.9;19 / 19;198;2021-12-05 19:36:44:047\n"
)


def test_androsensor_by_hand() -> None:
    """Units, both clocks and held positions come out as worked out.

    36 km/h is 10 m/s; steps are those of the ms column (60 ms); wall minus ms clock is 849,
    852, 849, 849 ms: the median 849 puts the first sample at 19:36:43.867, in Tartu (UTC+2)
    17:36:43.867 UTC, 1638725803.867 s since 1970.
    """
    trip = trip_in(ANDRO, tz="Europe/Tallinn")
    assert trip.origin_ns == 1_638_725_803_867_000_000
    assert np.diff(trip.t_ns).tolist() == [60_000_000] * 3
    assert trip.speed_mms.tolist() == [10_000, 2_000]
    assert trip.heading_cdeg.tolist() == [18480, 18490]
    assert trip.accuracy_mm.tolist() == [4000, 4000]
    assert (trip.fix_t_ns - trip.origin_ns).tolist() == [60_000_000, 180_000_000]
    assert trip.format == "androsensor"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(ANDRO.encode("cp1252"), id="Windows code page"),
        pytest.param(ANDRO.replace("²", "Â²").encode(), id="encoded twice"),
        pytest.param(ANDRO.replace("²", "\ufffd").encode(), id="sign lost"),
        pytest.param(("sep=;\n" + ANDRO).encode(), id="sep line"),
        pytest.param(("sep=;;;\n;;;;\n" + ANDRO).encode(), id="lines that a spreadsheet filled"),
        pytest.param(ANDRO.replace(";", ",").encode(), id="commas"),
        pytest.param(ANDRO.replace(".", ",").encode(), id="decimal commas"),
        pytest.param(
            re.sub(r"19:36:(4[34]):", r"19-36-\1_", ANDRO).encode(),
            id="as headed",
        ),
    ],
)
def test_the_dialects_of_androsensor_are_one_trip(data: bytes) -> None:
    """Encoding, separator and decimal sign do not change the trip."""
    assert trip_in(data, tz="Europe/Tallinn").trip_id == trip_in(ANDRO, tz="Europe/Tallinn").trip_id


def test_androsensor_without_zone_is_relative_with_the_steps_of_its_own_clock() -> None:
    """Local wall time without --tz gives no day, and says what to give."""
    trip = trip_in(ANDRO)
    assert trip.time_basis is TimeBasis.RELATIVE
    assert trip.t_ns.tolist() == [0, 60_000_000, 120_000_000, 180_000_000]
    assert "give --tz" in trip.warnings[0]


def test_androsensor_linear_and_gravity_columns_make_the_raw_sensor() -> None:
    """Where only the two parts were ticked, their sum is what the sensor felt."""
    head = "Time since start in ms ," + ",".join(
        f"{kind} {axis} (m/s²)" for kind in ("LINEAR ACCELERATION", "GRAVITY") for axis in "XYZ"
    )
    rows = "\n".join(f"{k * 10},0.{k},0,0.1,0,0,9.8" for k in range(9))
    both = trip_in(f"{head}\n{rows}")
    linear = trip_in("\n".join(",".join(r.split(",")[:4]) for r in f"{head}\n{rows}".split("\n")))
    assert (both.gravity, both.acc[1].tolist()) == (Gravity.KEPT, [1000, 0, 99000])
    assert (linear.gravity, linear.acc[1].tolist()) == (Gravity.REMOVED, [1000, 0, 1000])


def test_a_recording_split_in_two_is_put_together() -> None:
    """Samples and positions in two files on one clock: 5 ms after the first sample is 5 ms."""
    axes = ",".join(f"ACCELEROMETER {axis} (m/s²)" for axis in "XYZ")
    acc = f"Time since start in ms ,{axes}\n"
    acc += "".join(f"{20 + 60 * k},0.{k},0.1,9.8\n" for k in range(9))
    gps = (
        "Time since start in ms ,LOCATION Latitude : ,LOCATION Longitude : ,LOCATION Speed ( Kmh)\n"
    )
    gps += "25,-36.86,174.78,25.2\n400,-36.87,174.78,36\n"
    trip = trip_in(acc, gps=gps.encode())
    assert trip.fix_t_ns.tolist() == [5_000_000, 380_000_000]
    assert trip.speed_mms.tolist() == [7000, 10000]
    assert refusal_of(gps).reason is Reason.NO_ACCEL
    assert refusal_of(acc, gps=b"\x89PNG").reason is Reason.UNSUPPORTED_TYPE
    late = gps.replace("\n25,", "\n9925000,").replace("\n400,", "\n9926000,")
    assert refusal_of(acc, gps=late.encode()).reason is Reason.TIME_RANGE
    other_clock = b"time,lat,lon\n1700000000,42,-71\n1700000001,42.1,-71\n"
    assert refusal_of(acc, gps=other_clock).reason is Reason.TIME_UNIT


def test_any_readable_table_of_positions_can_be_given_beside_a_trip() -> None:
    """A position file is known by the names of its columns; its fixes replace the trip's own."""
    rows = "".join(f"{1_700_000_000 + k / 100:.2f},0,0.{k % 10},9.8,1,1\n" for k in range(300))
    gps = (
        b"time,lng,lat\n1700000000500,-71,42\n1700000001500,-71,42.001\n1700000002500,-71,42.002\n"
    )
    trip = trip_in("t,ax,ay,az,lat,lon\n" + rows, gps=gps)
    assert trip.lat_e7.tolist() == [420_000_000, 420_010_000, 420_020_000]
    assert trip.warnings == ("fixes taken from the separate position file",)


# ------------------------------------------------------------------ the 2011 record

RECORD = (
    "Time,Longitude,Latitude,AccelX,AccelY,AccelZ,OrientX,OrientY,OrientZ,"
    "Bearing,Speed,gpsAccuracy,Entropy"
)


def _record(
    t_s: float, *, lat: float, az: float, yaw: float, pitch: float, speed: float = 9
) -> str:
    return (
        f"{round((1_299_400_000 + t_s) * 1000)},-71.1,{lat:.6f},0.1,0.2,{az},"
        f"{(90 + yaw) % 360},{pitch},3,90,{speed},3,0.5"
    )


def _drive(first_lat: float, yaw: float, pitch: float, *, start_s: float, n: int = 60) -> list[str]:
    return [
        _record(
            start_s + 2.2 * k,
            lat=first_lat + 1e-4 * k,
            az=9.5 + 0.01 * (k % 9),
            yaw=yaw,
            pitch=pitch,
        )
        for k in range(n)
    ]


def _trips(rows: list[str], end: str = "\r", header: str = RECORD) -> list[Trip]:
    got = read_all(end.join([header, *rows]))
    assert all(isinstance(x, Trip) for x in got), got
    return [x for x in got if isinstance(x, Trip)]


def test_the_2011_record_by_hand() -> None:
    """CR line ends, doubled and unsorted rows are no obstacle.

    CR line ends, doubled and unsorted rows: 60 rows are 60 samples; -1 is no speed; one row
    every 2.2 s is too sparse for waveforms, and the trip says so.
    """
    rows = _drive(42.3, 0, 0, start_s=0)
    rows[5] = rows[5].replace(",9,3,0.5", ",-1,3,0.5")
    (trip,) = _trips(rows[30:] + rows[:30] + rows[:10])
    assert len(trip.t_ns) == 60
    assert trip.origin_ns == 1_299_400_000 * 10**9
    assert trip.speed_mms[5] == UNKNOWN
    assert trip.speed_mms[6] == 9000
    assert trip.heading_cdeg[0] == 9000
    assert trip.acc[1].tolist() == [1000, 2000, 95100]
    assert any("too sparse" in w for w in trip.warnings)
    assert "10 doubled rows dropped from the file" in trip.warnings


def test_the_2011_record_has_any_order_and_case_of_columns() -> None:
    """Columns turned round and in capitals are the same trip."""
    rows = _drive(42.3, 0, 0, start_s=0)
    turned = [",".join(reversed(r.split(","))) for r in rows]
    header = ",".join(reversed(RECORD.upper().split(",")))
    assert _trips(turned, "\n", header)[0].trip_id == _trips(rows)[0].trip_id


def test_a_gap_of_ten_minutes_ends_a_trip() -> None:
    """Two drives of one phone with eleven minutes between are two trips; with nine, one."""
    first = _drive(42.3, 0, 0, start_s=0)
    assert [len(t.t_ns) for t in _trips(first + _drive(42.4, 0, 0, start_s=132 + 660))] == [60, 60]
    assert len(_trips(first + _drive(42.306, 0, 0, start_s=132 + 540))) == 1


def test_phones_in_the_same_minutes_are_told_apart_by_their_mounts() -> None:
    """A phone upright and one lying, in one car: rows interleaved, two trips of their own rows."""
    one, two = _drive(42.3, 0, -85, start_s=0), _drive(42.3, 120, 5, start_s=1)
    apart = {t.trip_id for rows in (one, two) for t in _trips(rows)}
    assert {t.trip_id for t in _trips(one + two)} == apart


def test_phones_mounted_alike_are_told_apart_by_ways_nobody_can_drive() -> None:
    """Two cars 11 km apart in the same minutes are two trips."""
    one, two = _drive(42.3, 0, 0, start_s=0), _drive(42.4, 0, 0, start_s=1)
    apart = {t.trip_id for rows in (one, two) for t in _trips(rows)}
    assert {t.trip_id for t in _trips(one + two)} == apart


def test_a_record_of_countless_trips_is_refused_at_once() -> None:
    """A thousand rows eleven minutes apart are no thousand trips."""
    rows = [_record(660.0 * k, lat=42.3, az=9.5, yaw=0, pitch=0) for k in range(1000)]
    assert refusal_of("\n".join([RECORD, *rows])).reason is Reason.ROW_LIMIT


def test_a_phone_that_is_moved_once_stays_one_trip() -> None:
    """Two mounts one after the other are no two phones."""
    rows = _drive(42.3, 0, -85, start_s=0) + _drive(42.306, 120, 5, start_s=132)
    assert len(_trips(rows)) == 1


def test_mounts_next_to_a_full_turn_are_one() -> None:
    """An angle that wavers about 0° does not split a phone."""
    rows = [
        _record(
            2.2 * k, lat=42.3 + 1e-4 * k, az=9.5 + 0.01 * (k % 9), yaw=(-1) ** k, pitch=(-1) ** k
        )
        for k in range(60)
    ]
    assert len(_trips(rows)) == 1
