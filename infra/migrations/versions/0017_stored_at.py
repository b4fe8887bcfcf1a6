"""When PostgreSQL stored an exchange."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, without rewriting rows: those that exist keep null, because their time is unknown.

    The default is set separately. It also fills the column in rows that the previous release writes.
    """
    op.add_column("messages", sa.Column("stored_at", sa.DateTime(timezone=True)))
    op.execute("alter table messages alter column stored_at set default clock_timestamp()")


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("messages", "stored_at")
