"""Whether a jolt is the strongest around it.

A *pre* step only: a column is added. Until now no jolt was kept beside a stronger one.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "bumps", sa.Column("alone", sa.Boolean(), nullable=False, server_default=sa.true())
    )
