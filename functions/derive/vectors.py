"""Makes the vectors of a thread's exchanges, for the search by meaning."""

from __future__ import annotations

import time
from typing import Final

from shared.embeddings import Embedder, embed_exchanges
from shared.embeddings.compact import to_bits, to_bytes
from shared.stores.derivations import VECTORS
from shared.stores.vectors import NewVector, VectorArchive

# The number of exchanges in one request to the model, and in one transaction.
_BATCH: Final = 32


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
            vectors = embed_exchanges(
                self._embedder, [(each.user_message, each.assistant_message) for each in missing.exchanges]
            )
            self._archive.store_vectors(
                self._embedder.model,
                [
                    NewVector(exchange, to_bytes(vector), to_bits(vector))
                    for exchange, vector in zip(missing.exchanges, vectors, strict=True)
                ],
            )
