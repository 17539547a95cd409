"""Parquet with the columns of the plain CSV; marks and device in the metadata of its schema.

For local paths only: a compressed, nested binary format is no format for strangers' bytes, and
this reader's guards (few rows and columns, no nested types) do not make it one.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streetbump.model import Floats, Reason
from streetbump.trips import contract
from streetbump.trips.contract import COLUMNS, drive_of
from streetbump.trips.drive import Drive
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.plain_csv import YES
from streetbump.trips.refusal import Refusal, quoted
from streetbump.trips.table import SYNTHETIC_COLUMN, measured
from streetbump.trips.text import FIELDS, ROWS

FORMAT = "parquet"
TOLD_BY = "the first bytes PAR1"
TAKEN: tuple[Note, ...] = (
    ("clock", "seconds since 1970 UTC, or timestamps with a zone, as the contract says"),
    *contract.TAKEN[1:],
)
MAGIC = b"PAR1"


def recognise(data: bytes) -> bool:
    """Whether the bytes begin as a Parquet file.

    >>> recognise(b"PAR1"), recognise(b"t,ax,ay,az")
    (True, False)
    """
    return data.startswith(MAGIC)


def read(data: bytes, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in a Parquet file.

    Raises
    ------
    Refusal
        UNSUPPORTED_TYPE at a live door, UNREADABLE, ROW_LIMIT, LINE_LIMIT, VERSION, SCHEMA, EMPTY,
        NO_ACCEL.
    """
    if not options.local:
        raise Refusal(
            Reason.UNSUPPORTED_TYPE, "this is a Parquet file, which is read from local paths "
            "only and never at a live door: export CSV or JSON lines",
        )  # fmt: skip
    table, said = _table(data)
    contract.refuse_version("streetbump-parquet", said.get("streetbump-parquet", contract.VERSION))
    drive = drive_of(
        {c: _floats(table.column(c), c) for c in COLUMNS if c in table.column_names},
        format=FORMAT,
        rows=table.num_rows,
        device=said.get("device"),
        synthetic=said.get("synthetic", "").lower() in YES
        or SYNTHETIC_COLUMN in table.column_names,
    )
    return (drive,)


def _table(data: bytes) -> tuple[pa.Table, dict[str, str]]:
    """The wanted columns under their names in lower case, and what the metadata say."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = file.schema_arrow.names
        _refuse_large(file.metadata.num_rows, len(names))
        wanted = {n: n.lower() for n in names if n.lower() in (*COLUMNS, SYNTHETIC_COLUMN)}
        _refuse_doubled(names)
        table = file.read(columns=list(wanted), use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as exc:  # ValueError: names that are no UTF-8
        raise Refusal(Reason.UNREADABLE, "a broken Parquet file: write it again") from exc
    said = {
        key.decode("utf-8", "replace").lower(): value.decode("utf-8", "replace")
        for key, value in (table.schema.metadata or {}).items()
    }
    return table.rename_columns([wanted[n] for n in table.column_names]), said


def _refuse_large(rows: int, columns: int) -> None:
    if rows == 0:
        raise Refusal(Reason.EMPTY, "there are columns and no row: nothing was recorded")
    if rows > ROWS:
        raise Refusal(Reason.ROW_LIMIT, f"more than {ROWS} rows: split the recording")
    if columns > FIELDS:
        raise Refusal(Reason.LINE_LIMIT, f"more than {FIELDS} columns")


def _refuse_doubled(names: list[str]) -> None:
    known = [n for n in names if n.lower() in COLUMNS]
    for i, name in enumerate(known):  # a handful of columns
        for other in known[:i]:
            if name.lower() == other.lower():
                raise Refusal(
                    Reason.SCHEMA, f"the columns {quoted(other)} and {quoted(name)} mean the same"
                )


def _floats(column: pa.ChunkedArray, name: str) -> Floats:
    """A column of numbers, or of points in time, as float64; NaN where it is null."""
    kind = column.type
    if pa.types.is_timestamp(kind) and name == "t" and kind.tz is not None:
        us = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())
        return np.asarray(us.to_numpy(), dtype=np.float64) / 1e6
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        instead = "seconds since 1970 UTC, or timestamps with a zone" if name == "t" else "numbers"
        raise Refusal(
            Reason.SCHEMA, f"the column {name} holds {quoted(str(kind))}: write {instead}"
        )
    return measured(np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64))
