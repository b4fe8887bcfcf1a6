"""The wire format: an exchange in the queue and in the Redis list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self
from uuid import UUID

import orjson

from shared.errors import InvalidRecord
from shared.idempotency import KeyedRequest
from shared.ids import acceptance_key, order_key
from shared.metadata import decode_metadata
from shared.request_ids import valid_request_id
from shared.wire_fields import (
    WIRE_FIELDS,
    parse_documents,
    parse_id,
    parse_metadata,
    parse_object,
    parse_revision,
    parse_text,
    parse_time,
    parse_uuid,
    require_fields,
)

WIRE_VERSION: Final = 1
# A message with a replaced exchange has its own version, so that an earlier release's drain refuses the message instead
# of dropping it as a duplicate.
REVISED_WIRE_VERSION: Final = 2
# A message with an import has its own version, too. An earlier release's drain would compare the import's `created_at`
# with a deletion. So it would drop an import that was accepted after the deletion.
IMPORT_WIRE_VERSION: Final = 3
MAX_TEXT_LENGTH: Final = 200_000
MAX_TITLE_LENGTH: Final = 80
MAX_PREFERENCES: Final = 500
# The limit of the total length of names and values of a user's preferences.
MAX_PREFERENCES_LENGTH: Final = 200_000

Role = Literal["user", "assistant"]
Durability = Literal["queue", "postgres", "redis", "none"]
Source = Literal["redis", "postgres", "none"]


def format_time(moment: datetime) -> str:
    """Return a time as UTC ISO 8601 with six digits of fraction, so that the text sorts by time."""
    # `isoformat` takes a third of `strftime`'s time, and a window has a hundred timestamps.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


@dataclass(frozen=True, slots=True)
class Message:
    """One side of an exchange in a context.

    Attributes:
        role: `user` or `assistant`.
        content: The text.
        exchange_id: None for another program's entry.
        created_at: In UTC; None for another program's entry.
        order: The exchange's order key; None for another program's entry.
        user_id: The author, if known.
        metadata: The exchange's metadata as JSON text in the format of `encode_metadata`, on the user's message only.
        revision: How often the exchange's texts were replaced.
        accepted_at: When an import was accepted, in UTC; None for any other exchange.
        stored_at: When PostgreSQL stored this revision, in UTC by its clock; None if it has not, if an earlier release
            stored it, or if the read does not ask for it.
    """

    role: str
    content: str
    exchange_id: UUID | None = None
    created_at: datetime | None = None
    order: UUID | None = None
    user_id: str | None = None
    metadata: str | None = None
    revision: int = 0
    accepted_at: datetime | None = None
    stored_at: datetime | None = field(default=None, compare=False)

    @property
    def acceptance(self) -> UUID | None:
        """The acceptance key, which cutoffs are compared with; None for another program's entry."""
        return None if self.order is None else acceptance_key(self.order, self.accepted_at)

    @property
    def acceptance_time(self) -> datetime | None:
        """When the exchange was accepted; None for another program's entry."""
        return self.accepted_at or self.created_at

    def to_json(self) -> dict[str, Any]:
        """Return the API's JSON, with `metadata` and `revision` only if there are any."""
        fields: dict[str, Any] = {
            "role": self.role,
            "content": self.content,
            "exchange_id": str(self.exchange_id) if self.exchange_id else None,
            "created_at": format_time(self.created_at) if self.created_at else None,
        }
        if self.metadata is not None:
            fields["metadata"] = decode_metadata(self.metadata)
        if self.revision:
            fields["revision"] = self.revision
        return fields


