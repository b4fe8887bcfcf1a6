"""The part of the PostgreSQL schema for vectors and other derived data; see `infra.migrations.schema`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.orm import Mapped, mapped_column

from infra.migrations.schema import Base

# Alembic compares the metadata of all tables, so it imports this module.
__all__ = ["Base", "DerivationProgress", "DueDerivation", "ExchangeVector"]


class ExchangeVector(Base):
    """The vector of an exchange, made by one model from one version of the exchange's texts.

    `vector` has one signed byte for each dimension, and `signs` one bit.
    """

    __tablename__ = "exchange_vectors"

    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    model: Mapped[str] = mapped_column(String(255))
    conversation_id: Mapped[UUID] = mapped_column(Uuid)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    revision: Mapped[int] = mapped_column(Integer)
    accepted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    dimensions: Mapped[int] = mapped_column(Integer)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    signs: Mapped[str] = mapped_column(BIT(varying=True))

    __table_args__ = (
        PrimaryKeyConstraint("message_id", "model"),
        Index("ix_exchange_vectors_conversation_id", "conversation_id", "model"),
        Index("ix_exchange_vectors_model", "model"),
    )


class DueDerivation(Base):
    """A thread that has exchanges from which something is to be derived, e.g. vectors."""

    __tablename__ = "due_derivations"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))

    # When the sweep sent the thread; null if it was not sent since it became due.
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Whether the thread existed before the model was in use. While there are such threads, a search compares the
    # vectors of the last model.
    is_old: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    # The lowest order key from which on memories are to be learned; null for all exchanges of the thread.
    from_order: Mapped[UUID | None] = mapped_column(Uuid)

    __table_args__ = (
        PrimaryKeyConstraint("conversation_id", "kind"),
        Index("ix_due_derivations_due_at", "kind", "due_at"),
        Index("ix_due_derivations_old", "kind", postgresql_where=text("is_old")),
    )


class DerivationProgress(Base):
    """How far the sweep has marked the threads that lack vectors of the model in use."""

    __tablename__ = "derivation_progress"

    kind: Mapped[str] = mapped_column(String(20))
    model: Mapped[str] = mapped_column(String(255))
    last_conversation_id: Mapped[UUID | None] = mapped_column(Uuid)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Only of memories: the pass marks the threads that were used since then; null for all threads.
    used_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Only of memories: one more pass marks the threads that were used since then; null if there is none.
    repeat_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (PrimaryKeyConstraint("kind"),)
