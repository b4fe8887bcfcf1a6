"""Compares what was learned with what the stored exchanges state (guarantee 9 of docs/guarantees.md)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from shared.learning.gates import kept
from shared.learning.statements import Deriver, SourceExchange

# Only one exchange of a run has a label, and a statement of this exchange has it in its text.
_LABEL: Final = re.compile(r"\b[cd]\d+n\d+\b", re.IGNORECASE)
# A user's memories are made of this number of statements at most.
_MAX_STATEMENTS: Final = 2_000


class Source(NamedTuple):
    """A stored exchange of a known user.

    Attributes:
        message_id: The row of the user's message.
    """

    message_id: UUID
    exchange_id: UUID
    user_id: str
    texts: SourceExchange


class StoredStatement(NamedTuple):
    """A row of `memory_statements`. An exchange without a sentence for the summary has one without a quote."""

    statement_id: UUID
    message_id: UUID
    kind: str
    slot: str
    value: str
    quote: str
    role: str


class _Stated(NamedTuple):
    message_id: UUID
    kind: str
    slot: str
    value: str

    @property
    def label(self) -> str:
        # The rules have the thing that the user likes in the slot.
        return label_of(f"{self.slot} {self.value}")


@dataclass(slots=True)
class LearnedVerdict:
    """The result of the checks. Each list has one sentence for each deviation.

    Attributes:
        statements: The number of statements that the stored exchanges make.
        memories: The number of memories in the users' lists.
        missing: Statements that were not learned.
        doubled: Statements that were learned twice.
        unproven: Statements that do not quote their exchange, or that their exchange does not make.
        returned: Memories of deleted exchanges, and deleted memories.
        unfinished: Threads that are still due.
    """

    statements: int = 0
    memories: int = 0
    missing: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


class MemoryJudge:
    """Compares statements and memories with the stored exchanges.

    Args:
        sources: All stored exchanges of known users.
        deriver: Finds what an exchange states, and nothing else.
        forgotten: The labels of the exchanges whose memories were deleted, and whether the deletion was confirmed.
    """

    def __init__(self, sources: Iterable[Source], deriver: Deriver, forgotten: Mapping[str, bool]) -> None:
        self.verdict = LearnedVerdict()
        self._forgotten = forgotten
        self._by_message = {each.message_id: each for each in sources}
        self._by_exchange = {str(each.exchange_id): each for each in self._by_message.values()}
        self._expected: set[_Stated] = set()
        self._labels: dict[str, set[str]] = {}
        self._counts: Counter[str] = Counter()
        for source in self._by_message.values():
            found = kept(deriver.derive([source.texts])[0], source.texts)
            stated = [_Stated(source.message_id, each.kind, each.slot, each.value) for each in found]
            self._expected.update(each for each in stated if each.label not in forgotten)
            self._labels.setdefault(source.user_id, set()).update(filter(None, (each.label for each in stated)))
            self._counts[source.user_id] += len(stated)
        self.verdict.statements = len(self._expected)

    def check_statements(self, statements: Sequence[StoredStatement]) -> None:
        """Check that each exchange has the statements that it makes: each once, with the exchange's words."""
        stored: Counter[_Stated] = Counter()
        for each in statements:
            source = self._by_message.get(each.message_id)
            if source is None:
                self.verdict.returned.append(f"{each} is of no stored exchange")
            elif each.quote not in _side(source.texts, each.role):
                self.verdict.unproven.append(f"{each} does not quote its exchange")
            if each.kind != "summary":
                stored[_Stated(*each[1:5])] += 1
        for stated, count in stored.items():
            label = stated.label
            if self._forgotten.get(label):
                self.verdict.returned.append(f"{stated} is stored, although its memory was deleted")
            elif stated not in self._expected and label not in self._forgotten:
                self.verdict.unproven.append(f"{stated} is not what its exchange says")
            if count > 1:
                self.verdict.doubled.append(f"{stated} is stored {count} times")
        self.verdict.missing += [f"{each} is not stored" for each in sorted(self._expected - stored.keys())]

    def check_list(self, user_id: str, memories: Sequence[Mapping[str, Any]]) -> None:
        """Check that a list of all memories of a user has each statement with a label in one memory, with its words."""
        self.verdict.memories += len(memories)
        listed: Counter[str] = Counter()
        for memory in memories:
            for evidence in memory["evidence"]:
                self._check_evidence(user_id, evidence)
            if memory["kind"] != "summary" and (label := label_of(memory["text"])):
                listed[label] += 1
        self.verdict.returned += find_forgotten(memories, [each for each, done in self._forgotten.items() if done])
        self.verdict.doubled += [
            f"{user_id} has {count} memories of {each}" for each, count in listed.items() if count > 1
        ]
        if self._counts[user_id] <= _MAX_STATEMENTS:
            missing = self._labels.get(user_id, set()) - self._forgotten.keys() - listed.keys()
            self.verdict.missing += [f"{user_id} has no memory of {each}" for each in sorted(missing)]

    def _check_evidence(self, user_id: str, evidence: Mapping[str, str]) -> None:
        source = self._by_exchange.get(evidence["exchange_id"])
        if source is None or source.user_id != user_id:
            self.verdict.returned.append(f"{user_id} has a memory of {evidence}, which is not stored")
        elif not any(evidence["quote"] in _side(source.texts, role) for role in ("user", "assistant")):
            self.verdict.unproven.append(f"{user_id} has a memory whose evidence {evidence} is not said")

    def check_rebuilt(self, first: Sequence[StoredStatement], rebuilt: Sequence[StoredStatement]) -> None:
        """Check that learning again from all exchanges has given the same statements with the same ids."""
        self.check_statements(rebuilt)
        before, after = _ids(first), _ids(rebuilt)
        self.verdict.missing += [f"statement {each} is not learned again" for each in sorted(before - after)]
        self.verdict.unproven += [f"statement {each} is new after a rebuild" for each in sorted(after - before)]


def find_forgotten(memories: Iterable[Mapping[str, Any]], labels: Collection[str]) -> list[str]:
    """Return a sentence for each memory of an exchange with one of these labels."""
    found = [(memory, label_of(memory["text"])) for memory in memories if memory["kind"] != "summary"]
    return [f"{memory['id']} has {label}, whose memory was deleted" for memory, label in found if label in labels]


def label_of(text: str) -> str:
    """Return the label of the exchange that a statement is about; '' if it has none."""
    match = _LABEL.search(text)
    return match[0].lower() if match else ""


def _side(texts: SourceExchange, role: str) -> str:
    return texts.user_message if role == "user" else texts.assistant_message


def _ids(statements: Iterable[StoredStatement]) -> set[UUID]:
    return {each.statement_id for each in statements if each.kind != "summary"}
