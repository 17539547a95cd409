"""Sensor Logger: zip, folder, JSON export and HTTP push, on files typed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streetbump.model import UNKNOWN, Gravity, Reason, TimeBasis, Trip
from streetbump.trips.bundle import packed
from streetbump.trips.door import pseudonym

from .kit import FORMATS, KEY, members_of, read_all, refusal_of, trip_in

START_NS = 1_700_000_000 * 10**9
RAW = np.array([[0.3, -0.3, 9.65], [-0.5, -0.3, 10.05], [0.0, -0.1, 8.45], [-0.1, -0.2, 9.75]])
"""What the phone felt, Android sign, as both folders hold it."""
EXPORT = (FORMATS / "sensor-logger-export.json").read_bytes()
PUSH = (FORMATS / "sensor-logger-push.json").read_bytes()


def ios(**changed: bytes | None) -> bytes:
    """The iOS folder as a zip, some of its tables exchanged, or left out (None)."""
    members = members_of("sensor-logger-ios")
    for table, data in changed.items():
        members.pop(f"{table}.csv", None)
        if data is not None:
            members[f"{table}.csv"] = data
    return packed(members)


def check(trip: Trip, acc: np.ndarray = RAW) -> None:
    """Samples every 10 ms; two fixes at one place, 5 and 25 ms after the start."""
    assert (trip.t_ns - START_NS).tolist() == [0, 10_000_000, 20_000_000, 30_000_000]
    assert trip.acc * 1e-4 == pytest.approx(acc, abs=1.01e-4)
    assert (trip.fix_t_ns - START_NS).tolist() == [5_000_000, 25_000_000]
    assert trip.lat_e7.tolist() == [120_000_001] * 2
    assert trip.lon_e7.tolist() == [-1_502_500_000] * 2
    assert trip.speed_mms.tolist() == [UNKNOWN, 12_500]
    assert trip.heading_cdeg.tolist() == [UNKNOWN, 9050]
    assert trip.accuracy_mm.tolist() == [8000, 5000]
    assert (trip.format, trip.time_basis) == ("sensor-logger", TimeBasis.ABSOLUTE)


def test_ios_by_hand() -> None:
    """Acceleration and gravity are added in time and turned to Android's sign.

    Gravity is -9.8 on z at -5, -9.6 at 15 and -9.8 at 35 ms (y: 0, 0.4, 0): at 0, 10, 20, 30 ms
    it is z -9.75, -9.65, -9.65, -9.75 and y 0.1, 0.3, 0.3, 0.1. With z 0.1, -0.4, 1.2, 0 and
    y 0.2, 0, -0.2, 0.1 of the acceleration that is z -9.65, -10.05, -8.45, -9.75 and
    y 0.3, 0.3, 0.1, 0.2; x has no gravity: -0.3, 0.5, 0, 0.1. All negated.
    A phone that stands still has two fixes at one place: each has a time of its own.
    """
    trip = trip_in(ios())
    check(trip)
    assert trip.gravity is Gravity.KEPT
    assert trip.warnings == ("gravity added to the acceleration, interpolated in time",)
    assert trip.device == pseudonym("Ada's phone, the old one", key=KEY)
    assert not trip.synthetic


def test_standardised_on_ios_has_the_sign_of_android() -> None:
    """With "Standardise Units & Frames" the numbers are taken as they stand."""
    about = members_of("sensor-logger-ios")["Metadata.csv"].replace(b",false,", b",true,")
    check(trip_in(ios(Metadata=about)), -RAW)


def test_android_by_hand() -> None:
    """``TotalAcceleration`` is the raw reading, whatever the order of its columns.

    Its ``Accelerometer.csv`` is a row short, and is not needed.
    """
    trip = trip_in(packed(members_of("sensor-logger-android")))
    check(trip)
    assert trip.warnings == ()
    assert trip.device == pseudonym("Pixel of Bo", key=KEY)


def test_export_as_json_is_the_trip_of_the_zip() -> None:
    """Every value is a text, and the array says what the tables do."""
    check(trip_in(EXPORT))
    assert trip_in(EXPORT).trip_id == trip_in(ios()).trip_id
    assert trip_in(EXPORT).device == trip_in(ios()).device


def test_push_is_the_trip_of_the_phone() -> None:
    """Messages come in any order; only Android's sensors state an accuracy: that tells the sign."""
    trip = trip_in(PUSH)
    check(trip)
    assert trip.device == pseudonym("phone of Cy", key=KEY)
    assert trip.warnings == (
        "totalacceleration: readings came out of order, sorted",
        "location: readings came out of order, sorted",
        "sign taken as Android's: only there readings state an accuracy",
    )


