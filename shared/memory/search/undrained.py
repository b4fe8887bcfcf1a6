"""The exchanges of a user that PostgreSQL does not have yet: those in Redis and those that this process accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from shared.errors import StoreUnavailable
from shared.memory.memory import Memory
from shared.memory.messages import add_layer
from shared.memory.search.results import SEARCH
from shared.models import Exchange
from shared.stores.cache import UndrainedExchanges
from shared.stores.search import SearchScope

# Undrained exchanges beyond this number are not searched.
MAX_UNDRAINED: Final = 1_000
# Redis' index of a user has the threads of the last days. Older ones of more threads than this are not searched.
_MAX_THREADS: Final = 1_000


@dataclass(slots=True)
class Undrained:
    """A user's undrained exchanges.

    Attributes:
        cached: What Redis returned; None if it did not respond.
        exchanges: The exchanges, each in its highest revision.
    """

    cached: UndrainedExchanges | None = None
    exchanges: list[Exchange] = field(default_factory=list)


def read_undrained(memory: Memory, scope: SearchScope, degraded: list[str]) -> Undrained:
    """Return the user's exchanges in Redis' undrained hashes and in this process.

    PostgreSQL may have stored or deleted some of them meanwhile.
    """
    cached: UndrainedExchanges | None = None
    try:
        cached = memory.cache.undrained_of(scope.user_id, _MAX_THREADS)
        memory.set_clock(cached.state.clock)
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        add_layer(degraded, SEARCH)
    newest: dict[tuple[str, object], Exchange] = {}
    for exchange in [*(cached.exchanges if cached is not None else ()), *memory.recent_of_user(scope.user_id)]:
        known = newest.get(exchange.key)
        if scope.includes(exchange) and (known is None or exchange.revision > known.revision):
            newest[exchange.key] = exchange
    exchanges = sorted(newest.values(), key=lambda exchange: exchange.acceptance, reverse=True)
    if len(exchanges) > MAX_UNDRAINED or (cached is not None and not cached.is_all):
        add_layer(degraded, SEARCH)
    return Undrained(cached, exchanges[:MAX_UNDRAINED])


def certainly_undeleted(undrained: Undrained) -> list[Exchange]:
    """Return the exchanges that Redis alone shows to be undeleted, for a search without PostgreSQL.

    A Redis that was restored from an old copy may lack deletions, and this process may not know of them.
    """
    cached = undrained.cached
    if cached is None:
        return []
    keys = {exchange.key for exchange in cached.exchanges}
    suspect_until = cached.state.suspect_until
    return [
        exchange
        for exchange in undrained.exchanges
        if exchange.key in keys and (suspect_until is None or exchange.acceptance_time.timestamp() > suspect_until)
    ]
