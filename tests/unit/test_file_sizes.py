"""No product file has more lines than a limit, and the median number of lines is below another limit."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_PRODUCT_DIRECTORIES: Final = ("cli", "clients/python/src", "functions", "infra", "scripts", "shared")
_MAX_LINES: Final = 350
_MIN_LINES: Final = 10
_MAX_MEDIAN: Final = 120


def _is_generated(path: Path) -> bool:
    """Return whether `clients/python/unasync.py` generates the file."""
    return path.name.startswith("_sync_")


_FILES: Final = {
    path.relative_to(_ROOT): path.read_text()
    for folder in _PRODUCT_DIRECTORIES
    for path in (_ROOT / folder).rglob("*.py")
    if not _is_generated(path)
}


def test_no_file_is_long() -> None:
    """No file has more lines than the limit, because a longer file has more than one subject."""
    sizes = {str(path): len(text.splitlines()) for path, text in _FILES.items()}
    assert len(sizes) > 200
    assert {path: lines for path, lines in sizes.items() if lines > _MAX_LINES} == {}
    assert median(sizes.values()) < _MAX_MEDIAN


def test_no_module_has_only_a_few_lines() -> None:
    """Only the `__init__.py` of a package may have just a few lines."""
    short = [str(path) for path, text in _FILES.items() if len(text.splitlines()) <= _MIN_LINES]
    assert [path for path in short if not path.endswith("__init__.py")] == []
