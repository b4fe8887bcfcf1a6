"""The PostgreSQL schema as SQLAlchemy models, for writing migrations. The functions do not import it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# The order key of `shared.ids.order_key` as a generated column, so that it always matches the row's id and time. It is
# the id if the id is a UUIDv7, otherwise the id with the milliseconds of `created_at` in its first 48 bits. Every
# function in it is immutable, as PostgreSQL requires.
ORDER_KEY: Final = """\
case when substr(exchange_id::text, 15, 1) = '7' then exchange_id
else (lpad(to_hex(floor(extract(epoch from created_at at time zone 'UTC') * 1000)::bigint), 12, '0')
      || substr(replace(exchange_id::text, '-', ''), 13))::uuid end"""

# The rows without terms, and those whose terms come from another version or from older texts, of an earlier release.
UNINDEXED: Final = """\
position = 0 and (terms_version is distinct from 1 or terms_revision is distinct from revision \
or terms_accepted_at is distinct from coalesce(accepted_at, created_at))"""


class Base(DeclarativeBase):
    """Contains the metadata that Alembic compares."""


class Conversation(Base):
    """A thread. Its user and, unless it was renamed, its title are from the exchange that was accepted first."""

    __tablename__ = "conversations"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=func.gen_random_uuid())
    thread_id: Mapped[str] = mapped_column(String(255), unique=True)
    user_id: Mapped[str | None] = mapped_column(String(255))
    title: Mapped[str | None] = mapped_column(String(500))
    title_is_fixed: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    # Increases with each row, and shows whether a row is older than its user's deletion. Null in rows of earlier
    # releases.
    serial: Mapped[int | None] = mapped_column(BigInteger, server_default=text("nextval('row_serial')"))
    # Maintained by the trigger `count_messages`; null in rows of earlier releases until the sweep has counted them.
    message_count: Mapped[int | None] = mapped_column(BigInteger, server_default=text("0"))
    # When the first exchange was accepted; null if that is `created_at`, as in a thread without imports.
    first_accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # The acceptance key of the import that was accepted last; null without imports.
    last_import: Mapped[UUID | None] = mapped_column(Uuid)

    __table_args__ = (
        Index("ix_conversations_user", "user_id", text("updated_at desc"), text("id desc")),
        Index("ix_conversations_uncounted", "id", postgresql_where=text("message_count is null")),
    )


class Message(Base):
    """One side of an exchange: position 0 is the user's, 1 the assistant's."""

    __tablename__ = "messages"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=func.gen_random_uuid())
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    exchange_id: Mapped[UUID] = mapped_column(Uuid)
    position: Mapped[int] = mapped_column(SmallInteger)
    role: Mapped[str] = mapped_column(String(50))
    content: Mapped[str] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    order_key: Mapped[UUID] = mapped_column(Uuid, Computed(ORDER_KEY, persisted=True))
    # json, because jsonb would not preserve the bytes. SQLAlchemy reserves the name `metadata` for an attribute.
    kept_beside: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSON)
    # When an import was accepted; null for any other exchange, which was accepted at `created_at`.
    accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # The columns of the text search, on the user's side only: the keys of the exchange's terms and of its user, the
    # numbers of different terms in the user's message and in the assistant's, and from what the terms were made.
    search_keys: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    user_terms: Mapped[int | None] = mapped_column(Integer)
    assistant_terms: Mapped[int | None] = mapped_column(Integer)
    terms_version: Mapped[int | None] = mapped_column(SmallInteger)
    terms_revision: Mapped[int | None] = mapped_column(Integer)
    terms_accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # When this revision was stored; null in older rows. The default also fills it for the previous release.
    stored_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())

    __table_args__ = (
        UniqueConstraint("conversation_id", "exchange_id", "position"),
        Index("ix_messages_order", "conversation_id", "order_key", "position"),
        Index(
            "ix_messages_search_keys",
            "search_keys",
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": 512},
            postgresql_where=text("search_keys is not null"),
        ),
        Index("ix_messages_unindexed", text("conversation_id nulls first"), postgresql_where=text(UNINDEXED)),
    )


class ConversationDocument(Base):
    """A document attached to a thread."""

    __tablename__ = "conversation_documents"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    document_id: Mapped[str] = mapped_column(String(255))
    attached_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (PrimaryKeyConstraint("conversation_id", "document_id"),)


class UserPreference(Base):
    """One preference of a user."""

    __tablename__ = "user_preferences"

    user_id: Mapped[str] = mapped_column(String(255))
    key: Mapped[str] = mapped_column(String(255))
    value: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (PrimaryKeyConstraint("user_id", "key"),)


class ThreadTombstone(Base):
    """A deleted thread: exchanges up to `cutoff` (an order key) are never stored again."""

    __tablename__ = "thread_tombstones"

    thread_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    cutoff: Mapped[UUID] = mapped_column(Uuid)
    deleted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index("ix_thread_tombstones_deleted_at", "deleted_at"),)


class ExchangeTombstone(Base):
    """A deleted exchange, which is never stored again."""

    __tablename__ = "exchange_tombstones"

    thread_id: Mapped[str] = mapped_column(String(255))
    exchange_id: Mapped[UUID] = mapped_column(Uuid)
    deleted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        PrimaryKeyConstraint("thread_id", "exchange_id"),
        Index("ix_exchange_tombstones_deleted_at", "deleted_at"),
    )


class UserTombstone(Base):
    """A deleted user: the user's exchanges up to `cutoff` (an order key) are never stored again."""

    __tablename__ = "user_tombstones"

    user_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    cutoff: Mapped[UUID] = mapped_column(Uuid)
    deleted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index("ix_user_tombstones_deleted_at", "deleted_at"),)


