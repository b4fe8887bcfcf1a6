"""The routes of the memory inspector, which show the state of each layer. Read-only."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import FastAPI, HTTPException, Query, Response

from functions.agent.callers import Caller
from functions.agent.http.auth import RequestCaller
from functions.agent.operations import Operations
from functions.agent.schemas import LayersQuery, ThreadPath
from shared.memory.inspection import BacklogStatus, ThreadLayers
from shared.models import Message, format_time
from shared.stores.inspectors import QueueCounts

# Enough to recognise a message; the full texts are at `/threads/{thread_id}/messages`.
_PREVIEW_CHARACTERS: Final = 160


def add_inspection_routes(app: FastAPI, operations: Operations, operator_scope: str) -> None:
    """Add the routes."""

    @app.get("/threads/{thread_id:path}/layers")
    async def read_layers(
        thread_id: ThreadPath, query: Annotated[LayersQuery, Query()], caller: RequestCaller
    ) -> Response:
        """Show a thread's newest messages in Redis and in PostgreSQL."""
        return uncached_json(read_thread_layers(operations, thread_id, query.limit, caller.owner))

    @app.get("/status")
    async def read_status(caller: RequestCaller) -> Response:
        """Return the numbers of undrained exchanges and dead letters."""
        require_operator(caller, operator_scope)
        return uncached_json(status_json(operations.inspection.backlog_status()))


def require_operator(caller: Caller, operator_scope: str) -> None:
    """Refuse other callers, because only operators may see the traffic of other users.

    Raises:
        HTTPException: The caller is no operator.
    """
    if not caller.may_act_for_others:
        raise HTTPException(403, f"Only operators can read the status: the token needs the scope {operator_scope}.")


def read_thread_layers(operations: Operations, thread_id: str, limit: int, owner: str | None) -> dict[str, Any]:
    """Return the API's JSON of a thread's newest messages in each layer.

    Raises:
        ThreadNotFound: Neither layer has the thread, or it belongs to another user.
        StoreUnavailable: A required layer did not respond.
    """
    if owner is not None:
        operations.threads.require(thread_id, owner)
    return {"thread_id": thread_id, **layers_json(operations.inspection.thread(thread_id, limit, owner))}


def layers_json(layers: ThreadLayers) -> dict[str, Any]:
    """Return the API's JSON of a thread's layers."""
    listed = layers.listed or []
    return {
        "redis": {
            "state": _state(layers.listed),
            "message_count": layers.list_length,
            "ttl_seconds": layers.ttl_seconds,
            "messages": [{**_preview(each.message), "is_drained": each.is_drained} for each in listed],
        },
        "postgres": {
            "state": _state(layers.stored),
            "message_count": layers.stored_count,
            "messages": [_stored(message) for message in layers.stored or []],
        },
        "window": layers.window,
        "undrained": layers.undrained,
        "lag_seconds": _rounded(layers.lag_seconds),
        "as_of": format_time(layers.as_of),
    }


def status_json(status: BacklogStatus) -> dict[str, Any]:
    """Return the API's JSON of the depths of the queues and the outbox."""

    def waiting_json(waiting: QueueCounts | None) -> dict[str, Any] | None:
        if waiting is None:
            return None
        counts = {"visible": waiting.visible, "in_flight": waiting.in_flight, "delayed": waiting.delayed}
        return {**counts, "oldest_age_seconds": _rounded(status.age_seconds(waiting))}

    return {
        "queue": waiting_json(status.queue),
        "dlq": waiting_json(status.dead_letters),
        "outbox": waiting_json(status.outbox),
        "sync_lag_seconds": _rounded(status.lag_seconds),
        "learn_lag_seconds": _rounded(status.learn_lag_seconds),
        "degraded": status.degraded,
        "as_of": format_time(status.as_of),
    }


def _preview(message: Message) -> dict[str, Any]:
    fields = message.to_json()
    preview = fields["content"][:_PREVIEW_CHARACTERS]
    return {**{name: fields[name] for name in ("role", "exchange_id", "created_at")}, "preview": preview}


def _stored(message: Message) -> dict[str, Any]:
    times = {"accepted_at": message.acceptance_time, "stored_at": message.stored_at}
    return {
        **_preview(message),
        "revision": message.revision,
        **{name: None if time is None else format_time(time) for name, time in times.items()},
    }


def _state(answer: object) -> str:
    return "unavailable" if answer is None else "ok"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def uncached_json(content: object) -> Response:
    """Return a response that caches do not store."""
    # Caches must not store the response, because the state changes all the time.
    return Response(orjson.dumps(content), media_type="application/json", headers={"Cache-Control": "no-store"})
