"""Users' memories in the in-memory L1."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping

from shared.stores.cache import CachedMemories
from shared.testing.undrained import InMemoryUndrained


class InMemoryMemories(InMemoryUndrained):
    """Users' memories.

    Attributes:
        memories: The fields of each user's hash.
    """

    def __init__(self) -> None:
        super().__init__()
        self.memories: dict[str, dict[str, str]] = {}
        self._tokens = 0

    @property
    @abstractmethod
    def generation(self) -> str:
        """The name of the generation."""

    def _memories(self, user_id: str | None, thread_id: str | None) -> CachedMemories | None:
        fields = self.memories.get(user_id or "", {})
        if fields.get("seal") != self.generation or "current" not in fields:
            return None
        return CachedMemories(fields["current"], fields.get(f"summary:{thread_id or ''}"))

    def start_refill(self, user_id: str) -> str | None:
        """Set a token and return it."""
        self.record_call("start_refill")
        self._tokens += 1
        return self.memories.setdefault(user_id, {}).setdefault("token", str(self._tokens))

    def refill_memories(self, user_id: str, token: str, fields: Mapping[str, str]) -> None:
        """Store a user's memories, unless they changed since the token was set."""
        self.record_call("refill_memories")
        stored = self.memories.get(user_id, {})
        if stored.get("token") != token:
            return
        kept = stored if stored.get("seal") == self.generation else {}
        self.memories[user_id] = {**kept, "token": token, "seal": self.generation, **fields}

    def forget_memories(self, user_ids: Collection[str]) -> None:
        """Delete the memories of users."""
        self.record_call("forget_memories")
        for user_id in user_ids:
            self.memories.pop(user_id, None)
