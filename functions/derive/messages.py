"""The messages of the derive queue."""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from shared.errors import InvalidRecord
from shared.wire_fields import parse_id

VERSION: Final = 1


class DueThread(NamedTuple):
    """A thread from whose exchanges something is to be derived."""

    kind: str
    thread_id: str

    @classmethod
    def from_wire(cls, body: str) -> DueThread:
        """Parse a message's body.

        Raises:
            InvalidRecord: It can never be handled; `reason` is `not_json`, `unknown_version`, `missing_field` or
                `invalid_field`.
        """
        try:
            record = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise InvalidRecord("not_json", str(error)) from error
        if not isinstance(record, dict):
            raise InvalidRecord("not_json", "the body is JSON but no object")
        version = record.get("version")
        if version != VERSION or isinstance(version, bool):
            raise InvalidRecord("unknown_version", f"version is not {VERSION}")
        for name in cls._fields:
            if name not in record:
                raise InvalidRecord("missing_field", name)
        if not isinstance(record["kind"], str):
            raise InvalidRecord("invalid_field", "kind is not text")
        return cls(record["kind"], parse_id("thread_id", record["thread_id"]))
