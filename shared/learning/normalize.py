"""The form of a value by which near-duplicates are one: `Pasta!`, `the pasta` and `pastas` are the same thing."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from shared.learning.statements import FREE_SLOT, MAX_SLOT
from shared.search_terms import asked_terms

# What would lose its meaning as a set of terms: dates, times and versions, and names such as `C++` and `C#`.
_WHOLE: Final = re.compile(r"\d+(?:[.,:/+-]\d+)+|\b[a-z][+#]{1,2}(?![\w+#])", re.IGNORECASE)
# Stop words that make the opposite of a value.
_NEGATION: Final = re.compile(
    r"\b(?:no|not|never|without|off|nicht|kein\w*|ohne|pas|sans|jamais|non|senza|mai|sin|nunca|sem|n[aã]o|niet|geen|nie|bez)\b",
    re.IGNORECASE,
)


def normalized(text: str) -> str:
    """Return the stems of a text's content words in one order, or the text itself in lower case if it has none."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    wholes = _WHOLE.findall(folded)
    terms = {*wholes, *_NEGATION.findall(folded), *asked_terms(_WHOLE.sub(" ", folded))}
    return " ".join(sorted(terms)) if terms else unicodedata.normalize("NFC", folded).strip()


def slot_tail(text: str) -> str:
    """Return a text as the second part of a slot."""
    return normalized(text).replace(":", " ").strip()


def free_slot(text: str) -> str:
    """Return the slot of a fact whose wording is free. A long text's slot has the first of its terms only."""
    return f"{FREE_SLOT}{slot_tail(text)}"[:MAX_SLOT].rstrip()
