"""Send every exchange that Redis has cached to the API again. PostgreSQL stores the missing ones, ignores the others.

Usage: python examples/replay_from_redis.py REDIS_URL API_URL. With tokens, HYBRID_MEMORY_TOKEN is one of an operator.
"""

import json
import os
import sys
from collections import defaultdict
from datetime import UTC, datetime
from uuid import UUID

import httpx
import redis


def time_of(exchange_id: str) -> str | None:
    """Return the time in a UUIDv7, whose millisecond the API requires; None for another id."""
    if exchange_id[14] != "7":
        return None
    return datetime.fromtimestamp((UUID(exchange_id).int >> 80) / 1000, UTC).isoformat()


redis_url, api_url = sys.argv[1:]
token = os.environ.get("HYBRID_MEMORY_TOKEN")
headers = {"Authorization": f"Bearer {token}"} if token else {}
sent = 0
with redis.Redis.from_url(redis_url, decode_responses=True) as cache, httpx.Client(headers=headers, timeout=30) as api:
    for key in cache.scan_iter("thread:*:messages"):
        exchanges = defaultdict(dict)
        for entry in map(json.loads, cache.lrange(key, 0, -1)):
            exchanges[entry["exchange_id"]][entry["role"]] = entry
        for exchange_id, messages in exchanges.items():
            if messages.keys() != {"user", "assistant"}:
                continue  # a placeholder of an empty list
            body = {
                "thread_id": key.removeprefix("thread:").removesuffix(":messages"),
                "user_id": messages["user"].get("user_id"),
                "exchange_id": exchange_id,
                "created_at": time_of(exchange_id) or messages["user"]["created_at"],
                "user_message": messages["user"]["content"],
                "assistant_message": messages["assistant"]["content"],
                "metadata": messages["user"].get("metadata"),
            }
            body = {name: value for name, value in body.items() if value is not None}
            api.post(f"{api_url}/invoked", json=body).raise_for_status()
            sent += 1
print(f"{sent} exchanges are sent.")
