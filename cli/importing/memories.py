"""Reads explicit memories of an export, and sets those that a user does not have yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cli.importing.fields import Fields
from cli.importing.records import ImportedMemory
from hybrid_memory_client import Memory
from shared.ids import MAX_ID_LENGTH, path_id_error
from shared.learning.memories import MAX_MEMORY_TEXT
from shared.texts import text_error


def explicit_memory(memory: Fields, user_id: str | None) -> ImportedMemory:
    """Return an explicit memory of an export.

    Raises:
        InvalidRecordError: The API would refuse it.
    """
    if user_id is None:
        raise memory.invalid("user_id is missing")
    memory_id, kind, text = memory.uuid("id"), memory.text("kind"), memory.text("text")
    if memory_id is None:
        raise memory.invalid("id is missing")
    if kind not in {"fact", "preference"}:
        raise memory.invalid(f"kind of an explicit memory is neither fact nor preference: {kind[:50]}")
    key = memory.optional_text("key")
    if reason := next(_reasons(user_id, kind, text, key), None):
        raise memory.invalid(reason)
    return ImportedMemory(memory.position, user_id, memory_id, "fact" if key is None else "preference", text, key)


def _reasons(user_id: str, kind: str, text: str, key: str | None) -> Iterator[str]:
    if error := path_id_error(user_id):
        yield f"user_id {error}"
    if (kind == "preference") != (key is not None):
        yield "a preference needs a key, and a fact has none"
    if key is not None:
        if error := text_error(key):
            yield f"key {error}"
        if not 0 < len(key) <= MAX_ID_LENGTH or ":" in key:
            yield f"key must have 1 to {MAX_ID_LENGTH} characters and no colon"
    if error := text_error(text):
        yield f"text {error}"
    if not text.strip() or len(text) > MAX_MEMORY_TEXT:
        yield f"text must have 1 to {MAX_MEMORY_TEXT} characters, and not only white space"


class KnownMemories:
    """The explicit memories that a user has. An import sets none of them again, also not those that have ended.

    Args:
        memories: All memories of the user.
    """

    def __init__(self, memories: Iterable[Memory]) -> None:
        explicit = [each for each in memories if each.source == "explicit"]
        self._ids = {each.id for each in explicit}
        self._keys = {each.key for each in explicit if each.key is not None}
        self._texts = {_words(each.text) for each in explicit if each.kind == "fact"}

    def has(self, memory: ImportedMemory) -> bool:
        """Return whether the user has the memory, a preference of its name, or a fact in the same words."""
        if memory.memory_id in self._ids:
            return True
        return _words(memory.text) in self._texts if memory.key is None else memory.key in self._keys


def _words(text: str) -> str:
    return " ".join(text.casefold().split())
