"""The caller of a request and its rights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from functions.agent.request_errors import ForbiddenUser
from shared.memory.ownership import Access


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request.

    Attributes:
        user_id: The user of the token; None without a token.
        may_act_for_others: Whether the caller's requests may name any user.
        is_auth_enabled: Whether the deployment authenticates callers.
    """

    user_id: str | None
    may_act_for_others: bool = False
    is_auth_enabled: bool = True

    @property
    def owner(self) -> str | None:
        """The owner that a thread must have for this caller; None if any owner is allowed."""
        return None if self.may_act_for_others else self.user_id

    def access(self, requested_user: str | None) -> Access:
        """Return the caller's access to a turn's thread. `requested_user` is the user that the request names."""
        if not self.is_auth_enabled:
            return "open"
        return "service" if self.may_act_for_others and requested_user is None else "own"

    def resolve_user(self, requested_user: str | None, location: str) -> str | None:
        """Return the request's user, which is the caller if the request names no user.

        Raises:
            ForbiddenUser: The request names another user, and the caller may not act for others.
        """
        if requested_user is None:
            return self.user_id
        if requested_user != self.user_id and not self.may_act_for_others:
            raise ForbiddenUser(location)
        return requested_user


ANONYMOUS: Final = Caller(None, may_act_for_others=True, is_auth_enabled=False)
# The caller of a direct invocation, whom IAM has authorized.
SERVICE: Final = Caller(None, may_act_for_others=True)
