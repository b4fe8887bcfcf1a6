"""The tests start each function in a new process and check its imports and its garbage collector."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """\
import gc, sys
import functions.{name}.handler
unneeded = {unneeded}
print([name for name in unneeded if name in sys.modules], gc.isenabled(), gc.get_freeze_count() > 10_000)
"""
# The agent library, the response models, tracing, models, and parts of boto3 that are not needed to send a message.
_EMBEDDINGS = ("numpy", "shared.embeddings.local")
_AGENT = ("boto3", "s3transfer", "pydantic_ai", "openai", "functions.agent.http.responses", "opentelemetry.sdk")
_SYNC = ("boto3", "botocore.session", "botocore.client", "fastapi", "mangum", "opentelemetry", "shared.embeddings")
_DERIVE = ("boto3", "botocore.session", "fastapi", "openai", "opentelemetry", "functions.derive.model_deriver")


@pytest.mark.parametrize(("name", "unneeded"), [("agent", _AGENT), ("derive", _DERIVE), ("sync", _SYNC)])
def test_a_cold_start_imports_no_unneeded_package(name: str, unneeded: tuple[str, ...]) -> None:
    """A cold start imports no package that only some requests need. Later garbage collections skip its objects."""
    environment = {**os.environ, "SYNC__QUEUE_URL": "http://127.0.0.1:9/000000000000/none", "STAGE": "local"}
    environment["AWS_DEFAULT_REGION"] = "us-east-1"
    process = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(name=name, unneeded=unneeded + _EMBEDDINGS)],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.stdout, process.stderr) == ("[] True True\n", "")
