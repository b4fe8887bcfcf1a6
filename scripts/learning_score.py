"""Scores `MEMORY__LEARNING=rules` with labelled conversations: `make bench-learning`.

How a learned memory is compared with the labels is described in tests/data/learning/README.md. The rules have one slot
for a thing that a user likes or dislikes, so that a change of mind replaces it; it counts as `likes` or `dislikes`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from shared.learning.fold import UserKnowledge, learned_memories
from shared.learning.gates import kept
from shared.learning.memories import Memory, StoredStatement
from shared.learning.rules.deriver import RuleDeriver
from shared.learning.statements import SourceExchange

_LISTED: Final = frozenset({"language", "units", "currency", "answer_style"})
# The words of a memory's text that are not its value.
_SENTENCE: Final = re.compile(
    r"^(?:[A-Z][a-z]+: |(?:Is called|Lives in|Comes from|Works at|Works as|Works on or studies|Likes|Dislikes"
    r"|Is allergic to|Uses the editor|Uses|Writes) )"
)
_WORDS: Final = re.compile(r"\w+")


@dataclass
class Score:
    """Counts of memories.

    Attributes:
        learned: How many were learned.
        expected: How many the labels expect.
        right: How many of the learned ones are expected.
        dated: How many of the right ones have the expected `valid_from`.
        superseded: How many of the right ones are current, or have ended, as expected.
    """

    learned: int = 0
    expected: int = 0
    right: int = 0
    dated: int = 0
    superseded: int = 0

    def line(self, label: str) -> str:
        """Return a line of figures."""
        precision = self.right / self.learned if self.learned else 1.0
        recall = self.right / self.expected if self.expected else 1.0
        both = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return (
            f"{label:20} precision {precision:.3f}  recall {recall:.3f}  F1 {both:.3f}"
            f"  ({self.right} right of {self.learned} learned and {self.expected} expected)"
        )


@dataclass
class Scores:
    """The scores of a file: of all lines, by language, and by category."""

    total: Score = field(default_factory=Score)
    groups: dict[str, Score] = field(default_factory=lambda: defaultdict(Score))
    misses: list[str] = field(default_factory=list)

    def add(self, line: dict[str, Any]) -> None:
        """Score one conversation."""
        learned, open_labels = list(_memories(line)), list(line["expected"])
        scores = [self.total, self.groups[f"language {line['language']}"], self.groups[f"category {line['category']}"]]
        for score in scores:
            score.learned += len(learned)
            score.expected += len(open_labels)
        for memory in learned:
            label = next((each for each in open_labels if _agrees(memory, each)), None)
            if label is None:
                self.misses.append(f"{line['id']} wrong: {memory.slot} = {memory.text!r} <- {_quote(memory)!r}")
                continue
            open_labels.remove(label)
            is_dated = label.get("valid_from") in {None, memory.valid_from.date().isoformat()}
            if not is_dated:
                self.misses.append(f"{line['id']} dated: {memory.valid_from} for {label}")
            for score in scores:
                score.right += 1
                score.dated += is_dated
                score.superseded += (memory.valid_to is not None) == label.get("superseded", False)
        self.misses += [f"{line['id']} missing: {label}" for label in open_labels]


def _memories(line: dict[str, Any]) -> Iterator[Memory]:
    """Yield the memories that are learned from a conversation, without its summary."""
    deriver = RuleDeriver()
    stored = []
    for number, each in enumerate(line["exchanges"]):
        time_of = datetime.fromisoformat(each["created_at"])
        exchange = SourceExchange(each["user"], each["assistant"], time_of)
        for index, statement in enumerate(kept(deriver.derive([exchange])[0], exchange)):
            if statement.kind != "summary":
                order = UUID(int=number + 1)
                statement_id = UUID(int=1000 * number + index + 1)
                stored.append(StoredStatement(statement_id, statement, line["id"], order, time_of, time_of, order))
    for learned in learned_memories(UserKnowledge(statements=stored)):
        yield learned.memory


def _quote(memory: Memory) -> str:
    return memory.evidence[0].quote


def _agrees(memory: Memory, label: dict[str, Any]) -> bool:
    """Return whether a learned memory is the labelled one."""
    key, kind, text = memory.slot.partition(":")[0], memory.kind, memory.text
    if key == "likes":
        kind, key = "preference", "likes" if text.startswith("Likes") else "dislikes"
    if (kind, key) != (label["kind"], label["key"]):
        return False
    if not any(_overlap(each.quote, label["quote"]) for each in memory.evidence):
        return False
    if key in _LISTED:
        return bool(text == label["value"])
    learned, expected = set(_words(text)), set(_words(label["value"]))
    return expected <= learned or _fold(label["value"]) in _fold(text) or _value_words(memory) <= expected


def _value_words(memory: Memory) -> set[str]:
    """Return the words of a memory's text without those of its sentence, such as `Lives in`."""
    return set(_words(_SENTENCE.sub("", memory.text)))


def _overlap(one: str, other: str) -> bool:
    return _fold(one) in _fold(other) or _fold(other) in _fold(one) or len(_shared_words(one, other)) > 1


def _shared_words(one: str, other: str) -> set[str]:
    return set(_words(one)) & set(_words(other))


def _words(text: str) -> list[str]:
    return _WORDS.findall(_fold(text))


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def read(path: Path) -> list[dict[str, Any]]:
    """Return the conversations of a file, which may be compressed."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.decode().splitlines() if line.strip()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the scores of a file."""
    parser = argparse.ArgumentParser(prog="python -m scripts.learning_score", description=__doc__)
    parser.add_argument("file", type=Path, help="the labelled conversations: *.jsonl or *.jsonl.gz")
    parser.add_argument("--misses", action="store_true", help="print what is wrong and what is missing, too")
    options = parser.parse_args(arguments)
    lines = read(options.file)
    scores = Scores()
    started = time.perf_counter()
    for line in lines:
        scores.add(line)
    elapsed = time.perf_counter() - started
    for label in sorted(scores.groups):
        print(scores.groups[label].line(label))
    total = scores.total
    print(total.line("all"))
    if total.right:
        dated, superseded = total.dated / total.right, total.superseded / total.right
        print(f"of the right ones: valid_from {dated:.3f}  superseded {superseded:.3f}")
    print(f"{1000 * elapsed / max(1, sum(len(line['exchanges']) for line in lines)):.2f} ms an exchange")
    if options.misses:
        print("\n".join(scores.misses))
    return 0


if __name__ == "__main__":
    sys.exit(main())
