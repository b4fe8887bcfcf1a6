"""What people read of a statement."""

from __future__ import annotations

from typing import Final

# Keys whose statements are preferences: their text is the value.
PREFERENCES: Final = frozenset(
    {"language", "units", "currency", "answer_style", "time_zone", "pronouns", "form_of_address"}
)

_TEXTS: Final = {
    "name": ("Is called {}", "Is no longer called {}"),
    "home": ("Lives in {}", "No longer lives in {}"),
    "origin": ("Comes from {}", "Does not come from {}"),
    "workplace": ("Works at {}", "No longer works at {}"),
    "role": ("Works as {}", "No longer works as {}"),
    "field": ("Works on or studies {}", "No longer works on or studies {}"),
    "likes": ("Likes {}", "No longer likes {}"),
    "dislikes": ("Dislikes {}", "No longer dislikes {}"),
    "diet": ("Diet: {}", "Diet no longer: {}"),
    "allergy": ("Is allergic to {}", "Is not allergic to {}"),
    "birthday": ("Birthday: {}", "Birthday is not {}"),
    "anniversary": ("Anniversary: {}", "Anniversary is not {}"),
    "family": ("Family: {}", "Family no longer: {}"),
    "pet": ("Pet: {}", "Pet no longer: {}"),
    "editor": ("Uses the editor {}", "No longer uses the editor {}"),
    "operating_system": ("Uses {}", "No longer uses {}"),
    "programming_language": ("Writes {}", "No longer writes {}"),
    "tool": ("Uses {}", "No longer uses {}"),
    "hobby": ("Hobby: {}", "Hobby no longer: {}"),
    "skill": ("Skill: {}", "Skill no longer: {}"),
    "goal": ("Plan: {}", "Plan no longer: {}"),
}


def statement_text(key: str, words: str, *, ended: bool) -> str:
    """Return the sentence of a fact."""
    return _TEXTS[key][ended].format(words)
