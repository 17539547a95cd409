"""How far right of the middle of its bin a car's line ran.

A *pre* step only: a column is added, empty for passes that were stored before.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("passes", sa.Column("aside_m", sa.Double(), nullable=True))
