"""The metadata of an exchange."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; existing rows get null and are not rewritten."""
    op.add_column("messages", sa.Column("metadata", sa.JSON()))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("messages", "metadata")
