"""Embeddings: vectors of texts, which search compares by meaning. Only this package uses models of embeddings."""

from shared.embeddings.embedder import Embedder, Vector
from shared.embeddings.exchanges import embed_exchanges
from shared.embeddings.factory import Embedders, create_embedder

__all__ = ["Embedder", "Embedders", "Vector", "create_embedder", "embed_exchanges"]
