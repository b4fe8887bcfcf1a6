"""An index for recently deleted exchanges."""

from __future__ import annotations

from infra.migrations.online import create_index_online, drop_index_online

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NAME = "ix_exchange_tombstones_deleted_at"


def upgrade() -> None:
    """Build the index while the table is in use."""
    create_index_online(_NAME, "exchange_tombstones", ["deleted_at"])


def downgrade() -> None:
    """Drop the index."""
    drop_index_online(_NAME)
