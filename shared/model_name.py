"""Names of models of providers, such as `bedrock:<model>`, and the environment variables that a provider needs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from shared.errors import SettingsError
from shared.texts import is_http_url

PROVIDERS: Final = ("bedrock", "ollama", "openai")
NAMED_MODELS: Final = ", ".join(f"{each}:<model>" for each in PROVIDERS)
"""The possible names, for error messages."""
OLLAMA_DEFAULT_URL: Final = "http://localhost:11434/v1"
NO_KEY: Final = "api-key-not-set"
"""The key for a server without keys, which ignores it. OpenAI's SDK requires one."""
_WITH_BASE_URL: Final = frozenset({"ollama", "openai"})


@dataclass(frozen=True, slots=True)
class ModelName:
    """The name of a model.

    Attributes:
        provider: One of `PROVIDERS`, or the name of a model without a provider.
        name: The provider's own name for the model; '' without a provider.
    """

    provider: str
    name: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}" if self.name else self.provider


def named_model(text: str) -> ModelName | None:
    """Return the model that a provider string names; None if it names none."""
    # The value is split once, because Bedrock's ids contain colons too (`anthropic.claude-3-haiku-20240307-v1:0`,
    # ARNs).
    provider, _, name = text.partition(":")
    if provider in PROVIDERS and name.isprintable() and name and " " not in name:
        return ModelName(provider, name)
    return None


def validate_provider(model: ModelName, variable: str) -> None:
    """Check the environment variables of a model's provider, without loading the provider's SDK.

    Args:
        model: The model.
        variable: The variable that names the model, for the message.

    Raises:
        SettingsError: The key is missing, or an address is invalid; the message names the variable.
    """
    if model.provider == "openai" and not (os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL")):
        raise SettingsError(
            f"OPENAI_API_KEY is not set. {variable}=openai:<model> requires it, or OPENAI_BASE_URL for a server"
            " that requires no key."
        )
    address = f"{model.provider.upper()}_BASE_URL"
    if (url := os.environ.get(address)) and model.provider in _WITH_BASE_URL and not is_http_url(url):
        raise SettingsError(f"{address} is invalid: it must be like http://localhost:11434/v1.")
