"""A message in the format of Lambda's event source mapping."""

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
    """An SQS message.

    Attributes:
        sent_at: The time of sending by SQS's clock, in Unix seconds.
        request_id: The id of the request that sent the message, if it is known.
        traceparent: The span that sent the message, if it is known.
        error: The reason for dead-lettering the message without parsing its body; None if there is none.
    """

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at: float = 0.0
    request_id: str | None = None
    traceparent: str | None = None
    error: InvalidRecord | None = None

    @classmethod
    def from_record(cls, record: object) -> SqsRecord:
        """Parse an SQS event's record.

        Raises:
            InvalidRecord: The record is malformed.
        """
        fields = record if isinstance(record, Mapping) else {}
        for name in ("messageId", "receiptHandle", "body"):
            if not isinstance(fields.get(name), str) or (name != "body" and not fields[name]):
                raise InvalidRecord("no_record", f"{name} is not text, or is empty")
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
    def parse(cls, record: object) -> SqsRecord:
        """Parse a record. A malformed record becomes a message with an `error`."""
        try:
            return cls.from_record(record)
        except InvalidRecord as error:
            return replace(cls.from_malformed(record), error=error)

    @classmethod
    def from_malformed(cls, record: object) -> SqsRecord:
        """Wrap a malformed record as a message, so that it can be dead-lettered."""
        sent_id = record.get("messageId") if isinstance(record, Mapping) else None
        # If the function returns an unknown message id, SQS redelivers the whole batch, so the message is not lost.
        message_id = sent_id if isinstance(sent_id, str) and sent_id else "-"
        return cls(message_id, "", json.dumps(record, default=repr), 1, request_id=request_id_of(record))


def request_id_of(record: object) -> str | None:
    """Return the request id in the message's attributes; None if there is none."""
    return valid_request_id(_text_attribute(record, REQUEST_ID))


def traceparent_of(record: object) -> str | None:
    """Return the `traceparent` in the message's attributes; None if there is none."""
    return valid_traceparent(_text_attribute(record, TRACEPARENT))


def _text_attribute(record: object, name: str) -> object:
    """Return a text attribute of the message; None if there is none."""
    attributes = record.get("messageAttributes") if isinstance(record, Mapping) else None
    attribute = attributes.get(name) if isinstance(attributes, Mapping) else None
    return attribute.get("stringValue") if isinstance(attribute, Mapping) else None


def _attribute(fields: Mapping[str, Any], name: str, digits: int) -> int:
    attributes = fields.get("attributes")
    value = attributes.get(name) if isinstance(attributes, Mapping) else None
    # The number of digits is limited, because the number of receives is used as an exponent.
    return int(value) if isinstance(value, str) and re.fullmatch(f"[0-9]{{1,{digits}}}", value) else 0
