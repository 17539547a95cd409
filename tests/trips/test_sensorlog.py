"""SensorLog on iOS: repeated rows, clocks since the start of the phone, CoreMotion's sign."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.model import UNKNOWN, Gravity, Reason, TimeBasis, Trip
from streetbump.trips.door import pseudonym

from .kit import FORMATS, KEY, refusal_of, trip_in

START_NS = 1_700_000_000 * 10**9
TEXT = (FORMATS / "sensorlog-ios.csv").read_text("utf-8")
G = 9.80665
RAW = G * np.array([[0, -0.1, 1], [-0.1, 0, 1.1], [0, 0, 0.9], [0, 0.2, 1]])


def without(*starts: str) -> str:
    """The file without the columns whose names begin so."""
    rows = [line.split("|") for line in TEXT.splitlines()]
    keep = [i for i, name in enumerate(rows[0]) if not name.startswith(starts)]
    return "\n".join("|".join(row[i] for i in keep) for row in rows)


def check(trip: Trip) -> None:
    """Four samples 10 ms apart and two fixes, the second with a place as the first."""
    assert (trip.t_ns - START_NS).tolist() == [(1 + 10 * k) * 10**6 for k in range(4)]
    assert trip.acc * 1e-4 == pytest.approx(RAW, abs=1e-4)
    assert (trip.fix_t_ns - START_NS).tolist() == [-500_000_000, 12_000_000]
    assert trip.lat_e7.tolist() == [120_000_001] * 2
    assert trip.speed_mms.tolist() == [UNKNOWN, 12_500]
    assert trip.heading_cdeg.tolist() == [UNKNOWN, 9050]
    assert trip.accuracy_mm.tolist() == [8000, 5000]


def test_by_hand() -> None:
    """A repeated reading and a repeated fix count once, by their own clocks.

    The third row repeats the reading of 5000.010 s. Logged 1 ms after 5000.000 s (and so on) the
    phone's clock is set to 1 ms after 1,700,000,000 s. Five rows, two stamps of fixes: two fixes,
    though at one place. -1 g up is +9.80665 m/s², 0.1 g is -0.980665.
    """
    trip = trip_in(TEXT)
    check(trip)
    assert (trip.format, trip.gravity) == ("sensorlog-ios", Gravity.KEPT)
    assert trip.time_basis is TimeBasis.ABSOLUTE
    assert trip.device == pseudonym("phone of Di", key=KEY)
    assert trip.warnings == ("1 of 5 rows repeated the reading before them and were dropped",)


def test_the_parts_of_the_motion_sensor_are_added() -> None:
    """Without the raw sensor: user acceleration and gravity, on the motion's own clock.

    That clock, read 1 ms after the accelerometer's, is set to the same logging times.
    """
    trip = trip_in(without("accelerometer"))
    check(trip)
    assert trip.gravity is Gravity.KEPT
    assert trip_in(without("accelerometer", "motionGravity")).gravity is Gravity.REMOVED


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: s.replace("|", ","), id="comma"),
        pytest.param(lambda s: s.replace("|", ";"), id="semicolon"),
        pytest.param(lambda s: s.replace(".", ",").replace("|", ";"), id="decimal comma"),
        pytest.param(lambda s: s.replace("T00", " 00").replace("+02:00", " +0200"), id="blank"),
    ],
)
def test_the_dialects_are_one_trip(change: object) -> None:
    """Separator, decimal sign and the spelling of the offset do not change the trip."""
    assert trip_in(change(TEXT)).trip_id == trip_in(TEXT).trip_id  # type: ignore[operator]


def test_cells_that_the_app_leaves_out_are_completed() -> None:
    """Rows that lack one or two cells of pedometer and battery are rows; that lack three are lost.

    The columns stand where the app puts them: after its other sensors, before the phone's name.
    """
    rows = [line.split("|") for line in TEXT.splitlines()]
    named = rows[0].index("deviceID(txt)")
    more = [
        ["pedometerFloorDescended(N)", "pedometerEndDate(txt)", "batteryState(R)"],
        ["null", "1"],
        ["null"],
        ["2", "2023-11-15T00:13:20.001+02:00", "1"],
        ["null", "1"],
        ["null", "1"],
    ]

    def table(more: list[list[str]]) -> str:
        return "\n".join(
            "|".join((*row[:named], *row[named + 1 :], *extra, row[named]))
            for row, extra in zip(rows, more, strict=True)
        )

    trip = trip_in(table(more))
    check(trip)
    assert trip.device == pseudonym("phone of Di", key=KEY)
    assert trip.warnings[0] == "4 rows lacked cells of pedometer or battery and were completed"
    assert refusal_of(table([*more[:5], []])).hint.startswith("1 of 4 rows cannot be read")


def test_a_clock_without_offset_is_set_by_the_fixes() -> None:
    """00:13:20.001 beside a fix of 22:13:19.5 UTC: two hours ahead, and the trip says so."""
    trip = trip_in(TEXT.replace("+02:00", ""))
    check(trip)
    assert trip.warnings[0] == "the clock's zone told from the fixes: +2 h from UTC"
    assert trip_in(TEXT.replace("+02:00", ""), tz="Europe/Tallinn").trip_id == trip.trip_id


def test_no_acceleration_and_no_fixes() -> None:
    """Positions alone are refused as a trip, samples alone are one."""
    assert refusal_of(without("accelerometer", "motion")).reason is Reason.NO_ACCEL
    assert len(trip_in(without("location")).fix_t_ns) == 0
    local = trip_in(without("location").replace("+02:00", ""))
    assert local.time_basis is TimeBasis.RELATIVE


def test_without_logging_time_the_trip_is_relative() -> None:
    """Seconds since the phone was started say nothing of the day; fixes then hold rows' times."""
    trip = trip_in(without("loggingTime"))
    assert trip.time_basis is TimeBasis.RELATIVE
    assert len(trip.t_ns) == 4
