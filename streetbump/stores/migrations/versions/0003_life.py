"""What cities say of requests, and places whose life is to be looked at.

A *pre* step only: columns are added. What cities said before is null, which is unknown; every
place is looked at once.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for name in ("city_status", "city_words", "parent_id"):
        op.add_column("outbox", sa.Column(name, sa.Text(), nullable=True))
    for name in ("status_ns", "closed_ns"):
        op.add_column("outbox", sa.Column(name, sa.BigInteger(), nullable=True))
    for name, first in (("life_wanted", "1"), ("life_done", "0")):
        op.add_column(
            "places", sa.Column(name, sa.BigInteger(), nullable=False, server_default=first)
        )
