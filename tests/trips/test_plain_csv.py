"""The plain CSV contract, on small files typed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.model import UNKNOWN, Gravity, Reason, TimeBasis

from .kit import plain_csv, refusal_of, trip_in

SMALL = """\
# streetbump-csv 1
# device: phone 7
# synthetic: yes
t,ax,ay,az,lat,lon,speed,heading,accuracy
1700000000.00,0.1,-0.2,9.81,42.3601,-71.0589,12.5,359.996,4.5
1700000000.01,0.1,-0.2,9.70,42.3601,-71.0589,12.5,359.996,4.5
1700000000.02,0.1,-0.2,9.90,,,,,
1700000001.00,,,,42.3602,-71.0589,-1,400,
1700000001.01,0.0,0.0,9.80,,,,,
"""


def test_a_small_file_gives_the_integers_worked_out_by_hand() -> None:
    """Every canonical integer is the one worked out here.

    1700000000.01 s is 1700000000010000000 ns; 9.81 m/s² is 98100 units of 1e-4 m/s²;
    -71.0589° is -710589000 units of 1e-7°; 12.5 m/s is 12500 mm/s; 359.996° rounds to 36000
    hundredths, which is 0; speed -1, heading 400 and an empty accuracy are not known.
    """
    trip = trip_in(SMALL)
    start = 1_700_000_000_000_000_000
    assert (trip.t_ns - start).tolist() == [0, 10_000_000, 20_000_000, 1_010_000_000]
    assert trip.acc[0].tolist() == [1000, -2000, 98100]
    assert (trip.fix_t_ns - start).tolist() == [0, 1_000_000_000]
    assert trip.lat_e7.tolist() == [423601000, 423602000]
    assert trip.lon_e7.tolist() == [-710589000, -710589000]
    assert trip.speed_mms.tolist() == [12500, UNKNOWN]
    assert trip.heading_cdeg.tolist() == [0, UNKNOWN]
    assert trip.accuracy_mm.tolist() == [4500, UNKNOWN]
    assert trip.origin_ns == start
    assert (trip.gravity, trip.time_basis) == (Gravity.KEPT, TimeBasis.ABSOLUTE)
    assert trip.synthetic
    assert trip.warnings == ()


def test_columns_may_stand_in_any_order_among_others() -> None:
    """Order and extra columns of the header change nothing."""
    other = (
        "note,az,ay,ax,t\na,9.8,0.1,0,1700000000\nb,9.9,0.1,0,1700000001\nc,9.7,0,0,1700000002\n"
    )
    same = "t,ax,ay,az\n1700000000,0,0.1,9.8\n1700000001,0,0.1,9.9\n1700000002,0,0,9.7\n"
    assert trip_in(other).trip_id == trip_in(same).trip_id


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: s.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda s: s.replace("\n", "\r"), id="CR only"),
        pytest.param(lambda s: s.rstrip("\n"), id="no last line end"),
        pytest.param(lambda s: "\ufeff" + s, id="byte order mark"),
        pytest.param(lambda s: s.replace("t,ax", "T, AX "), id="case and blanks"),
        pytest.param(lambda s: s.replace(",", ";"), id="semicolons"),
        pytest.param(lambda s: s.replace("# device: phone 7\n", ""), id="device left out"),
        pytest.param(lambda s: s.replace("# synthetic: yes\n", ""), id="mark left out"),
        pytest.param(lambda s: s.replace("0.1,", "+1e-1,"), id="other spelling of numbers"),
        pytest.param(
            lambda s: (
                s.replace("\n17", '\n"17')
                .replace(".01,", '.01",')
                .replace(".00,", '.00",')
                .replace(".02,", '.02",')
            ),
            id="quoted",
        ),
    ],
)
def test_the_same_drive_exported_otherwise_is_the_same_trip(change: object) -> None:
    """A trip is its content: line ends, marks, quotes, device and spelling are not part of it."""
    assert trip_in(change(SMALL)).trip_id == trip_in(SMALL).trip_id  # type: ignore[operator]


def test_utf_16_is_read_with_a_warning() -> None:
    """Text in UTF-16 with a mark is the same trip, and says so."""
    trip = trip_in(SMALL.encode("utf-16"))
    assert trip.trip_id == trip_in(SMALL).trip_id
    assert trip.warnings == ("text was UTF-16",)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_another_unit_of_time_is_told_from_its_size(unit: str) -> None:
    """Milli-, micro- and nanoseconds since 1970 give the same trip, with a warning."""
    per_s = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    rows = [f"{int(1_700_000_000_000 + k) * per_s // 1000},0,{k},9.8" for k in range(0, 90, 10)]
    small = [f"{1_700_000_000_000 / 1000 + k / 1000:.3f},0,{k},9.8" for k in range(0, 90, 10)]
    head = "t,ax,ay,az\n"
    trip = trip_in((head + "\n".join(rows)).replace(",0,", ",0,0."))
    assert trip.trip_id == trip_in((head + "\n".join(small)).replace(",0,", ",0,0.")).trip_id
    assert trip.warnings == (f"time taken as {unit} since 1970, from its size",)


def test_a_device_is_kept_as_a_pseudonym_only_and_the_caller_beats_the_file() -> None:
    """No trip holds the name of a phone, and the same name gives the same pseudonym."""
    named, given_name = trip_in(SMALL), trip_in(SMALL, device="phone 8")
    assert named.device is not None
    assert len(named.device) == 32
    assert "phone" not in named.device
    assert given_name.device not in (None, named.device)
    assert (
        trip_in(SMALL.replace("# device: phone 7\n", ""), device="phone 7").device == named.device
    )


def test_broken_cells_drop_their_row_and_are_counted() -> None:
    """Not a number, infinite, grouped, hexadecimal or full-width: the row goes, and only that."""
    lines = plain_csv().splitlines()
    for k, bad in zip((20, 40, 60, 80, 100), ("1_000", "inf", "0x1p3", "１", "x"), strict=True):
        cells = lines[k].split(",")
        lines[k] = ",".join([cells[0], bad, *cells[2:]])
    lines[120] += ",7"  # a field too many
    lines[140] = "1"  # fields missing
    trip = trip_in("\n".join(lines))
    assert len(trip.t_ns) == 2400 - 7
    assert trip.warnings == ("7 of 2400 rows could not be read and were dropped",)


def test_a_bad_fix_drops_the_fix_and_never_the_sample() -> None:
    """0, 0 and positions off the Earth go; the samples of their rows stay."""
    data = plain_csv().replace(",42.0013490,-71.0", ",0,0").replace(",42.0026980,-71.0", ",95,0")
    trip, whole = trip_in(data), trip_in(plain_csv())
    assert len(trip.t_ns) == len(whole.t_ns)
    assert len(trip.fix_t_ns) == len(whole.fix_t_ns) - 2
    assert trip.warnings == ("1 positions outside ±90°, ±180° dropped",)


def test_swapped_rows_are_sorted_with_a_warning() -> None:
    """A few rows out of order by a fraction of a second make the same trip."""
    lines = plain_csv().splitlines()
    lines[500], lines[501] = lines[501], lines[500]
    trip = trip_in("\n".join(lines))
    assert trip.trip_id == trip_in(plain_csv()).trip_id
    assert trip.warnings == ("1 rows went back in time, by up to 0.05 s: sorted",)


def test_rows_written_twice_count_once() -> None:
    """Exact copies of rows are dropped, and said."""
    lines = plain_csv().splitlines()
    doubled = lines[:100] + lines[99:]
    trip = trip_in("\n".join(doubled))
    assert trip.trip_id == trip_in(plain_csv()).trip_id
    assert trip.warnings == ("1 doubled rows dropped",)


def test_samples_of_one_time_become_their_mean() -> None:
    """Two different samples at one time are one sample halfway between them."""
    data = plain_csv()
    first = data.splitlines()[1]
    cells = first.split(",")
    other = ",".join([cells[0], str(float(cells[1]) + 1), *cells[2:4], "", "", "", "", ""])
    trip = trip_in(data.replace(first, first + "\n" + other))
    assert len(trip.t_ns) == 2400
    assert trip.acc[0, 0] == trip_in(data).acc[0, 0] + 5000
    assert trip.warnings == ("1 samples shared a time with others: averaged",)


def test_bunches_of_samples_are_spread_at_their_rate() -> None:
    """Ten samples stamped alike every 0.1 s are 100 Hz, ending at their stamp."""
    rows = [f"{1_700_000_000 + (k // 10) / 10:.1f},0,{k % 7 / 10},9.8" for k in range(600)]
    trip = trip_in("t,ax,ay,az\n" + "\n".join(rows))
    steps = (trip.t_ns[1:] - trip.t_ns[:-1]) / 1e6
    assert len(trip.t_ns) == 600
    assert steps.min() > 9.5
    assert steps.max() < 10.5
    assert trip.t_ns[-1] == 1_700_000_005_900_000_000
    assert trip.warnings == ("samples came in bunches: spread at 100 Hz",)


def test_a_clock_from_zero_makes_a_relative_trip() -> None:
    """Seconds since a start hold no date; times count from the first sample."""
    trip = trip_in("t,ax,ay,az\n5.00,0,0,9.8\n5.01,0,0,9.9\n5.02,0,0,9.7\n")
    assert trip.time_basis is TimeBasis.RELATIVE
    assert trip.t_ns.tolist() == [0, 10_000_000, 20_000_000]
    assert trip.origin_ns == 0
    assert trip.warnings == ("time counts s from a start, not from 1970: the trip has no date",)


def test_gravity_is_told_from_the_median() -> None:
    """Kept at 9.81 ± 0.8, removed below 2, g where the numbers are steady at 1, else refused."""
    rows = "t,ax,ay,az\n" + "".join(f"{1.7e9 + k},0.{k},0.1,{{}}\n" for k in range(9))
    assert trip_in(rows.replace("{}", "9.1")).gravity is Gravity.KEPT
    removed = trip_in(
        "t,ax,ay,az\n" + "".join(f"{1.7e9 + k},{(-1) ** k},0.1,0\n" for k in range(9))
    )
    assert removed.gravity is Gravity.REMOVED
    in_g = trip_in(rows.replace(",0.", ",0.00").replace("{}", "0.97"))
    assert in_g.gravity is Gravity.KEPT
    assert in_g.acc[0, 2] == round(0.97 * 98066.5)
    assert in_g.warnings == (
        "unit taken as g: the median of |a| is 0.97 and steady",
        "1 samples a second: too sparse for waveforms, counts as exposure only",
    )
    assert refusal_of(rows.replace("{}", "5.0")).reason is Reason.UNIT


@settings(max_examples=30, deadline=None)
@given(st.integers(-(10**9), 10**9))
def test_a_trip_shifted_in_time_is_the_same_but_for_its_times(shift_s: int) -> None:
    """Whole seconds added to every time are added to every time, and nothing else changes."""
    base = 1_700_000_000 + (shift_s % 10**8)
    here, there = trip_in(plain_csv(seconds=5)), trip_in(plain_csv(seconds=5, t0=float(base)))
    assert (there.acc == here.acc).all()
    assert (there.t_ns - base * 10**9 == here.t_ns - 1_700_000_000 * 10**9).all()
    assert (there.trip_id == here.trip_id) == (base == 1_700_000_000)
