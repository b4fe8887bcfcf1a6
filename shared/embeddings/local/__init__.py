"""A model of embeddings that runs in this process, from a file that a package ships: all-MiniLM-L6-v2."""

from shared.embeddings.local.local import LocalEmbedder

__all__ = ["LocalEmbedder"]
