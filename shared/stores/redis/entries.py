"""The entries of Redis' lists: one JSON object per message, in the format that `merge.lua` parses."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

import orjson

from shared.errors import InvalidRecord
from shared.listed_messages import ListedMessages
from shared.models import Exchange, Message, format_time

_logger = logging.getLogger(__name__)
# The beginning of this project's entries, with id, order key and time.
OWN_ENTRY: Final = re.compile(
    rb'\{"exchange_id":"([0-9a-f-]{36})","order":"([0-9a-f-]{36})","created_at":"([0-9TZ:.-]{27})"'
    rb'(?:,"revision":([0-9]{1,10}))?'
)
# The same beginning with a zero for each hexadecimal digit. All entries of a list are compared with this pattern at
# once.
_DIGITS: Final = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
_HEAD: Final = (
    b'{"exchange_id":"00000000-0000-0000-0000-000000000000","order":"00000000-0000-0000-0000-000000000000",'
    b'"created_at":"0000-00-00T00:00:00.000000Z"'
).translate(_DIGITS)
_TEXT_FIELDS: Final = ("exchange_id", "order", "created_at", "role", "content")
_head_of: Final = itemgetter(slice(len(_HEAD)))
# The endings of a list's first entry: a seal with its generation, or the token of a reader that reads PostgreSQL.
# Earlier releases wrote `true` for a generation.
_ENDING: Final = re.compile(rb',"(first|whole|asked)":"?([0-9a-z.]{1,40})"?\}\Z')
_ENDING_BYTES: Final = 80
_GENERATION: Final = re.compile(r"[0-9.]+")
# The entry of a list without exchanges, for a seal or a token. The previous release treats this entry as an unreadable
# exchange older than all others. It does not show the entry, and reads PostgreSQL.
_NIL: Final = UUID(int=0)
PLACEHOLDER: Final = (
    f'{{"exchange_id":"{_NIL}","order":"{_NIL}","created_at":"1970-01-01T00:00:00.000000Z",'
    '"role":"system","content":"","metadata":null'
).encode()


def encode(exchange: Exchange) -> tuple[bytes, bytes]:
    """Return the entries of the user's and the assistant's message."""
    return script_arguments(exchange)[3:]


def script_arguments(exchange: Exchange) -> tuple[str, str, str, bytes, bytes]:
    """Return an exchange's five arguments for `merge.lua`; the last two are its entries.

    An entry's first fields are in the order that the script expects.
    """
    order, created_at = str(exchange.order), format_time(exchange.created_at)
    exchange_id = order if exchange.order is exchange.exchange_id else str(exchange.exchange_id)
    head: dict[str, object] = {"exchange_id": exchange_id, "order": order, "created_at": created_at}
    if exchange.revision:
        head["revision"] = exchange.revision
    user: dict[str, object] = {**head, "role": "user", "content": exchange.user_message}
    if exchange.user_id is not None:
        user["user_id"] = exchange.user_id
    if exchange.metadata is not None:
        user["metadata"] = orjson.Fragment(exchange.metadata)
    assistant = {**head, "role": "assistant", "content": exchange.assistant_message}
    return order, exchange_id, created_at, orjson.dumps(user), orjson.dumps(assistant)


def undrained_field(exchange_id: UUID, revision: int) -> str:
    """Return the undrained hash's field for one revision of an exchange: draining a revision keeps the next one."""
    return f"{exchange_id}:{revision}" if revision else str(exchange_id)


def decode_undrained(thread_id: str, body: bytes) -> Exchange | None:
    """Return an exchange from the undrained hash, or None for another program's value."""
    try:
        exchange = Exchange.from_wire(body)
    except InvalidRecord as error:
        _logger.warning("unreadable undrained exchange", extra={"reason": error.reason})
        return None
    return exchange if exchange.thread_id == thread_id else None


def decode(entry: bytes) -> Message | None:
    """Return the message; None for the placeholder and for an entry without `role` and `content`."""
    fields = _fields(entry)
    return None if fields is None else ListedMessages([fields])[0]


