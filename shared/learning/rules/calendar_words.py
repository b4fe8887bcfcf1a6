"""Names of months and days, units of time and small numbers in many languages."""

from __future__ import annotations

import re
from typing import Final

_MONTHS: Final = """
january jan januar jänner janvier enero gennaio janeiro januari styczeń stycznia styczniu январь января январе जनवरी يناير
february feb februar février fevrier febrero febbraio fevereiro februari luty lutego lutym февраль февраля феврале फरवरी فبراير
march mar märz mars marzo março maart marzec marca marcu март марта марте मार्च مارس
april apr avril abril aprile kwiecień kwietnia kwietniu апрель апреля апреле अप्रैल أبريل
may mai mayo maggio maio mei maj maja maju май мая мае मई مايو
june jun juni juin junio giugno junho czerwiec czerwca czerwcu июнь июня июне जून يونيو
july jul juli juillet julio luglio julho lipiec lipca lipcu июль июля июле जुलाई يوليو
august aug août aout agosto augustus sierpień sierpnia sierpniu август августа августе अगस्त أغسطس
september sep sept septembre septiembre settembre setembro wrzesień września wrześniu сентябрь сентября сентябре सितंबर سبتمبر
october oct oktober okt octobre octubre ottobre outubro październik października październiku октябрь октября октябре अक्टूबर أكتوبر
november nov novembre noviembre novembro listopad listopada listopadzie ноябрь ноября ноябре नवंबर نوفمبر
december dec dezember dez décembre diciembre dicembre dezembro grudzień grudnia grudniu декабрь декабря декабре दिसंबर ديسمبر
"""
_DAYS: Final = """
monday montag lundi lunes lunedì segunda-feira maandag poniedziałek понедельник
tuesday dienstag mardi martes martedì terça-feira dinsdag wtorek вторник
wednesday mittwoch mercredi miércoles mercoledì quarta-feira woensdag środę среду
thursday donnerstag jeudi jueves giovedì quinta-feira donderdag czwartek четверг
friday freitag vendredi viernes venerdì sexta-feira vrijdag piątek пятницу
saturday samstag samedi sábado sabato zaterdag sobotę субботу
sunday sonntag dimanche domingo domenica zondag niedzielę воскресенье
"""
_NUMBERS: Final = """
a an one ein eine einem einer einen un une una uno um uma een jeden jednym jedną один одну
two zwei deux dos due dois duas twee dwa dwie dwóch два две couple
three drei trois tres tre três drie trzy trzech три
four vier quatre cuatro quattro quatro cztery czterech четыре
five fünf cinq cinco cinque vijf pięć пять
six sechs seis sei zes sześć шесть
seven sieben sept siete sette sete zeven siedem семь
eight acht huit ocho otto oito osiem восемь
nine neun neuf nueve nove negen dziewięć девять
ten zehn dix diez dieci dez tien dziesięć десять
eleven elf onze once undici jedenaście
twelve zwölf douze doce dodici doze twaalf dwanaście
"""
_UNITS: Final = {
    "day": r"days?|tag(?:en|e)?|jours?|días?|dias?|giorn[oi]|dagen|dag|dni|dzień|дн[яей]+|день",
    "week": r"weeks?|woche[n]?|semaines?|semanas?|settiman[ae]|weken|week|tydzień|tygodnie|tygodni|tygodniu|недел\w+",
    "month": r"months?|monat(?:en|e|s)?|mois|mes(?:es)?|mes[ei]|mês|maanden|maand|miesiąc\w*|miesięcy|месяц\w*",
    "year": r"years?|jahr(?:en|e|es)?|ans?|année|años?|ann[oi]|anos?|jaren|jaar|rok\w*|lat[a]?|год\w*|лет",
}


def _table(words: str) -> dict[str, int]:
    return {word: number for number, line in enumerate(words.strip().splitlines(), 1) for word in line.split()}


def _alternatives(words: dict[str, int]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


MONTH_NUMBERS: Final = _table(_MONTHS)
DAY_NUMBERS: Final = _table(_DAYS)
NUMBERS: Final = _table(_NUMBERS)
MONTH: Final = _alternatives(MONTH_NUMBERS)
DAY: Final = _alternatives(DAY_NUMBERS)
NUMBER: Final = rf"\d{{1,3}}|{_alternatives(NUMBERS)}"
UNIT: Final = "|".join(f"(?P<{name}>{words})" for name, words in _UNITS.items())
