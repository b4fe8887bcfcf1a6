"""Thread ownership: PostgreSQL stores the owner, and the entries of a sealed list in Redis prove it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from shared.errors import ThreadNotFound
from shared.memory.deletion import deleted_with_users
from shared.models import Exchange, Message
from shared.stores.archive import ThreadOwner, Window
from shared.stores.cache import CacheRead

Access = Literal["open", "own", "service"]
"""The threads that a turn may use. `open`: any thread, because authentication is off. `own`: the user's threads.
`service`: any thread, for a trusted caller who names no user. The turn then belongs to the thread's owner."""


def authorize(thread_id: str, owner: ThreadOwner, user_id: str | None, access: Access) -> str | None:
    """Return the turn's user: the caller, or for a trusted caller the thread's owner.

    Raises:
        ThreadNotFound: The thread belongs to another user.
    """
    if access == "open" or not owner.is_known:
        return user_id
    if access == "own" and owner.user_id != user_id:
        raise ThreadNotFound(thread_id)
    return owner.user_id


def is_listed_owner(cached: CacheRead, user_id: str) -> bool:
    """Return whether the list is sealed and has only this user's entries, which proves that the user owns the thread.

    Only the thread's owner can add entries. The owner can change only after a deletion, which removes the entries.
    """
    return cached.is_sealed and cached.messages.owners() == {user_id}


def first_owner(cached: CacheRead, window: Window) -> ThreadOwner:
    """Return the recorded owner of a thread, or else the user of the exchange that was accepted first.

    Earlier releases did not record owners. Exchanges that PostgreSQL has deleted do not count, because Redis may have
    been restored from a copy that was made before the deletion.
    """
    stored_owner, deleted_ids = window.owner, deleted_with_users(cached, window.user_cutoffs)
    user_messages: list[Message | Exchange] = [each for each in cached.messages if each.role == "user"]
    accepted = [
        (each.acceptance_time, each.user_id)
        for each in [*user_messages, *cached.undrained]
        if each.acceptance_time
        and each.exchange_id not in deleted_ids
        and not window.has_deleted(each.exchange_id, each.acceptance)
    ]
    if stored_owner.is_known or not accepted:
        return stored_owner
    _, user_id = min(accepted, key=lambda each: each[0])
    return ThreadOwner(is_known=True, user_id=user_id, cutoff=stored_owner.cutoff)


def exchanges_of(exchanges: Iterable[Exchange], user_id: str | None) -> list[Exchange]:
    """Return this user's exchanges."""
    return [exchange for exchange in exchanges if exchange.user_id == user_id]
