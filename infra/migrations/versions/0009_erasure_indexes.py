"""Indexes for deletions and purges, whose duration then does not depend on other rows."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from infra.migrations.online import create_index_online, drop_index_online

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INDEXES: Final = (
    ("ix_idempotency_keys_exchange_id", "idempotency_keys", "exchange_id"),
    ("ix_thread_tombstones_deleted_at", "thread_tombstones", "deleted_at"),
    ("ix_user_tombstones_deleted_at", "user_tombstones", "deleted_at"),
    ("ix_cache_repairs_noted_at", "cache_repairs", "noted_at"),
    ("ix_cache_epochs_began_at", "cache_epochs", "began_at"),
)


def upgrade() -> None:
    """Build the indexes while the tables are in use."""
    for name, table, column in _INDEXES:
        create_index_online(name, table, [column])
    create_index_online(
        "ix_conversations_uncounted", "conversations", ["id"], postgresql_where=sa.text("message_count is null")
    )


def downgrade() -> None:
    """Drop the indexes."""
    drop_index_online("ix_conversations_uncounted")
    for name, _, _ in _INDEXES:
        drop_index_online(name)
