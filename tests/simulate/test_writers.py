"""Claims about what each logger's file looks like, and that our readers get the trip back."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streetbump.errors import UsageError
from streetbump.model import Trip
from streetbump.simulate.writers import ENDING, RUNS_ON, WRITERS, About, write
from streetbump.trips import ReadOptions, parse_column_map, read

G = 9.80665


@dataclass(frozen=True, eq=False)
class Fixes:
    t_s: np.ndarray
    lat_deg: np.ndarray
    lon_deg: np.ndarray
    speed_ms: np.ndarray
    heading_deg: np.ndarray
    accuracy_m: np.ndarray


@dataclass(frozen=True, eq=False)
class Recorded:
    t_s: np.ndarray
    acc_ms2: np.ndarray
    gravity_ms2: np.ndarray
    fixes: Fixes


def short(unit_ms2: float) -> Recorded:
    """Three samples 10 ms apart and two fixes: one between samples, one with the last.

    In units of `unit_ms2`: 1 upwards (z) at rest, then 0.5 right, 0.25 back, 2 up, then half of
    it. The first fix does not know its heading, the second nothing but its heading.
    """
    nan = np.nan
    return Recorded(
        np.array([0.0, 0.010, 0.020]),
        unit_ms2 * np.array([[0.0, 0.0, 1.0], [0.5, -0.25, 2.0], [0.0, 0.0, 0.5]]),
        unit_ms2 * np.array([[0.0, 0.0, 1.0]] * 3),
        Fixes(
            t_s=np.array([0.005, 0.020]),
            lat_deg=np.array([59.437, 59.4371]),
            lon_deg=np.array([24.75, 24.75]),
            speed_ms=np.array([10.0, nan]),
            heading_deg=np.array([nan, 90.0]),
            accuracy_m=np.array([5.0, nan]),
        ),
    )


ANDROID = About("phone 7", 1_700_000_000.0, "android", "Europe/Tallinn")
"""Starts at 2023-11-14 22:13:20 UTC, which is 00:13:20 on the 15th in Tallinn (UTC+2)."""
IOS = About("phone 7", 1_700_000_000.0, "ios", "Europe/Tallinn")


def lines(logger: str, about: About = ANDROID, *, unit_ms2: float = 8.0) -> list[str]:
    """The lines of the short trip's file, which ends in a line end."""
    text = write(short(unit_ms2), about=about, logger=logger).decode()
    assert text.endswith("\n")
    return text.splitlines()


def member(logger: str, about: About, name: str, *, unit_ms2: float = 8.0) -> list[str]:
    """The lines of one table in the short trip's archive."""
    data = write(short(unit_ms2), about=about, logger=logger)
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return z.read(name).decode().splitlines()


# ------------------------------------------------------------------------------- by hand


def test_plain_csv_by_hand():
    """Comments, header, nine cells a row; a fix stands alone unless its ms is a sample's.

    With a unit of 8 m/s²: 0.5 · 8 = 4, 0.25 · 8 = 2, 2 · 8 = 16.
    """
    assert lines("plain-csv") == [
        "# streetbump-csv 1",
        "# device: phone 7",
        "# synthetic: yes",
        "t,ax,ay,az,lat,lon,speed,heading,accuracy",
        "1700000000.000,0.000,0.000,8.000,,,,,",
        "1700000000.005,,,,59.4370000,24.7500000,10.00,,5.0",
        "1700000000.010,4.000,-2.000,16.000,,,,,",
        "1700000000.020,0.000,0.000,4.000,59.4371000,24.7500000,,90.00,",
    ]


def test_json_lines_by_hand():
    """The marks, then the plain CSV's rows; a key without a value is left out."""
    assert lines("jsonl") == [
        '{"streetbump-jsonl": 1, "device": "phone 7", "synthetic": true}',
        '{"t":1700000000.000000,"ax":0.0000,"ay":0.0000,"az":8.0000}',
        '{"t":1700000000.005000,"lat":59.4370000,"lon":24.7500000,"speed":10.00,"accuracy":5.0}',
        '{"t":1700000000.010000,"ax":4.0000,"ay":-2.0000,"az":16.0000}',
        '{"t":1700000000.020000,"ax":0.0000,"ay":0.0000,"az":4.0000,"lat":59.4371000,'
        '"lon":24.7500000,"heading":90.00}',
    ]
    assert all(json.loads(line) for line in lines("jsonl"))


