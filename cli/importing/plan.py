"""What an import would do: counts of a file's contents, and its invalid records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cli.importing.jsonl import read_jsonl
from cli.importing.mem0 import read_mem0
from cli.importing.pairing import pair_messages
from cli.importing.records import (
    Defaults,
    ExchangeIdentities,
    ImportedExchange,
    ImportedMemory,
    ImportedPreferences,
    InvalidRecordError,
    Item,
    NotImported,
    UnimportedMemory,
    Unpaired,
    check,
)
from cli.importing.sessions import read_ams, read_zep
from cli.times import iso_time
from shared.errors import SettingsError


class Format(StrEnum):
    """A tool whose files can be imported."""

    jsonl = "jsonl"
    mem0 = "mem0"
    zep = "zep"
    ams = "ams"


_READERS: Final[dict[Format, Callable[[Path, Defaults], Iterator[Item]]]] = {
    Format.jsonl: read_jsonl,
    Format.mem0: read_mem0,
    Format.zep: read_zep,
    Format.ams: read_ams,
}


@dataclass(frozen=True, slots=True)
class Ready:
    """An exchange with its id and time, ready to be stored."""

    exchange: ImportedExchange
    exchange_id: UUID
    created_at: datetime


Part = Ready | Unpaired


def read_parts(file: Path, file_format: Format, defaults: Defaults) -> Iterator[Part]:
    """Yield everything in a file, in an order that is the same in every reading.

    Raises:
        SettingsError: The file cannot be read.
    """
    identities = ExchangeIdentities(file_format)
    now = datetime.now(UTC)
    if file.exists() and not file.is_file():
        raise SettingsError(f"{file} is no regular file: an import reads its file twice.")
    try:
        for item in pair_messages(_READERS[file_format](file, defaults)):
            if not isinstance(item, ImportedExchange):
                yield item
                continue
            try:
                check(item, now)
            except InvalidRecordError as error:
                yield error
            else:
                yield Ready(item, *identities.identify(item))
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from None


@dataclass(slots=True)
class Plan:
    """The contents of a file.

    Attributes:
        incomplete: The number of exchanges without a user's message or without an answer.
        memories: The number of explicit memories that have not ended.
        to_learn: The number of learned memories, which are learned again from the exchanges.
        ended: The number of explicit memories that have ended.
        invalid: The invalid records.
        not_imported: Parts of the file that are no conversation.
    """

    exchanges: int = 0
    incomplete: int = 0
    preferences: int = 0
    memories: int = 0
    to_learn: int = 0
    ended: int = 0
    threads: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None
    invalid: list[InvalidRecordError] = field(default_factory=list)
    not_imported: list[NotImported] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Count a part of the file."""
        match part:
            case Ready():
                self._add_exchange(part)
            case ImportedPreferences():
                self.preferences += 1
                self.users.add(part.user_id)
            case ImportedMemory():
                self.memories += 1
                self.users.add(part.user_id)
            case UnimportedMemory():
                self.to_learn += part.is_learned
                self.ended += not part.is_learned
            case InvalidRecordError():
                self.invalid.append(part)
            case NotImported():
                self.not_imported.append(part)

    def _add_exchange(self, part: Ready) -> None:
        self.exchanges += 1
        self.incomplete += not (part.exchange.user_message and part.exchange.assistant_message)
        self.threads.add(part.exchange.thread_id)
        if part.exchange.user_id is not None:
            self.users.add(part.exchange.user_id)
        self.first = min(self.first or part.created_at, part.created_at)
        self.last = max(self.last or part.created_at, part.created_at)

    def to_json(self) -> dict[str, Any]:
        """Return the counts and the invalid records for the JSON output."""
        return {
            "threads": len(self.threads),
            "users": len(self.users),
            "exchanges": self.exchanges,
            "incomplete": self.incomplete,
            "preferences": self.preferences,
            "memories": self.memories,
            "memories_to_learn": self.to_learn,
            "memories_ended": self.ended,
            "first": iso_time(self.first),
            "last": iso_time(self.last),
            "invalid": [{"position": each.position, "reason": each.reason} for each in self.invalid],
            "not_imported": [{"position": each.position, "reason": each.reason} for each in self.not_imported],
        }
