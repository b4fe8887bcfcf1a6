"""How pytest-xdist divides the tests among its processes."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

# Two embedded stacks that start at once may want the same usual port.
_STACK: Final = ("tests/chaos/", "tests/e2e/", "tests/integration/test_local_stack")


def scope_of(test: str) -> str:
    """Return what a test has in common with those that run in the same process; its own name if it may run in any."""
    return "stack" if test.startswith(_STACK) else test


# pytest-xdist has marks for this (`xdist_group`), which do nothing with pytest 9.2.
class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist ships no types
    """The tests of the embedded stack run in one process, which begins with them; any other test in any process."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
