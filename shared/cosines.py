"""The cosines of a query's vector with stored vectors, by numpy if it is installed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from itertools import starmap
from struct import iter_unpack
from typing import Final

# Reading 20,000 vectors of 384 dimensions takes 30 ms, and comparing them by numpy 2 ms, or without it 400 ms. So the
# limits are the vectors of 160,000 exchanges of a user, and of 20,000.
_MAX_BYTES: Final = 64_000_000
_MAX_BYTES_WITHOUT_NUMPY: Final = 8_000_000
# Of so many vectors, the numbers of 32 bits fit into a processor's cache.
_CHUNK: Final = 512
# About the length of a stored vector, because the distance of vectors of similar lengths is more exact.
_SCALE: Final = 1_000.0


@cache
def _has_numpy() -> bool:
    """Return whether numpy is installed, which the local model of embeddings needs."""
    return find_spec("numpy") is not None


def max_compared(dimensions: int) -> int:
    """Return how many vectors a search may compare: some 160,000 of 384 dimensions, without numpy some 20,000."""
    return (_MAX_BYTES if _has_numpy() else _MAX_BYTES_WITHOUT_NUMPY) // dimensions


def cosines(query: Sequence[float], stored: bytes) -> Sequence[float]:
    """Return the cosine of the angle between a vector of length 1 and each stored one.

    Args:
        query: The vector of length 1.
        stored: The stored vectors, one after the other, in the format of `shared.embeddings.compact.to_bytes`.

    Raises:
        ValueError: The vectors have different numbers of dimensions, so they are of different models.
    """
    if len(stored) % len(query):
        raise ValueError(f"{len(stored)} bytes are no vectors of {len(query)} dimensions")
    return _by_numpy(query, stored) if _has_numpy() else _by_python(query, stored)


def _by_numpy(query: Sequence[float], stored: bytes) -> Sequence[float]:
    import numpy as np  # noqa: PLC0415 - a process that only searches words does not need it

    rows, values = np.frombuffer(stored, np.int8).reshape(-1, len(query)), np.asarray(query, np.float32)
    result: list[float] = []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK].astype(np.float32)
        result += (chunk @ values / np.sqrt(np.einsum("ij,ij->i", chunk, chunk))).tolist()
    return result


def _by_python(query: Sequence[float], stored: bytes) -> Sequence[float]:
    """Return the cosines by `math.dist` and `math.hypot`, which take half the time of a sum of products."""
    scaled = tuple(value * _SCALE for value in query)

    def cosine(*row: int) -> float:
        length = math.hypot(*row)
        # The law of cosines: the sides are the two vectors, and the distance between their ends.
        return (_SCALE**2 + length**2 - math.dist(scaled, row) ** 2) / (2 * _SCALE * length)

    return list(starmap(cosine, iter_unpack(f"{len(query)}b", stored)))
