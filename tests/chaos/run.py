"""One run lasts from the start of the stack to the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from infra.local.client import StackProcess
from tests.chaos import quiet
from tests.chaos.address import Address
from tests.chaos.callers import Callers
from tests.chaos.clocks import Clock
from tests.chaos.deletions import Deletions
from tests.chaos.deliveries import Deliveries
from tests.chaos.faults import Injector
from tests.chaos.journal import Journal
from tests.chaos.plan import Plan
from tests.chaos.postgres import Postgres
from tests.chaos.report import Run
from tests.chaos.stored import dead_letters, threads
from tests.chaos.targets import Server, Targets, lead_functions, sqs_of
from tests.chaos.valkey import Valkey
from tests.chaos.verdict import Judge, Verdict

# The user's environment must not change the results.
_SETTINGS: Final = {
    "MEMORY__THREAD_TTL_HOURS": "24",
    "MEMORY__USER_TTL_DAYS": "30",
    "MEMORY__MAX_THREAD_MESSAGES": "50",
    "AGENT__MODEL": "offline",
    "AUTH__MODE": "none",
}
_URLS: Final[dict[Server, str]] = {"valkey": "redis_url", "postgres": "database_url"}
_PROGRESS_SECONDS: Final = 10.0
_SPARE: Final = 1.1
_SWEPT: Final = '"message":"swept"'
_SWEEP_SECONDS: Final = 75


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a run.

    Attributes:
        seconds: The minimum duration of the faults.
        exchanges: The minimum number of accepted exchanges; the run ends after twice `seconds` in any case.
        hastens: Whether to invoke the sweep after the callers instead of waiting up to a minute.
    """

    seconds: float
    exchanges: int
    callers: int = 8
    threads: int = 200
    hastens: bool = False


def run(state_dir: Path, seed: int, size: Size, say: Callable[[str], None]) -> Run:
    """Start a stack in `state_dir`, inject faults, wait for the drain, check, and stop the stack."""
    plan, journal = Plan(seed, size.threads), Journal()
    with ExitStack() as resources:
        stack = resources.enter_context(StackProcess(state_dir, env=_SETTINGS))
        say(f"The stack is up; seed {seed}.")
        # The proxies stay until the end, so that the connections after the faults take the same path.
        addresses: dict[Server, Address] = {
            server: resources.enter_context(closing(Address(urlsplit(stack.info[url]).port or 0)))
            for server, url in _URLS.items()
        }
        clocks = {name: Clock(stack.state_dir / "clocks" / name) for name in ("agent_function", "sync_function")}
        ports = {server: address.port for server, address in addresses.items()}
        lead_functions(stack.info, ports, {name: clock.environment() for name, clock in clocks.items()})
        _break(stack, addresses, clocks, plan, journal, size, say)
        seconds = time.monotonic() - journal.began
        say(f"{journal.accepted} exchanges accepted, {len(journal.faults)} faults; waiting for quiet.")
        quiet_seconds, left = quiet.wait(stack.info, hastens=size.hastens)
        _repeat_keys(stack.info, plan, journal, size)
        _, left = quiet.wait(stack.info, hastens=size.hastens)
        _look(stack.info, plan, journal, size)
        say("Comparing what was answered with what is there.")
        verdict = Judge(journal).judge(threads(stack.info, [f"chaos-{number}" for number in range(size.threads)]))
        lasted = time.monotonic() - journal.began
        sweeps = stack.log.read_text(errors="replace").count(_SWEPT)
        sqs = sqs_of(stack.info)
        dead = dead_letters(stack.info, sqs)
        sqs.close()
    _note_unfinished(verdict, journal, left, dead=dead, is_swept=sweeps > 0 or lasted < _SWEEP_SECONDS)
    return Run(seed, size.exchanges, seconds, quiet_seconds, sweeps, dead, journal, verdict)


def _break(
    stack: StackProcess,
    addresses: dict[Server, Address],
    clocks: dict[str, Clock],
    plan: Plan,
    journal: Journal,
    size: Size,
    say: Callable[[str], None],
) -> None:
    info, targets, state_dir = stack.info, Targets(stack), stack.state_dir
    valkey = Valkey(info["redis_url"], state_dir / "valkey", addresses["valkey"])
    postgres = Postgres(info, state_dir / "postgres", addresses["postgres"], targets)
    callers = Callers(info["api_url"], plan, journal, number=size.callers, rate=_SPARE * size.exchanges / size.seconds)
    injector, deliveries = Injector(targets, valkey, postgres, clocks, plan, journal), Deliveries(info, plan, journal)
    deletions = Deletions(callers, plan, journal)
    if size.hastens:
        targets.shorten_visibility()
    try:
        callers.warm_up()
        journal.began = time.monotonic()
        for part in (callers, deliveries, deletions, injector):
            part.start()
        _wait(journal, size, say)
    finally:
        # Stop every part, also after an error at the start. A part that did not start ignores this.
        for part in (injector, deliveries, deletions, callers):
            part.stop()
        callers.close()
        targets.close()
        valkey.close()
        postgres.close()


def _wait(journal: Journal, size: Size, say: Callable[[str], None]) -> None:
    reported_at = 0.0
    while (elapsed := time.monotonic() - journal.began) < 2 * size.seconds:
        accepted = journal.accepted
        if elapsed >= size.seconds and accepted >= size.exchanges:
            return
        if elapsed - reported_at >= _PROGRESS_SECONDS:
            reported_at = elapsed
            say(f"{elapsed:4.0f} s: {accepted} exchanges accepted, {len(journal.faults)} faults.")
        time.sleep(0.5)


def _repeat_keys(info: dict[str, Any], plan: Plan, journal: Journal, size: Size) -> None:
    callers = Callers(info["api_url"], plan, journal, number=size.callers, rate=1)
    try:
        callers.repeat_keys()
    finally:
        callers.close()


def _look(info: dict[str, Any], plan: Plan, journal: Journal, size: Size) -> None:
    callers = Callers(info["api_url"], plan, journal, number=size.callers, rate=1)
    try:
        callers.look([f"chaos-{number}" for number in range(size.threads)])
    finally:
        callers.close()


def _note_unfinished(
    verdict: Verdict, journal: Journal, left: quiet.BacklogStatus | None, *, dead: int, is_swept: bool
) -> None:
    if left is None or not left.is_nothing:
        verdict.unfinished.append(f"not quiet in time: {left}")
    if dead:
        verdict.unfinished.append(f"{dead} messages on the dead-letter queue")
    if not is_swept:
        verdict.unfinished.append("the schedule never ran the sweep")
    verdict.unfinished += [
        f"the deletion of {each.user_id or each.thread_id} was asked for {each.tries} times, last: {each.last}"
        for each in journal.deletions
        if each.ended == float("inf")
    ]
    verdict.unfinished += [f"{fault.kind}: {fault.detail}" for fault in journal.faults if "not back" in fault.detail]
