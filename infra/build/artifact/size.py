"""The size of an artifact and its limit."""

from collections import Counter
from pathlib import Path
from typing import Final

MEGABYTE: Final = 1_000_000
LIMITS: Final = {"agent": 64 * MEGABYTE, "migrate": 40 * MEGABYTE, "sync": 32 * MEGABYTE}
"""Maximum unzipped bytes of each function."""

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


def check(function: str, directory: Path) -> None:
    """Check an artifact's size.

    Raises:
        ValueError: It exceeds the limit; the message lists its largest packages.
    """
    bytes_by_name = packages(directory)
    if (total := sum(bytes_by_name.values())) > LIMITS[function]:
        lines = [f"  {bytes_ / MEGABYTE:6.1f} MB  {name}" for name, bytes_ in bytes_by_name.most_common(_MAX_LISTED)]
        limit = LIMITS[function] // MEGABYTE
        raise ValueError(
            f"The {function} artifact has {total / MEGABYTE:.1f} MB, {limit} MB are allowed. Its largest parts:\n"
            + "\n".join(lines)
        )
