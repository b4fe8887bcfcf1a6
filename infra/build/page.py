"""Builds the page in clients/page with Node.js if its sources have changed.

`python -m infra.build.page` does not fail without Node.js, because all other parts work without the page. With
`--required` it fails if it cannot build the page. With `--local` it also builds the local stack's page, which only
`make run` serves. This module imports only the standard library, because it also runs before any package is installed.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "clients" / "page"
BUILT = ROOT / "functions" / "agent" / "http" / "static" / "built"
LOCAL = PAGE / "dist" / "local"
# The page's build includes the sources of the React client.
SOURCES = (PAGE / "src", ROOT / "clients" / "react" / "src")
FILES = ("index.html", "local.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
OLDEST_NODE = (20, 19)
INSTALL_SECONDS = 180
BUILD_SECONDS = 90


class PageError(Exception):
    """The page cannot be built; the message gives the reason."""


def build(built: Path | None = None, mode: str = "production") -> bool:
    """Build the page unless it is up to date.

    Args:
        built: The directory of the build; None for that of the deployed page.
        mode: The mode in `vite.config.ts`, which decides about the entry and the directory.

    Returns:
        Whether a build was necessary.

    Raises:
        PageError: Node.js is missing, or one of its tools failed.
    """
    with _build_lock():
        now, stamp = _fingerprint(), (built or BUILT) / "sources"
        if stamp.is_file() and stamp.read_text() == now:
            return False
        node, npm = _tools()
        lock = hashlib.sha256((PAGE / "package-lock.json").read_bytes()).hexdigest()
        installed = PAGE / "node_modules" / ".installed"
        if not installed.is_file() or installed.read_text() != lock:
            _run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], INSTALL_SECONDS)
            installed.write_text(lock)
        _run([node, "node_modules/vite/bin/vite.js", "build", "--mode", mode, "--logLevel", "warn"], BUILD_SECONDS)
        stamp.write_text(now)
    return True


@contextmanager
def _build_lock() -> Iterator[None]:
    """Hold a lock while the page is built, because two stacks may build it at the same time."""
    folder = os.open(PAGE, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    sources = [path for folder in SOURCES for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in [*(PAGE / name for name in FILES), *sources]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _tools() -> tuple[str, str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    required = ".".join(map(str, OLDEST_NODE))
    if node is None or npm is None:
        raise PageError(f"Node.js was not found: install {required} or newer, with npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_NODE:
        raise PageError(f"Node.js {version} is too old: install {required} or newer")
    return node, npm


def _run(command: list[str], seconds: float) -> None:
    name = " ".join(Path(part).name for part in command[:2])
    try:
        result = subprocess.run(
            command,
            cwd=PAGE,
            env={**os.environ, "CI": "1", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PageError(f"{name} took longer than {seconds:.0f} s") from error
    if result.returncode != 0:
        tail = "\n".join(result.stdout.strip().splitlines()[-15:])
        raise PageError(f"{name} failed:\n{tail}\n")


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.build.page", description="Builds the page if its sources have changed."
    )
    parser.add_argument("--required", action="store_true", help="fail if the page cannot be built")
    parser.add_argument("--local", action="store_true", help="build the local stack's page, too")
    arguments = parser.parse_args()
    try:
        # Both builds run, even if the first one was necessary.
        if any([build(), arguments.local and build(LOCAL, "breakable")]):
            print("The page is built.", flush=True)
    except PageError as error:
        effect = "The previous build of the page is used" if BUILT.is_dir() else "There is no page"
        print(f"{error}. {effect}. The API works without the page.", file=sys.stderr, flush=True)
        return int(arguments.required)
    return 0


if __name__ == "__main__":
    sys.exit(main())