def decode_list(entries: Sequence[bytes]) -> ListedMessages:
    """Return a list's messages without unreadable ones, parsed at once."""
    if b"".join(map(_head_of, entries)).translate(_DIGITS) == _HEAD * len(entries):
        with suppress(orjson.JSONDecodeError, KeyError, TypeError):
            parsed = orjson.loads(b"[" + b",".join(entries) + b"]")
            types = {type(each[name]) for name in _TEXT_FIELDS for each in parsed}
            types |= {type(each["user_id"]) for each in parsed if "user_id" in each}
            if len(parsed) == len(entries) and types <= {str}:
                return ListedMessages(parsed)
    return ListedMessages([fields for entry in entries if (fields := _fields(entry)) is not None])


def _fields(entry: bytes) -> dict[str, Any] | None:
    """Return an entry as a JSON object.

    Id, order and time are used only from entries in this project's format, like in `merge.lua`.
    """
    if entry.startswith(PLACEHOLDER):
        return None
    try:
        fields = orjson.loads(entry)
        text = {"role": _text(fields["role"]), "content": _text(fields["content"])}
        own = OWN_ENTRY.match(entry)
        if own is None:
            return text
        if "user_id" in fields:
            text["user_id"] = _text(fields["user_id"])
        if "metadata" in fields:
            _object(fields["metadata"])
        exchange_id, order = UUID(fields["exchange_id"]), UUID(fields["order"])
        datetime.fromisoformat(fields["created_at"]).astimezone(UTC)
        return {
            **fields,
            **text,
            "exchange_id": str(exchange_id),
            "order": str(order),
            "revision": int(own[4] or 0),
        }
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        # This entry is foreign. Without it the list is not complete, so the caller reads L2.
        _logger.warning("unreadable entry in a thread's list", extra={"error": type(error).__name__})
        return None


def ending(name: str, value: str) -> bytes:
    """Return the ending of a first entry: `first` or `whole` with a generation, `asked` with a token."""
    return f',"{name}":"{value}"}}'.encode()


def ending_of(entry: bytes) -> tuple[str, str] | None:
    """Return the name and value of an entry's ending; None without an ending."""
    match = _ENDING.search(entry, max(0, len(entry) - _ENDING_BYTES))
    return (match[1].decode(), match[2].decode()) if match else None


def seal_of(entry: bytes) -> tuple[str, str] | None:
    """Return an entry's seal and its generation; None without a seal."""
    seal = ending_of(entry)
    return seal if seal and seal[0] != "asked" and _GENERATION.fullmatch(seal[1]) else None


def token_of(entries: Sequence[bytes]) -> str | None:
    """Return the list's token."""
    ending = ending_of(entries[0]) if entries else None
    return ending[1] if ending and ending[0] == "asked" else None


def without_ending(entry: bytes) -> bytes:
    """Return the entry without its ending."""
    match = _ENDING.search(entry, max(0, len(entry) - _ENDING_BYTES))
    return entry[: match.start()] + b"}" if match else entry


def without_placeholder(entries: Sequence[bytes]) -> Sequence[bytes]:
    """Return a list's entries without a placeholder at the beginning."""
    return entries[1:] if entries and entries[0].startswith(PLACEHOLDER) else entries


def is_first(entry: bytes, generation: str | None) -> bool:
    """Return whether the entry is sealed in this generation as its thread's first."""
    return generation is not None and seal_of(entry) == ("first", generation)


def is_sealed(entries: Sequence[bytes], most: int, generation: str | None) -> bool:
    """Return whether a list is sealed in this generation, so that its newest `most` messages are complete."""
    if not entries or generation is None:
        return False
    seal = ending_of(entries[0])
    return seal == ("first", generation) or (len(entries) >= most and seal == ("whole", generation))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _object(value: object) -> None:
    if not isinstance(value, dict):
        raise TypeError("no object")
