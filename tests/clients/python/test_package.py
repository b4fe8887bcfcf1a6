"""Checks the package's generated modules."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "clients" / "python"


@pytest.mark.parametrize("name", ["client", "journal", "sender"])
def test_the_synchronous_module_is_generated(name: str) -> None:
    """The synchronous module equals the generated one.

    The test fails if only one of the two files was edited.
    """
    spec = importlib.util.spec_from_file_location("unasync", PACKAGE / "unasync.py")
    assert spec is not None
    assert spec.loader is not None
    unasync = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unasync)
    assert name in unasync.MODULES
    source = PACKAGE / "src" / "hybrid_memory_client"
    generated = unasync.to_synchronous((source / f"_async_{name}.py").read_text())
    arguments = ["format", "--stdin-filename", "module.py", "-"]
    formatted = subprocess.run(
        [ROOT / ".venv" / "bin" / "ruff", *arguments], input=generated, capture_output=True, text=True, check=True
    ).stdout
    assert (source / f"_sync_{name}.py").read_text() == formatted
    assert "async" not in re.sub(r"_async_\w+\.py|AsyncMemoryClient|asynchronous|unasync", "", formatted)
