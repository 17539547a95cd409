"""Passes say how rough the street was; those stored before hold null, which is unknown.

A *pre* step only: columns are added and nothing moves, so there is nothing to do afterwards.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for name in ("roughness_ms2", "roughness_err_ms2"):
        op.add_column("passes", sa.Column(name, sa.Double(), nullable=True))
