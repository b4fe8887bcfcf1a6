"""Hooks for schemathesis: ids that are difficult in paths, and refusals that a schema cannot describe."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import AllowHeaderMismatch, RejectedPositiveData, UnsupportedMethodResponse

from tests.e2e.openapi.special_ids import SPECIAL_IDS

# The API's description cannot express these rules. For example, it defines a cursor's format, not the valid cursors.
_REFUSALS_OUTSIDE_THE_SCHEMA: Final = (
    "must contain only printable characters",
    "must not be . or ..",
    "is not a cursor of this list",
    "is from the future",
    "created_at: is ",  # not before 1970, in the past, and the millisecond of a UUIDv7
    "since: is out of range",
    "until: is out of range",
    "until: must be after since",
    "limit: must be at most",  # the size of the window, a setting
    "a preference needs a key, and a fact has none",
    "key must not contain a colon",
    # Python counts the separators U+001C to U+001F as white space, and the description's pattern does not.
    "must contain more than white space",
    "metadata: must ",
    "There is no agent",
    "There is no tool",
    "was used with another body before",
    "replaces: ",
    # JSON Schema accepts 1.0 as an integer.
    "max_context_tokens: Input should be a valid integer",
    "limit: Input should be a valid integer",
    "user_id: Field required",  # without a token the user is required
)


_EXCHANGE_ID: Final = "01a21b00-0000-7000-8000-000000000000"
_METHODS: Final = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@schemathesis.hook
def before_add_examples(context: HookContext, examples: list[Case[Any]]) -> None:
    """Add ids with a special meaning in paths, keys and patterns."""
    operation = context.operation
    if operation is None or len(operation.path_parameters) == 0:
        return
    body_fields: dict[str, Any] = {}
    if len(operation.body):
        body = {"title": "New"} if operation.path.startswith("/threads") else {"tone": "brief"}
        body = {"text": "Likes tea"} if "/memories" in operation.path else body
        body_fields = {"body": body, "media_type": "application/json"}
    names = [parameter.name for parameter in operation.path_parameters]
    fixed = {name: _EXCHANGE_ID for name in names if name in {"exchange_id", "memory_id"}}
    if "exchange_id" in fixed and body_fields:
        body_fields = {"body": {"user_message": "q", "assistant_message": "a"}, "media_type": "application/json"}
    for name in (name for name in names if name not in fixed):
        # schemathesis sends the values in this list unchanged.
        examples += [
            operation.Case(path_parameters={**fixed, name: quote(value, safe="")}, **body_fields)
            for value in SPECIAL_IDS
        ]


@schemathesis.hook
def map_query(context: HookContext, query: dict[str, Any] | None) -> dict[str, Any] | None:  # noqa: ARG001 - the hook's signature
    """Drop half of the generated cursors.

    All generated cursors are invalid. The API does not read the other fields of a request with an invalid cursor.
    """
    if query and isinstance(query.get("cursor"), str) and len(query["cursor"]) % 2 == 0:
        return {name: value for name, value in query.items() if name != "cursor"}
    return query


@schemathesis.hook
def filter_failure(
    context: HookContext,  # noqa: ARG001 - the hook's signature
    failure: Failure,
    case: Case[Any],
    response: Response,
) -> bool:
    """Ignore failures that are correct behaviour."""
    if isinstance(failure, RejectedPositiveData):
        return not any(text in response.text for text in _REFUSALS_OUTSIDE_THE_SCHEMA)
    if isinstance(failure, UnsupportedMethodResponse | AllowHeaderMismatch):
        # API Gateway, not the API, responds to a method that no route has. An id may also end like a route: the path
        # of the messages of thread `a` may be the path of the thread with the id `a/messages`.
        is_routed = case.method in _METHODS or isinstance(failure, AllowHeaderMismatch)
        return is_routed and not case.path.startswith("/threads/{thread_id}/")
    return True


@schemathesis.hook
def filter_path_parameters(context: HookContext, path_parameters: dict[str, Any]) -> bool:  # noqa: ARG001 - the hook's signature
    """Drop dot segments, which a client resolves before it sends the path (RFC 3986, section 5.2.4)."""
    return not any(value in (".", "..") for value in (path_parameters or {}).values())
