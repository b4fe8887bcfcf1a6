"""The Redis list's entries: one JSON object a message, in the form that `merge.lua` reads."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import orjson

from shared.errors import InvalidRecord
from shared.metadata import encode_metadata
from shared.models import Exchange, Message, format_time

_logger = logging.getLogger(__name__)
# How an entry of this project's begins, with its id, order key and time.
OWN: Final = re.compile(
    rb'\{"exchange_id":"([0-9a-f-]{36})","order":"([0-9a-f-]{36})","created_at":"([0-9TZ:.-]{27})"'
    rb'(?:,"revision":([0-9]{1,10}))?'
)
# A seal is the last field of a list's first entry, and names its generation. Earlier releases wrote `true` there.
_SEAL: Final = re.compile(rb',"(first|whole)":"([0-9.]{1,40})"\}\Z')
_ANY_SEAL: Final = re.compile(rb',"(?:first|whole)":(?:true|"[0-9.]{1,40}")\}\Z')
_SEAL_BYTES: Final = 64


def encode(exchange: Exchange) -> tuple[bytes, bytes]:
    """Return the user's and the assistant's entry. The first fields stand in the order the script expects."""
    head: dict[str, object] = {
        "exchange_id": str(exchange.exchange_id),
        "order": str(exchange.order),
        "created_at": format_time(exchange.created_at),
    }
    if exchange.revision:
        head["revision"] = exchange.revision
    user: dict[str, object] = {**head, "role": "user", "content": exchange.user_message}
    if exchange.user_id is not None:
        user["user_id"] = exchange.user_id
    if exchange.metadata is not None:
        user["metadata"] = orjson.Fragment(exchange.metadata)
    return orjson.dumps(user), orjson.dumps({**head, "role": "assistant", "content": exchange.assistant_message})


def script_arguments(exchange: Exchange) -> list[str | bytes]:
    """Return the five arguments an exchange is to `merge.lua`."""
    return [str(exchange.order), str(exchange.exchange_id), format_time(exchange.created_at), *encode(exchange)]


def pending_field(exchange_id: UUID, revision: int) -> str:
    """Return the field of one revision of an exchange in the thread's second place: draining one leaves the next."""
    return f"{exchange_id}:{revision}" if revision else str(exchange_id)


def decode_pending(thread_id: str, body: bytes) -> Exchange | None:
    """Return an exchange that was kept whole beside the list, or None if somebody else wrote it."""
    try:
        exchange = Exchange.from_wire(body)
    except InvalidRecord as error:
        _logger.warning("unreadable pending exchange", extra={"reason": error.reason})
        return None
    return exchange if exchange.thread_id == thread_id else None


def decode(entry: bytes) -> Message | None:
    """Return the message, or None for an entry that is no JSON object with `role` and `content`.

    Only an entry in this project's own form is taken at its word for id, order and time, here as in `merge.lua`.
    """
    try:
        fields = orjson.loads(entry)
        role, content = _text(fields["role"]), _text(fields["content"])
        own = OWN.match(entry)
        if own is None:
            return Message(role, content)
        return Message(
            role=role,
            content=content,
            exchange_id=UUID(fields["exchange_id"]),
            created_at=datetime.fromisoformat(fields["created_at"]).astimezone(UTC),
            order=UUID(fields["order"]),
            user_id=_text(fields["user_id"]) if "user_id" in fields else None,
            metadata=_metadata(fields["metadata"]) if "metadata" in fields else None,
            revision=int(own[4] or 0),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        # Somebody else wrote it. The list is not whole without it, so the caller asks L2.
        _logger.warning("unreadable entry in a thread's list", extra={"error": type(error).__name__})
        return None


def seal(claim: str, generation: str) -> bytes:
    """Return how a sealed entry ends; the claim is `first` or `whole`."""
    return f',"{claim}":"{generation}"}}'.encode()


def seal_of(entry: bytes) -> tuple[str, str] | None:
    """Return what an entry's seal claims and the generation it names, None for an entry without one."""
    found = _SEAL.search(entry, max(0, len(entry) - _SEAL_BYTES))
    return (found[1].decode(), found[2].decode()) if found else None


def unsealed(entry: bytes) -> bytes:
    """Return the entry without a seal."""
    found = _ANY_SEAL.search(entry, max(0, len(entry) - _SEAL_BYTES))
    return entry[: found.start()] + b"}" if found else entry


def is_first(entry: bytes, generation: str | None) -> bool:
    """Return whether the entry is sealed in this generation as its thread's first."""
    return generation is not None and seal_of(entry) == ("first", generation)


def is_whole(entries: Sequence[bytes], most: int, generation: str | None) -> bool:
    """Return whether a list is sealed in this generation: nothing is missing that belongs into so many messages."""
    if not entries or generation is None:
        return False
    found = seal_of(entries[0])
    return found == ("first", generation) or (len(entries) >= most and found == ("whole", generation))


def _metadata(value: object) -> str | None:
    if not isinstance(value, dict):
        raise TypeError("no object")
    return encode_metadata(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
