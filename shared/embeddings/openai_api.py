"""Embeds texts by the API of OpenAI, which other servers offer too (Ollama, vLLM, LiteLLM)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from shared.embeddings.embedder import Vector, clean, to_unit_vectors, unavailable
from shared.model_name import NO_KEY

if TYPE_CHECKING:
    from openai import OpenAI

# A request may have 300,000 tokens: this number of the longest texts has fewer.
_MAX_TEXTS: Final = 32
# These models can shorten their vectors with little loss. Others have one number of dimensions.
_SHORTENED_PREFIX: Final = "text-embedding-3-"
_SHORTENED_DIMENSIONS: Final = 512


class OpenAIEmbedder:
    """A model of OpenAI, or of the server at `OPENAI_BASE_URL`. The SDK is imported at the first use."""

    def __init__(self, name: str, timeout_seconds: float) -> None:
        self._name = name
        self._timeout_seconds = timeout_seconds
        self.model: Final = f"openai:{name}"

    @cached_property
    def dimensions(self) -> int:
        """The number of values of each vector, which only the server knows for some models."""
        return _SHORTENED_DIMENSIONS if self._is_shortened else len(self.embed_query(self._name))

    def embed_texts(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vector of each text."""
        return [
            vector
            for start in range(0, len(texts), _MAX_TEXTS)
            for vector in self._request([clean(text) for text in texts[start : start + _MAX_TEXTS]])
        ]

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query. The API makes no difference between a text and a query."""
        return self.embed_texts([text])[0]

    @property
    def _is_shortened(self) -> bool:
        return self._name.startswith(_SHORTENED_PREFIX)

    @cached_property
    def _client(self) -> OpenAI:
        from openai import OpenAI  # noqa: PLC0415 - the import takes up to half a second of CPU

        key = os.environ.get("OPENAI_API_KEY") or NO_KEY
        return OpenAI(api_key=key, timeout=self._timeout_seconds, max_retries=0)

    def _request(self, texts: list[str]) -> list[Vector]:
        from openai import OpenAIError, omit  # noqa: PLC0415 - as above

        try:
            answer = self._client.embeddings.create(
                model=self._name,
                input=texts,
                encoding_format="float",
                dimensions=_SHORTENED_DIMENSIONS if self._is_shortened else omit,
            )
            vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        except (OpenAIError, AttributeError, TypeError) as error:  # the SDK does not validate an answer's fields
            raise unavailable(self.model, error) from error
        return to_unit_vectors(self.model, vectors, len(texts))
