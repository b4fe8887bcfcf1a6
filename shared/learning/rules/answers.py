"""Finds what users ask of all answers: their language, units, currency and style."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from shared.learning.rules.answer_words import (
    BULLETS,
    EMOJI,
    FORMAL,
    INFORMAL,
    LONG,
    NEGATED,
    ONE_OFF,
    SHORT,
    STANDING,
    UNITS,
    WANTED,
)
from shared.learning.rules.lexicon import CURRENCIES, LANGUAGE, LANGUAGE_CODES
from shared.learning.rules.sentences import Sentence

_FLAGS: Final = re.IGNORECASE
_STANDING: Final = re.compile(STANDING, _FLAGS)
_WANTED: Final = re.compile(WANTED, _FLAGS)
_ONE_OFF: Final = re.compile(ONE_OFF, _FLAGS)
_NEGATED: Final = re.compile(NEGATED, _FLAGS)
_OBJECTS: Final = tuple(
    (slot, value, re.compile(pattern, _FLAGS))
    for slot, value, pattern in (
        ("units", "metric", UNITS["metric"]),
        ("units", "imperial", UNITS["imperial"]),
        ("answer_style:length", "short", SHORT),
        ("answer_style:length", "long", LONG),
        ("answer_style:bullets", "bullets", BULLETS),
        ("answer_style:emoji", "emoji", EMOJI),
        ("answer_style:formality", "informal", INFORMAL),
        ("answer_style:formality", "formal", FORMAL),
    )
)
# The verb of answering, and the preposition or particle before or behind a language's name.
_LANGUAGE: Final = re.compile(
    r"(?P<a>\b(?:answer\w*|repl(?:y|ies)|respond\w*|respon[sc]es?|write|speak|talk|communicate|chat|explain|antwort\w*|schreib\w*|sprich|red[e]?|erklär\w*|répon\w+|réponses?|écri\w+|parle\w*|parlez"
    r"|respóndeme|responde\w*|respond[ae]\w*|respuestas?|escribe\w*|escríbeme|contéstame|contesta\w*|háblame|habla\w*|rispond\w*|risposte|scriv\w+|parla\w*|respostas?|escrev\w+|fal[ae]\w*"
    r"|antwoord\w*|schrijf\w*|praat|spreek|odpowiad\w+|odpowiedz\w*|pisz\w*|mów\w*|отвеча\w+|пиши\w*|говори\w*)\b.{0,40}?)"
    rf"(?<!\w)(?:in|auf|en|em|in het|in 't|po|на|по|w języku)(?: plain| simple| einfachem)? (?:the )?(?P<v>{LANGUAGE})(?!\w)"
    rf"|\b(?:speak|switch to|talk|sprich|sprechen sie|parle|parlez|habla|háblame|parla|parlami|fala|fale|praat|spreek|mów)(?: to me| mit mir| con me| comigo)?(?: in| auf| en| em| in het| po)? (?P<w>{LANGUAGE})(?!\w)"
    rf"|(?<!\w)(?P<o>{LANGUAGE}) (?:only|nur|uniquement|solo|soltanto|apenas|alleen)(?!\w)"
    rf"|(?P<z>(?:用|以|使用|讲|说)(?P<y>{LANGUAGE})(?:来|跟我|和我|给我)?(?:回答|回复|交流|说|写|沟通|聊))|(?P<j>(?P<k>{LANGUAGE})で(?:.{{0,6}})?(?:答え|回答|返事|返信|話し|書い|お願い))"
    rf"|(?P<h>(?P<i>{LANGUAGE}) में (?:ही )?(?:जवाब|उत्तर|बात|लिख))|(?P<r>(?:أجبني|أجب|رد|اكتب|جاوبني|الرد)\b.{{0,15}}?(?:ب|باللغة )(?P<s>{LANGUAGE}))",
    _FLAGS,
)
_MONEY: Final = re.compile(
    r"\b(?:amounts?|prices?|costs?|sums?|money|figures|currency|budgets?|values?|everything|convert|quote|salar(?:y|ies)|beträge?|preise?|währung|geldbeträge|kosten|prix|montants?|devise|sommes?|coûts?|precios?|importes?|moneda|cantidades|costes|costos"
    r"|prezzi|importi|valuta|cifre|costi|preços?|valores|moeda|quantias|prijzen|bedragen|ceny|kwoty|walut\w*|цены|суммы|валют\w*)\b|价格|金额|货币|价钱|金額|価格|値段|通貨",
    _FLAGS,
)
_USED: Final = re.compile(r"\b(?:use|think in|in|nutze|verwende|utilise[rz]?|usa|use|gebruik|używaj)\b", _FLAGS)


# A question asks for something only if it is a request, or if it goes on behind it.
_REQUEST: Final = re.compile(
    r"\W*(?:\w+\W+){0,3}?(?:can|could|will|would) (?:you|u)\b(?! (?:always|explain))|\W*(?:\w+\W+){0,3}?(?:can|could) you (?:please )?always\b"
    r"|\W*(?:\w+\W+){0,2}?(?:kannst|könntest|können|peux|peux-tu|pourrais|pouvez|puedes|podrías|puoi|potresti|pode|poderia|podes|kun|kan|zou|możesz|mógłbyś|мож\w+)\b",
    _FLAGS,
)
_NEXT_CLAUSE: Final = re.compile(
    r"[^,;.!?:–—，。、]{0,25}[,;.!?:–—，。、]\s*(?!right\b|or\b|correct\b|oder\b|non\b)\S+\s*\S"
)
# Texts other than answers: `in cover letters`.
_ELSEWHERE: Final = re.compile(
    r" (?:in|for|on) (?!(?:your|all|any|every|each|the future|future|general|answers|repl|response|our|conversation|here|german|english|me\b|examples|deine|deinen|zukunft|von|mir))\w",
    _FLAGS,
)
_USABLE: Final = frozenset({"emoji", "bullets"})
_USE: Final = re.compile(
    r"\b(?:us(?:e|ing)|add\w*|put|include|keep|prefer\w*|perfer|preffer|with|without|love|like|want|fine|no|never|don't|dont|stop|as|in|hate|skip|avoid|less|fewer|more|leave"
    r"|nutz\w*|verwend\w*|benutz\w*|antwort\w*|immer|nie\w*|kein\w*|ohne|mag|lieber|bitte|gern\w*|utilis\w*|mets|ajoute|préfère|sans|jamais|pas|plus|toujours|us[ao]\w*|pon|prefiero|sin|nunca|siempre|preferisco|senza|mai|sempre|niente"
    r"|prefiro|sem|gebruik\w*|liever|geen|nooit|altijd|zonder|używaj|wolę|nigdy|zawsze|bez|используй|не|без|всегда)\b|用|使|加|なし|無し|で|しない",
    _FLAGS,
)


# Whose units and languages are not those of the answers: `my oven always shows Fahrenheit`, `log messages in English`.
_OTHERS: Final = re.compile(
    r"^\W*(?:my|our|the|this|these|those|his|her|their|americans?|people|mein\w*|unser\w*|mon|ma|mes|notre|mi|mis|il mio|la mia|meu|minha|mijn) (?!(?:preference|preferred|answers?|default|units?|currency|language|replies|request|preferencia|preferenza|preferência)\b)[\w ]{2,25} (?:always|never|generally|immer|nie|toujours|siempre|sempre|altijd)\b"
    r"|^\W*(?:er|il(?! faut)|elle|él|ella|lui|lei|ele|ela|hij|zij|he|she|they) \w+|\b(?:i'm|im|i am|we're|we are|i get|we get) (?:always|never|usually|generally) \w+(?:ed|id)\b|\b(?:man \w+t|\w+t man)\b"
    r"|\b(?:error|log|commit|status|debug|exception|push|toast|form|button|ui)(?: \w+)? (?:messages?|texts?|strings|labels|logs?)\b"
    r"|\b(?:in|into|inside) (?:the|my|our|this) (?:code|file|readme|docs|documentation|app|ui|report|newsletter|spreadsheet|contract|template|brochure|slides)\b",
    _FLAGS,
)
# An amount of something: `I always run five miles`.
_AMOUNT: Final = re.compile(
    r"\b(?:\d[\d.,]*|one|two|three|four|five|six|seven|eight|nine|ten|twenty|hundred|many|few|several|zwei|drei|vier|fünf|zehn|deux|trois|cinq|dix|dos|tres|cinco|diez|due|tre|cinque|dieci)(?: (?:degrees?|grad|degrés|grados|gradi|graus))?\s\Z",
    _FLAGS,
)
# What the user likes less, behind what the user likes more: `I prefer prose to bullets`.
_LESS: Final = re.compile(
    r"(?:\b(?:prefer\w*|perfer|preffer|préfère|prefiero|prefiro|preferisco) (?!to\b)[^,.;:!?]{1,40}? (?:to|à|a|ai|agli|alle|alla|al|à|às|aos|ao)"
    r"|\b(?:rather|better|lieber|liever|wolę|mehr|instead)\b[^.;:!?]{0,40}? (?:than|als|dan|niż|od|of)"
    r"|\b(?:instead of|rather than|not|statt|anstatt|anstelle von|und nicht|au lieu de|plutôt que|et non|en vez de|en lugar de|antes que|invece di|piuttosto che|em vez de|ao invés de|do que|in plaats van|zamiast))"
    r"(?: (?:the|any|your|den|die|das|der|les|des|los|las|el|i|gli|le|os|as|use|using|usar|usare))*\s\Z",
    _FLAGS,
)


class Answer(NamedTuple):
    """What a user asks of all answers.

    Attributes:
        slot: The preference, such as `units`.
        value: One of its values.
        start: Where its words begin in the sentence.
        end: Where they end.
    """

    slot: str
    value: str
    start: int
    end: int


def find_answers(sentence: Sentence) -> Iterator[Answer]:
    """Yield what a sentence asks of all answers. What it asks of one answer only is left out."""
    text = sentence.text
    marker = _STANDING.search(text) or _WANTED.search(text)
    if marker is None or _ONE_OFF.search(text) or _OTHERS.search(text):
        return
    found: set[str] = set()
    for slot, value, start, end in _objects(text):
        if sentence.is_question and not (_REQUEST.match(text) or _NEXT_CLAUSE.match(text, end)):
            continue
        if slot != "language" and _ELSEWHERE.match(text, end):
            continue
        if value in _USABLE and not _USE.search(text):
            continue
        if slot in found or (slot == "units" and _AMOUNT.search(text[:start])):
            continue
        before = text[max(0, start - 80) : start]
        negation = _LESS.search(before) or _last(_NEGATED, before[-40:])
        if negation is not None and slot not in {"answer_style:emoji", "answer_style:bullets"}:
            continue
        if negation is not None:
            value, start = f"no {value}", start - len(negation.string) + negation.start()  # noqa: PLW2901 - the opposite
        found.add(slot)
        first, last = min(start, marker.start()), max(end, marker.end())
        yield Answer(slot, value, first, last)


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return the last match in a text, or None."""
    return max(pattern.finditer(text), key=lambda match: match.start(), default=None)


