"""Prints the project's version, or sets it everywhere: `make version NEW=0.2.0`.

The version is the one of pyproject.toml. The other files need a copy, because the functions, the clients and npm do not
read pyproject.toml.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_PYTHON: Final = r'^(?:__version__|version) = "([^"]+)"$'
_JSON: Final = r'^ +"version": "([^"]+)"'
COPIES: Final = {
    "pyproject.toml": (_PYTHON, 1),
    "shared/__init__.py": (_PYTHON, 1),
    "clients/python/src/hybrid_memory_client/__init__.py": (_PYTHON, 1),
    "clients/react/package.json": (_JSON, 1),
    "clients/react/package-lock.json": (_JSON, 2),
    "clients/typescript/package.json": (_JSON, 1),
    "clients/typescript/package-lock.json": (_JSON, 2),
    "clients/typescript/openapi.json": (_JSON, 1),
    "clients/page/package.json": (_JSON, 1),
    "clients/page/package-lock.json": (_JSON, 2),
}
"""For each file: the pattern of the version's line, and how many of the first matching lines contain the version."""


def read_versions(root: Path = ROOT) -> dict[str, list[str]]:
    """Return the versions in each file."""
    return {
        name: re.findall(pattern, (root / name).read_text(), re.MULTILINE)[:count]
        for name, (pattern, count) in COPIES.items()
    }


def set_version(new: str, root: Path = ROOT) -> None:
    """Set the version in each file."""
    for name, (pattern, count) in COPIES.items():
        text = (root / name).read_text()
        text = re.sub(pattern, lambda match: match[0].replace(match[1], new), text, count=count, flags=re.MULTILINE)
        (root / name).write_text(text)


def _three_numbers(text: str) -> str:
    # Python and npm write pre-releases differently, so a version of this project is never a pre-release.
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", text):
        raise argparse.ArgumentTypeError(f"{text} is no version: give three numbers, such as 0.2.0")
    return text


def main(arguments: list[str] | None = None) -> None:
    """Set the version if there is an argument, and print it."""
    parser = argparse.ArgumentParser(prog="python -m scripts.version", description=__doc__)
    parser.add_argument("new", nargs="?", type=_three_numbers, help="the new version, such as 0.2.0")
    new = parser.parse_args(arguments).new
    if new:
        set_version(new)
    print(*read_versions()["pyproject.toml"])


if __name__ == "__main__":
    main()
