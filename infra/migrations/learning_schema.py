"""The part of the PostgreSQL schema for learned memory; see `infra.migrations.schema`.

Memories are not stored. They are computed from these tables by `shared.learning.fold`.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

# Alembic compares the metadata of all tables, so each module of the schema imports the one before.
from infra.migrations.vector_schema import Base

__all__ = ["Base", "ExplicitMemory", "ForgottenMemory", "LearningUser", "MemoryStatement"]


class MemoryStatement(Base):
    """What an exchange says about its user. A trigger deletes the rows of a message whose text is replaced."""

    __tablename__ = "memory_statements"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID] = mapped_column(Uuid)
    deriver: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(20))
    slot: Mapped[str] = mapped_column(String(255))
    value: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    quote: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(20))
    valid_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("ix_memory_statements_conversation_id", "conversation_id"),
        Index("ix_memory_statements_message_id", "message_id"),
    )


class ExplicitMemory(Base):
    """A memory that was set explicitly, or a correction of a learned one."""

    __tablename__ = "explicit_memories"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(20))
    slot: Mapped[str] = mapped_column(String(255))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    set_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index("ix_explicit_memories_user_id", "user_id"),)


class ForgottenMemory(Base):
    """A memory that was deleted or corrected: keyed hashes and times, and not the value."""

    __tablename__ = "forgotten_memories"

    user_id: Mapped[str] = mapped_column(String(255))
    slot_hash: Mapped[bytes] = mapped_column(LargeBinary)
    value_hash: Mapped[bytes] = mapped_column(LargeBinary)
    first: Mapped[UUID] = mapped_column(Uuid)
    last: Mapped[UUID] = mapped_column(Uuid)
    deleted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (PrimaryKeyConstraint("user_id", "slot_hash", "value_hash", "first"),)


class LearningUser(Base):
    """The key of a user's hashes, and how much a model has read of the user's exchanges today."""

    __tablename__ = "learning_users"

    user_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    # Random UUIDs of version 4, because every PostgreSQL can make them.
    hash_key: Mapped[bytes] = mapped_column(
        LargeBinary, server_default=text("uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())")
    )
    budget_day: Mapped[date | None] = mapped_column(Date)
    budget_used: Mapped[int] = mapped_column(Integer, server_default=text("0"))
