"""The API's OpenAPI description, and a page that shows it without files from other servers."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

import orjson
from fastapi import FastAPI, HTTPException, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from functions.agent.http.auth import is_open
from functions.agent.http.problems import CONTENT_TYPE

_STATUSES: Final = {
    "400": "The body is not JSON",
    "401": "There is no token, or it is invalid",
    "403": "The token does not allow this request",
    "404": "The thread, the exchange or the memory does not exist",
    "409": "The first request with this `Idempotency-Key` is still running",
    "413": "The request or the response is too large",
    "422": "A value is invalid; `errors` names the fields",
    "500": "Unexpected error; the log has the details",
    "502": "The model failed",
    "503": "A required layer did not respond",
    "504": "The model did not answer in time",
}
_SCHEME: Final = "bearer"
_CHALLENGE: Final = {
    "WWW-Authenticate": {
        "description": "`Bearer`, and the reason if the token is invalid",
        "schema": {"type": "string"},
    }
}
_DOCS_FILES: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}


def add_description_routes(app: FastAPI, *, requires_tokens: bool) -> None:
    """Add the routes."""

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(orjson.dumps(_describe(app, requires_tokens=requires_tokens)), media_type="application/json")

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


def _describe(app: FastAPI, *, requires_tokens: bool) -> dict[str, Any]:
    """Return the API's OpenAPI description. It marks the content type of problems and the routes that need a token."""
    routes = _routes_with_response_models(app)
    description = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=routes, servers=app.servers
    )
    for path, operations in description["paths"].items():
        for operation in operations.values():
            is_secured = requires_tokens and not is_open(path)
            problem = {CONTENT_TYPE: operation["responses"].pop("default")["content"]["application/json"]}
            for status in sorted(_problem_statuses(path, operation, is_secured=is_secured)):
                operation["responses"][status] = {"description": _STATUSES[status], "content": problem}
            if is_secured:
                operation["security"] = [{_SCHEME: []}]
                operation["responses"]["401"]["headers"] = _CHALLENGE
    if requires_tokens:
        schemes = description["components"].setdefault("securitySchemes", {})
        schemes[_SCHEME] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    return description


def _routes_with_response_models(app: FastAPI) -> list[BaseRoute]:
    """Return the application's routes with the models of their responses, which only the description uses.

    The models are built here instead of at the start, because that would slow down a cold start.
    """
    from functions.agent.http.inspection_responses import ProblemAnswer  # noqa: PLC0415 - see above
    from functions.agent.http.responses import RESPONSE_MODELS  # noqa: PLC0415 - see above

    described_app = FastAPI(responses={"default": {"model": ProblemAnswer}})
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            described_app.add_api_route(
                route.path,
                route.endpoint,
                name=route.name,
                operation_id=route.name,
                methods=sorted(route.methods or ()),
                status_code=route.status_code,
                response_model=RESPONSE_MODELS.get(route.name),
            )
    return described_app.routes


def _problem_statuses(path: str, operation: dict[str, Any], *, is_secured: bool) -> set[str]:
    """Return the statuses of the problems that a route may return."""
    statuses = {"413", "500"}
    if not is_open(path):
        statuses |= {"503"}
    if "requestBody" in operation:
        statuses |= {"400"}
    if "requestBody" in operation or "parameters" in operation:
        statuses |= {"422"}
    is_turn = is_secured and "requestBody" in operation and "{" not in path
    if is_turn or "{thread_id}" in path or "{memory_id}" in path:
        # A caller without access to a thread gets 404, also for a turn in this thread.
        statuses |= {"404"}
    if path == "/run":
        statuses |= {"404", "409", "502", "504"}
    return statuses | {"401", "403"} if is_secured else statuses
