"""The HTTP API: routes that hand over to the operations, and one place that turns errors into problems."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any, Final
from urllib.parse import unquote

import orjson
from fastapi import FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException

from functions.agent.answers import (
    HealthAnswer,
    InvokedAnswer,
    InvokingAnswer,
    MessagesAnswer,
    ProblemAnswer,
    RunAnswer,
    ThreadAnswer,
    ThreadsAnswer,
)
from functions.agent.operations import Operations, thread_json
from functions.agent.problems import CONTENT_TYPE, Problem, problem_of
from functions.agent.schemas import (
    Id,
    IdempotencyKey,
    InvokedRequest,
    InvokingRequest,
    MessagesQuery,
    PreferenceChanges,
    Preferences,
    RenameRequest,
    RunRequest,
    ThreadsQuery,
)

# Lambda refuses an answer of more than 6 MB, which the event's own JSON makes larger still.
_MOST_ANSWER_BYTES: Final = 4_500_000
_DOCS_FILES: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"model": ProblemAnswer, "description": "What is wrong with the request"},
    "5XX": {"model": ProblemAnswer, "description": "What went wrong here"},
}


def _decoded(segment: str) -> str:
    # After the routing, so that an encoded slash belongs to the id; what is no UTF-8 becomes what no id may hold.
    return unquote(segment, errors="surrogateescape")


_ThreadPath = Annotated[Id, BeforeValidator(_decoded), Path()]
_UserPath = Annotated[Id, BeforeValidator(_decoded), Path()]


def request_id_of(request: Request) -> str:
    """Return the id under which API Gateway and the log know the request."""
    context = request.scope.get("aws.event", {}).get("requestContext", {})
    return str(context.get("requestId") or getattr(request.scope.get("aws.context"), "aws_request_id", ""))


def _json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(content)
    if len(body) > _MOST_ANSWER_BYTES:
        detail = "The answer is larger than one answer can be; read the thread page by page."
        raise HTTPException(413, detail)
    return Response(body, status, headers, media_type="application/json")


def problem_response(problem: Problem, request_id: str) -> Response:
    """Return a problem as an HTTP answer."""
    body = orjson.dumps(problem.to_json(request_id))
    return Response(body, problem.status, dict(problem.headers), media_type=CONTENT_TYPE)


def _describe(app: FastAPI) -> dict[str, Any]:
    """Return the API's description, with problems under the content type they really have."""
    described = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, servers=app.servers
    )
    for path in described["paths"].values():
        for operation in path.values():
            for status in _PROBLEMS:
                content = operation["responses"][status]["content"]
                content[CONTENT_TYPE] = content.pop("application/json")
    return described


