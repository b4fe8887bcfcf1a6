"""Conversations, messages, documents, preferences, and the tombstones of deleted data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ORDER_KEY = """\
case when substr(exchange_id::text, 15, 1) = '7' then exchange_id
else (lpad(to_hex(floor(extract(epoch from created_at at time zone 'UTC') * 1000)::bigint), 12, '0')
      || substr(replace(exchange_id::text, '-', ''), 13))::uuid end"""


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), primary_key=True)


def _conversation() -> sa.Column[object]:
    return sa.Column(
        "conversation_id", sa.Uuid(), sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False
    )


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "conversations",
        _id(),
        sa.Column("thread_id", sa.String(255), nullable=False, unique=True),
        sa.Column("user_id", sa.String(255)),
        sa.Column("title", sa.String(500)),
        sa.Column("title_is_fixed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _time("created_at"),
        _time("updated_at"),
    )
    op.create_index(
        "ix_conversations_user", "conversations", ["user_id", sa.text("updated_at desc"), sa.text("id desc")]
    )
    op.create_table(
        "messages",
        _id(),
        _conversation(),
        sa.Column("exchange_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("role", sa.String(50), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        _time("created_at"),
        sa.Column("order_key", sa.Uuid(), sa.Computed(_ORDER_KEY, persisted=True), nullable=False),
        sa.UniqueConstraint("conversation_id", "exchange_id", "position"),
    )
    op.create_index("ix_messages_order", "messages", ["conversation_id", "order_key", "position"])
    op.create_table(
        "conversation_documents",
        _conversation(),
        sa.Column("document_id", sa.String(255), nullable=False),
        _time("attached_at"),
        sa.PrimaryKeyConstraint("conversation_id", "document_id"),
    )
    op.create_table(
        "user_preferences",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("user_id", "key"),
    )
    for table, column in (("thread_tombstones", "thread_id"), ("user_tombstones", "user_id")):
        op.create_table(
            table,
            sa.Column(column, sa.String(255), primary_key=True),
            sa.Column("cutoff", sa.Uuid(), nullable=False),
            _time("deleted_at"),
        )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "user_tombstones",
        "thread_tombstones",
        "user_preferences",
        "conversation_documents",
        "messages",
        "conversations",
    ):
        op.drop_table(table)
