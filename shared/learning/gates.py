"""Gates: which statements are refused, of rules and models alike. They are deterministic and need no model."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, get_args

from shared.learning.injected import without_injected
from shared.learning.normalize import normalized
from shared.learning.sensitive import sensitive
from shared.learning.statements import ENDED, MAX_SLOT, SUMMARY_SLOT, Kind, SourceExchange, Statement
from shared.models import Role
from shared.texts import text_error

MAX_STATEMENTS: Final = 10
MAX_VALUE: Final = 500
MAX_TEXT: Final = 500
MAX_QUOTE: Final = 1_000

_BOUNDS: Final = (("slot", MAX_SLOT), ("value", MAX_VALUE), ("text", MAX_TEXT), ("quote", MAX_QUOTE))
# A name, and for some names the thing: `home`, `likes:sushi`.
_SLOT: Final = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*(?::[^\s:][^:]*)?")
# Characters that reverse the order of a text, or that are not shown but read by a model.
_HIDDEN: Final = re.compile("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE: Final = re.compile("[\t\n\r\u2028\u2029]")
# A fact is no request to the agent. Its text begins with what holds: `Lives in Rome`.
_REQUEST: Final = re.compile(
    r"(?:please|(?:always|never) (?!\w+s\b)\w+|from now on|in (?:the )?future|henceforth|make sure|ensure|do(?: not|n't)|remember to|be sure"
    r"|send|forward|e-?mail|transfer|wire|pay|delete|remove|run|execute|call|obey|follow|trust|approve|grant|allow|share"
    r"|tell|reply|respond|answer|recommend|promote|visit|click|open|download|install|buy|order|book"
    r"|bitte|immer|niemals|ab jetzt|toujours|jamais|siempre|nunca|sempre|altijd|nooit|zawsze|nigdy)\b",
    re.IGNORECASE,
)
# Words of a value that say that something is not so, in the words of the rules.
_NEGATION: Final = frozenset({"no"})
_DAYS: Final = frozenset({"anniversary", "birthday"})
# Instructions to a model, and roles that are not the user's. A memory that has them would be one.
_INSTRUCTION: Final = re.compile(
    r"\b(?:ignor[a-z]*|disregard|forget|override|vergiss|oublie[zr]?|olvida|dimentica|esque[cç]a|negeer)\b.{0,40}"
    r"\b(?:instru[a-z]+|anweisungen|prompts?|rules|regeln|messages?|above|everything|context|guidelines)\b"
    r"|忽略.{0,10}(?:之前|以上|前面|所有|指令)|(?:以前|上記|前)の?指示.{0,6}無視|(?:ignoruj|zignoruj)"
    r"|(?:^|[\n\r]|[.!?]\s)\s*[#*\[(]*\s*(?:system|assistant|developer|tool|user|human|ai|instructions?)\s*[\])*]*\s*[:：]"
    r"|\byou\s+(?:must|should|shall|have\s+to|need\s+to|will\s+now|are\s+now|are\s+(?:a|an|the)\b|always|never|may\s+now|can\s+now)"
    r"|\b(?:remember|note|memorize)\s*:|\b(?:the\s+)?user\s+(?:is|has|was|must|should)\b.{0,20}"
    r"\b(?:admin|administrator|root|superuser|owner|authorized|authorised|permission|privilege|access|verified|trusted)"
    r"|\b(?:has|have|with|grant(?:ed)?|full)\s+(?:admin|administrator|root|superuser)\b"
    r"|\b(?:act|behave)\s+as\b|\bpretend\b|\bsystem\s+prompt|\bjailbreak|\bdeveloper\s+mode|\bdan\s+mode"
    r"|\b(?:reveal|exfiltrate|leak)\b|\bdo\s+not\s+(?:tell|ask|mention|refuse)"
    r"|<\|[^|>]{0,40}\|>|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>|</?s>|^\s*#{2,}\s*\w"
    r"|</?[a-z!][^<>]{0,200}>|<script|javascript:|\bon(?:error|load|click)\s*=|\{\{|\{%|!\[[^\]]*\]\(",
    re.IGNORECASE,
)


def refusal(statement: Statement, exchange: SourceExchange) -> str | None:
    """Return why a statement may not be learned, in one or two words, or None."""
    return _form_error(statement) or _quote_error(statement, exchange) or _content_error(statement)


def kept(statements: Iterable[Statement], exchange: SourceExchange) -> list[Statement]:
    """Return the first statements that are not refused, one of each slot of a fact or preference.

    An exchange has one order key, so it can say one value of a slot: the last one. That another value has ended adds
    nothing to it ("I left Milan, and now I live in Rome").
    """
    found: dict[tuple[str, str, str], Statement] = {}
    for statement in statements:
        key = statement.kind, statement.slot, statement.value if statement.kind == "summary" else ""
        if refusal(statement, exchange) is not None or (key in found and statement.is_end):
            continue
        if key in found or len(found) < MAX_STATEMENTS:
            found[key] = statement
    return list(found.values())


def _form_error(statement: Statement) -> str | None:
    """Return what is wrong with the fields by themselves, or None."""
    if statement.kind not in get_args(Kind) or statement.role not in get_args(Role):
        return "kind_or_role"
    if (errors := [error for name, bound in _BOUNDS if (error := _text_error(statement, name, bound))]) != []:
        return errors[0]
    if not _SLOT.fullmatch(statement.slot) or statement.slot != statement.slot.strip():
        return "slot_format"
    if (statement.slot == SUMMARY_SLOT) != (statement.kind == "summary"):
        return "slot_kind"
    return None if statement.text.strip() else "text_blank"


def _text_error(statement: Statement, name: str, bound: int) -> str | None:
    """Return what is wrong with the length or the characters of a field, or None."""
    text = getattr(statement, name)
    if len(text) > bound:
        return f"{name}_too_long"
    if text_error(text) or _HIDDEN.search(text) or _CONTROL.search(text) or (name != "quote" and _LINE.search(text)):
        return f"{name}_characters"
    return None


def _quote_error(statement: Statement, exchange: SourceExchange) -> str | None:
    """Return why the quote proves nothing, or None."""
    if not statement.quote.strip():
        return "quote_blank"
    if statement.kind != "summary" and statement.role != "user":
        return "quote_not_of_user"
    side = exchange.user_message if statement.role == "user" else exchange.assistant_message
    if statement.quote not in side:
        return "quote_not_found"
    return None if statement.quote in without_injected(side) else "quote_injected"


def _is_quoted(statement: Statement) -> bool:
    """Return whether a fact's quote has the words of its value. A preference has a value in words of its own (`de`)."""
    key, _, thing = statement.slot.partition(":")
    # A day is resolved against the exchange's date.
    if statement.kind != "fact" or key in _DAYS:
        return True
    # What somebody likes is the slot's thing; the value says whether they do.
    value = thing if key == "likes" else statement.value.removeprefix(ENDED)
    folded = statement.quote.casefold()
    missing = set(value.split()) - _NEGATION - set(normalized(statement.quote).split()) - set(folded.split())
    # Scripts without spaces have no words: the value is made of the quote's characters.
    return all(not each.isascii() and set(each) <= set(statement.quote) for each in missing)


def _content_error(statement: Statement) -> str | None:
    """Return what a statement has that is never learned, or None."""
    for field in (statement.slot, statement.text, statement.value, statement.quote):
        if secret := sensitive(field):
            return f"secret_{secret}"
    for field in (statement.slot.partition(":")[2], statement.text, statement.value):
        if _INSTRUCTION.search(unicodedata.normalize("NFKC", field)):
            return "instruction"
    if statement.kind == "fact" and _REQUEST.match(unicodedata.normalize("NFKC", statement.text).lstrip()):
        return "instruction"
    return None if _is_quoted(statement) else "value_not_quoted"