def test_parquet_by_hand():
    """The plain CSV's rows as columns, null where nothing is known; marks in the metadata."""
    table = pq.read_table(pa.BufferReader(write(short(8.0), about=ANDROID, logger="parquet")))
    assert table.to_pydict() == {
        "t": [1700000000.0, 1700000000.005, 1700000000.01, 1700000000.02],
        "ax": [0.0, None, 4.0, 0.0],
        "ay": [0.0, None, -2.0, 0.0],
        "az": [8.0, None, 16.0, 4.0],
        "lat": [None, 59.437, None, 59.4371],
        "lon": [None, 24.75, None, 24.75],
        "speed": [None, 10.0, None, None],
        "heading": [None, None, None, 90.0],
        "accuracy": [None, 5.0, None, None],
    }
    assert table.schema.metadata == {
        b"streetbump-parquet": b"1",
        b"device": b"phone 7",
        b"synthetic": b"yes",
    }


def test_physics_toolbox_by_hand():
    """Four decimals of g, decimal commas, a separator at each end, a clock without date.

    The unit is 1 g; 22:13:20 UTC is 00:13:20 in Tallinn. Nothing is known of the position at
    0 ms: zeros. At 10 ms the fix of 5 ms is held. The phone lies flat: no pitch, no roll. An
    unknown speed is 0; the azimuth is the last course.
    """
    assert lines("physics-toolbox", unit_ms2=G) == [
        "time;gFx;gFy;gFz;Azimuth;Pitch;Roll;Latitude;Longitude;Speed (m/s);streetbump-synthetic;",
        "00:13:20:000;0,0000;0,0000;1,0000;0,0000;0,0000;0,0000;"
        "0,00000000;0,00000000;0,00000000;1;",
        "00:13:20:010;0,5000;-0,2500;2,0000;0,0000;0,0000;0,0000;"
        "59,43700000;24,75000000;10,00000000;1;",
        "00:13:20:020;0,0000;0,0000;0,5000;90,0000;0,0000;0,0000;"
        "59,43710000;24,75000000;0,00000000;1;",
    ]


def test_physics_toolbox_with_commas_by_hand():
    """As recorded in São Paulo in 2018: every number quoted, the clock bare, a comma at the end."""
    assert lines("physics-toolbox-comma", unit_ms2=G) == [
        "time,gFx,gFy,gFz,Latitude,Longitude,Speed (m/s),streetbump-synthetic,",
        '00:13:20:000,"0,0000","0,0000","1,0000","0,00000000","0,00000000","0,00000000","1",',
        '00:13:20:010,"0,5000","-0,2500","2,0000","59,43700000","24,75000000","10,00000000","1",',
        '00:13:20:020,"0,0000","0,0000","0,5000","59,43710000","24,75000000","0,00000000","1",',
    ]


def test_tilt_of_physics_toolbox_follows_android():
    """Standing on its lower edge (up is +y) a phone has pitch -90°; on its left one, roll -90°.

    Android's ``getOrientation``: pitch = asin(-up_y), roll = atan2(-up_x, up_z).
    """
    upright, edge = (
        Recorded(np.zeros(1), np.array([up]), np.array([up]), short(G).fixes)
        for up in ([0.0, G, 0.0], [G, 0.0, 0.0])
    )
    cells = [
        write(trip, about=ANDROID, logger="physics-toolbox").decode().splitlines()[1].split(";")
        for trip in (upright, edge)
    ]
    assert cells[0][5] == "-90,0000"
    assert cells[1][6] == "-90,0000"


