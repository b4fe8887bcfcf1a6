"""A search for violations of the guarantees on real PostgreSQL and Valkey, with all faults in any order.

A state machine (hypothesis) runs processes with clocks five seconds apart. It loads and stores turns, drains,
redelivers, sweeps, evicts, deletes, replaces processes and empties Redis. It sets the clock of a process, of Redis or
of PostgreSQL off by days, and fails both stores over behind their addresses. Any store may fail before, after or
halfway through any call, while another process acts between any two calls. After every step a read-only process reads
every thread; at every rest all guarantees hold without exceptions.

These are the limits of any design with two stores and a queue, and how a caller detects them:

- **A failed merge.** L1 did not accept an exchange that the queue accepted: the writing process shows it, another one
  may not, until the drain, the sweep or the process' next call has updated L1. No other process can know, so the
  write's response reports it with `cached: false` and `redis` in its `degraded`.
- **Redis emptied, exchanges in the queue.** Only the process that stored them shows them. All others report `queue` in
  `degraded` until the queue was empty.
- **Redis emptied or evicted, and PostgreSQL down.** Nothing is shown, and `degraded` has `postgres`: the process' own
  exchanges may have been deleted elsewhere.
- **Both stores down.** Nothing is shown, and `degraded` has both.
- **Redis down or emptied, and a clock behind.** An exchange that such a process stores shortly after a deletion unknown
  to its turn may count as older than the deletion.
- **A clock off by days, and one of the other two unknown.** The process dates its exchanges by its own clock. While all
  stores respond, everything is dated by the two clocks that agree.
- **A key whose exchange is in no store**: no store accepted it, its outbox is lost, or it is a dead letter.
- **The dead-letter queue.** An exchange that Redis has lost and that is a dead letter is not shown until it is
  redriven; the queue never dead-letters a valid message by itself.
- **A list and its undrained hash evicted together** before the drain: `degraded` has `queue` until the queue was empty.
- **The outbox** (`durability: redis`) is lost with its Redis, unless the process that filled it still runs.
- **An id from the future**, from a caller or generated after such an id, that is only in the queue: a deletion includes
  exchanges up to the current time and up to those in Redis and PostgreSQL, so it does not include this one.
- **A caller's id from before a deletion**: its date says that it was deleted. `durability` is `none` if a responding
  layer has the deletion.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from infra.local.servers import ValkeyServer
from tests.model.machine import MemoryMachine
from tests.model.world import World

# Fewer for a quick check, e.g. MODEL_EXAMPLES=20.
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "240"))
STEPS = 50
# Shrinking a violation takes minutes; MODEL_SHRINK=0 shows it as found.
SHRINKS = os.environ.get("MODEL_SHRINK", "1") == "1"
# MODEL_RANDOM=1 uses other examples than the usual ones.
IS_RANDOM = os.environ.get("MODEL_RANDOM", "0") == "1"


@pytest.fixture
def world(valkey: ValkeyServer, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Create the system under test."""
    monkeypatch.setattr("shared.memory.backlog.MAX_WAIT_SECONDS", -1.0)
    # Each read tests whether Redis accepts writes, as one second after the last test.
    monkeypatch.setattr("shared.stores.redis.reader._PROBE_EVERY", 0.0)
    logging.disable()
    made = World(valkey, database_url)
    yield made
    made.close()
    logging.disable(logging.NOTSET)


def test_every_guarantee_holds_in_any_order(world: World) -> None:
    """The test runs at least ten thousand steps by default, the same ones in every run."""
    MemoryMachine.steps = 0
    run_state_machine_as_test(
        lambda: MemoryMachine(world),  # type: ignore[arg-type] # a factory is allowed instead of the class, as documented
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=not IS_RANDOM,
            deadline=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink][: 3 if SHRINKS else 2],
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert MemoryMachine.steps >= EXAMPLES * 42
