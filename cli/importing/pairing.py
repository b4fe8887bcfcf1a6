"""Pairs messages into exchanges: a user's message with the assistant's answer to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from cli.importing.records import (
    OTHERS_KEY,
    ImportedExchange,
    ImportedMessage,
    InvalidRecordError,
    Item,
    Unpaired,
)

_ROLES: Final = ("user", "assistant")
Paired = ImportedExchange | Unpaired


@dataclass(slots=True)
class _UnfinishedExchange:
    """An exchange that may get more messages."""

    first: ImportedMessage
    texts: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    other_messages: list[dict[str, str]] = field(default_factory=list)
    exchange_id: UUID | None = None
    user_id: str | None = None
    created_at: datetime | None = None


def pair_messages(items: Iterable[Item]) -> Iterator[Paired]:
    """Yield exchanges, in the order in which they become complete. Other items are yielded unchanged.

    A user's message begins an exchange, and the assistant's next message completes it. If one of these messages is
    missing, the exchange has an empty text instead. A message of another role (`system`, `tool`) becomes metadata of
    the exchange in which it occurs. Messages with different exchange ids never form one exchange.
    """
    threads: dict[str, _UnfinishedExchange] = {}
    for item in items:
        if not isinstance(item, ImportedMessage):
            yield item
            continue
        current = threads.get(item.thread_id)
        if current is not None and _belongs_to_next(current, item):
            yield _finished(current)
            current = None
        if current is None:
            current = threads[item.thread_id] = _UnfinishedExchange(item, exchange_id=item.exchange_id)
        _add(current, item)
    yield from map(_finished, threads.values())


def _belongs_to_next(current: _UnfinishedExchange, message: ImportedMessage) -> bool:
    """Return whether the message belongs to the next exchange."""
    if message.exchange_id != current.exchange_id:
        return True
    if message.role not in _ROLES:
        return False
    # After an answer, a message of either role begins the next exchange. A second message of the user begins it, too.
    return "assistant" in current.texts or message.role in current.texts


def _add(current: _UnfinishedExchange, message: ImportedMessage) -> None:
    current.user_id = current.user_id or message.user_id
    if message.role in _ROLES:
        current.texts[message.role] = message.content
        _add_metadata(current, message)
        current.created_at = current.created_at or message.created_at
    else:
        time = message.created_at.isoformat()
        current.other_messages.append({"role": message.role, "content": message.content, "created_at": time})


def _add_metadata(current: _UnfinishedExchange, message: ImportedMessage) -> None:
    """Add a message's metadata. The answer's metadata is under `assistant` if the user's message has metadata, too."""
    if not message.metadata:
        return
    if current.metadata and message.role == "assistant":
        current.metadata["assistant"] = message.metadata
    else:
        current.metadata |= message.metadata


def _finished(current: _UnfinishedExchange) -> ImportedExchange | InvalidRecordError:
    if current.created_at is None:
        reason = f"a message of the role {current.first.role} has no message of the user or the assistant after it"
        return InvalidRecordError(current.first.position, reason)
    metadata = {**current.metadata, **({OTHERS_KEY: current.other_messages} if current.other_messages else {})}
    return ImportedExchange(
        current.first.position,
        current.first.thread_id,
        current.user_id,
        current.texts.get("user", ""),
        current.texts.get("assistant", ""),
        current.created_at,
        metadata or None,
        current.exchange_id,
    )
