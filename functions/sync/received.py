"""A message as the event source mapping hands it over."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.errors import InvalidRecord
from shared.request_ids import REQUEST_ID, valid_request_id
from shared.traceparent import TRACEPARENT, valid_traceparent


@dataclass(frozen=True, slots=True)
class SqsRecord:
    """A message as the event source mapping hands it over.

    Attributes:
        sent_at: Unix seconds by the clock of SQS.
        request_id: The request that brought it, where its sender said so.
        traceparent: The span that sent it, likewise.
        fault: Why it can never be stored, where that is known without reading its body.
    """

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at: float = 0.0
    request_id: str | None = None
    traceparent: str | None = None
    fault: InvalidRecord | None = None

    @classmethod
    def from_record(cls, record: object) -> SqsRecord:
        """Read an SQS event's record.

        Raises:
            InvalidRecord: It is none that SQS makes.
        """
        fields = record if isinstance(record, Mapping) else {}
        for name in ("messageId", "receiptHandle", "body"):
            if not isinstance(fields.get(name), str) or (name != "body" and not fields[name]):
                raise InvalidRecord("no_record", f"{name} is no text, or empty")
        return cls(
            message_id=fields["messageId"],
            receipt_handle=fields["receiptHandle"],
            body=fields["body"],
            receive_count=_attribute(fields, "ApproximateReceiveCount", 4) or 1,
            sent_at=_attribute(fields, "SentTimestamp", 15) / 1000,
            request_id=request_id_of(fields),
            traceparent=traceparent_of(fields),
        )

    @classmethod
    def of(cls, record: object) -> SqsRecord:
        """Read a record, whatever it is; one that SQS does not make has a `fault`."""
        try:
            return cls.from_record(record)
        except InvalidRecord as error:
            return replace(cls.unreadable(record), fault=error)

    @classmethod
    def unreadable(cls, record: object) -> SqsRecord:
        """Wrap a malformed record as a message, so that it can be dead-lettered."""
        name = record.get("messageId") if isinstance(record, Mapping) else None
        # An unknown message id in the answer fails the batch, so a message that is not stored is delivered again.
        named = name if isinstance(name, str) and name else "-"
        return cls(named, "", json.dumps(record, default=repr), 1, request_id=request_id_of(record))


def request_id_of(record: object) -> str | None:
    """Return the id that the sender of an SQS event's record gave its request, or None."""
    return valid_request_id(_sent(record, REQUEST_ID))


def traceparent_of(record: object) -> str | None:
    """Return the span that sent an SQS event's record, as `traceparent`, or None."""
    return valid_traceparent(_sent(record, TRACEPARENT))


def _sent(record: object, name: str) -> object:
    """Return what the sender of an SQS event's record gave it as this attribute, or None."""
    attributes = record.get("messageAttributes") if isinstance(record, Mapping) else None
    attribute = attributes.get(name) if isinstance(attributes, Mapping) else None
    return attribute.get("stringValue") if isinstance(attribute, Mapping) else None


def _attribute(fields: Mapping[str, Any], name: str, digits: int) -> int:
    attributes = fields.get("attributes")
    value = attributes.get(name) if isinstance(attributes, Mapping) else None
    # Its digits only, and few: the number is an exponent later.
    return int(value) if isinstance(value, str) and re.fullmatch(f"[0-9]{{1,{digits}}}", value) else 0
