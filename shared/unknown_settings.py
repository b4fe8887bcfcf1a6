"""Finds variables that look like a setting and are none: a typing error would otherwise leave a default in force."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from difflib import get_close_matches

from pydantic_settings import BaseSettings, DotEnvSettingsSource

# Settings of the public contract that later releases bring; here they have no effect.
_RESERVED = frozenset({"MEMORY__RELATED", "MEMORY__LEARNING", "MEMORY__INJECT_LEARNED"})


def unknown_settings(prefix: str, known: Collection[str]) -> list[str]:
    """Return a sentence for each variable of the environment and of `.env` that begins with `prefix` and is unknown.

    Args:
        prefix: The settings' prefix, such as `REDIS__`.
        known: The settings' names, in capital letters.
    """
    # Upper and lower case are the same to pydantic-settings.
    in_file = DotEnvSettingsSource(BaseSettings, env_file=".env").env_vars
    given = {name.upper() for name in (*os.environ, *in_file)}
    unknown = sorted(name for name in given if name.startswith(prefix) and name not in known and name not in _RESERVED)
    return [_sentence(prefix, name.removeprefix(prefix), sorted(known)) for name in unknown]


def _sentence(prefix: str, name: str, known: Sequence[str]) -> str:
    # Without the prefix, which would make every name alike. A terminal shows the sentence, so it gets ASCII.
    close = get_close_matches(name, [each.removeprefix(prefix) for each in known], n=1)
    shown = f"{prefix}{name}".encode("ascii", "backslashreplace").decode("ascii")
    hint = f"did you mean {prefix}{close[0]}?" if close else f"there are {', '.join(known)}."
    return f"{shown} is no setting: {hint}"
