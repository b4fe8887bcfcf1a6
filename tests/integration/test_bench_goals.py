"""The benchmark of the goals works at its smallest size."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_CASES = (
    "read window and preferences, in the store",
    "`invoking`, direct",
    "`invoking`, REST event",
    "append, in the store",
    "append under a random id, in the store",
    "append, REST event",
    "SQS send, client side",
    "cold import of the agent function",
    "cold import of the sync function",
    "drain of 1,000",
    "hydrate 100 of",
    "growth: append by threads",
    "growth: read by undrained exchanges",
    "read of 50 threads by 8 processes, after a failover",
    "PostgreSQL queries of these 50 reads",
    "search of 80 of 4,000 messages",
    "drain of 1,000, 100 random words",
)


@pytest.fixture(scope="module")
def names() -> list[str]:
    """Return the names of the cases that a small run measured. The run pins its process to one core."""
    command = [sys.executable, "-m", "tests.bench.goals", "--tiny", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    return [figure["name"] for figure in json.loads(run.stdout)]


@pytest.mark.parametrize("case", _CASES)
def test_the_benchmark_of_the_goals_measures_every_case(names: list[str], case: str) -> None:
    """The benchmark measures every case of the table."""
    assert [name for name in names if name.startswith(case)]


_FAILING: str = """\
import sys
from tests.bench.goals import __main__ as bench

def fail(system):
    yield from bench.queue(system)
    raise RuntimeError("no more")

bench._PARTS["turns"] = fail
sys.exit(bench.main(["--tiny", "--parts", "turns", "queue"]))
"""


def test_a_failed_part_does_not_hide_the_results_of_other_parts() -> None:
    """One part of the benchmark fails. The output has the part's error and all measured results. The exit code is 1."""
    run = subprocess.run([sys.executable, "-c", _FAILING], capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 1
    assert run.stdout.count("SQS send, client side, 800 characters") == 2
    assert "The part `turns` failed: RuntimeError: no more" in run.stdout
