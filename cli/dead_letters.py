"""Descriptions of dead letters, without their texts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from cli.times import iso_time
from shared.ids import id_error
from shared.request_ids import REQUEST_ID
from shared.stores.sqs.messages import QueuedMessage


def describe(message: QueuedMessage, now: datetime) -> dict[str, Any]:
    """Return a message's ids, times, size and reason, but not its body."""
    ids = _ids(message.body)
    return {
        "message_id": message.message_id,
        "sent_at": iso_time(message.sent_at),
        "age_seconds": round(max(0.0, (now - message.sent_at).total_seconds()), 1) if message.sent_at else None,
        "receive_count": message.receive_count,
        "visible": message.is_visible,
        "bytes": len(message.body.encode()),
        "reason": message.attributes.get("reason"),
        "detail": message.attributes.get("detail"),
        "original_message_id": message.attributes.get("original_message_id"),
        "request_id": message.attributes.get(REQUEST_ID),
        "exchange_id": ids["exchange_id"],
        "thread_id": ids["thread_id"],
        "user_id": ids["user_id"],
    }


def matches_id(message: QueuedMessage, name: str) -> bool:
    """Return whether `name` is an id of the message.

    `name` may be the message's id in this queue or in the exchange queue, the id of its exchange, or the id of its
    request.
    """
    return name in {
        message.message_id,
        message.attributes.get("original_message_id"),
        message.attributes.get(REQUEST_ID),
        _ids(message.body)["exchange_id"],
    }


def _ids(body: str) -> dict[str, str | None]:
    """Return the valid ids in a body. The body of a dead letter may be malformed."""
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        record = None
    values = record if isinstance(record, dict) else {}
    ids = {name: values.get(name) for name in ("exchange_id", "thread_id", "user_id")}
    return {name: value if isinstance(value, str) and not id_error(value) else None for name, value in ids.items()}