def test_androsensor_by_hand():
    """``sep=;``, the app's blanks in the names, km/h, position cells empty before the first fix.

    10 m/s · 3.6 = 36 km/h. The wall clock is local; ms since the start stand beside it.
    """
    assert lines("androsensor") == [
        "sep=;",
        "ACCELEROMETER X (m/s²);ACCELEROMETER Y (m/s²);ACCELEROMETER Z (m/s²);"
        "GRAVITY X (m/s²);GRAVITY Y (m/s²);GRAVITY Z (m/s²);"
        "LOCATION Latitude : ;LOCATION Longitude : ;LOCATION Altitude ( m);"
        "LOCATION Altitude-google ( m);LOCATION Speed ( Kmh);LOCATION Accuracy ( m);"
        "LOCATION ORIENTATION (°);Satellites in range;Time since start in ms ;"
        "YYYY-MO-DD HH-MI-SS_SSS;streetbump-synthetic",
        "0.0000;0.0000;8.0000;0.0000;0.0000;8.0000;;;;;;;;;0;2023-11-15 00:13:20:000;1",
        "4.0000;-2.0000;16.0000;0.0000;0.0000;8.0000;59.437000;24.750000;0.0;0.0;36.0;5.0;;14 / 19;"
        "10;2023-11-15 00:13:20:010;1",
        "0.0000;0.0000;4.0000;0.0000;0.0000;8.0000;59.437100;24.750000;0.0;0.0;;;90.0;14 / 19;"
        "20;2023-11-15 00:13:20:020;1",
    ]


SENSOR_LOGGER = [
    # platform, table, z, y, x of the second sample
    # device: gravity (0, 0, 8), all (4, -2, 16), so linear (4, -2, 8)
    ("android", "Accelerometer.csv", "8.0,-2.0,4.0"),
    ("android", "Gravity.csv", "8.0,0.0,0.0"),
    ("android", "TotalAcceleration.csv", "16.0,-2.0,4.0"),
    ("ios", "Accelerometer.csv", "-8.0,2.0,-4.0"),
    ("ios", "Gravity.csv", "-8.0,-0.0,-0.0"),
]


@pytest.mark.parametrize(("platform", "name", "zyx"), SENSOR_LOGGER)
def test_sensor_logger_by_hand(platform, name, zyx):
    """Axes stand in the order z, y, x; linear and gravity apart; all axes negated on iOS.

    10 ms after 1,700,000,000 s is 1700000000010000000 ns.
    """
    got = member("sensor-logger", ANDROID if platform == "android" else IOS, name)
    assert got[0] == "time,seconds_elapsed,z,y,x,streetbump-synthetic"
    assert got[2] == f"1700000000010000000,0.01,{zyx},1"


def test_sensor_logger_on_ios_has_no_total_acceleration():
    """On iOS the raw reading is only there as the sum of two tables."""
    members = {}
    for about in (ANDROID, IOS):
        data = write(short(8.0), about=about, logger="sensor-logger")
        members[about.platform] = set(zipfile.ZipFile(io.BytesIO(data)).namelist())
    assert members["android"] - members["ios"] == {"TotalAcceleration.csv"}


def test_sensor_logger_location_and_metadata_by_hand():
    """What is not known is -1; the start is ms since 1970, beside the local time."""
    location = member("sensor-logger", ANDROID, "Location.csv")
    assert location == [
        "time,seconds_elapsed,bearingAccuracy,speedAccuracy,verticalAccuracy,horizontalAccuracy,"
        "speed,bearing,altitude,longitude,latitude,streetbump-synthetic",
        "1700000000005000000,0.005,-1,0.5,7.5,5.0,10.0,-1,0,24.75,59.437,1",
        "1700000000020000000,0.02,5.0,-1,-1,-1,-1,90.0,0,24.75,59.4371,1",
    ]
    header, row = member("sensor-logger", IOS, "Metadata.csv")
    said = dict(zip(header.split(","), row.split(","), strict=True))
    del said["device id"]
    assert said == {
        "version": "3",
        "device name": "streetbump-synthetic phone 7",
        "recording epoch time": "1700000000000",
        "recording time": "2023-11-15_00-13-20",
        "recording timezone": "Europe/Tallinn",
        "platform": "ios",
        "appVersion": "1.42.0",
        "sensors": "Accelerometer|Gravity|Location",
        "sampleRateMs": "10|10|0",
        "standardisation": "false",
        "platform version": "17.5",
    }


