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
# The beginning of an entry in this project's format: exchange id, order key, time, revision, and the time of acceptance
# of an imported exchange.
OWN_ENTRY: Final = re.compile(
    rb'\{"exchange_id":"([0-9a-f-]{36})","order":"([0-9a-f-]{36})","created_at":"([0-9TZ:.-]{27})"'
    rb'(?:,"revision":([0-9]{1,10}))?(?:,"accepted_at":"([0-9TZ:.-]{27})")?'
)
# `_DIGITS` replaces each hexadecimal digit with a zero, and `_HEAD` is an entry's beginning after this replacement.
# `decode_list` compares all entries with `_HEAD` in one step.
_DIGITS: Final = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
_HEAD: Final = (
    b'{"exchange_id":"00000000-0000-0000-0000-000000000000","order":"00000000-0000-0000-0000-000000000000",'
    b'"created_at":"0000-00-00T00:00:00.000000Z"'
).translate(_DIGITS)
_TEXT_FIELDS: Final = ("exchange_id", "order", "created_at", "role", "content")
_head_of: Final = itemgetter(slice(len(_HEAD)))
# The last field of a list's first entry may be a seal or a token. `first` and `whole` are seals; their value is a
# generation. A list with `first` has all exchanges of its thread; a list with `whole` has the whole window. `asked` is
# the token of a reader that asks PostgreSQL. Earlier releases wrote `true` in place of a generation.
_SEAL_OR_TOKEN: Final = re.compile(rb',"(first|whole|asked)":"?([0-9a-z.]{1,40})"?\}\Z')
_SEAL_OR_TOKEN_BYTES: Final = 80
_GENERATION: Final = re.compile(r"[0-9.]+")
# The only entry of a list without exchanges. The list needs it for the seal or the token. The previous release ignores
# this entry and reads PostgreSQL.
_NIL: Final = UUID(int=0)
PLACEHOLDER: Final = (
    f'{{"exchange_id":"{_NIL}","order":"{_NIL}","created_at":"1970-01-01T00:00:00.000000Z",'
    '"role":"system","content":"","metadata":null'
).encode()


def encode(exchange: Exchange) -> tuple[bytes, bytes]:
    """Return an exchange's two entries: the user's and the assistant's message."""
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
    if exchange.accepted_at is not None:
        head["accepted_at"] = format_time(exchange.accepted_at)
    user: dict[str, object] = {**head, "role": "user", "content": exchange.user_message}
    if exchange.user_id is not None:
        user["user_id"] = exchange.user_id
    if exchange.metadata is not None:
        user["metadata"] = orjson.Fragment(exchange.metadata)
    assistant = {**head, "role": "assistant", "content": exchange.assistant_message}
    return order, exchange_id, created_at, orjson.dumps(user), orjson.dumps(assistant)


def undrained_field(exchange_id: UUID, revision: int) -> str:
    """Return a revision's field in the undrained hash. Each revision has one, because it is drained separately."""
    return f"{exchange_id}:{revision}" if revision else str(exchange_id)


def decode_undrained(thread_id: str, body: bytes) -> Exchange | None:
    """Return an exchange of the undrained hash; None for a value of another program."""
    try:
        exchange = Exchange.from_wire(body)
    except InvalidRecord as error:
        _logger.warning("the undrained hash has an unreadable exchange", extra={"reason": error.reason})
        return None
    return exchange if exchange.thread_id == thread_id else None


def decode(entry: bytes) -> Message | None:
    """Return an entry's message; None for the placeholder and for an entry without `role` and `content`."""
    fields = _fields(entry)
    return None if fields is None else ListedMessages([fields])[0]


def decode_list(entries: Sequence[bytes]) -> ListedMessages:
    """Return the messages of a list's entries. Unreadable entries are left out."""
    if b"".join(map(_head_of, entries)).translate(_DIGITS) == _HEAD * len(entries):
        with suppress(orjson.JSONDecodeError, KeyError, TypeError):
            parsed = orjson.loads(b"[" + b",".join(entries) + b"]")
            types = {type(each[name]) for name in _TEXT_FIELDS for each in parsed}
            types |= {type(each["user_id"]) for each in parsed if "user_id" in each}
            if len(parsed) == len(entries) and types <= {str}:
                return ListedMessages(parsed)
    return ListedMessages([fields for entry in entries if (fields := _fields(entry)) is not None])


def _fields(entry: bytes) -> dict[str, Any] | None:
    """Return an entry's fields; None for an unreadable entry.

    As in `merge.lua`, only an entry in this project's format has an id, an order key and a time.
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
        if own[5] is None:
            fields.pop("accepted_at", None)
        return {
            **fields,
            **text,
            "exchange_id": str(exchange_id),
            "order": str(order),
            "revision": int(own[4] or 0),
        }
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        # This entry is foreign. Without it the list is not complete, so the caller reads L2.
        _logger.warning("a thread's list has an unreadable entry", extra={"error": type(error).__name__})
        return None


def encode_seal_or_token(name: str, value: str) -> bytes:
    """Return the last field of an entry: the seal `first` or `whole` with a generation, or `asked` with a token."""
    return f',"{name}":"{value}"}}'.encode()


def seal_or_token_of(entry: bytes) -> tuple[str, str] | None:
    """Return the name and value of the field with an entry's seal or token; None without that field."""
    match = _SEAL_OR_TOKEN.search(entry, max(0, len(entry) - _SEAL_OR_TOKEN_BYTES))
    return (match[1].decode(), match[2].decode()) if match else None


def seal_of(entry: bytes) -> tuple[str, str] | None:
    """Return an entry's seal (`first` or `whole`) and its generation; None without a seal."""
    seal = seal_or_token_of(entry)
    return seal if seal and seal[0] != "asked" and _GENERATION.fullmatch(seal[1]) else None


def token_of(entries: Sequence[bytes]) -> str | None:
    """Return the list's token; None if the list has no token."""
    field = seal_or_token_of(entries[0]) if entries else None
    return field[1] if field and field[0] == "asked" else None


def without_seal_or_token(entry: bytes) -> bytes:
    """Return the entry without its seal or token."""
    match = _SEAL_OR_TOKEN.search(entry, max(0, len(entry) - _SEAL_OR_TOKEN_BYTES))
    return entry[: match.start()] + b"}" if match else entry


def without_placeholder(entries: Sequence[bytes]) -> Sequence[bytes]:
    """Return a list's entries without the placeholder, which can only be the first one."""
    return entries[1:] if entries and entries[0].startswith(PLACEHOLDER) else entries


def is_first(entry: bytes, generation: str | None) -> bool:
    """Return whether the entry has the seal `first` with this generation."""
    return generation is not None and seal_of(entry) == ("first", generation)


def is_sealed(entries: Sequence[bytes], max_messages: int, generation: str | None) -> bool:
    """Return whether a list is sealed in this generation, so that its newest `max_messages` messages are complete."""
    if not entries or generation is None:
        return False
    seal = seal_or_token_of(entries[0])
    return seal == ("first", generation) or (len(entries) >= max_messages and seal == ("whole", generation))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a field is not a string")
    return value


def _object(value: object) -> None:
    if not isinstance(value, dict):
        raise TypeError("a field is not an object")
