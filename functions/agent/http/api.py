"""The HTTP API: routes that call the operations, and one error handler that creates problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, TypeVar

import orjson
from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from functions.agent.callers import Caller
from functions.agent.http.auth import AuthorizedUser, Guard, ProblemsMiddleware, RequestCaller, require_user
from functions.agent.http.inspection_routes import add_inspection_routes
from functions.agent.http.json_body import JsonRoute, json_response
from functions.agent.http.memory_routes import add_memory_routes
from functions.agent.http.openapi import add_description_routes
from functions.agent.http.overview_routes import add_overview_routes
from functions.agent.http.page_routes import add_page_routes
from functions.agent.http.problems import CONTENT_TYPE, Problem, problem_of
from functions.agent.http.thread_json import thread_json
from functions.agent.operations import Operations
from functions.agent.schemas import (
    ExchangePath,
    IdempotencyKey,
    InvokedRequest,
    InvokingRequest,
    MessagesQuery,
    PreferenceChanges,
    Preferences,
    RenameRequest,
    ReplaceRequest,
    RunRequest,
    SearchRequest,
    ThreadPath,
    ThreadsQuery,
)
from shared import __version__
from shared.request_ids import current_request_id

_Turn = TypeVar("_Turn", RunRequest, InvokingRequest, InvokedRequest)


def problem_response(problem: Problem) -> Response:
    """Return a problem as an HTTP response."""
    body = orjson.dumps(problem.to_json(current_request_id() or ""))
    return Response(body, problem.status, dict(problem.headers), media_type=CONTENT_TYPE)


def server_timing(seconds: Mapping[str, float]) -> dict[str, str]:
    """Return the header `Server-Timing` with the durations in milliseconds; no header without any."""
    durations = ", ".join(f"{part};dur={took * 1000:.1f}" for part, took in seconds.items())
    return {"Server-Timing": durations} if durations else {}


def _allowed_methods(app: FastAPI, request: Request) -> str:
    """Return all methods of a path. The router returns only those of one route, and each method is a separate route."""
    methods = {
        method
        for route in app.routes
        if isinstance(route, Route) and route.path_regex.match(request.scope["path"])
        for method in route.methods or ()
    }
    return ", ".join(sorted(methods))


def _with_user(request: _Turn, caller: Caller) -> _Turn:
    """Return the request with the id of its user, which is the caller if the request names no user."""
    user_id = caller.resolve_user(request.user_id, "body")
    return request if user_id == request.user_id else request.model_copy(update={"user_id": user_id})


def create_app(  # noqa: C901, PLR0915 - a list of short routes, not a complex function
    operations: Operations, guard: Guard | None = None
) -> FastAPI:
    """Return the application. Without a guard, it requires no tokens.

    The routes do not declare their responses, because only the OpenAPI description needs the response models. They are
    added when a client requests the description.

    Every route is `async` and calls the stores synchronously. A process serves one request at a time, so a thread pool
    would only add costs.
    """
    guard = guard or Guard()
    app = FastAPI(
        title="Hybrid agent memory",
        version=__version__,
        description="Memory for AI agents. Redis serves recent conversations, and PostgreSQL stores all of them.",
        # The URL is relative, so that it is valid behind any stage.
        servers=[{"url": "."}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI's spans would contain paths and queries, which identify threads and users. See `traces.py`.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.router.route_class = JsonRoute

    async def on_error(request: Request, error: Exception) -> Response:
        operation = getattr(request.scope.get("route"), "name", "")
        problem = problem_of(error, operation, request.method)
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            problem = replace(problem, headers={"Allow": _allowed_methods(app, request)})
        return problem_response(problem)

    for kind in (RequestValidationError, HTTPException):
        app.add_exception_handler(kind, on_error)

    app.add_middleware(ProblemsMiddleware, guard=guard, on_error=on_error)

    @app.post("/run")
    async def run(
        request: RunRequest,
        caller: RequestCaller,
        idempotency_key: Annotated[IdempotencyKey | None, Header(alias="Idempotency-Key")] = None,
    ) -> Response:
        """Run a turn: load the memory, run the agent, store the exchange."""
        result = await operations.run(_with_user(request, caller), idempotency_key, caller.access(request.user_id))
        replayed = {"Idempotent-Replayed": "true"} if result.is_replayed else {}
        return json_response(result.answer, headers={**server_timing(result.seconds), **replayed})

    @app.post("/invoking")
    async def invoking(request: InvokingRequest, caller: RequestCaller) -> Response:
        """Return the context for a turn: recent messages and the user's preferences."""
        return json_response(operations.invoking(_with_user(request, caller), caller.access(request.user_id)))

    @app.post("/invoked", status_code=202)
    async def invoked(request: InvokedRequest, caller: RequestCaller) -> Response:
        """Store an exchange."""
        result = operations.invoked(_with_user(request, caller), caller.access(request.user_id))
        return json_response(result.answer, 202, headers=server_timing(result.seconds))

    @app.post("/search")
    async def search(request: SearchRequest, caller: RequestCaller) -> Response:
        """Search everything that a user said or was told, from the moment it is accepted."""
        user_id = require_user(caller.resolve_user(request.user_id, "body"), "body")
        return json_response(operations.searching.search(request.model_copy(update={"user_id": user_id})))

    @app.get("/threads")
    async def list_threads(query: Annotated[ThreadsQuery, Query()], caller: RequestCaller) -> Response:
        """List a user's threads, newest first."""
        user_id = require_user(caller.resolve_user(query.user_id, "query"), "query")
        page = operations.threads.list_for(user_id, query.limit, query.cursor)
        return json_response({"items": [thread_json(thread) for thread in page.items], "next_cursor": page.next_cursor})

    # An id may contain slashes, so routes with a suffix are registered before `/threads/{thread_id:path}`.
    add_inspection_routes(app, operations, guard.operator_scope)
    add_overview_routes(app, operations, guard.operator_scope)

    @app.get("/threads/{thread_id:path}/messages")
    async def read_messages(
        thread_id: ThreadPath, query: Annotated[MessagesQuery, Query()], caller: RequestCaller
    ) -> Response:
        """Read a thread's messages, including undrained ones."""
        page = operations.threads.messages(
            thread_id, query.limit, query.cursor, descending=query.order == "desc", owner=caller.owner
        )
        items = [message.to_json() for message in page.items]
        return json_response({"items": items, "next_cursor": page.next_cursor, "degraded": page.degraded})

    @app.put("/threads/{thread_id:path}/exchanges/{exchange_id}", status_code=202)
    async def replace_exchange(
        thread_id: ThreadPath, exchange_id: ExchangePath, request: ReplaceRequest, caller: RequestCaller
    ) -> Response:
        """Replace an exchange's texts. Its id and its position do not change."""
        return json_response(operations.replace_exchange(thread_id, exchange_id, request, caller.owner), 202)

    @app.delete("/threads/{thread_id:path}/exchanges/{exchange_id}", status_code=204)
    async def delete_exchange(thread_id: ThreadPath, exchange_id: ExchangePath, caller: RequestCaller) -> Response:
        """Delete an exchange, even if it is still queued."""
        operations.exchanges.delete(thread_id, exchange_id, caller.owner)
        return Response(status_code=204)

    @app.get("/threads/{thread_id:path}")
    async def read_thread(thread_id: ThreadPath, caller: RequestCaller) -> Response:
        """Read a thread."""
        return json_response(thread_json(operations.threads.get(thread_id, caller.owner)))

    @app.patch("/threads/{thread_id:path}")
    async def rename_thread(thread_id: ThreadPath, request: RenameRequest, caller: RequestCaller) -> Response:
        """Set a thread's title. Later exchanges do not change it."""
        return json_response(thread_json(operations.threads.rename(thread_id, request.title, caller.owner)))

    @app.delete("/threads/{thread_id:path}", status_code=204)
    async def delete_thread(thread_id: ThreadPath, caller: RequestCaller) -> Response:
        """Delete a thread, including exchanges that are still queued."""
        operations.threads.delete(thread_id, caller.owner)
        return Response(status_code=204)

    @app.get("/users/{user_id:path}/preferences")
    async def read_preferences(user_id: AuthorizedUser) -> Response:
        """Read a user's preferences."""
        return json_response(operations.users.preferences(user_id))

    @app.put("/users/{user_id:path}/preferences")
    async def replace_preferences(user_id: AuthorizedUser, request: Preferences) -> Response:
        """Replace all preferences of a user."""
        return json_response(operations.users.replace(user_id, request.root))

    @app.patch("/users/{user_id:path}/preferences")
    async def merge_preferences(user_id: AuthorizedUser, request: PreferenceChanges) -> Response:
        """Set some of a user's preferences. A null value removes a preference."""
        return json_response(operations.users.merge(user_id, request.root))

    @app.delete("/users/{user_id:path}/preferences", status_code=204)
    async def delete_preferences(user_id: AuthorizedUser) -> Response:
        """Delete all preferences of a user."""
        operations.users.replace(user_id, {})
        return Response(status_code=204)

    add_memory_routes(app, operations)

    @app.delete("/users/{user_id:path}", status_code=204)
    async def delete_user(user_id: AuthorizedUser) -> Response:
        """Delete all threads, preferences and memories of a user."""
        operations.users.forget(user_id)
        return Response(status_code=204)

    @app.get("/health")
    async def health() -> Response:
        """Check whether each layer accepts writes."""
        return json_response(operations.health.to_json())

    add_page_routes(app)
    add_description_routes(app, requires_tokens=guard.requires_tokens)
    return app
