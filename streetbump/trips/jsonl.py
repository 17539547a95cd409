"""JSON lines with the keys of the plain CSV: one object per row.

The first object may hold the marks instead of a row: ``{"streetbump-jsonl": 1, "device": "NAME",
"synthetic": true}``. A key may be left out or null where there is no value; other keys are passed
over. A line that is no such object is dropped and counted.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np

from streetbump.model import Floats, Reason
from streetbump.trips import contract
from streetbump.trips.contract import COLUMNS, drive_of
from streetbump.trips.drive import Drive
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.table import SYNTHETIC_COLUMN, measured
from streetbump.trips.text import open_text

FORMAT = "jsonl"
TOLD_BY = "a JSON object on the first line"
TAKEN = contract.TAKEN
VERSION = 1
AT_ONCE = 50_000
"""Lines that are objects of Python's at one time: some 20 MB. Chosen by us."""


class _Row(msgspec.Struct, frozen=True, gc=False):
    """One line."""

    t: float | None = None
    ax: float | None = None
    ay: float | None = None
    az: float | None = None
    lat: float | None = None
    lon: float | None = None
    speed: float | None = None
    heading: float | None = None
    accuracy: float | None = None


class _Marks(msgspec.Struct, frozen=True):
    """The first line: what holds for the whole file."""

    version: int | None = msgspec.field(name="streetbump-jsonl", default=None)
    device: str | None = None
    synthetic: bool = False
    column: bool | int | str | None = msgspec.field(name=SYNTHETIC_COLUMN, default=None)
    t: float | None = None


_ROW = msgspec.json.Decoder(_Row)
_MARKS = msgspec.json.Decoder(_Marks)
_BROKEN = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What decoding a line may raise, whatever the line holds."""


def recognise(data: bytes) -> bool:
    r"""Whether the first line is an object and ends on that line.

    >>> recognise(b'{"t": 1}\n'), recognise(b'{\n"t": 1}\n'), recognise(b"t,ax\n")
    (True, False, False)
    """
    first = data[: 1 << 16].removeprefix(codecs.BOM_UTF8).lstrip().replace(b"\r", b"\n")
    line = first.split(b"\n", 1)[0].rstrip()
    return line.startswith(b"{") and line.endswith(b"}")


def read(data: bytes, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in JSON lines.

    Raises
    ------
    Refusal
        What any text is refused for; VERSION, SCHEMA, EMPTY, NO_ACCEL, TOO_LITTLE_USABLE.
    """
    text = open_text(data)
    lines = [line for line in text.data.split(b"\n") if line.strip()]
    marks = _marks(lines[0])
    if marks.t is None:
        lines = lines[1:]
    if not lines:
        raise Refusal(Reason.EMPTY, "there are marks and no row: nothing was recorded")
    table, lost = _table(lines)
    columns = {
        c: column
        for c, column in zip(COLUMNS, measured(table).T, strict=True)
        if np.isfinite(column).any()
    }
    drive = drive_of(
        columns,
        format=FORMAT,
        rows=len(lines),
        lost=lost,
        device=marks.device,
        synthetic=marks.synthetic or marks.column is not None,
    )
    return (replace(drive, warnings=(*text.warnings, *drive.warnings)),)


def _marks(line: bytes) -> _Marks:
    try:
        marks = _MARKS.decode(line)
    except _BROKEN as exc:
        raise Refusal(
            Reason.SCHEMA, "line 1 is neither a row nor the marks of JSON lines: an object with "
            "streetbump-jsonl (1), device (a text) and synthetic (true or false)",
        ) from exc  # fmt: skip
    if marks.version not in (None, VERSION):
        raise Refusal(
            Reason.VERSION, f"streetbump-jsonl {marks.version} is not known here, only {VERSION}: "
            f"update streetbump, or export version {VERSION}",
        )  # fmt: skip
    return marks


def _table(lines: list[bytes]) -> tuple[Floats, int]:
    """The rows' values, (n, 9), NaN where there is none; and how many lines are no row."""
    parts = []
    for k in range(0, len(lines), AT_ONCE):  # a loop over chunks
        rows = _rows(lines[k : k + AT_ONCE])
        values = [
            (r.t, r.ax, r.ay, r.az, r.lat, r.lon, r.speed, r.heading, r.accuracy) for r in rows
        ]
        parts.append(np.array(values, dtype=np.float64).reshape(-1, len(COLUMNS)))
    table = np.concatenate(parts)
    return table, len(lines) - len(table)


def _rows(lines: list[bytes]) -> list[_Row]:
    try:
        return _ROW.decode_lines(b"\n".join(lines))
    except _BROKEN:
        return list(_readable(lines))


def _readable(lines: list[bytes]) -> Iterator[_Row]:
    """The rows one by one: some line among them is none."""
    for line in lines:
        try:
            yield _ROW.decode(line)
        except _BROKEN:
            continue
