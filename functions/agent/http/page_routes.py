"""The page at `/`: the files that Vite built, or a page that explains how to build them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, Response

# Text files only, because API Gateway passes binary bodies through only for configured types.
_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
PAGE_HEADERS: Final = {
    # Only files from this origin and no inline scripts: a message with markup stays text even if the page has a bug.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""The security headers of the page and of its files."""
_FOLDER: Final = files("functions.agent.http") / "static"


def add_page_routes(app: FastAPI) -> None:
    """Add the routes of the page. Their responses contain no data, so they need no token."""

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        if (last := _segment_without_slash(request)) is not None:
            # The page's own URLs are relative, so that they work behind any prefix.
            return Response(status_code=307, headers={"Location": f"{last}/"})
        return Response(_index(), media_type="text/html", headers={**PAGE_HEADERS, "Cache-Control": "no-cache"})

    @app.get("/assets/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        content = _assets().get(name)
        if content is None:
            raise HTTPException(404)
        # A changed file has a new name.
        caching = {"Cache-Control": "public, max-age=31536000, immutable"}
        media_type = _TYPES[name[name.rindex(".") :]]
        return Response(content, media_type=media_type, headers={**PAGE_HEADERS, **caching})


def _segment_without_slash(request: Request) -> str | None:
    """Return the last segment of the URL's path, e.g. `prod` for `/prod`; None if the path ends with a slash."""
    path = (request.scope.get("raw_path") or b"/").decode("latin-1")
    # Characters that are not percent-encoded cannot be part of a header.
    return None if path.endswith("/") else quote(path.rpartition("/")[2], safe="%", encoding="latin-1")


@cache
def _index() -> bytes:
    built = _FOLDER / "built" / "index.html"
    return (built if built.is_file() else _FOLDER / "unbuilt.html").read_bytes()


@cache
def _assets() -> dict[str, bytes]:
    """Return the built files by name. No other file can be requested."""
    folder = _FOLDER / "built" / "assets"
    if not folder.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(tuple(_TYPES))}
