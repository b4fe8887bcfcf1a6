"""What the rules of a language consist of: tables of patterns, and the words that surround them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

_FLAGS: Final = re.IGNORECASE
_GROUP_NAME: Final = re.compile(r"\(\?P<\w+>")
_CAPITALS: Final = re.compile(r"\[A-Z(?:[^\]a-z]*)\]")


class Rule(NamedTuple):
    """A pattern of statements.

    Attributes:
        key: What the statement is about, such as `home`.
        reader: The name of the reader that takes the value, in `shared/learning/rules/readers.py`.
        pattern: The words before the value, or, with a group `v`, the words around it.
        is_anywhere: Whether the pattern may begin within a clause.
        ended: Whether the statement says that the value has ended.
    """

    key: str
    reader: str
    pattern: re.Pattern[str]
    is_anywhere: bool
    ended: bool


def _union(patterns: Iterable[re.Pattern[str]]) -> re.Pattern[str]:
    """Return a pattern that matches where one of the patterns does."""
    unnamed = (_GROUP_NAME.sub("(?:", pattern.pattern) for pattern in patterns)
    return re.compile("|".join(f"(?:{pattern})" for pattern in unnamed) or "(?!)", _FLAGS)


@dataclass(frozen=True)
class Language:
    """The patterns of a language.

    Attributes:
        code: The ISO 639-1 code.
        cue: Words of which each statement has at least one.
        leads: Words that may precede a statement at the beginning of its clause.
        joints: Words that begin another clause.
        blocked: Words that make a sentence no statement: hypotheses, reports of others, irony.
        passing: Words that make a statement pass soon.
        stops: Words that end a value.
        rejected: First words of what is no value: pronouns, determiners.
        subject: The words before the verb of a goal, which are no part of it.
        table: The rules, one a line: key, reader, `|`, pattern. `~` before the key: anywhere; `-`: it has ended.
        macros: Parts of patterns by name, which a pattern has in `{}`.
        unspaced: Whether the language writes no spaces between words.
    """

    code: str
    cue: str
    leads: str
    joints: str
    blocked: str
    passing: str
    stops: str
    rejected: str
    table: str
    subject: str = r"(?!)"
    macros: Mapping[str, str] = field(default_factory=dict)
    unspaced: bool = False

    @cached_property
    def rules(self) -> list[Rule]:
        """The rules of the table."""
        return [self._rule(line) for line in self.table.splitlines() if line.strip() and not line.startswith("#")]

    @cached_property
    def opening(self) -> re.Pattern[str]:
        """The rules that match at the beginning of a clause, as one pattern: whether any of them does."""
        return _union(rule.pattern for rule in self.rules if not rule.is_anywhere)

    @cached_property
    def anywhere(self) -> re.Pattern[str]:
        """The rules that match anywhere, as one pattern."""
        return _union(rule.pattern for rule in self.rules if rule.is_anywhere)

    def _rule(self, line: str) -> Rule:
        head, pattern = line.split("|", 1)
        key, reader = head.split()
        for name, words in self.macros.items():
            pattern = pattern.replace(f"{{{name}}}", f"(?:{words})")
        # Capital letters are what they are, though the patterns ignore case.
        pattern = _CAPITALS.sub(r"(?-i:\g<0>)", pattern.strip())
        if "(?P<v>" not in pattern and not self.unspaced:
            pattern += r"(?:\A|(?<=[\s'])|(?=\W|\Z) ?)"
        return Rule(key.lstrip("~-"), reader, re.compile(pattern, _FLAGS), "~" in key, "-" in key)

    @cached_property
    def cue_pattern(self) -> re.Pattern[str]:
        """The pattern of a sentence that may be a statement."""
        return self._words(self.cue)

    @cached_property
    def lead_pattern(self) -> re.Pattern[str]:
        """The pattern of what precedes a statement in its clause."""
        if self.unspaced:
            return re.compile(rf"(?:(?:{self.leads})[\s、，,。!！~〜]*)*", _FLAGS)
        return re.compile(rf"[\s>*•–—\-\d.)(…]*(?:(?:{self.leads})\b[\s,:!–—\-]*)*", _FLAGS)

    @cached_property
    def joint_pattern(self) -> re.Pattern[str]:
        """The pattern of what separates clauses."""
        if self.unspaced:
            return re.compile(rf"[、，,;；:：()（）\s]+|{self.joints}")
        return re.compile(rf"\s?[,;:()–—]\s*|\s[-/]\s|\s(?:{self.joints})\s", _FLAGS)

    @cached_property
    def blocked_pattern(self) -> re.Pattern[str]:
        """The pattern of what makes a sentence no statement."""
        return self._words(self.blocked)

    @cached_property
    def passing_pattern(self) -> re.Pattern[str]:
        """The pattern of what holds for a few days only."""
        return self._words(self.passing)

    @cached_property
    def stop_pattern(self) -> re.Pattern[str]:
        """The pattern of what ends a value."""
        if self.unspaced:
            return re.compile(rf"{self.stops}", _FLAGS)
        return re.compile(rf"(?:^|\s)(?:{self.stops})(?!['\w])", _FLAGS)

    @cached_property
    def rejected_pattern(self) -> re.Pattern[str]:
        """The pattern of how something begins that is no value."""
        if self.unspaced:
            return re.compile(rf"(?:{self.rejected})", _FLAGS)
        return re.compile(rf"(?:{self.rejected})(?!['\w])", _FLAGS)

    @cached_property
    def macro_subject(self) -> re.Pattern[str]:
        """The pattern of the words before the verb of a goal."""
        return re.compile(rf"\A(?:{self.subject})\s?", _FLAGS)

    def _words(self, words: str) -> re.Pattern[str]:
        return re.compile(words if self.unspaced else rf"(?<!\w)(?:{words})(?!\w)", _FLAGS)
