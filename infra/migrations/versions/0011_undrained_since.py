"""The time since which accepted exchanges may be undrained."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the sweep's next heartbeat fills it."""
    op.add_column("drain_health", sa.Column("undrained_since", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("drain_health", "undrained_since")