def test_messages_one_per_line_are_the_same_trip() -> None:
    """A server that appends each message to a file has lines, not an array."""
    lines = b"\n".join(json.dumps(m).encode() for m in json.loads(PUSH))
    assert trip_in(lines).trip_id == trip_in(PUSH).trip_id


def test_sessions_are_trips_of_their_own() -> None:
    """Messages of two phones in one file are two trips, each with its device."""
    both = json.loads(PUSH) + json.loads(PUSH.replace(b"phone of Cy", b"phone of Di"))
    trips = read_all(json.dumps(both))
    assert [t.device for t in trips if isinstance(t, Trip)] == [
        pseudonym(f"phone of {who}", key=KEY) for who in ("Cy", "Di")
    ]


G = 9.80665
UNCALIBRATED = b"time,seconds_elapsed,z,y,x\n" + b"".join(
    b"%d,0,%s,0,0\n" % (START_NS + k * 10_000_000, z)
    for k, z in enumerate((b"-1", b"-1.1", b"-0.9", b"-1"))
)


@pytest.mark.parametrize(
    ("standard", "unit_ms2", "sign"),
    [
        pytest.param(b"false", G, 1, id="g and the sign of iOS"),
        pytest.param(b"true", 1.0, -1, id="standardised"),
    ],
)
def test_uncalibrated_is_read_where_nothing_else_is_there(
    standard: bytes, unit_ms2: float, sign: int
) -> None:
    """The uncalibrated sensor is in g on iOS unless standardised: -1 g is 9.80665 m/s² up."""
    about = members_of("sensor-logger-ios")["Metadata.csv"].replace(b"false", standard)
    rows = UNCALIBRATED if unit_ms2 == G else UNCALIBRATED.replace(b",-1", b",-10").replace(
        b",-0.9", b",-9"
    )  # fmt: skip
    trip = trip_in(
        ios(Accelerometer=None, Gravity=None, AccelerometerUncalibrated=rows, Metadata=about)
    )
    z = trip.acc[[0, 2], 2] * 1e-4
    whole = unit_ms2 if unit_ms2 == G else 10.0
    assert sign * z == pytest.approx([whole, 0.9 * whole], abs=1e-4)


def test_acceleration_alone_is_a_trip_without_gravity() -> None:
    """Without a table of gravity the linear stream is what there is."""
    trip = trip_in(ios(Gravity=None))
    assert trip.gravity is Gravity.REMOVED
    assert trip.acc[0].tolist() == [3000, -2000, -1000]
    assert trip_in(ios(Gravity=b"time,seconds_elapsed,z,y,x\n")).trip_id == trip.trip_id


def test_samples_long_after_gravity_ended_are_dropped_and_counted() -> None:
    """Nobody knows how the phone lay two seconds after the last reading of gravity."""
    late = b"1700000002040000000,2,0,0,0\n"
    trip = trip_in(ios(Accelerometer=members_of("sensor-logger-ios")["Accelerometer.csv"] + late))
    check(trip)
    assert "1 samples without gravity within 1 s dropped" in trip.warnings


def test_without_metadata_the_sign_is_said_to_be_a_guess() -> None:
    """No platform, no sign: it is taken as Android's, and the trip says so."""
    trip = trip_in(ios(Metadata=None))
    check(trip, -RAW)
    assert any("sign taken as Android's" in w for w in trip.warnings)
    assert trip.device is None


def test_time_is_rebuilt_from_the_tap_where_the_clock_column_lacks() -> None:
    """The recording began at …005 ms; -0.005 s is the first sample."""
    members = members_of("sensor-logger-ios")
    bare = {
        name: b"\n".join(line.partition(b",")[2] for line in members[f"{name}.csv"].splitlines())
        for name in ("Accelerometer", "Gravity", "Location")
    }
    check(trip_in(ios(**bare)))


