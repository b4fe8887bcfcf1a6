"""Imported exchanges, whose time is earlier than their acceptance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, without rewriting rows."""
    op.add_column("messages", sa.Column("accepted_at", sa.DateTime(timezone=True)))
    op.add_column("conversations", sa.Column("first_accepted_at", sa.DateTime(timezone=True)))
    op.add_column("conversations", sa.Column("last_import", sa.Uuid()))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("conversations", "last_import")
    op.drop_column("conversations", "first_accepted_at")
    op.drop_column("messages", "accepted_at")
