"""Vectors of exchanges for the search by meaning, and the threads that vectors are due for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BIT

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables. They are empty, so their indexes are built at once."""
    op.create_table(
        "exchange_vectors",
        sa.Column("message_id", sa.Uuid(), sa.ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("signs", BIT(varying=True), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "model"),
    )
    op.create_index("ix_exchange_vectors_conversation_id", "exchange_vectors", ["conversation_id", "model"])
    op.create_index("ix_exchange_vectors_model", "exchange_vectors", ["model"])
    op.create_table(
        "due_derivations",
        sa.Column("conversation_id", sa.Uuid(), sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("is_old", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "kind"),
    )
    op.create_index("ix_due_derivations_old", "due_derivations", ["kind"], postgresql_where=sa.text("is_old"))
    op.create_index("ix_due_derivations_due_at", "due_derivations", ["kind", "due_at"])
    op.create_table(
        "derivation_progress",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("last_conversation_id", sa.Uuid()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("kind"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("derivation_progress", "due_derivations", "exchange_vectors"):
        op.drop_table(table)