def test_phyphox_by_hand():
    """Ten digits and a bare exponent, NaN for what is not known, times from the start."""
    assert member("phyphox", ANDROID, "Accelerometer.csv") == [
        '"Time (s)","Acceleration x (m/s^2)","Acceleration y (m/s^2)","Acceleration z (m/s^2)",'
        '"streetbump-synthetic"',
        "0.000000000E0,0.000000000E0,0.000000000E0,8.000000000E0,1",
        "1.000000000E-2,4.000000000E0,-2.000000000E0,1.600000000E1,1",
        "2.000000000E-2,0.000000000E0,0.000000000E0,4.000000000E0,1",
    ]
    assert member("phyphox", ANDROID, "Location.csv") == [
        '"Time (s)","Latitude (°)","Longitude (°)","Height (m)","Velocity (m/s)","Direction (°)",'
        '"Horizontal Accuracy (m)","Vertical Accuracy (m)","streetbump-synthetic"',
        "5.000000000E-3,5.943700000E1,2.475000000E1,0.000000000E0,1.000000000E1,NaN,"
        "5.000000000E0,7.500000000E0,1",
        "2.000000000E-2,5.943710000E1,2.475000000E1,0.000000000E0,NaN,9.000000000E1,NaN,NaN,1",
    ]
    assert member("phyphox", ANDROID, "meta/time.csv") == [
        '"event","experiment time","system time","system time text"',
        '"START",0.000000000E0,1700000000.000,"2023-11-15 00:13:20.000 UTC+02:00"',
        '"PAUSE",2.000000000E-2,1700000000.020,"2023-11-15 00:13:20.020 UTC+02:00"',
    ]
    assert '"deviceModel","streetbump-synthetic phone 7"' in member(
        "phyphox", ANDROID, "meta/device.csv"
    )


def test_phyphox_on_ios_has_its_own_g():
    """Android's sign on both; on iOS 1 g is 9.81 m/s²: the second sample's 2 g are 19.62."""
    second = [
        member("phyphox", about, "Accelerometer.csv", unit_ms2=G)[2] for about in (ANDROID, IOS)
    ]
    assert second[0].split(",")[3] == "1.961330000E1"
    assert second[1].split(",")[3] == "1.962000000E1"


def test_sensorlog_by_hand():
    """CoreMotion's sign in g: -1 on z at rest; each row repeats the last fix, with its own time.

    Second sample, in Android's sign (0.5, -0.25, 2) g with gravity (0, 0, 1): raw is its
    negative, gravity (0, 0, -1), user acceleration the difference (-0.5, 0.25, -1).
    """
    got = lines("sensorlog-ios", IOS, unit_ms2=G)
    assert got[0] == (
        "loggingTime(txt),locationTimestamp_since1970(s),locationLatitude(WGS84),"
        "locationLongitude(WGS84),locationAltitude(m),locationSpeed(m/s),"
        "locationSpeedAccuracy(m/s),locationCourse(°),locationCourseAccuracy(°),"
        "locationVerticalAccuracy(m),locationHorizontalAccuracy(m),locationFloor(Z),"
        "accelerometerTimestamp_sinceReboot(s),accelerometerAccelerationX(G),"
        "accelerometerAccelerationY(G),accelerometerAccelerationZ(G),"
        "motionTimestamp_sinceReboot(s),motionUserAccelerationX(G),motionUserAccelerationY(G),"
        "motionUserAccelerationZ(G),motionGravityX(G),motionGravityY(G),motionGravityZ(G),"
        "streetbump-synthetic"
    )
    assert got[1] == (
        "2023-11-15T00:13:20.000+02:00" + "," * 11 + ",100000.000000,0.000000,0.000000,-1.000000,"
        "100000.000000,0.000000,0.000000,0.000000,0.000000,0.000000,-1.000000,1"
    )
    assert got[2] == (
        "2023-11-15T00:13:20.010+02:00,1700000000.005000,59.437000,24.750000,0.000000,10.000000,"
        "0.500000,-1.000000,-1.000000,7.500000,5.000000,-9999,"
        "100000.010000,-0.500000,0.250000,-2.000000,"
        "100000.010000,-0.500000,0.250000,-1.000000,0.000000,0.000000,-1.000000,1"
    )


