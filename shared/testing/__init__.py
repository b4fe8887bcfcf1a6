"""In-memory stores, for tests of this project and of programs that use it.

The stores implement the protocols of `shared/stores` without a server: data has no time to live, no network is used,
and only one process sees the data. Each store has `is_down`, which makes every call raise `StoreUnavailable` like the
real store, and `calls`, the names of the called methods. No artifact contains them, and no module of an artifact
imports them.
"""

from shared.testing.archive import InMemoryArchive
from shared.testing.attempts import InMemoryAttempts
from shared.testing.cache import InMemoryCache
from shared.testing.idempotency import InMemoryKeys
from shared.testing.queue import InMemoryQueue

__all__ = ["InMemoryArchive", "InMemoryAttempts", "InMemoryCache", "InMemoryKeys", "InMemoryQueue"]
