"""Who asks, and for whom they may: every request passes here before anything reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from functions.agent.callers import ANYBODY, TRUSTED, Caller
from functions.agent.errors import Unauthenticated
from shared.settings import OPERATOR_SCOPE

# Everything else needs a token: what is not named here, also what is added later, is not open.
OPEN_PATHS: Final = frozenset({"/", "/health", "/openapi.json", "/docs"})
OPEN_BELOW: Final = ("/docs/", "/assets/")
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)


class Guard:
    """Lets requests in.

    Args:
        verify: Returns who a token is of, or raises `Unauthenticated`; None where nobody is asked for one.
        operator_scope: The scope that may act for any user, for answers that name it.
    """

    def __init__(self, verify: Callable[[str], Caller] | None = None, operator_scope: str = OPERATOR_SCOPE) -> None:
        self._verify = verify
        self.operator_scope = operator_scope

    @property
    def asks_for_tokens(self) -> bool:
        """Whether a request needs one."""
        return self._verify is not None

    @property
    def direct_caller(self) -> Caller:
        """Who invokes the function directly; no token is asked for, because IAM has let them in."""
        return ANYBODY if self._verify is None else TRUSTED

    def caller_of(self, request: Request) -> Caller | None:
        """Return who asks; None for what is open to everybody.

        Raises:
            Unauthenticated: There is no token, or it cannot be believed.
            SigningKeysUnavailable: Nobody can say whether it can.
        """
        if self._verify is None:
            return ANYBODY
        # A browser asks in advance what it may send, and cannot send a token with that.
        if is_open(request.scope["path"]) or request.method == "OPTIONS":
            return None
        return self._verify(_token(request.headers.getlist("authorization")))


def is_open(path: str) -> bool:
    """Return whether a path needs no token."""
    return path in OPEN_PATHS or path.startswith(OPEN_BELOW)


def _token(headers: list[str]) -> str:
    if not headers:
        raise Unauthenticated("This needs a bearer token.")
    found = _BEARER.fullmatch(headers[0]) if len(headers) == 1 else None
    if found is None:
        raise Unauthenticated("There must be one Authorization header, of the form Bearer <token>.", "invalid_request")
    return found.group(1)


# A coroutine, because a plain function would be run in a thread.
async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


# What a route takes to know who asks; one that takes it by mistake where everybody is let in fails.
CallerOf = Annotated[Caller, Depends(_caller)]
