"""Whose a thread is: PostgreSQL decides it, Redis remembers that, and where neither can say, nobody may."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from shared.errors import StoreUnavailable, ThreadNotFound
from shared.memory.sandbox import Sandbox
from shared.models import Exchange, Message
from shared.stores.archive import ThreadOwner, Window
from shared.stores.cache import CacheRead, Fence

_logger = logging.getLogger(__name__)


class Ownership:
    """Holds one turn to its user's own thread.

    Args:
        user_id: Who the turn is of.
        joins_owner: The caller is trusted and named nobody: the turn is the thread's owner's, if it has one.

    Attributes:
        user_id: Whose exchanges are shown and kept; after `admit` the owner.
    """

    def __init__(self, sandbox: Sandbox, thread_id: str, user_id: str | None, *, joins_owner: bool = False) -> None:
        self.user_id = user_id
        self._thread_id = thread_id
        self._memory = sandbox
        self._joins_owner = joins_owner
        self._is_remembered = False

    def admit(self, cached: CacheRead, *, has_cache: bool) -> CacheRead:
        """Return what L1 holds of this user's, once it is certain that they may know of it.

        Raises:
            ThreadNotFound: The thread is another user's.
            StoreUnavailable: Nobody can say whose it is.
        """
        if has_cache and cached.knows_owner and self._accepts(cached.owner):
            self._is_remembered = True
        else:
            # Also where L1 says that it is another's: it takes as long as for a thread that does not exist.
            found = self._memory.archive.owner(self._thread_id)
            if not found.is_known:
                found = self._undrained(cached, found)
            if found.is_known and not self._accepts(found.user_id):
                raise ThreadNotFound(self._thread_id)
            if found.is_known and has_cache and not cached.refuses_writes:
                self._remember(found)
        return self._own(cached)

    def _accepts(self, owner: str | None) -> bool:
        if self._joins_owner:
            self.user_id = owner
        return owner == self.user_id

    def _undrained(self, cached: CacheRead, found: ThreadOwner) -> ThreadOwner:
        """Return whose a thread is that nobody has claimed, from what was accepted of it before anybody had to."""
        told = [(each.created_at, each.user_id) for each in cached.messages if each.role == "user" and each.created_at]
        told += [(each.created_at, each.user_id) for each in cached.pending]
        if not told:
            return found
        _, user_id = min(told, key=lambda each: each[0])
        return ThreadOwner(is_known=True, user_id=user_id, cutoff=found.cutoff)

    def _remember(self, found: ThreadOwner) -> None:
        # Whoever comes next has to ask L2 again, no more.
        with suppress(StoreUnavailable):
            self._memory.cache.note_owner(self._thread_id, found)

    def _own(self, cached: CacheRead) -> CacheRead:
        """Return what of L1's is this user's; what is not says that something went by L1, so it is not whole."""
        messages = owned(cached.messages, self.user_id)
        is_whole = cached.is_whole and len(messages) == len(cached.messages)
        return replace(cached, messages=messages, is_whole=is_whole, pending=self.only(cached.pending))

    def only(self, exchanges: Iterable[Exchange]) -> list[Exchange]:
        """Return this user's exchanges."""
        return [exchange for exchange in exchanges if exchange.user_id == self.user_id]

    def check(self, window: Window) -> None:
        """Return if what L2 holds is this user's: the thread may have changed hands since its owner was asked.

        Raises:
            ThreadNotFound: It is another's.
        """
        if len(self.only(window.exchanges)) < len(window.exchanges):
            raise ThreadNotFound(self._thread_id)

    def fence(self) -> Fence:
        """Return on what condition an exchange is kept, once the thread is certainly this user's.

        Raises:
            ThreadNotFound: Another user has the thread by now.
            StoreUnavailable: Nobody can say whose it is.
        """
        return Fence(self.user_id) if self._is_remembered else Fence(self.user_id, told=self._claimed())

    def confirm(self, fence: Fence, exchange: Exchange, *, has_cache: bool) -> None:
        """Return if an exchange that was kept is in this user's thread still.

        Raises:
            ThreadNotFound: Another user has the thread by now; nothing of the exchange stays in it.
            StoreUnavailable: Nobody can say whose it is.
        """
        if fence.holds or (fence.told is not None and not has_cache):
            return
        try:
            told = self._claimed()
        except ThreadNotFound:
            _logger.warning("a turn lost its thread to another user while it ran")
            with suppress(StoreUnavailable):
                # Where L1 cannot be told, no reader takes it for the owner's, and the drain refuses it.
                self._memory.cache.take_back(exchange)
            raise
        if has_cache:
            self._remember(told)

    def _claimed(self) -> ThreadOwner:
        told = self._memory.archive.claim(self._thread_id, self.user_id)
        if told.user_id != self.user_id:
            raise ThreadNotFound(self._thread_id)
        return told


def owned(messages: Iterable[Message], user_id: str | None) -> list[Message]:
    """Return the messages of this user's exchanges; not what somebody put into a list without saying whose it is."""
    found = list(messages)
    own = {each.exchange_id for each in found if each.role == "user" and each.user_id == user_id} - {None}
    return [each for each in found if each.exchange_id in own]
