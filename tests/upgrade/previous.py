"""The previous release as an archive. `python -m tests.upgrade.previous COMMIT` writes the archive.

The archive is in this directory, so that shallow clones have it. It contains the functions, their imports and the
migrations of one commit. `previous.txt` has the commit's id.
"""

from __future__ import annotations

import argparse
import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
ARCHIVE: Final = _HERE / "previous.tar.xz"
COMMIT: Final = _HERE / "previous.txt"
_PACKED_PATHS: Final = ("shared", "functions", "infra/__init__.py", "infra/migrations")
_EXCLUDED_PATHS: Final = ("functions/agent/http/static/",)


def write(commit: str) -> None:
    """Write the archive of a commit, with reproducible bytes.

    Raises:
        subprocess.CalledProcessError: The commit does not exist.
    """
    commit_id = _git("rev-parse", "--verify", f"{commit}^{{commit}}").decode().strip()
    archive_bytes = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", commit_id, *_PACKED_PATHS))) as source,
        tarfile.open(fileobj=archive_bytes, mode="w", format=tarfile.USTAR_FORMAT) as target,
    ):
        for member in source.getmembers():
            if member.isfile() and not member.name.startswith(_EXCLUDED_PATHS):
                packed_file = tarfile.TarInfo(member.name)
                packed_file.size = member.size
                target.addfile(packed_file, source.extractfile(member))
    ARCHIVE.write_bytes(lzma.compress(archive_bytes.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    COMMIT.write_text(f"{commit_id}\n")


def unpack(directory: Path) -> Path:
    """Unpack the release into a directory, and return the directory."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(directory, filter="data")
    return directory


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=_HERE.parents[1], check=True, capture_output=True).stdout


def main() -> int:
    """Write the archive and print its contents."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade.previous", description=__doc__)
    parser.add_argument("commit", help="the tag or the commit of the previous release")
    write(parser.parse_args().commit)
    sys.stdout.write(f"{ARCHIVE.name}: {ARCHIVE.stat().st_size:,} bytes of {COMMIT.read_text()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
