"""The size of an artifact and its limit."""

from collections import Counter
from pathlib import Path
from typing import Final

MEGABYTE: Final = 1_000_000
LIMITS: Final = {
    "agent": 64 * MEGABYTE,
    "derive": 32 * MEGABYTE,
    "migrate": 40 * MEGABYTE,
    "sync": 32 * MEGABYTE,
}
"""Maximum unzipped bytes of each function, without a model of embeddings."""

EMBEDDINGS_LIMIT: Final = 72 * MEGABYTE
"""Maximum unzipped bytes that the local model of embeddings adds: its package, numpy and the vocabulary."""

_MAX_LISTED: Final = 15


def size(directory: Path) -> int:
    """Return the bytes of all files in a directory, as Lambda counts them."""
    return sum(packages(directory).values())


def packages(directory: Path) -> Counter[str]:
    """Return the bytes of each entry of `directory`; `most_common()` lists the largest."""
    bytes_by_name: Counter[str] = Counter()
    for path in directory.rglob("*"):
        if path.is_file():
            bytes_by_name[path.relative_to(directory).parts[0]] += path.stat().st_size
    return bytes_by_name


def check(function: str, directory: Path, *, has_embeddings: bool = False) -> None:
    """Check an artifact's size.

    Args:
        function: The function.
        directory: The artifact.
        has_embeddings: Whether it contains the local model of embeddings.

    Raises:
        ValueError: It exceeds the limit; the message lists its largest packages.
    """
    bytes_by_name = packages(directory)
    limit = LIMITS[function] + (EMBEDDINGS_LIMIT if has_embeddings else 0)
    if (total := sum(bytes_by_name.values())) > limit:
        lines = [f"  {bytes_ / MEGABYTE:6.1f} MB  {name}" for name, bytes_ in bytes_by_name.most_common(_MAX_LISTED)]
        raise ValueError(
            f"The {function} artifact has {total / MEGABYTE:.1f} MB, {limit // MEGABYTE} MB are allowed."
            " Its largest parts:\n" + "\n".join(lines)
        )