def test_ios_sensor_data_by_hand():
    """Motion rows and fix rows by time, each with the other's cells empty.

    Sixteen columns of motion, the first of them its time; then five of the place, the time of the
    fix and the user's mark. In g, CoreMotion's sign, gravity and user acceleration apart: the
    third sample's half g less than gravity is +0.5 g.
    """
    got = lines("ios-sensor-data", IOS, unit_ms2=G)
    assert got[0] == (
        "timestamp(unix),attitude_roll(radians),attitude_pitch(radians),attitude_yaw(radians),"
        "rotation_rate_x(radians/s),rotation_rate_y(radians/s),rotation_rate_z(radians/s),"
        "gravity_x(G),gravity_y(G),gravity_z(G),user_acc_x(G),user_acc_y(G),user_acc_z(G),"
        "magnetic_field_x(microteslas),magnetic_field_y(microteslas),"
        "magnetic_field_z(microteslas),latitude(degree),longitude(degree),altitude(meter),"
        "speed(m/s),course(degree),timestamp(unix),User Mark,streetbump-synthetic"
    )
    zeros = ",".join(["0.000000"] * 3)
    assert got[1:] == [
        f"1700000000.000000,{zeros},{zeros},0.000000,0.000000,-1.000000,{zeros},{zeros},,,,,,,,1",
        ",,,,,,,,,,,,,,,,59.437000,24.750000,0.000000,10.000000,-1.000000,1700000000.005000,,1",
        f"1700000000.010000,{zeros},{zeros},0.000000,0.000000,-1.000000,"
        f"-0.500000,0.250000,-1.000000,{zeros},,,,,,,,1",
        f"1700000000.020000,{zeros},{zeros},0.000000,0.000000,-1.000000,"
        f"0.000000,0.000000,0.500000,{zeros},,,,,,,,1",
        ",,,,,,,,,,,,,,,,59.437100,24.750000,0.000000,-1.000000,90.000000,1700000000.020000,,1",
    ]


def test_local_clocks_follow_the_zone():
    """In the night to 29 October 2023 Tallinn's clocks went back at 01:00 UTC, from 4 to 3.

    The change is at 1698541200 s: the first two samples lie before it, the third 5 ms after.
    """
    about = About("p", 1_698_541_199.985, "ios", "Europe/Tallinn")
    wall = [row.split(",", 1)[0] for row in lines("sensorlog-ios", about)[1:]]
    assert wall == [
        "2023-10-29T03:59:59.985+03:00",
        "2023-10-29T03:59:59.995+03:00",
        "2023-10-29T03:00:00.005+02:00",
    ]


# ----------------------------------------------------------------------------- every logger


def about_for(logger: str) -> About:
    return ANDROID if "android" in RUNS_ON[logger] else IOS


def test_each_logger_has_an_ending_and_a_platform():
    """The three tables name the same loggers."""
    assert WRITERS.keys() == ENDING.keys() == RUNS_ON.keys()


def test_an_unknown_logger_is_named():
    """A logger that is not there is a caller's mistake, and the message lists those that are."""
    with pytest.raises(UsageError, match=r"logger 'notes': not known; one of plain-csv, jsonl"):
        write(short(G), about=ANDROID, logger="notes")


@pytest.mark.parametrize("logger", WRITERS)
def test_the_same_trip_gives_the_same_bytes(logger):
    """Nothing of the moment of writing gets into a file, archives' dates included."""
    once, again = (write(short(G), about=about_for(logger), logger=logger) for _ in range(2))
    assert once == again


