"""Resolves dates in texts, absolute ones and those that count from the time of the exchange."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from typing import Final, NamedTuple

from shared.learning.rules.calendar_words import DAY, DAY_NUMBERS, MONTH, MONTH_NUMBERS, NUMBER, NUMBERS, UNIT

_NEXT: Final = r"next|coming|nächste[nrsm]?|kommende[nrsm]?|próxim[oa]|proxim[oa]|prochaine?|prossim[oa]|volgend[e]?|komend[e]?|przyszł\w+|następn\w+|следующ\w+"
_LAST: Final = r"last|letzte[nrsm]?|vergangene[nrsm]?|vorige[nrsm]?|dernière|dernier|pasad[oa]|passad[oa]|scors[oa]|vorig[e]?|afgelopen|zeszł\w+|ostatni\w*|прошл\w+"
_NEXT_AFTER: Final = r"prochaine?|que viene|próxim[oa]|prossim[oa]|que vem|entrante"
_LAST_AFTER: Final = r"dernière|dernier|pasad[oa]|passad[oa]|scors[oa]|temu"
_IN: Final = r"in|within|dans|d'ici|en|dentro de|fra|tra|daqui a|em|over|binnen|za|через"
_AGO_BEFORE: Final = r"vor|il y a|hace|há|przed"
_AGO: Final = r"ago|fa|atrás|geleden|temu|назад"
_SINCE: Final = r"since|seit|depuis|desde|dal|sinds|od|с|in|im|en|nel|em|from|we|w|для"


class FoundDate(NamedTuple):
    """A date in a text.

    Attributes:
        day: The day it means; the first of a longer time.
        start: Where its words begin.
        end: Where they end.
    """

    day: date
    start: int
    end: int


def _future(day: date, today: date, sign: int) -> date:
    """Return the day's next occurrence (sign 1) or last occurrence (-1) in a year."""
    if sign > 0 and day < today:
        return _safe(day.year + 1, day.month, day.day) or day
    if sign < 0 and day > today:
        return _safe(day.year - 1, day.month, day.day) or day
    return day


