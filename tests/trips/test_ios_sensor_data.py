"""The iOS "sensor data" logger: two clocks of one name, rows of motion and of fixes."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.model import UNKNOWN, Gravity, Reason, TimeBasis, Trip

from .kit import FORMATS, refusal_of, trip_in

START_NS = 1_700_000_000 * 10**9
TEXT = (FORMATS / "ios-sensor-data.csv").read_text("utf-8")
G = 9.80665


def reordered(order: list[int]) -> str:
    """The file with its columns in another order."""
    return "\n".join(",".join(line.split(",")[i] for i in order) for line in TEXT.splitlines())


def check(trip: Trip) -> None:
    """Gravity and user acceleration added, negated, in m/s²; fixes at their own times.

    Second sample: x 0 + 0.1, y 0.1 - 0.1, z -1 - 0.1 g, that is -0.1, 0, 1.1 g with Android's sign.
    """
    assert (trip.t_ns - START_NS).tolist() == [k * 10_000_000 for k in range(4)]
    assert trip.acc * 1e-4 == pytest.approx(
        G * np.array([[0, -0.1, 1], [-0.1, 0, 1.1], [0, 0, 0.9], [0, 0.2, 1]]), abs=1e-4
    )
    assert (trip.fix_t_ns - START_NS).tolist() == [5_000_000, 25_000_000]
    assert trip.lon_e7.tolist() == [-1_502_500_000] * 2
    assert trip.speed_mms.tolist() == [UNKNOWN, 12_500]
    assert trip.heading_cdeg.tolist() == [UNKNOWN, 9050]


def test_by_hand() -> None:
    """As typed; nothing had to be repaired."""
    trip = trip_in(TEXT)
    check(trip)
    assert (trip.format, trip.time_basis) == ("ios-sensor-data", TimeBasis.ABSOLUTE)
    assert trip.warnings == ()


def test_the_clocks_are_told_by_where_they_are_filled() -> None:
    """With the columns turned round the clock of the fixes stands first."""
    check(trip_in(reordered(list(range(17))[::-1])))


def test_one_clock_for_all_rows_is_enough() -> None:
    """A row of a fix may have its time in the first column as well."""
    rows = [line.split(",") for line in TEXT.splitlines()]
    one = [[row[0] or row[15], *row[1:15], row[16]] for row in rows]
    check(trip_in("\n".join(",".join(row) for row in one)))


def test_rows_that_hold_the_last_fix_add_none() -> None:
    """Both clocks filled everywhere: the one with more times is that of motion."""
    head, *rows = (line.split(",") for line in TEXT.splitlines())
    fix, held = [""] * 6, []
    for row in rows:
        fix = row[10:16] if row[10] else fix
        held += [[*row[:10], *fix, row[16]]] if row[0] else []
    trip = trip_in("\n".join(",".join(row) for row in [head, *held]))
    assert len(trip.t_ns) == 4
    assert (trip.fix_t_ns - START_NS).tolist() == [5_000_000, 25_000_000]


def test_no_gravity_no_acceleration_no_fixes() -> None:
    """User acceleration alone has no gravity; positions alone are refused; samples are a trip."""
    alone = trip_in(reordered([i for i in range(17) if i not in (4, 5, 6)]))
    assert alone.gravity is Gravity.REMOVED
    assert refusal_of(reordered(list(range(10, 17)))).reason is Reason.NO_ACCEL
    assert len(trip_in(reordered(list(range(10)))).fix_t_ns) == 0
