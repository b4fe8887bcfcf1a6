"""The page at `/`: the files that Vite built, or a page that says how they are built."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, Response

# Text only: API Gateway hands binary bodies through when it is told of their types, and there is no need to.
_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
_HEADERS: Final = {
    # Everything from here, nothing inline: a message that holds markup stays a text even if the page should slip.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_FOLDER: Final = files("functions.agent.http") / "static"


def add_page_routes(app: FastAPI) -> None:
    """Add the routes of the page. They show no data, so they need no token."""

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        if (last := _unfinished(request)) is not None:
            # The page's own addresses are relative, so that they hold behind any prefix.
            return Response(status_code=307, headers={"Location": f"{last}/"})
        return Response(_index(), media_type="text/html", headers={**_HEADERS, "Cache-Control": "no-cache"})

    @app.get("/assets/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        content = _assets().get(name)
        if content is None:
            raise HTTPException(404)
        # A changed file has another name.
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        kind = _TYPES[name[name.rindex(".") :]]
        return Response(content, media_type=kind, headers={**_HEADERS, **kept})


def _unfinished(request: Request) -> str | None:
    """Return the last segment of the address as it was sent if no slash ends it, e.g. `prod` for `/prod`."""
    path = (request.scope.get("raw_path") or b"/").decode("latin-1")
    # What is not encoded yet would not fit a header.
    return None if path.endswith("/") else quote(path.rpartition("/")[2], safe="%", encoding="latin-1")


@cache
def _index() -> bytes:
    built = _FOLDER / "built" / "index.html"
    return (built if built.is_file() else _FOLDER / "unbuilt.html").read_bytes()


@cache
def _assets() -> dict[str, bytes]:
    """Return the built files by name, so that no name can lead elsewhere."""
    folder = _FOLDER / "built" / "assets"
    if not folder.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(tuple(_TYPES))}