def _objects(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield what a sentence may ask: the slot, its value, and where it is."""
    if (match := _LANGUAGE.search(text)) is not None:
        name = next(match[group] for group in "vwoyksi" if match[group])
        yield "language", LANGUAGE_CODES[name.lower()], match.start(), match.end()
    for slot, value, pattern in _OBJECTS:
        if (match := pattern.search(text)) is not None:
            yield slot, value, match.start(), match.end()
    yield from _currency(text)


# `Taiwan dollars` are no US dollars, and `feet and pounds` are no money.
_OTHER_MONEY_BEFORE: Final = re.compile(
    r"\b(?:taiwan\w*|jamaican?|fijian?|namibian|bermud\w+|barbad\w+|trinidad\w*|kanad\w*|austral\w*|neuseel\w*|singap\w*|hong ?kong\w*|kanadyjsk\w+|новозел\w+|австрал\w+|канад\w+|egyptian|lebanese|syrian|sudanese|belgian|french)\s\Z",
    _FLAGS,
)
_WEIGHTS: Final = re.compile(
    r"\b(?:feet|foot|inch(?:es)?|ounces?|stones?|lbs?|weigh\w*|kilos?|kilograms?|kg|lift\w*|yards?|gallons?|pies|pieds|piedi|pés|fuß)\b(?=.*\b(?:pounds?|pfund|libras|livres|libbre)\b)|\b(?:pounds?|pfund|libras|livres|libbre)\b(?=.*\b(?:feet|foot|inch(?:es)?|ounces?|stones?|weigh\w*|kilos?|kilograms?|kg|lift\w*|yards?|gallons?)\b)",
    _FLAGS,
)
_POUNDS_OF_MONEY: Final = re.compile(
    r"\b(?:british|sterling|quid|gbp|prices?|costs?|money|currency|amounts?|budgets?)\b|£", _FLAGS
)


def _currency(text: str) -> Iterator[tuple[str, str, int, int]]:
    money = _MONEY.search(text) or _USED.search(text)
    if money is None or (_WEIGHTS.search(text) and not _POUNDS_OF_MONEY.search(text)):
        return
    for pattern, code in CURRENCIES:
        # Of `convert dollars to euros`, the last one is asked for; of `euros, not dollars`, the first.
        for match in pattern.finditer(text):
            if not _OTHER_MONEY_BEFORE.search(text, 0, match.start()) and not re.search(
                r"\d\s?\Z|\b(?:not|from|no|statt|instead of|than|nicht|pas|non|niet|nie)\s\Z",
                text[max(0, match.start() - 12) : match.start()],
                _FLAGS,
            ):
                yield "currency", code, min(money.start(), match.start()), match.end()
                return
