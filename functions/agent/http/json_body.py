"""JSON bodies: a strict parser, which rejects duplicate names, `NaN` and deep nesting, and responses."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final, Never

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from shared.memory.sizes import fits_as_json


class JsonRoute(APIRoute):
    """A route whose body is parsed by `read_json`, once."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler for a request whose body is parsed strictly."""
        answer = super().get_route_handler()

        async def answer_strictly(request: Request) -> Response:
            return await answer(_Request(request.scope, request.receive))

        return answer_strictly


class _Request(Request):
    async def json(self) -> Any:
        return read_json(await self.body())


def json_response(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response.

    Raises:
        HTTPException: 413. The response is too large for Lambda.
    """
    body = orjson.dumps(content)
    if not fits_as_json(body):
        raise HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The response is too large. Read the thread page by page."
        )
    return Response(body, status, headers, media_type="application/json")


def read_json(body: bytes) -> Any:
    """Return the parsed body.

    Raises:
        HTTPException: 400. The body is not JSON, or parsers differ in how they read it.
    """
    try:
        text = body.removeprefix(codecs.BOM_UTF8).decode()
        return _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not JSON in UTF-8.") from error
    except RecursionError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is nested too deeply.") from error
    except json.JSONDecodeError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from error
    except ValueError as error:
        # Python reads integers of at most 4,300 digits.
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body has an integer that is too long to be read.") from error


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        repeated_name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # adds
        printable_name = repeated_name[:100].encode("utf-8", "replace").decode()
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{printable_name}: is in the body twice.")
    return members


def _reject_constant(name: str) -> Never:
    raise HTTPException(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {name} is not a number.")


# The decoder is made once, because making it takes longer than parsing a short body.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object_without_duplicates, parse_constant=_reject_constant)
