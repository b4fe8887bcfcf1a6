"""Makes the vectors of a thread's exchanges, for the search by meaning."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final

from shared.embeddings import Embedder, embed_exchanges
from shared.embeddings.compact import to_bits, to_bytes
from shared.errors import StoreUnavailable
from shared.stores.derivations import VECTORS
from shared.stores.vectors import NewVector, UnembeddedExchange, VectorArchive

_logger = logging.getLogger(__name__)

# The number of exchanges in one transaction. A model may need a second for each, and a batch is not interrupted.
_BATCH: Final = 8


class VectorDerivation:
    """Makes vectors. Two workers on one thread make the same vectors, and each is stored once."""

    def __init__(self, archive: VectorArchive, embedder: Embedder) -> None:
        self._archive = archive
        self._embedder = embedder

    def derive(self, thread_id: str, seconds: float) -> bool:
        """Make the missing vectors of a thread; return whether none is left.

        Args:
            thread_id: The thread.
            seconds: After this time, no further batch is started.

        Raises:
            StoreUnavailable: PostgreSQL or the model did not respond.
        """
        deadline = time.monotonic() + seconds
        while True:
            missing = self._archive.unembedded(thread_id, self._embedder.model, _BATCH)
            if not missing.exchanges:
                if missing.due_at is not None:
                    self._archive.clear_due(thread_id, VECTORS, missing.due_at)
                return True
            if time.monotonic() > deadline:
                return False
            self._archive.store_vectors(self._embedder.model, self._make(missing.exchanges))

    def _make(self, exchanges: Sequence[UnembeddedExchange]) -> list[NewVector]:
        """Return the vectors of exchanges.

        A model may refuse a text. If it answers for another one, the refused exchange gets an empty vector, so that it
        does not block its thread. An exchange alone is tried again later, because the model may be down.
        """
        try:
            return self._embed(exchanges)
        except StoreUnavailable:
            if len(exchanges) == 1:
                raise
        vectors: list[NewVector] = []
        refused: list[UnembeddedExchange] = []
        for exchange in exchanges:
            try:
                vectors += self._embed([exchange])
            except StoreUnavailable as error:
                refused.append(exchange)
                if len(refused) == len(exchanges):
                    raise
                _logger.warning("the model made no vector of an exchange", extra={"error": str(error)})
        return vectors + [NewVector(exchange, b"", "") for exchange in refused]

    def _embed(self, exchanges: Sequence[UnembeddedExchange]) -> list[NewVector]:
        vectors = embed_exchanges(self._embedder, [(each.user_message, each.assistant_message) for each in exchanges])
        return [
            NewVector(exchange, to_bytes(vector), to_bits(vector))
            for exchange, vector in zip(exchanges, vectors, strict=True)
        ]
