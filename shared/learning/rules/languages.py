"""The languages that the rules know."""

from __future__ import annotations

from typing import Final

from shared.learning.rules.chinese import CHINESE
from shared.learning.rules.dutch import DUTCH
from shared.learning.rules.english import ENGLISH
from shared.learning.rules.french import FRENCH
from shared.learning.rules.german import GERMAN
from shared.learning.rules.italian import ITALIAN
from shared.learning.rules.japanese import JAPANESE
from shared.learning.rules.language import Language
from shared.learning.rules.others import ARABIC, HINDI, RUSSIAN
from shared.learning.rules.polish import POLISH
from shared.learning.rules.portuguese import PORTUGUESE
from shared.learning.rules.spanish import SPANISH

LANGUAGES: Final[tuple[Language, ...]] = (
    ENGLISH,
    GERMAN,
    FRENCH,
    SPANISH,
    ITALIAN,
    PORTUGUESE,
    DUTCH,
    POLISH,
    CHINESE,
    JAPANESE,
    RUSSIAN,
    ARABIC,
    HINDI,
)
