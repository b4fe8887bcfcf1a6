"""The distribution of tests to pytest-xdist's processes."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

# These tests run in one process, because two embedded stacks that start together may choose the same default port.
_STACK_TESTS: Final = ("tests/chaos/", "tests/e2e/", "tests/integration/test_local_stack")


def scope_of(test: str) -> str:
    """Return the group of tests that must run in one process. A test that may run in any process is its own group."""
    return "stack" if test.startswith(_STACK_TESTS) else test


# pytest-xdist's own mark for this, `xdist_group`, does not work with pytest 9.2.
class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist ships no types
    """The tests of the embedded stack run first in one process. Other tests run in any process."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
