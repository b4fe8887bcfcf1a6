"""What stands for an exchange in search: one vector, made of two texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.embeddings.embedder import Embedder, Vector, to_unit_vectors

# A question often resembles what the user said, and sometimes only the answer. One vector that leans to both finds as
# much as two vectors do.
_WEIGHT_OF_USER: Final = 1
_WEIGHT_OF_EXCHANGE: Final = 2


def embed_exchanges(embedder: Embedder, exchanges: Sequence[tuple[str, str]]) -> list[Vector]:
    """Return the vector of each exchange, which is given by its user message and its assistant message.

    Raises:
        StoreUnavailable: The model did not answer, or gave an invalid answer.
    """
    users = [user for user, _ in exchanges]
    wholes = [f"{user}\n{assistant}" for user, assistant in exchanges]
    vectors = embedder.embed_texts(users + wholes)
    sums = [
        [_WEIGHT_OF_USER * one + _WEIGHT_OF_EXCHANGE * other for one, other in zip(user, whole, strict=True)]
        for user, whole in zip(vectors[: len(users)], vectors[len(users) :], strict=True)
    ]
    return to_unit_vectors(embedder.model, sums, len(exchanges))
