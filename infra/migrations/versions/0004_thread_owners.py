"""The owners of threads, recorded before the first exchange is stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "thread_owners",
        sa.Column("thread_id", sa.String(255), primary_key=True),
        sa.Column("user_id", sa.String(255)),
        sa.Column("claimed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_index("ix_thread_owners_user_id", "thread_owners", ["user_id"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("thread_owners")
