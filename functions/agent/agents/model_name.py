"""Parses `AGENT__MODEL` at the start, so that an invalid value is found before the first run."""

import os
from dataclasses import dataclass
from typing import Final

from shared.errors import SettingsError
from shared.texts import is_http_url

OFFLINE: Final = "offline"
_WITH_BASE_URL: Final = frozenset({"ollama", "openai"})
PROVIDERS: Final = ("bedrock", "ollama", "openai")


@dataclass(frozen=True, slots=True)
class ModelName:
    """A parsed `AGENT__MODEL`.

    Attributes:
        provider: `offline` or one of `PROVIDERS`.
        name: The provider's own name for the model; '' for `offline`.
    """

    provider: str
    name: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}" if self.name else self.provider


def parse_model(model: str) -> ModelName:
    """Return the parsed `AGENT__MODEL`.

    Raises:
        SettingsError: It names no supported model; the message names the variable.
    """
    if model == OFFLINE:
        return ModelName(OFFLINE, "")
    # The value is split once, because Bedrock's ids contain colons too (`anthropic.claude-3-haiku-20240307-v1:0`,
    # ARNs).
    provider, _, name = model.partition(":")
    if provider in PROVIDERS and name.isprintable() and name and " " not in name:
        return ModelName(provider, name)
    # The message does not contain the value, because it may be a key that was pasted by mistake.
    known_providers = ", ".join(f"{each}:<model>" for each in PROVIDERS)
    raise SettingsError(f"AGENT__MODEL is invalid: it must be {OFFLINE} or one of {known_providers}.")


def validate_model(model: str) -> None:
    """Check `AGENT__MODEL` and its provider's environment variables, without loading the library that runs the model.

    Raises:
        SettingsError: It names no supported model, or the key is missing; the message names the variable.
    """
    parsed = parse_model(model)
    if parsed.provider == "openai" and not (os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL")):
        raise SettingsError(
            "OPENAI_API_KEY is not set. AGENT__MODEL=openai:<model> requires it, or OPENAI_BASE_URL for a server"
            " that requires no key."
        )
    variable = f"{parsed.provider.upper()}_BASE_URL"
    if (url := os.environ.get(variable)) and parsed.provider in _WITH_BASE_URL and not is_http_url(url):
        raise SettingsError(f"{variable} is invalid: it must be like http://localhost:11434/v1.")
