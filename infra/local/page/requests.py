"""The checks of each request: its host, its origin, and the token of the local controls.

A server on 127.0.0.1 is reachable from every site that the user's browser shows. These checks refuse requests of other
sites, also after DNS rebinding, where another site's name leads to 127.0.0.1.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

CONTROLS: Final = "/_local/"
"""The path prefix of the local controls."""
TOKEN_HEADER: Final = "X-Local-Token"  # noqa: S105 - a header's name
_PAGE: Final = "/"
_CONTROL_METHODS: Final = {"GET", "POST", "DELETE"}
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
_OWN_FETCHES: Final = {"same-origin", "none"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a request is refused."""

    status: HTTPStatus
    detail: str


def own_hosts(port: int) -> set[str]:
    """Return the values of the Host header that name this server."""
    return {f"127.0.0.1:{port}", f"localhost:{port}"}


def refusal_of(method: str, target: str, headers: Message, *, port: int, token: str) -> Refusal | None:
    """Return why a request must be refused, or None if it may be served.

    Args:
        method: The HTTP method.
        target: The request's target, as in the request line.
        headers: The request's headers; the lookup ignores case.
        port: This server's port.
        token: The token of the local controls.
    """
    if not target.startswith("/"):
        return Refusal(HTTPStatus.BAD_REQUEST, "The request's target must be a path.")
    path = target.partition("?")[0]
    if (refusal := _site_refusal(method, path, headers, port)) is not None:
        return refusal
    if path.startswith(CONTROLS):
        return _control_refusal(method, target, headers, token)
    if method not in _METHODS:
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed.")
    return None


def _site_refusal(method: str, path: str, headers: Message, port: int) -> Refusal | None:
    host = (headers.get("Host") or "").lower()
    if host not in own_hosts(port):
        return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "The Host header does not name this server.")
    origin = headers.get("Origin")
    if origin is not None and origin.lower() != f"http://{host}":
        return Refusal(HTTPStatus.FORBIDDEN, "The request comes from another site.")
    fetch_site = headers.get("Sec-Fetch-Site")
    # A link on another site may open the page, because the page alone changes nothing.
    is_page_opened = method == "GET" and path == _PAGE and headers.get("Sec-Fetch-Mode") == "navigate"
    if fetch_site is not None and fetch_site not in _OWN_FETCHES and not is_page_opened:
        return Refusal(HTTPStatus.FORBIDDEN, "The request comes from another site.")
    return None


def _control_refusal(method: str, target: str, headers: Message, token: str) -> Refusal | None:
    # A URL ends up in histories and logs, so a token in it is refused, even if it is right.
    if token in target or "token=" in urlsplit(target).query.lower():
        return Refusal(HTTPStatus.BAD_REQUEST, f"Send the token in the header {TOKEN_HEADER}, never in the URL.")
    given = headers.get(TOKEN_HEADER) or ""
    if not hmac.compare_digest(given.encode(errors="replace"), token.encode()):
        return Refusal(HTTPStatus.FORBIDDEN, "Open the page with the URL that `make run` prints.")
    if method not in _CONTROL_METHODS:
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed.")
    return None
