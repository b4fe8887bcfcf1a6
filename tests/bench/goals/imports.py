"""Each function's import time in a new process is compared with the import time of its packages."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

from tests.bench.goals.figures import Figure, Goal
from tests.bench.goals.system import BenchSystem

_IMPORT_PACKAGES: Final = """\
import fastapi, mangum, redis, psycopg, aws_lambda_powertools, pydantic_settings, boto3
boto3.client("sqs")"""
_FUNCTIONS: Final = {"agent": 0.7, "sync": 0.35}


def imports(system: BenchSystem) -> Iterator[Figure]:
    """Measure both functions."""
    codes = ["pass", _IMPORT_PACKAGES, *(f"import functions.{name}.handler" for name in _FUNCTIONS)]
    times_of_codes: list[list[float]] = [[] for _ in codes]
    with tempfile.TemporaryDirectory(prefix="hybrid-memory-bytecode-") as bytecode:
        for code in codes:
            _cpu_seconds(code, bytecode)  # writes the bytecode, which the artifacts contain
        for _ in range(system.sizes.imports):
            for code, seconds in zip(codes, times_of_codes, strict=True):
                seconds.append(_cpu_seconds(code, bytecode))
    empty, packages, *functions = (statistics.median(seconds) for seconds in times_of_codes)
    for (name, limit), duration in zip(_FUNCTIONS.items(), functions, strict=True):
        share = (duration - empty) / (packages - empty)
        yield Figure(
            f"cold import of the {name} function, CPU",
            f"{(duration - empty) * 1000:,.0f} ms",
            f"importing its packages: {(packages - empty) * 1000:,.0f} ms",
            share,
            share,
            Goal(limit, "share"),
        )


def _cpu_seconds(code: str, bytecode: str) -> float:
    """Return the CPU time of a new interpreter that runs a program with the bytecode of a directory."""
    environment = {
        **os.environ,
        "SYNC__DLQ_URL": os.environ["SYNC__QUEUE_URL"],
        "PYTHONPYCACHEPREFIX": bytecode,
        "PYTHONDONTWRITEBYTECODE": "",
    }
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"the program failed: {code}")
    return usage.ru_utime + usage.ru_stime
