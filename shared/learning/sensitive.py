"""Finds secrets and personal numbers: what is never learned."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from typing import Final

_KEY: Final = re.compile(
    r"-----BEGIN|AGE-SECRET-KEY-|\beyJ[\w-]{8,}\.|\bbearer\s+[\w.~+/-]{8,}"
    r"|\b(?:sk|pk|rk)[-_](?:live|test|ant|proj|or)?[-_]?[\w-]{8,}|\bwhsec_\w+|\bgh[pousr]_\w{8,}|\bgithub_pat_\w{8,}"
    r"|\bglpat-[\w-]{8,}|\bxox[abeprs]-[\w-]{6,}|\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{8,}|\bAIza[\w-]{8,}|\bya29\.[\w-]+"
    r"|\bhf_[A-Za-z0-9]{8,}|\bnpm_[A-Za-z0-9]{8,}|\bpypi-[\w-]{8,}|\bSG\.[\w-]{8,}|\bdop_v1_\w+|\bshp(?:at|ca|pa|ss)_\w+"
    r"|\b(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|rediss?|amqps?|https?|ftp)://[^\s:/@]+:[^\s/@]+@",
    re.IGNORECASE,
)
_NAME: Final = (
    r"pass(?:word|phrase|code|wd)s?|pwd|pw|(?:wi-?fi|wlan|door|alarm|gate|safe|lock|voicemail|entry)[ -]?(?:code|key|password)|pin(?:[ -]?(?:code|number|nummer))?|cvv2?|cvc|passwort|kennwort|geheimzahl|mot de passe"
    r"|code secret|contrase[nñ]as?|clave|senha|palavra-passe|parola d'ordine|wachtwoord|has[lł]o"
    r"|(?:api|access|secret|private|license|recovery|seed)[ _-]?(?:key|token|phrase|code)|secret|client_secret|token"
)
_PASSWORD: Final = re.compile(
    rf"\b(?:{_NAME})\b[^.!?\n]{{0,40}}?(?:[:=]|\b(?:is|are|was|to|ist|lautet|est|es|è|é|jest|as)\b)"
    r"|\b(?:pw|pwd|passwd)\s+\S*\d"
    r"|密码|密碼|口令|パスワード|暗証番号|비밀번호|пароль",
    re.IGNORECASE,
)
# A slot or a value that is itself named so, such as `wifi_password`.
_PASSWORD_SLOT: Final = re.compile(rf"(?:^|[_:. ])(?:{_NAME})s?(?:$|[_:. ])", re.IGNORECASE)
_CREDENTIALS: Final = re.compile(
    r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}\s{0,3}(?:[:|;,/]|\bpw\b|\bpass\b)\s{0,3}\S"
)
_NATIONAL_ID: Final = re.compile(
    r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)|\b[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b|\b[XYZ]?\d{7,8}-?[A-Z]\b"
    r"|\b[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]\b|\b\d{3}\.\d{3}\.\d{3}-\d{2}\b|\b\d{17}[\dX]\b"
    r"|\b[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3}\b"
    r"|\b(?:passport|social security|ssn|national id|driver'?s? licen[cs]e|tax id|ausweis|reisepass|steuer-?id|dni|nif|cpf"
    r"|codice fiscale|pesel|bsn|身份证|マイナンバー)\b[^.!?\n]{0,30}\d",
    re.IGNORECASE,
)
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\+?\(?\d(?:[ ().\-/\u2010-\u2014]{0,2}\d){6,}")
# Numbers that look like others: dates, years from and to, and amounts.
_ORDINARY_NUMBER: Final = re.compile(
    r"(?<![\d.-])(?:(?:19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.] ?\d{1,2}[-/.] ?(?:\d{4}|\d{2})"
    r"|(?:19|20)\d\d ?[-–/] ?(?:19|20)\d\d|[1-9]\d{0,2}(?:[.,  ]\d{3}){1,3}(?:[.,]\d{1,2})?)(?![\d.-])"
)
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_MIN_CARD, _MAX_CARD = 13, 19
_MIN_IBAN: Final = 15
_MIN_DIGITS: Final = 9
_MIN_BITS: Final = 3.5


def sensitive(text: str) -> str | None:
    """Return what kind of secret or personal number a text has, or None.

    Args:
        text: At most some thousands of characters.
    """
    folded = "".join(
        character for character in unicodedata.normalize("NFKC", text) if unicodedata.category(character) != "Cf"
    )
    if _KEY.search(folded):
        return "key"
    if _PASSWORD.search(folded) or _PASSWORD_SLOT.search(folded):
        return "password"
    if _CREDENTIALS.search(folded):
        return "credentials"
    return _number(folded) or ("key" if any(map(_is_random, _TOKEN.findall(folded))) else None)


def _number(text: str) -> str | None:
    """Return what kind of personal number a text has, or None."""
    if any(_is_iban(found) for found in _IBAN.findall(text)):
        return "iban"
    found = [match[0] for match in _DIGITS.finditer(_ORDINARY_NUMBER.sub(" ", text))]
    if any(_is_card("".join(filter(str.isdecimal, each))) for each in found):
        return "card"
    if _NATIONAL_ID.search(text):
        return "national_id"
    if not found:
        return None
    return "digits" if any(re.search(rf"\d{{{_MIN_DIGITS},}}", each) for each in found) else "phone"


def _is_card(digits: str) -> bool:
    """Return whether a part of the digits has the check digit of a card number."""
    return any(
        _luhn(digits[start : start + length])
        for length in range(_MIN_CARD, _MAX_CARD + 1)
        for start in range(max(0, len(digits) - length + 1))
    )


def _luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + index % 2)
        total += number - 9 if number > 9 else number  # noqa: PLR2004 - the sum of two digits
    return total % 10 == 0


def _is_iban(text: str) -> bool:
    """Return whether a text is an IBAN: its letters are numbers, and the whole leaves 1 when divided by 97."""
    compact = text.replace(" ", "").upper()
    if len(compact) < _MIN_IBAN:
        return False
    return any(
        int("".join(str(int(character, 36)) for character in compact[4:end] + compact[:4])) % 97 == 1
        for end in range(_MIN_IBAN, len(compact) + 1)
    )


def _is_random(token: str) -> bool:
    """Return whether a token is no word of a language: letters and digits in no order."""
    if not any(map(str.isdecimal, token)) or not any(map(str.isalpha, token)):
        return False
    counts = Counter(token)
    return -sum(count / len(token) * math.log2(count / len(token)) for count in counts.values()) >= _MIN_BITS
