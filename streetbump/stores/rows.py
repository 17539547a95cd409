"""Rows in and out of the database: whole frames, long lists, digests, notes for the audit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as upsert

from streetbump import model
from streetbump.geo import cells_around
from streetbump.model import Ints
from streetbump.stores import schema as t
from streetbump.stores.records import obstacle_digest

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

IN_CHUNK = 500
"""Values in one IN list: under every database's limit on parameters."""


def chunks(values: list[Any]) -> Iterator[list[Any]]:
    """A long list in parts that fit one statement."""
    for i in range(0, len(values), IN_CHUNK):
        yield values[i : i + IN_CHUNK]


def selected(
    c: sa.Connection, query: sa.Select[Any], key: sa.Column[Any], values: Iterable[Any]
) -> Iterator[Any]:
    """The rows of a query whose key is one of some values, however many."""
    for part in chunks(list(values)):
        yield from c.execute(query.where(key.in_(part)))


def bulk(c: sa.Connection, table: sa.Table, frame: pd.DataFrame, **more: Any) -> None:
    """Insert a whole frame; `more` are further columns, one value or one array each."""
    if len(frame) == 0:
        return
    columns = {name: _plain(frame[name]) for name in frame.columns}
    for name, value in more.items():
        columns[name] = value.tolist() if isinstance(value, np.ndarray) else [value] * len(frame)
    statement = table.insert().compile(dialect=c.dialect, column_keys=list(columns))
    # Straight to the driver: of what a row costs, most was making its parameters ready.
    c.exec_driver_sql(statement.string, list(_parameters(statement, columns)))


def _parameters(statement: SQLCompiler, columns: dict[str, list[Any]]) -> Iterator[Any]:
    """The rows as the driver wants them: tuples in the order of the statement, or by name."""
    names = statement.positiontup
    if names is not None:
        return zip(*(columns[name] for name in names), strict=True)
    rows = zip(*columns.values(), strict=True)
    return (dict(zip(columns, row, strict=True)) for row in rows)


def _plain(column: pd.Series) -> list[Any]:
    """Python values of a column, unknown as None."""
    values = column.tolist()
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
        return values
    unknown = column.isna().to_numpy()
    if not unknown.any():
        return values
    return [None if u else v for v, u in zip(values, unknown, strict=True)]


def put(
    c: sa.Connection, table: sa.Table, key: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Insert rows of the same columns; of those whose key is there already the rest is changed."""
    if not rows:
        return
    statement = upsert(table)
    rest = {name: statement.excluded[name] for name in rows[0] if name not in key}
    c.execute(statement.on_conflict_do_update(index_elements=list(key), set_=rest), list(rows))


def by_cells(
    c: sa.Connection, table: sa.Table, kind: model.Table, cells: Ints, *, generation: str
) -> pd.DataFrame:
    """The rows of a table in some cells of a generation."""
    return by_keys(c, table.c.cell, kind, cells.tolist(), where=table.c.generation == generation)


def by_keys(
    c: sa.Connection,
    key: sa.Column[Any],
    kind: model.Table,
    values: list[Any],
    *,
    where: Any = None,
) -> pd.DataFrame:
    """The rows of a table with some keys; none for an unknown key."""
    query = sa.select(*(key.table.c[name] for name in kind.names))
    if where is not None:
        query = query.where(where)
    rows: list[Any] = []
    for part in chunks(values):
        # The driver's own rows: tables say what their columns are, and there are many rows.
        rows += c.execute(query.where(key.in_(part))).cursor.fetchall()
    return frame(rows, kind)


def frame(rows: Sequence[Any], kind: model.Table) -> pd.DataFrame:
    """Rows of the database as a checked table."""
    if not rows:
        return kind.empty()
    return kind.build(dict(zip(kind.names, zip(*rows, strict=True), strict=True)))


def toggle(
    c: sa.Connection, generation: str, touched: Sequence[tuple[Ints, int]], halo_m: float
) -> None:
    """Exclusive-or numbers into every cell that depends on the cells given with each."""
    changes: dict[int, int] = {}
    for cells, change in touched:
        for cell in cells_around(cells[cells >= 0], halo_m=halo_m).tolist():
            changes[cell] = changes.get(cell, 0) ^ change
    targets = sorted(changes)
    query = sa.select(t.cells.c.cell, t.cells.c.input_digest)
    query = query.where(t.cells.c.generation == generation)
    known = {row.cell: row.input_digest for row in selected(c, query, t.cells.c.cell, targets)}
    known |= _of_obstacles(c, [cell for cell in targets if cell not in known], halo_m)
    rows = [
        {
            "generation": generation,
            "cell": cell,
            "input_digest": known[cell] ^ changes[cell],
            "stale": True,
        }
        for cell in targets
    ]
    put(c, t.cells, ("generation", "cell"), rows)


def _of_obstacles(c: sa.Connection, cells: list[int], halo_m: float) -> dict[int, int]:
    """What the known obstacles around some cells add to their digests."""
    around = {cell: cells_around(np.array([cell]), halo_m=halo_m).tolist() for cell in cells}
    wanted = sorted({near for nears in around.values() for near in nears})
    standing: dict[int, set[tuple[str, int]]] = {}
    query = sa.select(
        t.obstacle_cells.c.cell, t.obstacles.c.obstacle_id, t.obstacles.c.revision
    ).join(t.obstacles, t.obstacles.c.obstacle_id == t.obstacle_cells.c.obstacle_id)
    for cell, obstacle_id, revision in selected(c, query, t.obstacle_cells.c.cell, wanted):
        standing.setdefault(cell, set()).add((obstacle_id, revision))
    digests = {}
    for cell, nears in around.items():
        each = set().union(*(standing.get(near, set()) for near in nears))
        digests[cell] = reduce(xor, (obstacle_digest(*one) for one in each), 0)
    return digests


def audit_row(
    c: sa.Connection, now_ns: int, what: str, subject: str, detail: dict[str, Any]
) -> None:
    """Note what was done, to what, when."""
    audit_rows(c, now_ns, what, {subject: detail})


def audit_rows(
    c: sa.Connection, now_ns: int, what: str, details: dict[str, dict[str, Any]]
) -> None:
    """Note what was done at once, to each subject."""
    rows = [
        {"at_ns": now_ns, "what": what, "subject": subject,
         "detail": json.dumps(detail, sort_keys=True)}
        for subject, detail in details.items()
    ]  # fmt: skip
    if rows:
        c.execute(t.audit.insert(), rows)
