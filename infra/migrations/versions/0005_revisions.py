"""Replaced and deleted exchanges, and the threads of idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, without rewriting rows, and create the table."""
    op.add_column("messages", sa.Column("revision", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "exchange_tombstones",
        sa.Column("thread_id", sa.String(255), nullable=False),
        sa.Column("exchange_id", sa.Uuid(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "exchange_id"),
    )
    op.add_column("idempotency_keys", sa.Column("thread_id", sa.String(255)))


def downgrade() -> None:
    """Drop the columns and the table."""
    op.drop_column("idempotency_keys", "thread_id")
    op.drop_table("exchange_tombstones")
    op.drop_column("messages", "revision")