@dataclass(frozen=True, slots=True)
class ExchangeTexts:
    """The new texts of a replaced exchange.

    Attributes:
        metadata: JSON text in the format of `encode_metadata`; None removes the old metadata.
        document_ids: Additional documents of the thread.
    """

    user_message: str
    assistant_message: str
    metadata: str | None = None
    document_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One user message and the assistant's answer to it.

    Attributes:
        exchange_id: Identifies the exchange in its thread.
        created_at: When the exchange was accepted, in UTC; the caller's time for an import.
        metadata: The caller's metadata as JSON text in the format of `encode_metadata`.
        revision: How often the texts were replaced. If two exchanges have the same id, the one with the higher revision
            is stored; if their revisions are equal, the one that was accepted first.
        request_id: The id of the request, for logs only. In the queue it is a message attribute.
        keyed: The request's idempotency key, which PostgreSQL stores together with the exchange.
        accepted_at: When an import was accepted, in UTC; None for any other exchange.
        order: The order key, computed once.
    """

    exchange_id: UUID
    thread_id: str
    user_id: str | None
    user_message: str
    assistant_message: str
    created_at: datetime
    document_ids: tuple[str, ...] = field(default=())
    metadata: str | None = None
    revision: int = 0
    request_id: str | None = field(default=None, compare=False)
    keyed: KeyedRequest | None = field(default=None, compare=False)
    accepted_at: datetime | None = None
    order: UUID = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", order_key(self.exchange_id, self.created_at))

    @property
    def key(self) -> tuple[str, UUID]:
        """The thread id and the exchange id. Only the pair is unique: a copied conversation may repeat exchange ids."""
        return self.thread_id, self.exchange_id

    @property
    def acceptance(self) -> UUID:
        """The acceptance key, which cutoffs are compared with."""
        return self.order if self.accepted_at is None else acceptance_key(self.order, self.accepted_at)

    @property
    def acceptance_time(self) -> datetime:
        """When the exchange was accepted."""
        return self.accepted_at or self.created_at

    @property
    def messages(self) -> tuple[Message, Message]:
        """The user's message and the assistant's."""
        key = self.exchange_id, self.created_at, self.order
        revision, accepted_at = self.revision, self.accepted_at
        return (
            Message("user", self.user_message, *key, self.user_id, self.metadata, revision, accepted_at),
            Message("assistant", self.assistant_message, *key, revision=revision, accepted_at=accepted_at),
        )

    def with_id(self, exchange_id: UUID, created_at: datetime) -> Self:
        """Return the same texts with another id."""
        return replace(self, exchange_id=exchange_id, created_at=created_at)

    def revised(self, texts: ExchangeTexts, revision: int) -> Self:
        """Return the exchange with other texts at the same position in its thread."""
        return replace(
            self,
            user_message=texts.user_message,
            assistant_message=texts.assistant_message,
            metadata=texts.metadata,
            document_ids=tuple(dict.fromkeys([*self.document_ids, *texts.document_ids])),
            revision=revision,
        )

    def to_wire(self, *, has_request_id: bool = False) -> str:
        """Return the SQS message body; with `has_request_id`, including the request id, as in the outbox.

        SQS refuses U+FFFE and U+FFFF in a body (SendMessage, "Unicode characters"), so these two are escaped.
        """
        record: dict[str, Any] = {
            "version": REVISED_WIRE_VERSION if self.revision else WIRE_VERSION,
            "exchange_id": str(self.exchange_id),
            "thread_id": self.thread_id,
            "user_id": self.user_id,
            "user_message": self.user_message,
            "assistant_message": self.assistant_message,
            "document_ids": list(self.document_ids),
            "created_at": format_time(self.created_at),
        }
        if self.metadata is not None:
            record["metadata"] = orjson.Fragment(self.metadata)
        if self.revision:
            record["revision"] = self.revision
        if self.accepted_at is not None:
            record |= {"version": IMPORT_WIRE_VERSION, "accepted_at": format_time(self.accepted_at)}
        if self.keyed is not None:
            record["idempotency"] = self.keyed.to_json()
        if has_request_id and self.request_id is not None:
            record["request_id"] = self.request_id
        body = orjson.dumps(record).decode()
        return body.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")

    @classmethod
    def from_wire(cls, body: str | bytes) -> Self:
        """Parse an SQS message body.

        Raises:
            InvalidRecord: It can never be stored; `reason` is `not_json`, `unknown_version`, `missing_field` or
                `invalid_field`.
        """
        record = parse_object(body)
        version, revision = record.get("version"), parse_revision(record.get("revision", 0))
        accepted_at = None if record.get("accepted_at") is None else parse_time("accepted_at", record["accepted_at"])
        is_known = (
            version == WIRE_VERSION
            or (version == REVISED_WIRE_VERSION and revision > 0)
            or (version == IMPORT_WIRE_VERSION and accepted_at is not None)
        )
        if not is_known or isinstance(version, bool):
            raise InvalidRecord("unknown_version", f"version is not {WIRE_VERSION}")
        require_fields(record, WIRE_FIELDS)
        return cls(
            exchange_id=parse_uuid(record["exchange_id"]),
            thread_id=parse_id("thread_id", record["thread_id"]),
            user_id=None if record["user_id"] is None else parse_id("user_id", record["user_id"]),
            user_message=parse_text("user_message", record["user_message"]),
            assistant_message=parse_text("assistant_message", record["assistant_message"]),
            created_at=parse_time("created_at", record["created_at"]),
            document_ids=parse_documents(record["document_ids"]),
            metadata=parse_metadata(record.get("metadata")),
            revision=revision,
            request_id=valid_request_id(record.get("request_id")),
            keyed=KeyedRequest.from_json(record.get("idempotency")),
            accepted_at=accepted_at,
        )


def preferences_error(preferences: Mapping[str, str]) -> str | None:
    """Return why a user's preferences exceed a limit, or None."""
    if len(preferences) > MAX_PREFERENCES:
        return f"a user has at most {MAX_PREFERENCES} preferences"
    if sum(len(name) + len(value) for name, value in preferences.items()) > MAX_PREFERENCES_LENGTH:
        return f"all preferences of a user have at most {MAX_PREFERENCES_LENGTH} characters"
    return None


def title_of(user_message: str) -> str:
    """Return the thread title from its first message: one line of at most 80 characters."""
    return " ".join(user_message.split())[:MAX_TITLE_LENGTH]


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation in PostgreSQL.

    Attributes:
        message_count: The number of messages, two for each exchange.
        document_ids: The documents in the order of their attachment; None in lists, which do not load them.
    """

    thread_id: str
    user_id: str | None
    title: str | None
    created_at: datetime
    updated_at: datetime
    message_count: int
    document_ids: tuple[str, ...] | None = None
