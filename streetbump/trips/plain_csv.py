"""Our plain CSV, the contract of docs/formats.md.

Optional comment lines ``# streetbump-csv 1``, ``# device: NAME``, ``# synthetic: yes``; then a
header with ``t,ax,ay,az`` and, if there are fixes, ``lat,lon,speed,heading,accuracy``.
"""

from __future__ import annotations

import re

from streetbump.model import Reason
from streetbump.trips import contract
from streetbump.trips.contract import COLUMNS, drive_of
from streetbump.trips.drive import Drive
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.table import Layout, read_columns
from streetbump.trips.text import Text

FORMAT = "plain-csv"
TOLD_BY = "a line # streetbump-csv, or the columns t, ax, ay, az"
TAKEN = contract.TAKEN
YES = ("yes", "true", "1")
"""What the line ``# synthetic:`` says of a made-up trip."""
_COMMENT = re.compile(r"#\s*(streetbump-csv|device|synthetic)\s*[: ]\s*(.*?)\s*", re.IGNORECASE)


def recognise(layout: Layout) -> bool:
    """Whether the table says so in a comment, or has the contract's four needed columns."""
    names = {name.lower() for name in layout.names}
    return "streetbump-csv" in _comments(layout) or names >= set(COLUMNS[:4])


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in a plain CSV: seconds since 1970 UTC, m/s², Android sign, degrees."""
    said = _comments(layout)
    contract.refuse_version("streetbump-csv", said.get("streetbump-csv", contract.VERSION))
    at = {c: layout.find(lambda n, c=c: n.lower() == c) for c in COLUMNS}  # type: ignore[misc]
    _refuse_incomplete(at, layout)
    there = {c: i for c, i in at.items() if i is not None}
    columns = read_columns(text, layout, numbers=list(there.values()))
    drive = drive_of(
        {c: columns.numbers[i] for c, i in there.items()},
        format=FORMAT,
        rows=columns.rows,
        lost=columns.lost,
        device=said.get("device"),
        synthetic=said.get("synthetic", "").lower() in YES,
    )
    return (drive,)


def _comments(layout: Layout) -> dict[str, str]:
    found = (_COMMENT.fullmatch(line) for line in layout.comments)
    return {m[1].lower(): m[2] for m in found if m}


def _refuse_incomplete(at: dict[str, int | None], layout: Layout) -> None:
    if any(at[c] is None for c in ("ax", "ay", "az")):
        raise Refusal(Reason.NO_ACCEL, f"line {layout.line}: the columns ax, ay, az are needed")
    if at["t"] is None:
        raise Refusal(Reason.SCHEMA, f"line {layout.line}: the column t (time) is needed")
    if (at["lat"] is None) != (at["lon"] is None):
        raise Refusal(Reason.SCHEMA, f"line {layout.line}: lat and lon are needed together")
