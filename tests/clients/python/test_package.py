"""The package as it is shipped."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "clients" / "python"


def test_the_synchronous_client_is_what_the_script_makes() -> None:
    """An edit of one of the two files alone fails here."""
    spec = importlib.util.spec_from_file_location("unasync", PACKAGE / "unasync.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    source = PACKAGE / "src" / "hybrid_memory_client"
    made = script.synchronous((source / "_async_client.py").read_text())
    ruff = ROOT / ".venv" / "bin" / "ruff"
    formatted = subprocess.run(
        [ruff, "format", "--stdin-filename", "client.py", "-"], input=made, capture_output=True, text=True, check=True
    ).stdout
    assert (source / "_sync_client.py").read_text() == formatted
