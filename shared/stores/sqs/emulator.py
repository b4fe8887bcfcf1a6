"""Reads a queue of the local AWS emulator without receiving its messages."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from shared.stores.sqs.messages import QueuedMessage

_PATH: Final = "/_ministack/sqs/messages"
_SECONDS: Final = 5
# The emulator is a local server, which a proxy cannot reach.
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def peek(endpoint_url: str | None, queue_url: str) -> list[QueuedMessage] | None:
    """Return the queue's messages, oldest first, or None if the endpoint is not the local emulator."""
    if endpoint_url is None:
        return None
    try:
        with _DIRECT.open(
            f"{endpoint_url.rstrip('/')}{_PATH}?{urlencode({'QueueUrl': queue_url})}", None, _SECONDS
        ) as response:
            accounts = json.load(response)["messages"]
        all_messages = [
            message
            for regions in accounts.values()
            for queues in regions.values()
            for messages in queues.values()
            for message in messages
        ]
        return sorted(map(_message, all_messages), key=lambda message: message.sent_at or _NEVER)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        # Another service, an error page, or no response: the caller then uses SQS itself.
        return None


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def _message(entry: Mapping[str, Any]) -> QueuedMessage:
    sent_milliseconds = entry.get("Attributes", {}).get("SentTimestamp")
    seconds = int(sent_milliseconds) / 1000 if sent_milliseconds else entry["SentTimestamp"]
    return QueuedMessage(
        message_id=entry["MessageId"],
        body=entry["Body"],
        sent_at=datetime.fromtimestamp(seconds, UTC),
        receive_count=entry["ReceiveCount"],
        is_visible=entry["IsVisible"],
        attributes={
            name: value["StringValue"] for name, value in entry["MessageAttributes"].items() if "StringValue" in value
        },
    )
