"""A search for violations of the guarantees on real PostgreSQL and Valkey, with all faults in any order.

A state machine (hypothesis) runs processes with clocks five seconds apart. It loads and stores turns, drains,
redelivers, sweeps, evicts, deletes, replaces processes and empties Redis. It sets the clock of a process, of Redis or
of PostgreSQL off by days, and fails both stores over behind their addresses. Any store may fail before, after or
halfway through any call, while another process acts between any two calls. After every step a read-only process reads
every thread; at every rest all guarantees hold without exceptions.

These are the limits of any design with two stores and a queue, and how a caller detects them:

- **A merge that failed.** L1 did not take an exchange that the queue took: its own sandbox shows it, another one may
  not, until the drain, the sweep or the first sandbox's next call has told L1. Nobody else can know; so the answer to
  the write itself says it, by `cached: false` and `redis` in its `degraded`.
- **Redis emptied, exchanges on the queue.** Only the sandbox that kept them shows them. Every other names `queue` in
  `degraded`, until the queue was seen empty.
- **Redis emptied or evicted, and PostgreSQL away.** Nothing is shown, `degraded` names `postgres`: what a sandbox
  remembers may be deleted, and nobody is there to say so.
- **Both stores away.** Nothing is shown, `degraded` names both.
- **Redis away or emptied, and a clock behind.** An exchange that such a sandbox keeps, within the clocks' difference
  after a deletion that its turn was not told of, may be taken for one from before it.
- **A clock days off, and one of the other two not heard.** What a sandbox keeps then is dated by its own clock. While
  all stores answer, everything is dated by the two clocks that agree.
- **A key, and its exchange in no store**: none took it, the outbox that had it is lost, or it is a dead letter.
- **The dead-letter queue.** What Redis has forgotten and the queue has given up on is not shown until it is redriven;
  the queue gives up on no good message by itself.
- **A list and its second place evicted at once**, before the drain: `degraded` names `queue`, until the queue was seen
  empty.
- **The outbox** (`durability: redis`) is lost with its Redis, unless the sandbox that filled it is still there.
- **An id from the future**, named by the caller or made after such a one, that is on the queue only: a deletion reaches
  as far as the clock and as what Redis and PostgreSQL hold, so not to it.
- **An id from before a deletion**, named by the caller: by its id it belongs to what was deleted. `durability` is
  `none` where a layer that answers knows of the deletion.
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
    """The system under test."""
    monkeypatch.setattr("shared.memory.backlog.MAX_WAIT_SECONDS", -1.0)
    # Each read tests whether Redis accepts writes, as one second after the last test.
    monkeypatch.setattr("shared.stores.redis.reader._PROBE_EVERY", 0.0)
    logging.disable()
    made = World(valkey, database_url)
    yield made
    made.close()
    logging.disable(logging.NOTSET)


def test_every_guarantee_holds_in_any_order(world: World) -> None:
    """By default at least ten thousand steps, the same in every run."""
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
