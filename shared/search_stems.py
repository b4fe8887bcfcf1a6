"""Stems of words: one form for the inflections of a word.

The rules are those of English, by far the most frequent language of chats, and only the frequent ones: plurals, `-ed`,
`-ing`, `-ly`, `-ment`, `-ation`, and irregular verbs. Words of other languages keep their form, or lose a suffix that
looks alike, in texts and in queries alike. The rules are here instead of in a package, because the next release of a
package could make other stems than those that are indexed.
"""

from __future__ import annotations

from typing import Final

_VOWELS: Final = frozenset("aeiouy")
_MIN_LENGTH: Final = 4
# Longer words are no words of a language, but hashes, keys and encoded data.
_MAX_LENGTH: Final = 32
# A suffix, and how many letters remain at least.
_DERIVATIONS: Final = (("ation", 4), ("ion", 6), ("ment", 4), ("ly", 4))

# One verb or noun a line: the stem's word, then its irregular forms.
_IRREGULAR_FORMS: Final = """
begin began begun
break broke broken
bring brought
build built
buy bought
catch caught
child children
choose chose chosen
come came
draw drew drawn
drink drank drunk
drive drove driven
eat ate eaten
fall fell fallen
feel felt
fight fought
find found
fly flew flown
foot feet
forget forgot forgotten
get got gotten
give gave given
go went gone goes
grow grew grown
hear heard
hide hid hidden
hold held
keep kept
know knew known
lead led
leave left
lose lost
make made
man men
mean meant
meet met
pay paid
person people
ride rode ridden
run ran
say said
see saw seen
sell sold
send sent
shake shook shaken
sing sang sung
sit sat
sleep slept
speak spoke spoken
spend spent
stand stood
steal stole stolen
swim swam swum
take took taken
teach taught
tell told
think thought
throw threw thrown
tooth teeth
wake woke woken
wear wore worn
wife wives
win won
woman women
write wrote written
"""


def _plural(word: str) -> str:
    """Return a word without the suffix of a plural or of a verb's third person."""
    if word.endswith("ies") and len(word) > _MIN_LENGTH:
        return word[:-3] + "y"
    if word[-1] == "s" and word[-2] not in "sui":
        return word[:-1]
    return word


def _derivation(word: str) -> str:
    """Return a word without the suffix that makes a noun or an adverb of it."""
    for suffix, remaining in _DERIVATIONS:
        if word.endswith(suffix) and len(word) - len(suffix) >= remaining:
            return word.removesuffix(suffix)
    return word


def _lost_its_e(stem: str) -> bool:
    """Return whether a short stem, such as `us` of `using` or `mak` of `making`, has lost its last letter."""
    return (
        len(stem) < _MIN_LENGTH and stem[-1] not in "aeiouywx" and stem[-2] in "aeiou" and stem[:-2][-1:] not in _VOWELS
    )


def _inflection(word: str) -> str:
    """Return a verb without `-ed` and `-ing`."""
    if word.endswith("ied"):
        return word[:-3] + "y"
    for suffix in ("ing", "ed"):
        stem = word.removesuffix(suffix)
        if stem != word:
            if len(stem) < 2 or stem[-1] == "e" or _VOWELS.isdisjoint(stem):  # noqa: PLR2004 - as in `sing` and `need`
                return word
            if len(stem) >= _MIN_LENGTH and stem[-1] == stem[-2] and stem[-1] not in "aeiousl":
                return stem[:-1]
            return stem + "e" if _lost_its_e(stem) else stem
    return word


def _ending(word: str) -> str:
    """Return a word without a last `e`, and with its last `y` as an `i`."""
    if word[-1] == "e" and len(word) > _MIN_LENGTH:
        word = word[:-1]
    if word[-1] == "y" and len(word) >= _MIN_LENGTH and word[-2] not in "aeiou":
        word = word[:-1] + "i"
    return word


def _by_rules(word: str) -> str:
    """Return the stem of a regular word."""
    if not _MIN_LENGTH <= len(word) <= _MAX_LENGTH or not word.isalpha():
        return word
    return _ending(_inflection(_derivation(_plural(word))))


_IRREGULAR: Final = {
    form: _by_rules(forms[0]) for forms in map(str.split, _IRREGULAR_FORMS.split("\n")) for form in forms[1:]
}


def stem(word: str) -> str:
    """Return the stem of a word of lower-case ASCII letters; anything else as it is."""
    return _IRREGULAR.get(word) or (_by_rules(word) if word.isascii() else word)
