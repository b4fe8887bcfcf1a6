"""In every interleaving of the protocol's steps, a reader gets all exchanges and no deleted exchange."""

from __future__ import annotations

import os
from typing import Final

import pytest

from tests.model.protocol import (
    Process,
    Protocol,
    ViolationError,
    World,
    deletion,
    drain,
    explore,
    reader,
    turn,
)

# Set more states for a thorough check, e.g. PROTOCOL_STATES=4000000.
STATES: Final = int(os.environ.get("PROTOCOL_STATES", "20000"))
SETUPS: Final[dict[str, tuple[World, tuple[Process, ...]]]] = {
    "two turns, an eviction": (World(evictions=1), (turn(1, 1), turn(2, 2), drain(3), reader(4))),
    "a stored thread, an eviction": (
        World(evictions=1, stored=frozenset({1}), accepted=frozenset({1})),
        (turn(1, 2), reader(2)),
    ),
    "a deletion": (World(evictions=1), (turn(1, 1), deletion(2), drain(3), reader(4))),
    "a deletion during two turns": (World(), (turn(1, 1), turn(2, 2), deletion(3), reader(4))),
    "a window shorter than the thread": (
        World(evictions=1, stored=frozenset({1, 2}), accepted=frozenset({1, 2})),
        (turn(1, 3), turn(2, 4), drain(3), reader(4)),
    ),
    "a refused append": (World(refusals=1), (turn(1, 1), turn(2, 2), drain(3), reader(4))),
    "an emptied Redis": (World(flushes=1), (turn(1, 1), drain(2), reader(3), reader(4))),
    "an older Redis": (World(snapshots=1), (turn(1, 1), drain(2), reader(3), reader(4))),
    "an older Redis and a deletion": (World(snapshots=1), (turn(1, 1), deletion(2), reader(3))),
}


@pytest.mark.parametrize("setup", SETUPS)
def test_no_interleaving_breaks_a_guarantee(setup: str) -> None:
    """No state violates a guarantee. The test visits all states, up to the limit."""
    world, processes = SETUPS[setup]
    assert explore(world, processes, Protocol(), STATES) > 100


@pytest.mark.parametrize(
    ("rules", "setup"),
    [
        (Protocol(refill_needs_token=False), "two turns, an eviction"),
        (Protocol(append_adds_undrained=False), "two turns, an eviction"),
        (Protocol(only_readers_create_lists=False), "a stored thread, an eviction"),
        (Protocol(deletion_uses_cutoff=False), "a deletion during two turns"),
        (Protocol(deletion_removes_token=False), "a deletion"),
        (Protocol(failed_appends_are_retried=False), "a refused append"),
        (Protocol(new_server_starts_generation=False), "an older Redis"),
        (Protocol(seals_name_a_generation=False), "an older Redis"),
        (Protocol(loss_lasts_until_drained=False), "an emptied Redis"),
    ],
)
def test_each_rule_is_needed(rules: Protocol, setup: str) -> None:
    """Without one of the rules, at least one interleaving violates a guarantee."""
    world, processes = SETUPS[setup]
    with pytest.raises(ViolationError):
        explore(world, processes, rules, 20 * STATES)
