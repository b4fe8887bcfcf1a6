"""The scheduler groups tests into processes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.scheduling import scope_of

TESTS = Path(__file__).resolve().parents[1]
STARTS_A_STACK = re.compile(r"\bStackProcess\(|\bwith Stack\(")
# `make test` does not run the tests of these directories.
OTHER_RUNS = ("artifacts", "page", "sam_local")


def test_a_test_is_on_its_own() -> None:
    """A test that starts no stack is its own group, so any process may run it."""
    assert scope_of("tests/unit/test_drain.py::test_it[x]") == "tests/unit/test_drain.py::test_it[x]"


def test_only_one_process_starts_the_embedded_stack() -> None:
    """All test files that start an embedded stack are in one group."""
    files = [path.relative_to(TESTS.parent) for path in TESTS.rglob("test_*.py") if path.parent.name not in OTHER_RUNS]
    starting = [path.as_posix() for path in files if STARTS_A_STACK.search((TESTS.parent / path).read_text())]
    assert starting
    assert {scope_of(f"{path}::test_it") for path in starting} == {"stack"}
    assert scope_of("tests/e2e/test_turns.py::test_it") == scope_of("tests/chaos/test_chaos_short.py::test_it")
