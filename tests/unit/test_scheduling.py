"""The scheduler groups tests into processes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.scheduling import scope_of

TESTS = Path(__file__).resolve().parents[1]
STARTS_A_STACK = re.compile(r"\bStackProcess\(|\bwith Stack\(")
# `make test` does not run the tests of these directories.
OTHER_RUNS = ("artifacts", "packages", "page", "sam_local")


def test_a_test_without_a_stack_is_its_own_group() -> None:
    """A test that starts no stack is its own group, so any process may run it."""
    assert scope_of("tests/unit/test_drain.py::test_name[x]") == "tests/unit/test_drain.py::test_name[x]"


def test_only_one_process_starts_the_embedded_stack() -> None:
    """All test files that start an embedded stack are in one group."""
    files = [path.relative_to(TESTS.parent) for path in TESTS.rglob("test_*.py") if path.parent.name not in OTHER_RUNS]
    stack_files = [path.as_posix() for path in files if STARTS_A_STACK.search((TESTS.parent / path).read_text())]
    assert stack_files
    assert {scope_of(f"{path}::test_name") for path in stack_files} == {"stack"}
    assert scope_of("tests/e2e/test_turns.py::test_name") == scope_of("tests/chaos/test_chaos_short.py::test_name")