class ThreadOwner(Base):
    """The owner of a thread, recorded before its first exchange is stored; anonymous if `user_id` is null."""

    __tablename__ = "thread_owners"

    thread_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[str | None] = mapped_column(String(255))
    claimed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    # The same meaning as `Conversation.serial`.
    serial: Mapped[int | None] = mapped_column(BigInteger, server_default=text("nextval('row_serial')"))

    __table_args__ = (Index("ix_thread_owners_user_id", "user_id"),)


class UserErasure(Base):
    """A deleted user whose threads still have rows: rows up to `serial` are hidden from every reader.

    The views `live_conversations` and `live_thread_owners` exclude hidden rows.
    """

    __tablename__ = "user_erasures"

    user_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    cutoff: Mapped[UUID] = mapped_column(Uuid)
    serial: Mapped[int] = mapped_column(BigInteger)
    erased_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Erasure(Base):
    """A deleted thread whose rows are not all deleted yet, with the last deleted order key and the former owner."""

    __tablename__ = "erasures"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    thread_id: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[str | None] = mapped_column(String(255))
    reached: Mapped[UUID | None] = mapped_column(Uuid)
    erased_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        Index("ix_erasures_user_id", "user_id"),
        Index("ix_erasures_erased_at", "erased_at", "conversation_id"),
    )


class LockTransition(Base):
    """The time until which processes of the previous release may run; at most one row.

    Those processes use one lock for all deletions.
    """

    __tablename__ = "lock_transition"

    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)


class IdempotencyKey(Base):
    """A caller's idempotency key, as a hash, with the exchange's id and, after the request, the response."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    exchange_id: Mapped[UUID] = mapped_column(Uuid)
    thread_id: Mapped[str | None] = mapped_column(String(255))
    answer: Mapped[str | None] = mapped_column(Text)
    claimed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        Index("ix_idempotency_keys_claimed_at", "claimed_at"),
        Index("ix_idempotency_keys_thread_id", "thread_id"),
        Index("ix_idempotency_keys_exchange_id", "exchange_id"),
    )


class CacheRepair(Base):
    """A change of a thread's list or a user's hash that Redis missed: `kind` is `thread` or `user`."""

    __tablename__ = "cache_repairs"

    kind: Mapped[str] = mapped_column(String(10))
    id: Mapped[str] = mapped_column(String(255))
    noted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (PrimaryKeyConstraint("kind", "id"), Index("ix_cache_repairs_noted_at", "noted_at"))


class CacheEpoch(Base):
    """A time at which Redis was found empty. The first row is the first use of Redis."""

    __tablename__ = "cache_epochs"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=func.gen_random_uuid())
    began_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index("ix_cache_epochs_began_at", "began_at"),)


class DrainHealth(Base):
    """One row: the time since which PostgreSQL and the sweep have been running without a gap.

    `undrained_since` is null if it is unknown. Every exchange that was accepted earlier is drained.
    """

    __tablename__ = "drain_health"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    healthy_since: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    beat_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    undrained_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
