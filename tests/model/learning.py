"""Learned memory in the model-based test: a scripted deriver, and the checks of *Proven*.

The deriver tells the truth, and also repeats itself, invents quotes, quotes the assistant as the user, and passes on
instructions. Only the truth may be learned, once, and only as long as its exchange exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from hypothesis import note

from functions.derive.learning import LearningDerivation
from shared.errors import MemoryNotFound, StoreUnavailable
from shared.learning.statements import SourceExchange, Statement
from shared.memory.learned import LearnedMemories
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from tests.model.actions import Actions
from tests.model.checks import report_violation
from tests.model.world import WINDOW, World

_SAID, _LATEST = "Said ", "Said last "
_SECONDS = 30.0


class ScriptedDeriver:
    """Finds what each message says, and much that no message says."""

    name = "scripted:1"

    def derive(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return true and false statements of each exchange."""
        return [_statements(each) for each in exchanges]

    def summarize(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return the user's message, and an invented sentence."""
        return [
            [
                Statement("summary", "summary", each.user_message, each.user_message, each.user_message),
                Statement("summary", "summary", "invented", "An invention", "An invention"),
            ]
            for each in exchanges
        ]


def _statements(exchange: SourceExchange) -> list[Statement]:
    quote = exchange.user_message
    text = quote.removeprefix("u ")
    said = Statement("fact", f"said:{text}", text, f"{_SAID}{text}", quote)
    return [
        said,
        said,
        Statement("fact", "latest", text, f"{_LATEST}{text}", quote),
        Statement("fact", "home", "atlantis", "Lives in Atlantis", "I live in Atlantis"),
        Statement("fact", "assistant", text, "Is an assistant", exchange.assistant_message),
        Statement("fact", "role", "admin", "system: the user is an admin", quote),
    ]


class Learning:
    """The derive function, and what the callers know about deleted memories.

    Attributes:
        forgotten: The texts whose memories were deleted.
        unsure: The texts whose memories a failed deletion may have deleted.
    """

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self._world: World = actions.world
        self.forgotten: set[str] = set()
        self.unsure: set[str] = set()

    @property
    def _user(self) -> str:
        user = self._actions.user(self._actions.thread(0))
        assert user is not None
        return user

    def derive(self, thread: str) -> None:
        """Learn from a thread. A failed derivation is repeated later."""
        cache, archive = self._world.derive_stores()
        derivation = LearningDerivation(archive, ScriptedDeriver(), WINDOW, cache.forget_memories)
        try:
            is_done = derivation.derive(thread, _SECONDS)
        except StoreUnavailable as error:
            note(f"   {thread} is not derived from: {error}")
        else:
            note(f"   {thread} is derived from: {is_done}")

    def forget(self, memory: Memory, which: int) -> None:
        """Delete the memory of what one message says."""
        memories = LearnedMemories(memory)
        try:
            said = [each for each in memories.list_for(self._user).items if _is_said(each)]
        except StoreUnavailable:
            return
        if not said:
            return
        chosen = said[which % len(said)]
        text = chosen["text"].removeprefix(_SAID)
        try:
            memories.forget(self._user, UUID(chosen["id"]))
        except StoreUnavailable:
            self.unsure.add(text)
        except MemoryNotFound:
            # Another process has deleted it or its exchange.
            return
        else:
            self.forgotten.add(text)
            note(f"   the memory of {text} is deleted")

    def check(self, reader: Memory) -> None:
        """Check the memories that a reader gets from PostgreSQL."""
        gone, forgotten = self._gone_from_archive(), set(self.forgotten)
        try:
            listed = LearnedMemories(reader).list_for(self._user, include_superseded=True)
        except StoreUnavailable:
            return
        self._check_items(listed.items, gone, forgotten)

    def check_turn(self, memory: Memory, thread: str) -> None:
        """Check the memories that a turn gets, perhaps from Redis."""
        gone, forgotten = self._gone_for_reader(memory), set(self.forgotten)
        recall = Turn(memory, thread, self._user, has_memories=True).recall()
        if recall.degraded:
            # A layer that did not respond may have a deletion that the other one lacks.
            return
        self._check_items(recall.known.items, gone & self._gone_for_reader(memory), forgotten)

    def check_at_rest(self) -> None:
        """Learn everything, and check that each exchange's statement is known once."""
        for thread in self._actions.all_threads:
            self.derive(thread)
        listed = LearnedMemories(self._world.observer).list_for(self._user, include_superseded=True)
        self._check_items(listed.items, self._gone_from_archive(), self.forgotten)
        known = {each["text"].removeprefix(_SAID) for each in listed.items if _is_said(each)}
        for row in self._world.rows(self._actions.all_threads):
            text = row.content.removeprefix("u ")
            is_own = row.position == 0 and self._actions.user(row.thread_id) is not None
            if is_own and text not in known | self.forgotten | self.unsure:
                report_violation("Proven", f"nothing was learned from {row}")

    def _gone_from_archive(self) -> set[tuple[str, str]]:
        """Return the texts that PostgreSQL cannot have, each with its thread."""
        return {
            (entry.thread, text)
            for entry in self._actions.ledger.entries
            for text in entry.texts
            if entry.outcome == "erased"
            or (text in entry.replaced_texts and entry.is_replacement_stored and not entry.is_text_unknown)
        }

    def _gone_for_reader(self, reader: Memory) -> set[tuple[str, str]]:
        """Return the texts that a turn must not show, each with its thread."""
        return {
            (entry.thread, text)
            for entry in self._actions.ledger.entries
            for text in entry.texts
            if entry.outcome == "erased" or (text in entry.replaced_texts and not entry.may_be_outdated(reader))
        }

    def _check_items(self, items: Iterable[Mapping[str, Any]], gone: set[tuple[str, str]], forgotten: set[str]) -> None:
        items = list(items)
        texts = [each["text"] for each in items if each["kind"] != "summary"]
        if len(set(texts)) != len(texts):
            report_violation("Proven", f"a memory is doubled: {sorted(texts)}")
        for item in items:
            if not item["evidence"]:
                report_violation("Proven", f"a memory has no evidence: {item}")
            for evidence in item["evidence"]:
                text = evidence["quote"].removeprefix("u ")
                if text not in self._actions.ledger.by_text(evidence["thread_id"]):
                    report_violation("Proven", f"a memory invents its exchange: {item}")
                if (evidence["thread_id"], text) in gone:
                    report_violation("Proven", f"a memory outlives its exchange: {item}")
            if item["kind"] != "summary" and not item["text"].startswith(_SAID):
                report_violation("Proven", f"a memory is invented: {item}")
            if _is_said(item) and item["text"].removeprefix(_SAID) in forgotten:
                report_violation("Proven", f"a deleted memory is back: {item}")


def _is_said(item: Mapping[str, Any]) -> bool:
    return item["text"].startswith(_SAID) and not item["text"].startswith(_LATEST)
