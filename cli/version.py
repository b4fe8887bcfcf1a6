"""The version of the installed command line."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """Return the installed version."""
    try:
        return version("hybrid-memory")
    except PackageNotFoundError:
        return "unknown"