def create_app(operations: Operations) -> FastAPI:  # noqa: C901 - a list of short routes, not a complex function
    """Return the application.

    Every route is `async` and calls the stores synchronously: a sandbox serves one request at a time, and a pool of
    threads would cost more than the calls.
    """
    app = FastAPI(
        title="Hybrid agent memory",
        version="0.1.0",
        description="Memory for AI agents: Redis for speed, PostgreSQL for permanence, nothing lost in between.",
        # Relative, so that they hold behind any stage prefix.
        servers=[{"url": "."}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=_PROBLEMS,
        generate_unique_id_function=lambda route: route.name,
    )

    async def on_error(request: Request, error: Exception) -> Response:
        return problem_response(problem_of(error), request_id_of(request))

    for kind in (RequestValidationError, HTTPException):
        app.add_exception_handler(kind, on_error)

    @app.middleware("http")
    async def turn_errors_into_problems(request: Request, call_next: Any) -> Response:
        try:
            answer: Response = await call_next(request)
        except Exception as error:  # noqa: BLE001 - the outermost place, which knows every kind
            return await on_error(request, error)
        return answer

    @app.post("/run", response_model=RunAnswer)
    async def run(
        request: RunRequest, idempotency_key: Annotated[IdempotencyKey | None, Header(alias="Idempotency-Key")] = None
    ) -> Response:
        """Run a turn with the agent: recall, answer, keep."""
        result = await operations.run(request, idempotency_key)
        return _json(result.answer, headers={"Idempotent-Replayed": "true"} if result.is_replayed else None)

    @app.post("/invoking", response_model=InvokingAnswer)
    async def invoking(request: InvokingRequest) -> Response:
        """Say what the memory holds for a turn."""
        return _json(await operations.invoking(request))

    @app.post("/invoked", response_model=InvokedAnswer, status_code=202)
    async def invoked(request: InvokedRequest) -> Response:
        """Keep an exchange."""
        return _json(await operations.invoked(request), 202)

    @app.get("/threads", response_model=ThreadsAnswer)
    async def list_threads(query: Annotated[ThreadsQuery, Query()]) -> Response:
        """List a user's threads, newest first."""
        page = operations.threads.list_for(query.user_id, query.limit, query.cursor)
        return _json({"items": [thread_json(thread) for thread in page.items], "next_cursor": page.next_cursor})

    # Before the thread's own route: an id may hold slashes, and this ending is the longer match.
    @app.get("/threads/{thread_id:path}/messages", response_model=MessagesAnswer)
    async def read_messages(thread_id: _ThreadPath, query: Annotated[MessagesQuery, Query()]) -> Response:
        """Read a thread's messages, also those that are not drained yet."""
        page = operations.threads.messages(thread_id, query.limit, query.cursor, descending=query.order == "desc")
        items = [message.to_json() for message in page.items]
        return _json({"items": items, "next_cursor": page.next_cursor, "degraded": page.degraded})

    @app.get("/threads/{thread_id:path}", response_model=ThreadAnswer)
    async def read_thread(thread_id: _ThreadPath) -> Response:
        """Read a thread."""
        return _json(thread_json(operations.threads.get(thread_id)))

    @app.patch("/threads/{thread_id:path}", response_model=ThreadAnswer)
    async def rename_thread(thread_id: _ThreadPath, request: RenameRequest) -> Response:
        """Title a thread for good."""
        return _json(thread_json(operations.threads.rename(thread_id, request.title)))

    @app.delete("/threads/{thread_id:path}", status_code=204)
    async def delete_thread(thread_id: _ThreadPath) -> Response:
        """Delete a thread, and whatever of it is on its way."""
        operations.threads.delete(thread_id)
        return Response(status_code=204)

    @app.get("/users/{user_id:path}/preferences", response_model=dict[str, str])
    async def read_preferences(user_id: _UserPath) -> Response:
        """Read a user's preferences."""
        return _json(operations.users.preferences(user_id))

    @app.put("/users/{user_id:path}/preferences", response_model=dict[str, str])
    async def replace_preferences(user_id: _UserPath, request: Preferences) -> Response:
        """Make these all the preferences there are."""
        return _json(operations.users.replace(user_id, request.root))

    @app.patch("/users/{user_id:path}/preferences", response_model=dict[str, str])
    async def merge_preferences(user_id: _UserPath, request: PreferenceChanges) -> Response:
        """Set some preferences; a null removes one."""
        return _json(operations.users.merge(user_id, request.root))

    @app.delete("/users/{user_id:path}/preferences", status_code=204)
    async def delete_preferences(user_id: _UserPath) -> Response:
        """Remove all preferences."""
        operations.users.replace(user_id, {})
        return Response(status_code=204)

    @app.delete("/users/{user_id:path}", status_code=204)
    async def delete_user(user_id: _UserPath) -> Response:
        """Delete every thread and preference of a user."""
        operations.users.forget(user_id)
        return Response(status_code=204)

    @app.get("/health", response_model=HealthAnswer)
    async def health() -> Response:
        """Ask every layer whether it answers."""
        return _json(operations.health())

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return _json(_describe(app))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    @app.get("/docs/{name}", include_in_schema=False)
    async def docs_file(name: str) -> Response:
        if name not in _DOCS_FILES:
            raise HTTPException(404)
        content = (files("fastapi_offline") / "static" / name).read_bytes()
        return Response(content, media_type=_DOCS_FILES[name], headers={"Cache-Control": "max-age=86400"})

    return app
