"""Embeds texts in this process. The model and numpy load at the first use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Final

from shared.embeddings.embedder import Vector, clean
from shared.settings import LOCAL_VECTOR_MODEL

if TYPE_CHECKING:
    from shared.embeddings.local.encoder import Encoder

DIMENSIONS: Final = 384


class LocalEmbedder:
    """all-MiniLM-L6-v2, a small English model (Apache-2.0), with weights of 8 bits. It reads 254 tokens of a text."""

    model: Final = LOCAL_VECTOR_MODEL
    dimensions: Final = DIMENSIONS

    def __init__(self) -> None:
        self._lock = Lock()

    def embed_texts(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vector of each text."""
        encoder = self._get_encoder()
        return [encoder.encode(clean(text)) for text in texts]

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query. The model makes no difference between a text and a query."""
        return self.embed_texts([text])[0]

    def _get_encoder(self) -> Encoder:
        with self._lock:  # otherwise two threads could load the model at once
            return self._encoder

    @cached_property
    def _encoder(self) -> Encoder:
        # numpy reads this when it is imported. More threads than free processors wait for each other in busy loops: a
        # query then takes half a second instead of 5 ms.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from shared.embeddings.local.encoder import Encoder  # noqa: PLC0415 - imports numpy

        return Encoder()
