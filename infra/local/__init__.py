"""The embedded local stack: real PostgreSQL, real Valkey and an AWS emulator, all on 127.0.0.1, without Docker."""

from pathlib import Path
from typing import Final

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]
"""The project's directory. It is found relative to this package, so that a copy of the project runs its own code."""


class LocalStackError(Exception):
    """A step of the local stack failed; the message names the step and a fix."""
