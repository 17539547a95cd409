"""What SQLite's planner must know of the big tables.

Without figures it takes one generation for ten rows, and reads all of them for every jolt of a
cluster. They are typical ones and stay as they are: plans do not change as a city grows. An
``ANALYZE`` would do as well, but only of a store that is full. PostgreSQL counts by itself.

A *pre* step only: no table changes.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TYPICAL = (
    ("bumps", "bumps", "1000000 1000000 1000 10 1"),
    ("bumps", "ix_bumps_generation_trip_key", "1000000 1000000 50"),
    ("passes", "passes", "5000000 5000000 5000 20 1"),
    ("passes", "ix_passes_generation_trip_key", "5000000 5000000 250"),
    ("members", "members", "1000000 1000000 5 1 1"),
    ("clusters", "ix_clusters_generation_cell", "250000 250000 250"),
    ("clusters", "sqlite_autoindex_clusters_1", "250000 250000 1"),
)
"""Table, index, and its rows: in all, and per value of its first column, its first two, and so on.
A city of a million jolts. A table without row ids is its own first index."""


def upgrade() -> None:
    """Write the figures down, and have them read."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.execute("ANALYZE sqlite_schema")  # makes the table, empty
    figures = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
    rows = [dict(zip(("tbl", "idx", "stat"), row, strict=True)) for row in TYPICAL]
    op.execute(figures.delete().where(figures.c.idx.in_([row["idx"] for row in rows])))
    op.bulk_insert(figures, rows)
    op.execute("ANALYZE sqlite_schema")
