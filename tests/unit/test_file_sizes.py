"""No product file has more lines than a limit, and the median number of lines is below another limit."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_PRODUCT: Final = ("cli", "clients/python/src", "functions", "infra", "scripts", "shared")
_LONGEST: Final = 350
_SHORTEST: Final = 10
_MEDIAN: Final = 120


def _is_made(path: Path) -> bool:
    """Return whether `clients/python/unasync.py` generates the file."""
    return path.name.startswith("_sync_")


_FILES: Final = {
    path.relative_to(_ROOT): path.read_text()
    for folder in _PRODUCT
    for path in (_ROOT / folder).rglob("*.py")
    if not _is_made(path)
}


def test_no_file_is_long() -> None:
    """No file has more lines than the limit, because a longer file has more than one subject."""
    sizes = {str(path): len(text.splitlines()) for path, text in _FILES.items()}
    assert len(sizes) > 200
    assert {path: lines for path, lines in sizes.items() if lines > _LONGEST} == {}
    assert median(sizes.values()) < _MEDIAN


def test_no_file_is_a_line() -> None:
    """No module is as short as a few lines, except the `__init__.py` of a package."""
    short = [str(path) for path, text in _FILES.items() if len(text.splitlines()) <= _SHORTEST]
    assert [path for path in short if not path.endswith("__init__.py")] == []
