"""The deriver `rules:3`: finds what users say about themselves, by patterns of many languages, without a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Final

from shared.learning.normalize import normalized
from shared.learning.rules.answer_words import STANDING, WANTED
from shared.learning.rules.answers import find_answers
from shared.learning.rules.dates import find_date
from shared.learning.rules.doubts import is_doubtful, is_taken_back
from shared.learning.rules.language import Language, Rule
from shared.learning.rules.languages import LANGUAGES
from shared.learning.rules.own_words import own_words, plain
from shared.learning.rules.readers import READERS
from shared.learning.rules.reading import Candidate, Value
from shared.learning.rules.sentences import Sentence, clause_starts, sentences
from shared.learning.rules.texts import PREFERENCES, statement_text
from shared.learning.statements import ENDED, Kind, SourceExchange, Statement
from shared.learning.summary import summary_statements

# What a thread says in a longer message is rarely about the user, and most of it is pasted.
_MAX_LENGTH: Final = 20_000
_MOCKING: Final = re.compile("🙄|😒|🤡|🙃|(?<![\\w/])/s\\b|\\bnot!")
_TAG: Final = re.compile(
    r"[\s,]*(?:right|correct|or not|or|no|oder|nicht wahr|non|n'est-ce pas|verdad|vero|né|hè|toch|prawda|don't i|aren't i|am i not|isn't it)\b[^,]{0,20}\Z",
    re.IGNORECASE,
)
_NEW_QUESTION: Final = re.compile(
    r"[,;:–—(]\s*\S+\s+\S+|[，、,]\s*\S{3,}|\s-\s\S+|\b(?:what|how|can|could|which|where|is|are|do|does|should|would|will|who|any|when|why|help|so|and|but)\b\s+\S+"
)
_GIVEN: Final = re.compile(
    r"\b(?:since|given that|given|considering(?: that)?|as|because|cuz|da|weil|puisque|comme|vu que|ya que|como|dado que|visto che|dato che|já que|omdat|aangezien|skoro)\s+(?:also )?\Z",
    re.IGNORECASE,
)
# Keys whose values do not pass with the day.
_LASTING: Final = frozenset(
    {"goal", "birthday", "anniversary", "name", "pronouns", "form_of_address", "family", "pet", "origin"}
)
_DATED: Final = frozenset({"home", "workplace", "role", "field"})


class RuleDeriver:
    """Derives statements by rules: the same ones for the same exchange, in any process."""

    name: Final = "rules:3"

    def derive(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return the statements of each exchange."""
        return [list(self._of_user(exchange)) for exchange in exchanges]

    def summarize(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return the sentences of each exchange that carry most of its information."""
        return [summary_statements(exchange) for exchange in exchanges]

    def _of_user(self, exchange: SourceExchange) -> Iterator[Statement]:
        """Yield the statements of the user, each slot's last one only."""
        message = exchange.user_message
        if len(message) > _MAX_LENGTH or not _HAS_CUE.search(message):
            return
        # Most messages state nothing. Which words are the user's own is asked only of the others.
        if next(_all_statements(message, plain(message), exchange.created_at), None) is None:
            return
        found: dict[str, Statement] = {}
        for statement in _all_statements(message, own_words(message), exchange.created_at):
            found.pop(statement.slot, None)
            found[statement.slot] = statement
        yield from found.values()


_AND: Final = re.compile(
    r" (?:and|und|et|y|e|en|i|и) (?:to |gegen |aux? |à la |a la |a los |a las |alle |ai |aos |às |voor |na )?"
)
_THING: Final = READERS["thing"]
_HAS_CUE: Final = re.compile(
    f"{STANDING}|{WANTED}|"
    + "|".join(
        f"(?:{language.cue})" if language.unspaced else rf"(?<!\w)(?:{language.cue})(?!\w)" for language in LANGUAGES
    ),
    re.IGNORECASE,
)


def _all_statements(message: str, text: str, created_at: datetime) -> Iterator[Statement]:
    """Yield the statements of a text that has the message's own words at their places."""
    for sentence in sentences(text):
        yield from _statements(message, text, sentence, created_at)


def _statements(message: str, text: str, sentence: Sentence, created_at: datetime) -> Iterator[Statement]:
    """Yield the statements of a sentence, in the order of the text."""
    end = sentence.start + len(sentence.text)
    if _MOCKING.search(sentence.text + sentence.after) or is_taken_back(
        message[max(0, sentence.start - 60) : sentence.start], sentence.text, message[end : end + 30]
    ):
        return
    taken: list[tuple[int, int, str]] = []
    for answer in find_answers(sentence):
        start, end = sentence.start + answer.start, sentence.start + answer.end
        taken.append((answer.start, answer.end, answer.slot))
        if "\0" not in text[start:end]:
            yield Statement("preference", answer.slot, answer.value, answer.value, message[start:end])
    today = created_at.astimezone(UTC).date()
    for language in LANGUAGES:
        if not language.cue_pattern.search(sentence.text):
            continue
        before = text[max(0, sentence.start - 40) : sentence.start]
        for rule, candidate in _matches(language, sentence, before, today):
            key = rule.key
            if any(key == of for _, _, of in taken) or any(
                start <= candidate.match.start() < end
                for start, end, of in taken
                if key in {"likes", "dislikes"} and ":" in of
            ):
                continue
            value = READERS[rule.reader](candidate)
            if value is None or not _is_asserted(sentence, candidate, value, rule, language):
                continue
            taken.append((candidate.match.start(), value.end, key))
            yield _statement(message, sentence, candidate, value, rule)
            if key == "allergy" and (other := _next_value(candidate, value)) is not None:
                yield _statement(message, sentence, candidate, other, rule)


def _matches(language: Language, sentence: Sentence, before: str, today: date) -> Iterator[tuple[Rule, Candidate]]:
    """Yield the rules that match at a clause of a sentence."""
    text = sentence.text
    # Most sentences match no rule, and one pattern of all rules finds that out faster than all of them one by one.
    starts = [start for start in clause_starts(text, language) if language.opening.match(text, start)]
    if not starts and not language.anywhere.search(text):
        return
    for rule in language.rules:
        if rule.is_anywhere:
            matches = list(rule.pattern.finditer(text))
        else:
            matches = [match for start in starts if (match := rule.pattern.match(text, start))]
        for match in matches:
            yield rule, Candidate(text, match, match.end(), (before + text[: match.start()])[-40:], today, language)


def _next_value(candidate: Candidate, value: Value) -> Value | None:
    """Return the second thing of `nuts and shellfish`, if it ends its clause."""
    joint = _AND.match(candidate.text, value.end)
    if joint is None or "v" in candidate.match.groupdict():
        return None
    other = _THING(candidate._replace(start=joint.end()))
    if other is None or len(other.words.split()) > 2 or candidate.text[other.end : other.end + 1].isspace():  # noqa: PLR2004
        return None
    return other


def _is_asserted(sentence: Sentence, candidate: Candidate, value: Value, rule: Rule, language: Language) -> bool:
    """Return whether the sentence states the value as true: it is no hypothesis, report, joke or question."""
    text, start = sentence.text, candidate.match.start()
    if "\0" in text[start : value.end] or language.blocked_pattern.search(text, 0, value.end):
        return False
    after = text[value.end :]
    if re.match(r" if (?!that|it|you need|relevant)", after) or is_doubtful(text, start, value.end, rule.key):
        return False
    if rule.key not in _LASTING and language.passing_pattern.search(
        re.split(r"[,;:.!?(]", text[start : value.end + 40], maxsplit=1)[0]
    ):
        return False
    if not sentence.is_question or _GIVEN.search(text[:start]):
        return True
    return not _TAG.match(after.rstrip(" ?？")) and _NEW_QUESTION.search(after) is not None


def _statement(message: str, sentence: Sentence, candidate: Candidate, value: Value, rule: Rule) -> Statement:
    """Return the statement of a value."""
    key = value.key or rule.key
    start, end = (
        candidate.match.start(),
        max(value.end, candidate.match.end() if rule.reader in {"fixed", "known"} else 0),
    )
    day = value.day
    if day is None and key in _DATED:
        clause = re.split(r"[,;:.!?(]| (?:and|but|so) ", candidate.text[value.end : value.end + 60], maxsplit=1)[0]
        if (found := find_date(clause, candidate.today, -1)) is not None and found.start < 12:  # noqa: PLR2004 - close behind the value
            day, end = found.day, value.end + found.end
    quote = message[sentence.start + start : sentence.start + end].strip()
    slot = f"{key}:{value.tail}" if value.tail and key not in _SINGLE else key
    if key in {"likes", "dislikes"}:
        slot = f"likes:{value.tail}"
    content = {"likes": "like", "dislikes": "dislike"}.get(key) or _normal(key, value.words)
    words = value.words
    if rule.reader == "noeat":
        # Not to eat pork is no diet of the name pork, and does not end another diet.
        words, content = f"no {words}", f"no {content}"
        slot = f"{key}:{content}"
    if rule.ended:
        content = ENDED + content
    valid_from = None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
    kind: Kind = "preference" if key in PREFERENCES else "fact"
    text = words if kind == "preference" else statement_text(key, words, ended=rule.ended)
    return Statement(kind, slot, content, text, quote, "user", valid_from)


_SINGLE: Final = frozenset({"name", "home", "diet", "editor", "operating_system"})


def _normal(key: str, words: str) -> str:
    return words if key in {"language", "units", "form_of_address"} and words.islower() else normalized(words)
