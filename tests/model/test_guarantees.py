"""A search for violations of the guarantees on real PostgreSQL and Valkey, with all faults in any order.

A state machine (hypothesis) runs processes whose clocks differ by five seconds. It loads and stores turns, imports
exchanges, drains, redelivers, sweeps, evicts, deletes, replaces processes and empties Redis. It sets the clock of a
process, of Redis or of PostgreSQL wrong by days. It fails both stores over to servers at the same addresses. Any store
may fail before, after or halfway through any call. Another process may act between any two calls. After every step, a
read-only process reads every thread. When everything is drained and swept ("at rest"), all guarantees must hold without
exceptions.

Any design with two stores and a queue has these limits. Each entry says how a caller detects the limit:

- **A failed append.** The queue accepted an exchange, and L1 did not. The process that wrote the exchange shows it.
  Another process may not show it until the drain, the sweep or the writing process' next call has updated L1. Only the
  response to the write can report this: it has `cached: false`, and `redis` in its `degraded`.
- **Redis emptied, exchanges in the queue.** Only the process that stored the exchanges shows them. Other processes
  report `queue` in `degraded` until the queue has been empty.
- **Redis emptied or evicted, and PostgreSQL down.** A process shows no exchanges, not even its own, because another
  process may have deleted them. `degraded` has `postgres`.
- **Both stores down.** A process shows no exchanges, and `degraded` has both stores.
- **Redis down or emptied, and a clock behind.** A process whose clock is behind does not know a deletion. If it stores
  an exchange shortly after the deletion, the exchange may count as older than the deletion.
- **A clock wrong by days, and another clock unknown.** The process dates its exchanges by its own clock. While all
  stores respond, the process compares its clock with the clocks of Redis and PostgreSQL, and uses the two that agree.
- **A key whose exchange is in no store.** No store accepted the exchange, its outbox is lost, or it is a dead letter.
  The key's request may run again.
- **The dead-letter queue.** If Redis has lost an exchange and the exchange is a dead letter, no process shows it until
  it is redriven. The queue never dead-letters a valid message by itself.
- **A list and its undrained hash evicted together** before the drain. `degraded` has `queue` until the queue has been
  empty.
- **The outbox** (`durability: redis`). If Redis loses its data, the outbox is lost, unless the process that filled it
  still runs.
- **An id from the future** whose exchange is only in the queue. A caller chose the id, a wrong clock created it, or it
  was generated after such an id. A deletion includes exchanges up to the current time, and those later ones that Redis,
  PostgreSQL or the deleting process has. It does not include this exchange.
- **A caller's id from before a deletion.** The exchange's time is before the deletion, so the exchange is rejected or
  removed. `durability` is `none` if a responding layer has the deletion.
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

# Set fewer examples for a quick check, e.g. MODEL_EXAMPLES=20.
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "240"))
STEPS = 50
# Hypothesis takes minutes to shrink a violation. MODEL_SHRINK=0 shows the violation without shrinking.
SHRINKS = os.environ.get("MODEL_SHRINK", "1") == "1"
# By default each run has the same examples. MODEL_RANDOM=1 uses random examples.
IS_RANDOM = os.environ.get("MODEL_RANDOM", "0") == "1"


@pytest.fixture
def world(valkey: ValkeyServer, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Create the system under test."""
    monkeypatch.setattr("shared.memory.backlog.MAX_WAIT_SECONDS", -1.0)
    # Each read tests whether Redis accepts writes. In production, a read does this once a second.
    monkeypatch.setattr("shared.stores.redis.reader._PROBE_INTERVAL_SECONDS", 0.0)
    logging.disable()
    created_world = World(valkey, database_url)
    yield created_world
    created_world.close()
    logging.disable(logging.NOTSET)


def test_every_guarantee_holds_in_any_order(world: World) -> None:
    """No guarantee is violated in at least ten thousand steps. By default each run has the same steps."""
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
