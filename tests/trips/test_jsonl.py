"""JSON lines: the plain CSV's keys, one object per row."""

from __future__ import annotations

import csv
import json

import pytest

from streetbump.model import Reason

from .kit import plain_csv, refusal_of, trip_in


def as_lines(table: str, *, blank: object = ...) -> str:
    """A plain CSV without comments as JSON lines; empty cells are left out, or are `blank`."""
    rows = []
    for row in csv.DictReader(table.splitlines()):
        cells = {k: float(v) if v else blank for k, v in row.items()}
        rows.append(json.dumps({k: v for k, v in cells.items() if v is not ...}))
    return "\n".join(rows) + "\n"


MARKS = '{"streetbump-jsonl": 1, "device": "phone 7", "synthetic": true}\n'
LINES = as_lines(plain_csv(seconds=20))
ROW = '{"t": 1700000000.5, "ax": 0.1, "ay": 0.2, "az": 9.8}\n'


def test_json_lines_are_the_plain_csv_by_another_name() -> None:
    """The same rows as CSV and as JSON lines, keys left out or null, are one trip."""
    table = plain_csv(seconds=20)
    trips = [trip_in(d) for d in (table, as_lines(table), as_lines(table, blank=None))]
    assert len({t.trip_id for t in trips}) == 1
    assert [t.format for t in trips] == ["plain-csv", "jsonl", "jsonl"]
    assert trips[1].warnings == ()


def test_marks_stand_first() -> None:
    """The first object may name the phone and say that the trip is made up."""
    trip, unmarked = trip_in(MARKS + LINES), trip_in(LINES)
    named = trip_in("# device: phone 7\n" + plain_csv(seconds=20))
    assert (trip.synthetic, unmarked.synthetic) == (True, False)
    assert (trip.device, unmarked.device) == (named.device, None)
    assert trip.trip_id == unmarked.trip_id


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace('"t"', '"unknown": {"deep": [1, "x"]}, "t"'),
    ],
    ids=["mark", "CR LF", "blank lines", "no line end", "other keys"],
)
def test_what_only_looks_different_is_the_same(change) -> None:  # type: ignore[no-untyped-def]
    """Line ends, blank lines and keys that nobody knows change nothing."""
    assert trip_in(change(MARKS + LINES)).trip_id == trip_in(LINES).trip_id


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1, 2, 3]",
        "1700000000,0,0,9.8",
        '{"t": "1700000000.5", "ax": 0, "ay": 0, "az": 9.8}',
        '{"t": 1700000000.5, "ax": NaN, "ay": 0, "az": 9.8}',
        '{"t": 1700000000.5, "ax": Infinity, "ay": 0, "az": 9.8}',
        '{"t": 1700000000.5, "ax": true, "ay": 0, "az": 9.8}',
        '{"t": 1700000000.5, "ax": 1e300, "ay": 0, "az": 9.8}',
        '{"t": 1700000000.5, "ax": 1e999, "ay": 0, "az": 9.8}',
        '{"t": 1700000000.5, "more": ' + "[" * 8000 + "]" * 8000 + "}",
        '{"t": 1700000000.5, "x": "\\ud800", "ax": [], "ay": 0, "az": 9.8}',
    ],
)
def test_a_line_that_is_no_row_is_dropped_and_counted(line: str) -> None:
    """What is no object, or no number where one is needed, costs that line."""
    trip = trip_in(LINES + line + "\n")
    assert trip.trip_id == trip_in(LINES).trip_id
    assert trip.warnings == ("1 of 401 rows could not be read and were dropped",)


CASES = [
    ("no row", MARKS, Reason.EMPTY),
    ("later version", MARKS.replace(": 1,", ": 2,") + LINES, Reason.VERSION),
    ("device is a number", MARKS.replace('"phone 7"', "7") + LINES, Reason.SCHEMA),
    ("half a letter as device", MARKS.replace("phone 7", "\\ud800") + LINES, Reason.SCHEMA),
    ("synthetic is a word", MARKS.replace("true", '"no"') + LINES, Reason.SCHEMA),
    ("first line is broken", "{]}\n" + LINES, Reason.SCHEMA),
    ("first line is deep", '{"a":' + "[" * 8000 + "}\n" + LINES, Reason.SCHEMA),
    ("no acceleration", '{"t": 1700000000}\n' * 9, Reason.NO_ACCEL),
    ("one axis is missing", LINES.replace('"az"', '"aw"'), Reason.NO_ACCEL),
    ("no time", ROW.replace('"t"', '"time"') + LINES.replace('"t"', '"time"'), Reason.SCHEMA),
    ("latitude alone", LINES.replace('"lon"', '"lng"'), Reason.SCHEMA),
    ("an object over several lines", json.dumps({"t": [1, 2]}, indent=1), Reason.UNSUPPORTED_TYPE),
    ("an array", "[" + ROW.strip() + "]", Reason.UNSUPPORTED_TYPE),
    ("a third is no row", ROW * 6 + "{}}\n" * 3, Reason.TOO_LITTLE_USABLE),
    ("a long line", ROW + '{"t":' + " " * 17_000 + "1}\n", Reason.LINE_LIMIT),
    ("NUL", LINES + "\0\n", Reason.CONTROL_CHARS),
    ("too many rows", b"{}\n" * 2_000_100, Reason.ROW_LIMIT),
]


@pytest.mark.parametrize(("data", "reason"), [pytest.param(d, r, id=i) for i, d, r in CASES])
def test_bad_json_lines_are_refused_with_their_reason(data: bytes | str, reason: Reason) -> None:
    """Each kind of bad file has one reason code and a hint."""
    got = refusal_of(data)
    assert got.reason is reason, got.hint
    assert len(got.hint) > 15
    assert got.hint.isprintable()


def test_a_position_file_may_be_json_lines() -> None:
    """Rows of positions alone serve as --gps, and say so alone: no accelerometer."""
    fixes = "".join(
        f'{{"t": {1_700_000_000 + k}, "lat": {42 + k * 1e-4:.7f}, "lon": -71.0}}\n'
        for k in range(20)
    )
    trip = trip_in(LINES, gps=fixes.encode())
    assert len(trip.lat_e7) == 20
    assert refusal_of(fixes).reason is Reason.NO_ACCEL
