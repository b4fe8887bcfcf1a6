"""The messages and exchanges of an import, and the deterministic ids of exchanges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from hybrid_memory_client.memories import ExplicitKind
from shared.ids import (
    UNIX_EPOCH,
    compose_uuid7,
    is_time_ordered,
    milliseconds_of,
    path_id_error,
    timestamp_of,
    unix_milliseconds,
)
from shared.metadata import MAX_METADATA_BYTES, metadata_error, metadata_size
from shared.models import MAX_TEXT_LENGTH
from shared.texts import text_error

# A UUIDv7 has 74 bits after its time. The first 20 bits number the exchanges of one millisecond, and the other 54 bits
# are a digest.
_DIGEST_BITS: Final = 54
_MAX_NUMBER: Final = 1 << 20
# The key of an exchange's metadata that contains messages of other roles.
OTHERS_KEY: Final = "imported_messages"


class InvalidRecordError(Exception):
    """A record of a file cannot be imported.

    Args:
        position: The record's place, e.g. `chat.jsonl:12`.
        reason: What is wrong with it.
    """

    def __init__(self, position: str, reason: str) -> None:
        super().__init__(f"{position}: {reason}")
        self.position = position
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ImportedMessage:
    """A message of a file.

    Attributes:
        position: Its place in the file, for errors.
        exchange_id: The exchange that the message belongs to; None if the file names none.
    """

    position: str
    thread_id: str
    user_id: str | None
    role: str
    content: str
    created_at: datetime
    metadata: dict[str, Any] | None = None
    exchange_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ImportedExchange:
    """An exchange to store.

    Attributes:
        position: The place of its first message in the file, for errors.
        exchange_id: Its id in the file; None if it gets a deterministic one.
    """

    position: str
    thread_id: str
    user_id: str | None
    user_message: str
    assistant_message: str
    created_at: datetime
    metadata: dict[str, Any] | None = None
    exchange_id: UUID | None = None
    document_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedPreferences:
    """A user's preferences in an export of this project."""

    position: str
    user_id: str
    preferences: dict[str, str]


@dataclass(frozen=True, slots=True)
class ImportedMemory:
    """An explicit memory in an export of this project that has not ended.

    Attributes:
        memory_id: Its id in the exported deployment.
        key: The name of a preference; None for a fact.
    """

    position: str
    user_id: str
    memory_id: UUID
    kind: ExplicitKind
    text: str
    key: str | None


@dataclass(frozen=True, slots=True)
class UnimportedMemory:
    """A memory in an export that is not set, because it can be learned again from the exchanges, or has ended."""

    position: str
    is_learned: bool


@dataclass(frozen=True, slots=True)
class ImportedThread:
    """A thread in an export of this project. Its line precedes the lines of its messages.

    Attributes:
        title: None if it has none.
    """

    position: str
    thread_id: str
    document_ids: tuple[str, ...]
    title: str | None = None


@dataclass(frozen=True, slots=True)
class NotImported:
    """A part of a file that is no conversation, such as a summary."""

    position: str
    reason: str


Unpaired = ImportedPreferences | ImportedMemory | UnimportedMemory | ImportedThread | NotImported | InvalidRecordError
Item = ImportedMessage | ImportedExchange | Unpaired


@dataclass(frozen=True, slots=True)
class Defaults:
    """The thread and the user of records that name none."""

    thread_id: str | None = None
    user_id: str | None = None


@dataclass(slots=True)
class ExchangeIdentities:
    """Gives each exchange of an import its id and time.

    The id is a UUIDv7 of the exchange's time. Its other bits are made from the source, the thread and the texts. So a
    repeated import, or the import of a longer export, stores each exchange once. A thread's exchanges of one
    millisecond are numbered, because the API sorts them by their ids.

    Args:
        source: The format's name.
    """

    source: str
    _counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def identify(self, exchange: ImportedExchange) -> tuple[UUID, datetime]:
        """Return the exchange's id and time.

        An id in the file is returned unchanged. If it is a UUIDv7 whose milliseconds differ from the exchange's time,
        the time of the UUIDv7 is returned, because it sorts the exchange.
        """
        exchange_id, milliseconds = exchange.exchange_id, unix_milliseconds(exchange.created_at)
        if exchange_id is not None:
            is_same = not is_time_ordered(exchange_id) or milliseconds_of(exchange_id) == milliseconds
            return exchange_id, exchange.created_at if is_same else timestamp_of(exchange_id)
        number = self._counts.get((exchange.thread_id, milliseconds), 0)
        self._counts[exchange.thread_id, milliseconds] = number + 1
        texts = exchange.user_message, exchange.assistant_message
        name = json.dumps([self.source, exchange.thread_id, exchange.created_at.isoformat(), *texts, number])
        digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> (64 - _DIGEST_BITS)
        return compose_uuid7(milliseconds, number % _MAX_NUMBER << _DIGEST_BITS | digest), exchange.created_at


def check(exchange: ImportedExchange, now: datetime) -> None:
    """Check everything that the API would refuse.

    Raises:
        InvalidRecordError: The exchange cannot be stored.
    """
    if reason := next(_reasons(exchange, now), None):
        raise InvalidRecordError(exchange.position, reason)


def _reasons(exchange: ImportedExchange, now: datetime) -> Iterator[str]:
    for name, value in (("thread_id", exchange.thread_id), ("user_id", exchange.user_id)):
        if value is not None and (error := path_id_error(value)):
            yield f"{name} {error}"
    for name, text in (("user", exchange.user_message), ("assistant", exchange.assistant_message)):
        if error := text_error(text):
            yield f"the {name}'s message {error}"
        if len(text) > MAX_TEXT_LENGTH:
            yield f"the {name}'s message has {len(text)} characters; at most {MAX_TEXT_LENGTH} are allowed"
    if not UNIX_EPOCH <= exchange.created_at <= now:
        yield f"created_at {exchange.created_at.isoformat()} must be in the past, and not before 1970"
    if exchange.metadata is not None:
        if error := metadata_error(exchange.metadata):
            yield f"metadata {error}"
        elif (size := metadata_size(exchange.metadata)) > MAX_METADATA_BYTES:
            yield f"metadata has {size} bytes; at most {MAX_METADATA_BYTES} are allowed"
