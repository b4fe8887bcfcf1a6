"""Threads from whose exchanges something is to be derived: their queue and its messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from shared.errors import InvalidRecord
from shared.wire_fields import parse_id, parse_object, require_fields

VECTORS: Final = "vectors"
"""The kind of derivation that makes the vectors of a thread's exchanges."""
MEMORIES: Final = "memories"
"""The kind of derivation that learns from a thread's exchanges."""
KINDS: Final = (VECTORS, MEMORIES)
_WIRE_VERSION: Final = 1


def derivations_in_use(vector_model: str, deriver: str) -> dict[str, str]:
    """Return what is derived from exchanges: each kind in use, and the name of what derives it.

    Args:
        vector_model: The name of the model of embeddings; '' for none.
        deriver: The name of the deriver of memories; '' for none.
    """
    return {kind: name for kind, name in ((VECTORS, vector_model), (MEMORIES, deriver)) if name}


class DueThread(NamedTuple):
    """A thread from whose exchanges something is to be derived."""

    kind: str
    thread_id: str

    def to_wire(self) -> str:
        """Return the message body. It is ASCII, because SQS refuses some characters that a thread's id may contain."""
        return json.dumps({"version": _WIRE_VERSION, **self._asdict()})

    @classmethod
    def from_wire(cls, body: str) -> DueThread:
        """Parse a message's body.

        Raises:
            InvalidRecord: It can never be handled; `reason` is `not_json`, `unknown_version`, `missing_field` or
                `invalid_field`.
        """
        record = parse_object(body)
        version = record.get("version")
        if version != _WIRE_VERSION or isinstance(version, bool):
            raise InvalidRecord("unknown_version", f"version is not {_WIRE_VERSION}")
        require_fields(record, cls._fields)
        if not isinstance(record["kind"], str):
            raise InvalidRecord("invalid_field", "kind is not text")
        return cls(record["kind"], parse_id("thread_id", record["thread_id"]))


class DueQueue(Protocol):
    """The queue of threads from whose exchanges something is to be derived."""

    def send(self, threads: Sequence[DueThread]) -> None:
        """Send one message for each thread and kind. The messages become visible after the debounce.

        Raises:
            StoreUnavailable: The queue does not respond, or refused a message. It may have accepted others.
        """
        ...
