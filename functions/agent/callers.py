"""Who asks, and for whom they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from functions.agent.request_errors import ForbiddenUser
from shared.memory.ownership import Access


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        user_id: None where nobody is asked for a token, and for a direct invocation.
        may_act_for_others: Whether they may name another user.
        is_asked: Whether anybody is asked who they are.
    """

    user_id: str | None
    may_act_for_others: bool = False
    is_asked: bool = True

    @property
    def owner(self) -> str | None:
        """Whose a thread has to be that this caller looks up by its id; None for anybody's."""
        return None if self.may_act_for_others else self.user_id

    def access(self, named: str | None) -> Access:
        """Return whose the thread of a turn may be, in which this user is named."""
        if not self.is_asked:
            return "open"
        return "trusted" if self.may_act_for_others and named is None else "own"

    def acting_for(self, named: str | None, place: str) -> str | None:
        """Return the user that the request is about: the one it names, else the caller.

        Raises:
            ForbiddenUser: It names another, and the caller may not.
        """
        if named is None:
            return self.user_id
        if named != self.user_id and not self.may_act_for_others:
            raise ForbiddenUser(place)
        return named


ANYBODY: Final = Caller(None, may_act_for_others=True, is_asked=False)
# Who invokes the function directly: IAM has let them in.
TRUSTED: Final = Caller(None, may_act_for_others=True)