@pytest.mark.parametrize("logger", WRITERS)
@pytest.mark.parametrize("samples", [3, 0])
def test_a_trip_without_fixes_or_samples_is_written(logger, samples):
    """No fix, or nothing at all, is a file with fewer rows and the same marks."""
    trip = short(G)
    bare = Recorded(
        trip.t_s[:samples],
        trip.acc_ms2[:samples],
        trip.gravity_ms2[:samples],
        Fixes(*(np.empty(0) for _ in range(6))),
    )
    data = write(bare, about=about_for(logger), logger=logger)
    assert 0 < len(data) < len(write(trip, about=about_for(logger), logger=logger))
    assert b"synthetic" in data


@pytest.mark.parametrize("logger", [name for name, end in ENDING.items() if end == "zip"])
@pytest.mark.parametrize("about", [ANDROID, IOS], ids=lambda a: a.platform)
def test_archives_are_marked_within_and_without(logger, about):
    """An archive says that it is made up: by a member, by the phone's name, in each table."""
    data = write(short(G), about=about, logger=logger)
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        assert z.testzip() is None
        assert {i.date_time for i in z.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        tables = {n: z.read(n).decode() for n in z.namelist()}
    assert "made up" in tables.pop("streetbump-synthetic.txt")
    said = [n for n in tables if n in ("Metadata.csv", "meta/device.csv")]
    assert "streetbump-synthetic phone 7" in tables.pop(said[0])
    tables.pop("meta/time.csv", None)
    for name, table in tables.items():
        assert table.splitlines()[0].endswith(
            (",streetbump-synthetic", ',"streetbump-synthetic"')
        ), name
        assert all(row.endswith(",1") for row in table.splitlines()[1:]), name


# ------------------------------------------------------------------------------- and back


def drive(*, rate_hz: float = 50.0, length_s: float = 60.0) -> Recorded:
    """A drive due north over rough ground, a fix a second between two samples."""
    rng = np.random.default_rng(5)
    n, m = round(rate_hz * length_s), round(length_s)
    t = np.arange(n) / rate_hz + rng.uniform(0.0, 0.2 / rate_hz, n)
    at = np.arange(m) + 0.4137
    return Recorded(
        t,
        np.array([0.3, -0.4, G]) + rng.normal(0.0, 1.0, (n, 3)),
        np.tile([0.3, -0.4, G], (n, 1)),
        Fixes(
            at,
            -23.5 + at * 15.0 / 111_195.0,
            np.full(m, -46.6) + rng.normal(0.0, 1e-5, m),
            np.full(m, 15.0),
            np.where(at < 3, np.nan, 359.5),
            np.full(m, 5.0),
        ),
    )


READABLE = (
    "plain-csv",
    "jsonl",
    "parquet",
    "physics-toolbox",
    "physics-toolbox-comma",
    "androsensor",
)
OPTIONS = ReadOptions(tz="America/Sao_Paulo", date=datetime.date(2023, 11, 14), local=True)
"""1,700,000,000 s is 19:13:20 on 14 November 2023 in São Paulo (UTC-3)."""


def back(data: bytes, options: ReadOptions = OPTIONS) -> Trip:
    """The only trip in a file."""
    (trip,) = read(data, name="x", options=options, pseudonym=str.upper)
    assert isinstance(trip, Trip), trip
    return trip


@pytest.mark.parametrize("rate_hz", [10.0, 50.0, 200.0])
@pytest.mark.parametrize("logger", READABLE)
def test_what_is_written_is_read_back(logger, rate_hz):
    """Time to 1 ms, acceleration to 1e-3 m/s², position to 1e-6°, speed to 0.1 km/h.

    Four decimals of g round by up to 0.00005 · 9.80665 = 4.9e-4 m/s². A logger that holds
    positions gives a fix to the first sample after it: up to 1.2 / rate late.
    """
    made = drive(rate_hz=rate_hz)
    about = About("phone 7", 1_700_000_000.0, "android", "America/Sao_Paulo")
    trip = back(write(made, about=about, logger=logger))
    named = logger in ("plain-csv", "jsonl", "parquet")
    assert trip.synthetic
    assert trip.device == ("PHONE 7" if named else None)
    assert trip.format == logger.removesuffix("-comma")
    assert (trip.t_ns - 1_700_000_000 * 10**9) / 1e9 == pytest.approx(made.t_s, abs=1.001e-3)
    assert trip.acc * 1e-4 == pytest.approx(made.acc_ms2, abs=1e-3)
    assert trip.lat_e7 * 1e-7 == pytest.approx(made.fixes.lat_deg, abs=1e-6)
    assert trip.lon_e7 * 1e-7 == pytest.approx(made.fixes.lon_deg, abs=1e-6)
    assert trip.speed_mms / 1000 == pytest.approx(made.fixes.speed_ms, abs=0.028)
    late_s = (trip.fix_t_ns - 1_700_000_000 * 10**9) / 1e9 - made.fixes.t_s
    assert late_s.min() > -1e-3
    assert late_s.max() < (1e-3 if named else 1.2 / rate_hz + 2e-3)


@pytest.mark.parametrize("logger", ["plain-csv", "jsonl", "parquet"])
def test_our_own_formats_give_one_trip(logger):
    """One drive, whatever of our formats carries it, is one trip where its numbers are round."""
    made = drive()
    round_made = Recorded(
        np.round(made.t_s, 3),
        np.round(made.acc_ms2, 3),
        made.gravity_ms2,
        Fixes(
            np.round(made.fixes.t_s, 3),
            np.round(made.fixes.lat_deg, 7),
            np.round(made.fixes.lon_deg, 7),
            made.fixes.speed_ms,
            made.fixes.heading_deg,
            made.fixes.accuracy_m,
        ),
    )
    trip = back(write(round_made, about=ANDROID, logger=logger))
    assert trip.trip_id == back(write(round_made, about=ANDROID, logger="plain-csv")).trip_id
    assert trip.heading_cdeg[-1] == 35950
    assert trip.accuracy_mm[-1] == 5000


@pytest.mark.parametrize("logger", READABLE)
def test_bunched_samples_stay_bunched(logger):
    """Samples that came ten at a time with one stamp are written so, and read as bunches."""
    made = drive()
    bunched = Recorded(np.repeat(made.t_s[9::10], 10), made.acc_ms2, made.gravity_ms2, made.fixes)
    about = About("phone 7", 1_700_000_000.0, "android", "America/Sao_Paulo")
    trip = back(write(bunched, about=about, logger=logger))
    assert len(trip.t_ns) == len(made.t_s)
    assert any("bunches" in w for w in trip.warnings)


SENSORLOG_MAP = """
time = {column = "loggingTime(txt)", unit = "iso"}
[acceleration]
x = "accelerometerAccelerationX(G)"
y = "accelerometerAccelerationY(G)"
z = "accelerometerAccelerationZ(G)"
unit = "g"
sign = "ios"
[position]
lat = "locationLatitude(WGS84)"
lon = "locationLongitude(WGS84)"
speed = "locationSpeed(m/s)"
speed_unit = "m/s"
heading = "locationCourse(°)"
accuracy = "locationHorizontalAccuracy(m)"
"""


def test_sensorlog_is_read_through_a_column_map():
    """What is in g with the sign of iOS comes back as m/s² with Android's, and the mark with it."""
    made = drive()
    options = ReadOptions(columns=parse_column_map(SENSORLOG_MAP, where="map"))
    trip = back(write(made, about=IOS, logger="sensorlog-ios"), options)
    assert trip.synthetic
    assert (trip.t_ns - 1_700_000_000 * 10**9) / 1e9 == pytest.approx(made.t_s, abs=1.001e-3)
    assert trip.acc * 1e-4 == pytest.approx(made.acc_ms2, abs=1e-3)
    assert trip.lat_e7 * 1e-7 == pytest.approx(made.fixes.lat_deg, abs=1e-6)


def test_a_table_taken_out_of_an_archive_keeps_its_mark():
    """Somebody who unpacks an archive and gives one table with its positions has a marked trip."""
    data = write(drive(), about=ANDROID, logger="phyphox")
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        samples, places = z.read("Accelerometer.csv"), z.read("Location.csv")
    trip = back(samples, ReadOptions(gps=places))
    assert trip.synthetic
    assert len(trip.lat_e7) == 60
