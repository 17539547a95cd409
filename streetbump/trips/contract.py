"""The columns of the plain CSV's contract, whatever carries them: CSV, JSON lines, Parquet."""

from __future__ import annotations

from collections.abc import Mapping

from streetbump.model import Floats, Reason
from streetbump.trips.clock import counting
from streetbump.trips.drive import Drive, Rows, from_rows
from streetbump.trips.notes import Note
from streetbump.trips.refusal import Refusal, quoted

COLUMNS = ("t", "ax", "ay", "az", "lat", "lon", "speed", "heading", "accuracy")
"""Seconds since 1970 UTC, m/s² (Android sign), degrees, m/s, degrees from north, metres."""


VERSION = "1"
"""Of the contract."""

TAKEN: tuple[Note, ...] = (
    ("clock", "seconds since 1970 UTC, as the contract says"),
    ("sign", "Android's, as the contract says"),
    ("unit", "m/s², degrees, m/s, metres, as the contract says"),
)


def refuse_version(mark: str, said: str) -> None:
    """Refuse a file whose `mark` says another version of the contract.

    Raises
    ------
    Refusal
        VERSION.
    """
    if said != VERSION:
        raise Refusal(
            Reason.VERSION, f"{mark} {quoted(said)} is not known here, only {VERSION}: update "
            f"streetbump, or export version {VERSION}",
        )  # fmt: skip


def drive_of(
    columns: Mapping[str, Floats],
    *,
    format: str,  # noqa: A002
    rows: int,
    lost: int = 0,
    device: str | None = None,
    synthetic: bool = False,
) -> Drive:
    """The drive in columns of the contract, each (n,), NaN for an empty cell.

    Parameters
    ----------
    columns : mapping
        By name, those that there are: without ``ax, ay, az`` they are a position file.
    rows, lost : int
        Rows in the file, and how many of them could not be read.

    Raises
    ------
    Refusal
        NO_ACCEL with neither acceleration nor position, SCHEMA without ``t`` or with one of
        ``lat, lon``; and whatever the rows give reason for.

    >>> import numpy as np
    >>> columns = {"t": np.array([1.7e9]), "lat": np.array([42.0]), "lon": np.array([-71.0])}
    >>> drive = drive_of(columns, format="jsonl", rows=1)
    >>> drive.accelerometer, len(drive.fixes)
    (False, 1)
    """
    axes = [columns[c] for c in COLUMNS[1:4] if c in columns]
    place = [c in columns for c in ("lat", "lon")]
    if len(axes) < 3 and not all(place):
        raise Refusal(Reason.NO_ACCEL, "the columns ax, ay, az are needed")
    if "t" not in columns:
        raise Refusal(Reason.SCHEMA, "the column t (time) is needed")
    if any(place) and not all(place):
        raise Refusal(Reason.SCHEMA, "lat and lon are needed together")
    acc = (axes[0], axes[1], axes[2]) if len(axes) == 3 else None
    table = Rows(
        counting(columns["t"], sampled=acc is not None),
        acc,
        columns.get("lat"),
        columns.get("lon"),
        columns.get("speed"),
        columns.get("heading"),
        columns.get("accuracy"),
        rows,
        lost,
    )
    return from_rows(table, format=format, device=device or None, synthetic=synthetic)
