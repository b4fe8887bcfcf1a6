"""Parsers of the fields of a queue record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson

from shared.errors import InvalidRecord
from shared.ids import UNIX_EPOCH, id_error
from shared.metadata import MAX_METADATA_BYTES, encode_metadata, metadata_error, metadata_size
from shared.texts import text_error

MAX_REVISION: Final = 2**31 - 1
WIRE_FIELDS: Final = (
    "exchange_id",
    "thread_id",
    "user_id",
    "user_message",
    "assistant_message",
    "document_ids",
    "created_at",
)


def parse_object(body: str | bytes) -> dict[str, Any]:
    """Return a message's body, which is a JSON object.

    Raises:
        InvalidRecord: It is not; `reason` is `not_json`.
    """
    try:
        record = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRecord("not_json", str(error)) from error
    if not isinstance(record, dict):
        raise InvalidRecord("not_json", "the body is JSON but no object")
    return record


def require_fields(record: Mapping[str, Any], names: Iterable[str]) -> None:
    """Check that a record has all fields.

    Raises:
        InvalidRecord: One is missing; `reason` is `missing_field`.
    """
    for name in names:
        if name not in record:
            raise InvalidRecord("missing_field", name)


def parse_uuid(value: object) -> UUID:
    """Return an exchange id.

    Raises:
        InvalidRecord: It is not a UUID.
    """
    if not isinstance(value, str):
        raise InvalidRecord("invalid_field", "exchange_id is not a UUID")
    try:
        return UUID(value)
    except ValueError as error:
        raise InvalidRecord("invalid_field", "exchange_id is not a UUID") from error


def parse_id(name: str, value: object) -> str:
    """Return a thread, user or document id.

    Raises:
        InvalidRecord: It is not a valid id.
    """
    if not isinstance(value, str) or (reason := id_error(value)):
        raise InvalidRecord("invalid_field", f"{name} {reason if isinstance(value, str) else 'is not text'}")
    return value


def parse_text(name: str, value: object) -> str:
    """Return a message's text.

    Raises:
        InvalidRecord: It is not a valid text.
    """
    if not isinstance(value, str):
        raise InvalidRecord("invalid_field", f"{name} is not text")
    if reason := text_error(value):
        raise InvalidRecord("invalid_field", f"{name} {reason}")
    return value


def parse_time(name: str, value: object) -> datetime:
    """Return a time in UTC.

    Raises:
        InvalidRecord: It is not a valid time.
    """
    if not isinstance(value, str):
        raise InvalidRecord("invalid_field", f"{name} is not text")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidRecord("invalid_field", f"{name} is not an ISO 8601 time") from error
    if moment.tzinfo is None:
        raise InvalidRecord("invalid_field", f"{name} has no time zone")
    try:
        moment = moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise InvalidRecord("invalid_field", f"{name} is out of range") from error
    if moment < UNIX_EPOCH:
        # An order key cannot represent an earlier time.
        raise InvalidRecord("invalid_field", f"{name} is out of range")
    return moment


def parse_documents(value: object) -> tuple[str, ...]:
    """Return document ids.

    Raises:
        InvalidRecord: It is not a list of valid ids.
    """
    if not isinstance(value, list):
        raise InvalidRecord("invalid_field", "document_ids is not a list")
    return tuple(parse_id("document_ids", item) for item in value)


def parse_revision(value: object) -> int:
    """Return the number of replacements.

    Raises:
        InvalidRecord: It is not a valid number.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_REVISION:
        raise InvalidRecord("invalid_field", f"revision must be 0 to {MAX_REVISION}")
    return value


def parse_metadata(value: object) -> str | None:
    """Return metadata as JSON text; None if there is none.

    Raises:
        InvalidRecord: It is not valid metadata.
    """
    if value is None:
        return None
    reason = metadata_error(value)
    if not isinstance(value, dict) or reason:
        raise InvalidRecord("invalid_field", f"metadata {reason}")
    if metadata_size(value) > MAX_METADATA_BYTES:
        raise InvalidRecord("invalid_field", f"metadata must have at most {MAX_METADATA_BYTES} bytes")
    return encode_metadata(value)
