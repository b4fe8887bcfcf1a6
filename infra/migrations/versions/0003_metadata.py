"""What a caller keeps beside an exchange's texts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; it is null for what is there, so no row is written."""
    op.add_column("messages", sa.Column("metadata", sa.JSON()))


def downgrade() -> None:
    """Remove the column and what is in it."""
    op.drop_column("messages", "metadata")
