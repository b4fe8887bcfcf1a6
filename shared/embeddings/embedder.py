"""The interface of a model of embeddings, and the rules that every implementation follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

from shared.errors import StoreUnavailable

Vector = list[float]
"""The embedding of one text, of length 1. So the dot product of two vectors is their cosine."""

MAX_CHARACTERS: Final = 2_000
"""Models see this number of characters of a text. So no text exceeds a provider's limit: a token is at least one byte,
a character has at most four bytes, and the limit of OpenAI and Titan is 8,192 tokens. The local model reads less."""

_LAYER: Final = "search"


class Embedder(Protocol):
    """A model of embeddings. Every method may be called from several threads at once."""

    @property
    def model(self) -> str:
        """The name to store with each vector. Only vectors of models with equal names may be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """The number of values of each vector. If the provider alone knows it, the first use asks the provider.

        Raises:
            StoreUnavailable: The model did not answer.
        """
        ...

    def embed_texts(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vector of each text that is to be found.

        Raises:
            StoreUnavailable: The model did not answer, or gave an invalid answer.
        """
        ...

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a text that describes what to find.

        Raises:
            StoreUnavailable: The model did not answer, or gave an invalid answer.
        """
        ...


def clean(text: str) -> str:
    """Return a text that every model accepts: not empty, in valid Unicode, and not too long."""
    return text[:MAX_CHARACTERS].encode(errors="replace").decode() or " "


def unavailable(model: str, error: Exception) -> StoreUnavailable:
    """Return the error for a model that did not answer. It has no text of the provider, which may repeat the input."""
    return StoreUnavailable(_LAYER, f"{model}: {type(error).__name__}")


def to_unit_vectors(model: str, vectors: object, number: int) -> list[Vector]:
    """Return a provider's vectors with length 1.

    Args:
        model: The model's name for the error.
        vectors: The part of the provider's answer that should be a list of lists of numbers.
        number: The expected number of vectors.

    Raises:
        StoreUnavailable: The answer has another number of vectors, or one that is no vector.
    """
    try:
        unit_vectors = [_to_unit_vector(vector) for vector in vectors]  # type: ignore[attr-defined] # a list, else TypeError
    except (TypeError, ValueError) as error:
        raise unavailable(model, error) from error
    if len(unit_vectors) != number or len({len(vector) for vector in unit_vectors}) > 1:
        raise StoreUnavailable(_LAYER, f"{model}: the answer has other vectors than were asked for")
    return unit_vectors


def _to_unit_vector(values: Sequence[float]) -> Vector:
    length = math.hypot(*values)
    if not (length and math.isfinite(length)):
        message = "a vector needs a direction"
        raise ValueError(message)
    return [value / length for value in values]
