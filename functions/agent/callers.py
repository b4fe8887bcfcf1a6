"""The caller of a request and its rights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from functions.agent.request_errors import ForbiddenUser
from shared.memory.ownership import Access


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        user_id: None without authentication, and for a direct invocation.
        may_act_for_others: Whether they may name another user.
        is_auth_enabled: Whether the deployment authenticates callers.
    """

    user_id: str | None
    may_act_for_others: bool = False
    is_auth_enabled: bool = True

    @property
    def owner(self) -> str | None:
        """The required owner of a thread that this caller looks up; None for any."""
        return None if self.may_act_for_others else self.user_id

    def access(self, named: str | None) -> Access:
        """Return whose the thread of a turn may be, in which this user is named."""
        if not self.is_auth_enabled:
            return "open"
        return "service" if self.may_act_for_others and named is None else "own"

    def resolve_user(self, named: str | None, place: str) -> str | None:
        """Return the user that the request is about: the one it names, else the caller.

        Raises:
            ForbiddenUser: It names another, and the caller may not.
        """
        if named is None:
            return self.user_id
        if named != self.user_id and not self.may_act_for_others:
            raise ForbiddenUser(place)
        return named


ANONYMOUS: Final = Caller(None, may_act_for_others=True, is_auth_enabled=False)
# Who invokes the function directly: IAM has let them in.
SERVICE: Final = Caller(None, may_act_for_others=True)