def _safe(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _add_months(today: date, months: int) -> date:
    index = today.year * 12 + today.month - 1 + months
    year, month = divmod(index, 12)
    return next(day for number in range(today.day, 0, -1) if (day := _safe(year, month + 1, number)) is not None)


def _day_month(match: re.Match[str], today: date, sign: int) -> date | None:
    month = MONTH_NUMBERS[match["m"].lower()]
    year = match["y"]
    if year:
        return _safe(int(year), month, int(match["d"]))
    # The 29th of February is in a leap year.
    years = range(today.year, today.year + 5 * sign, sign)
    found = next((day for each in years if (day := _safe(each, month, int(match["d"]))) is not None), None)
    return found and _future(found, today, sign)


def _numeric(match: re.Match[str], _today: date, _sign: int) -> date | None:
    return _safe(int(match["y"]), int(match["m"]), int(match["d"]))


def _east_asian(match: re.Match[str], today: date, sign: int) -> date | None:
    year = match["y"]
    found = _safe(int(year) if year else today.year, int(match["m"]), int(match["d"] or 1))
    return found if found is None or year else _future(found, today, sign)


def _month(match: re.Match[str], today: date, sign: int) -> date | None:
    year = match["y"]
    found = _safe(int(year) if year else today.year, MONTH_NUMBERS[match["m"].lower()], 1)
    if found is None or year:
        return found
    return found if found == today.replace(day=1) and sign < 0 else _future(found, today, sign)


def _month_end(match: re.Match[str], today: date, sign: int) -> date | None:
    first = _month(match, today, sign)
    return first and _add_months(first, 1) - timedelta(1)


def _year(match: re.Match[str], _today: date, _sign: int) -> date | None:
    return _safe(int(match["y"]), 1, 1)


def _period(unit: str, today: date, offset: int) -> date:
    """Return the first day of the week, month or year so many before or after today's."""
    if unit == "week":
        return today - timedelta(today.weekday()) + timedelta(7 * offset)
    if unit == "month":
        return _add_months(today.replace(day=1), offset)
    return date(min(max(today.year + offset, 1), 9_999), 1, 1)


def _christmas(_match: re.Match[str], today: date, sign: int) -> date | None:
    return _future(date(today.year, 12, 25), today, sign)


def _unit(match: re.Match[str]) -> str:
    return next(name for name in ("day", "week", "month", "year") if match[name])


def _next_period(match: re.Match[str], today: date, _sign: int) -> date | None:
    return None if match["day"] else _period(_unit(match), today, 1)


def _last_period(match: re.Match[str], today: date, _sign: int) -> date | None:
    return None if match["day"] else _period(_unit(match), today, -1)


def _distance(sign: int) -> Callable[[re.Match[str], date, int], date | None]:
    def resolve(match: re.Match[str], today: date, _: int) -> date | None:
        word = match["n"].lower()
        number = (int(word) if word.isdecimal() else NUMBERS[word]) * sign
        unit = _unit(match)
        if unit in {"day", "week"}:
            return today + timedelta(number * (7 if unit == "week" else 1))
        return _add_months(today, number * (12 if unit == "year" else 1))

    return resolve


def _weekday(match: re.Match[str], today: date, _sign: int) -> date | None:
    distance = (DAY_NUMBERS[match["w"].lower()] - 1 - today.weekday()) % 7
    return today + timedelta(distance or 7)


def _end_of(unit: str) -> Callable[[re.Match[str], date, int], date | None]:
    return lambda _match, today, _sign: _period(unit, today, 1) - timedelta(1)


def _fixed(days: int) -> Callable[[re.Match[str], date, int], date | None]:
    return lambda _match, today, _sign: today + timedelta(days)


def _fixed_period(unit: str, offset: int) -> Callable[[re.Match[str], date, int], date | None]:
    return lambda _match, today, _sign: _period(unit, today, offset)


Resolve = Callable[[re.Match[str], date, int], date | None]
_OF: Final = r"(?:\.| of| de| di| d'|er)?"
_YEAR: Final = r"(?:,? (?:de |of |del )?(?P<y>(?:19|20)\d\d))?"
_CHRISTMAS: Final = (
    r"(?<!\w)(?:by|before|at|for|until|bis|vor|an|avant|pour|à|para|en|per|entro|a|até|voor|met|do|na)"
    r" (?:christmas|weihnachten|noël|navidad|natale|natal|kerst|świąt|święta)(?!\w)"
)
_YEAR_END: Final = (
    r"(?<!\w)(?:by|at|before|until|till) (?:the )?(?:end of|eo) ?(?:the |this )?(?:year|y)(?!\w)|(?<!\w)bis (?:zum )?jahresende|(?<!\w)bis ende des jahres"
    r"|(?<!\w)(?:d'ici|avant) (?:à )?la fin de l'année|(?<!\w)(?:antes|para|a) (?:de |el )?(?:fin(?:al)?|finales) de(?:l)? año|(?<!\w)entro (?:la )?fine (?:dell')?anno"
    r"|(?<!\w)até o (?:fim|final) do ano|(?<!\w)(?:voor|tegen) het eind(?:e)? van het jaar|(?<!\w)do końca roku|до конца года|今年中|年底前?|年内|年末まで"
)
_MONTH_END: Final = (
    r"(?<!\w)(?:by|at|before) (?:the )?(?:end of|eo) ?(?:the |this )?month(?!\w)|(?<!\w)bis (?:zum )?monatsende|(?<!\w)d'ici la fin du mois|(?<!\w)para fin de mes"
    r"|(?<!\w)entro fine mese|(?<!\w)até o fim do mês|(?<!\w)do końca miesiąca|今月中|今月末|月底前?"
)
_PATTERNS: Final[list[tuple[str, Resolve]]] = [
    (r"(?<!\d)(?P<y>(?:19|20)\d\d)-(?P<m>\d\d?)-(?P<d>\d\d?)(?!\d)", _numeric),
    (r"(?<!\d)(?P<d>\d\d?)[./](?P<m>\d\d?)[./](?P<y>(?:19|20)\d\d)(?!\d)", _numeric),
    (r"(?:(?P<y>(?:19|20)\d\d)年)?(?P<m>\d\d?)月(?:(?P<d>\d\d?)[日号])?", _east_asian),
    (
        rf"(?<!\w)(?:on |am |on the |the |le |el |il |em |op |w dniu )?(?P<d>\d\d?)(?:st|nd|rd|th|er|º|°)?{_OF} ?(?P<m>{MONTH}){_YEAR}(?!\w)",
        _day_month,
    ),
    (rf"(?<!\w)(?:on |on the )?(?P<m>{MONTH})\.? (?:the )?(?P<d>\d\d?)(?:st|nd|rd|th)?(?!\d){_YEAR}(?!\w)", _day_month),
    (_YEAR_END, _end_of("year")),
    (rf"(?<!\w)(?:by|at|before|until) (?:the )?end of (?P<m>{MONTH})(?: (?P<y>20\d\d))?(?!\w)", _month_end),
    (_MONTH_END, _end_of("month")),
    (rf"(?<!\w)(?:{_NEXT}) (?:{UNIT})(?!\w)", _next_period),
    (rf"(?<!\w)(?:{UNIT}) (?:{_NEXT_AFTER})(?!\w)", _next_period),
    (rf"(?<!\w)(?:{_LAST}) (?:{UNIT})(?!\w)", _last_period),
    (rf"(?<!\w)(?:{UNIT}) (?:{_LAST_AFTER})(?!\w)", _last_period),
    (rf"(?<!\w)(?:{_AGO_BEFORE}) (?P<n>{NUMBER}) (?:{UNIT})(?!\w)", _distance(-1)),
    (rf"(?<!\w)(?P<n>{NUMBER}) (?:{UNIT}) (?:{_AGO})(?!\w)", _distance(-1)),
    (rf"(?<!\w)(?:{_IN}) (?P<n>{NUMBER}) (?:{UNIT})(?!\w)", _distance(1)),
    (rf"(?<!\w)(?P<n>{NUMBER}) (?:{UNIT}) from now(?!\w)", _distance(1)),
    (
        rf"(?<!\w)(?:{_SINCE}|by|next|this|until|in early|in late|bis|ab|vers|en el mes de|fin|début|au mois de|do|na|om) (?P<m>{MONTH})(?: (?:of |de )?(?P<y>(?:19|20)\d\d))?(?!\w)",
        _month,
    ),
    (rf"(?<!\w)(?:{_NEXT}|this|on|by) (?P<w>{DAY})(?!\w)", _weekday),
    (rf"(?<!\w)(?:{_SINCE}|by|bis|ab|till) (?P<y>(?:19|20)\d\d)(?!\w)", _year),
    (r"(?P<y>(?:19|20)\d\d)年", _year),
    (
        r"(?<!\w)(?:a|ad) (?P<m>gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre)(?: (?P<y>20\d\d))?(?!\w)",
        _month,
    ),
    (_CHRISTMAS, _christmas),
    (r"(?<!\w)(?:yesterday|gestern|hier|ayer|ieri|ontem|gisteren|wczoraj)(?!\w)|昨天|昨日|вчера", _fixed(-1)),
    (r"(?<!\w)(?:tomorrow|morgen|demain|mañana|domani|amanhã|jutro)(?!\w)|明天|明日|завтра", _fixed(1)),
    (r"来月|下个?月|в следующем месяце", _fixed_period("month", 1)),
    (r"来週|下个?星期|下周", _fixed_period("week", 1)),
    (r"来年|明年", _fixed_period("year", 1)),
    (r"先月|上个?月", _fixed_period("month", -1)),
    (r"先週|上周|上个?星期", _fixed_period("week", -1)),
    (r"去年|昨年", _fixed_period("year", -1)),
]


@cache
def _patterns() -> list[tuple[re.Pattern[str], Resolve]]:
    return [(re.compile(pattern, re.IGNORECASE), resolve) for pattern, resolve in _PATTERNS]


def find_date(text: str, today: date, sign: int) -> FoundDate | None:
    """Return the first date that a text names, or None.

    Args:
        text: A clause.
        today: The day of the exchange.
        sign: 1 if a date without a year is in the future, -1 if it is in the past.
    """
    for pattern, resolve in _patterns():
        for match in pattern.finditer(text):
            try:
                day = resolve(match, today, sign)
            except (ValueError, OverflowError):
                day = None
            if day is not None:
                return FoundDate(day, match.start(), match.end())
    return None
