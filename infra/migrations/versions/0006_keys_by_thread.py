"""An index for the idempotency keys of a thread."""

from __future__ import annotations

from infra.migrations.online import create_index_online, drop_index_online

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NAME = "ix_idempotency_keys_thread_id"


def upgrade() -> None:
    """Build the index while the table is in use."""
    create_index_online(_NAME, "idempotency_keys", ["thread_id"])


def downgrade() -> None:
    """Drop the index."""
    drop_index_online(_NAME)
