"""What the API says of itself: the OpenAPI document, and a page to read it, which loads nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

import orjson
from fastapi import FastAPI, HTTPException, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi

from functions.agent.answers import ProblemAnswer
from functions.agent.auth import is_open
from functions.agent.problems import CONTENT_TYPE

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"model": ProblemAnswer, "description": "What is wrong with the request"},
    "5XX": {"model": ProblemAnswer, "description": "What went wrong here"},
}
_SCHEME: Final = "bearer"
_REFUSALS: Final = {"401": "There is no token, or it cannot be believed", "403": "The token is of another user"}
_CHALLENGE: Final = {
    "WWW-Authenticate": {"description": "`Bearer`, and why a token was refused", "schema": {"type": "string"}}
}
_DOCS_FILES: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}


def add_description_routes(app: FastAPI, *, asks_for_tokens: bool) -> None:
    """Add the routes."""

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(orjson.dumps(_describe(app, asks_for_tokens=asks_for_tokens)), media_type="application/json")

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


def _describe(app: FastAPI, *, asks_for_tokens: bool) -> dict[str, Any]:
    """Return the API's description: problems under the content type they really have, and where a token is needed."""
    described = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, servers=app.servers
    )
    for path, operations in described["paths"].items():
        for operation in operations.values():
            for status in PROBLEMS:
                content = operation["responses"][status]["content"]
                content[CONTENT_TYPE] = content.pop("application/json")
            if asks_for_tokens and not is_open(path):
                _secure(operation)
    if asks_for_tokens:
        schemes = described["components"].setdefault("securitySchemes", {})
        schemes[_SCHEME] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    return described


def _secure(operation: dict[str, Any]) -> None:
    operation["security"] = [{_SCHEME: []}]
    content = operation["responses"]["4XX"]["content"]
    for status, description in _REFUSALS.items():
        operation["responses"][status] = {"description": description, "content": content}
    operation["responses"]["401"]["headers"] = _CHALLENGE