def test_old_fixes_are_dropped_and_counted() -> None:
    """A position that the phone remembers from two minutes before is no fix of this trip."""
    old = b"1699999880000000000,-120,13,-150,0,0,-1,-1,8,4,-1,-1\n"
    table = members_of("sensor-logger-ios")["Location.csv"] + old
    trip = trip_in(ios(Location=table))
    check(trip)
    assert "1 fixes more than a minute outside the samples dropped" in trip.warnings
    assert "positions went back in time: sorted" in trip.warnings


def test_receiver_positions_stand_in_for_the_fused_ones() -> None:
    """Without ``Location.csv`` those of the receiver are taken, never those of the network."""
    table = members_of("sensor-logger-ios")["Location.csv"]
    check(trip_in(ios(Location=None, LocationGps=table)))
    assert len(trip_in(ios(Location=None, LocationNetwork=table)).fix_t_ns) == 0


def test_no_acceleration_and_no_fixes() -> None:
    """Positions alone are no trip, but a position file; acceleration alone is a trip."""
    empty = b"time,seconds_elapsed,z,y,x\n"
    assert refusal_of(ios(Accelerometer=None, Gravity=None)).reason is Reason.NO_ACCEL
    assert refusal_of(ios(Accelerometer=empty, Gravity=empty)).reason is Reason.NO_ACCEL
    assert len(trip_in(ios(Location=None)).fix_t_ns) == 0
    array = json.loads(EXPORT)
    some = [r for r in array if r["sensor"] in ("Metadata", "Location")]
    assert refusal_of(json.dumps(some)).reason is Reason.NO_ACCEL
    assert len(trip_in(json.dumps([r for r in array if r["sensor"] != "Location"])).lat_e7) == 0


def test_one_table_alone_and_its_positions() -> None:
    """A table taken out of the zip is read, positions given with ``--gps``; the sign is a guess."""
    members = members_of("sensor-logger-android")
    trip = trip_in(members["TotalAcceleration.csv"], gps=members["Location.csv"])
    check(trip)
    assert any("sign taken as Android's" in w for w in trip.warnings)


def test_folders_in_one_zip_are_trips_of_their_own() -> None:
    """Two recordings packed together are two trips; a desktop's litter is none."""
    zipped = {
        f"{folder}/{name}": data
        for folder in ("sensor-logger-ios", "sensor-logger-android")
        for name, data in members_of(folder).items()
    }
    trips = read_all(packed(zipped | {"__MACOSX/a/._Accelerometer.csv": b"\0\5"}))
    assert len(trips) == 2
    for trip in trips:
        assert isinstance(trip, Trip)
        check(trip)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'[{"sensor":"Gravity","time":' + b"[" * 100_000, Reason.JSON_INVALID),
        (EXPORT[:-40], Reason.JSON_INVALID),
        (b'[{"sensor":"Gravity"},' + b"{}," * 3000 + b"{}]", Reason.ROW_LIMIT),
        (b'[{"sensor":"Gravity","time":true},{"sensor":"Gravity","time":[]}]', Reason.JSON_INVALID),
    ],
)
def test_broken_json_is_refused(data: bytes, reason: Reason) -> None:
    """Cut off, nested without end, a heap of nothing: each has its reason."""
    assert refusal_of(data).reason is reason


def test_empty_texts_in_the_export_are_no_values() -> None:
    """A fix without a speed is a fix; what other sensors say in words is nobody's loss."""
    readings = json.loads(EXPORT)
    for one in readings:
        if one.get("sensor") == "Location":
            one["speed"] = ""
    readings += [{"sensor": "Annotation", "time": "1", "x": "a hole"}] * 9
    trip, whole = trip_in(json.dumps(readings)), trip_in(EXPORT)
    assert trip.speed_mms.tolist() == [UNKNOWN] * len(whole.fix_t_ns)
    assert (trip.acc.tolist(), trip.lat_e7.tolist()) == (whole.acc.tolist(), whole.lat_e7.tolist())
    assert trip.warnings == whole.warnings


def test_an_unreadable_reading_costs_itself_alone() -> None:
    """One object among many whose value is no number is dropped and counted."""
    reading = b'{"sensor":"Gravity"'
    broken = EXPORT.replace(reading, reading + b',"x":"n/a"},\n' + reading, 1)
    trip = trip_in(broken)
    check(trip)
    assert "1 objects could not be read and were dropped" in trip.warnings
