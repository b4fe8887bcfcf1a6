"""Where the project lies: derived from this package, so that a copy of the project runs its own code."""

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
