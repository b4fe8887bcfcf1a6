"""In-memory twins of the stores, for tests: this project's, and those of programs that use it.

They keep to the protocols of `shared/stores`, not to any server: no time to live, no network, one process. Each has
`is_down`, which makes every call raise `StoreUnavailable` as the real store does, and `calls`, the names of the methods
that were called. No artifact holds them, and nothing that an artifact holds imports them.
"""

from shared.testing.archive import InMemoryArchive
from shared.testing.attempts import InMemoryAttempts
from shared.testing.cache import InMemoryCache
from shared.testing.idempotency import InMemoryKeys
from shared.testing.queue import InMemoryQueue

__all__ = ["InMemoryArchive", "InMemoryAttempts", "InMemoryCache", "InMemoryKeys", "InMemoryQueue"]
