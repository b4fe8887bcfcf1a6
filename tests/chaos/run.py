"""Runs the stack with faults, and checks the results."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import psycopg

from functions.derive.model_deriver import ModelDeriver
from infra.local.client import StackProcess
from shared.learning.rules.deriver import RuleDeriver
from shared.learning.statements import Deriver
from shared.model_name import ModelName
from tests.chaos.backlog import Backlog, wait_until_drained
from tests.chaos.callers import Callers
from tests.chaos.clocks import Clock
from tests.chaos.deletions import Deletions
from tests.chaos.deliveries import Deliveries
from tests.chaos.faults import Injector
from tests.chaos.forgetting import MemoryDeletions
from tests.chaos.journal import Journal
from tests.chaos.learned import LearnedVerdict
from tests.chaos.memories import check_memories, wait_until_learned
from tests.chaos.model_server import BadModel, answer_truly
from tests.chaos.plan import Plan
from tests.chaos.postgres import Postgres
from tests.chaos.report import RunReport
from tests.chaos.stored import count_dead_letters, read_threads
from tests.chaos.targets import FUNCTIONS, Server, Targets, redirect_functions, sqs_client
from tests.chaos.tcp_proxy import TcpProxy
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
LearnsBy = Literal["rules", "model"]
_URLS: Final[dict[Server, str]] = {"valkey": "redis_url", "postgres": "database_url"}
# In a new stack no exchange waits for the drain. Without this row, the first heartbeat counts as the end of a long
# outage, and reads report a degraded queue until PostgreSQL was up for eleven minutes.
_NOTHING_UNDRAINED: Final = """
insert into drain_health (id, healthy_since, beat_at, undrained_since) values (1, now(), now(), now())
on conflict (id) do update set healthy_since = now(), beat_at = now(), undrained_since = now()"""
_PROGRESS_SECONDS: Final = 10.0
_RATE_MARGIN: Final = 1.1
_SWEEP_LOG_FIELD: Final = '"message":"swept"'
_SWEEP_SECONDS: Final = 75


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a run.

    Attributes:
        seconds: The minimum duration of the faults.
        exchanges: The minimum number of accepted exchanges. The run ends after twice `seconds` in any case.
        invokes_sweep: Whether to invoke the sweep when the callers have finished, instead of waiting up to a minute.
    """

    seconds: float
    exchanges: int
    callers: int = 8
    threads: int = 200
    invokes_sweep: bool = False


def run(
    state_dir: Path, seed: int, size: Size, print_progress: Callable[[str], None], *, learns_by: LearnsBy = "rules"
) -> RunReport:
    """Start a stack in `state_dir`, inject faults, wait for the drain, check, and stop the stack.

    Args:
        state_dir: The stack's directory.
        seed: The seed of the plan, and of the model's answers.
        size: The size of the run.
        print_progress: Prints a line.
        learns_by: What learns from exchanges: the rules, or a model that also invents, repeats, injects and fails.
    """
    plan, journal = Plan(seed, size.threads), Journal()
    with ExitStack() as resources:
        model = resources.enter_context(BadModel(seed)) if learns_by == "model" else None
        environment = _SETTINGS | (model.environment() if model else {})
        stack = resources.enter_context(StackProcess(state_dir, env=environment))
        print_progress(f"The stack is up. The seed is {seed}.")
        with psycopg.connect(stack.info["database_url"], autocommit=True) as database:
            database.execute(_NOTHING_UNDRAINED)
        # The proxies run until the end, so that the connections after the faults use them too.
        proxies: dict[Server, TcpProxy] = {
            server: resources.enter_context(closing(TcpProxy(urlsplit(stack.info[url]).port or 0)))
            for server, url in _URLS.items()
        }
        clocks = {name: Clock(stack.state_dir / "clocks" / name) for name in FUNCTIONS}
        ports = {server: proxy.port for server, proxy in proxies.items()}
        redirect_functions(stack.info, ports, {name: clock.environment() for name, clock in clocks.items()})
        _inject_faults(stack, proxies, clocks, plan, journal, size, print_progress)
        seconds = time.monotonic() - journal.began
        print_progress(f"{journal.accepted} exchanges accepted, {len(journal.faults)} faults; waiting for the drain.")
        drain_seconds, backlog = wait_until_drained(stack.info, invokes_sweep=size.invokes_sweep)
        _repeat_requests_with_keys(stack.info, plan, journal, size)
        _, backlog = wait_until_drained(stack.info, invokes_sweep=size.invokes_sweep)
        _read_threads(stack.info, plan, journal, size)
        print_progress("Comparing the responses with the stores.")
        verdict = Judge(journal).judge(read_threads(stack.info, [f"chaos-{number}" for number in range(size.threads)]))
        _check_memories(stack.info, plan, journal, size, verdict, _true_deriver(learns_by))
        total_seconds = time.monotonic() - journal.began
        # The terminal's log has no sweeps that had nothing to do.
        sweeps = (stack.state_dir / "functions.log").read_text(errors="replace").count(_SWEEP_LOG_FIELD)
        sqs = sqs_client(stack.info)
        dead_letter_count = count_dead_letters(stack.info, sqs)
        sqs.close()
    _record_unfinished(
        verdict,
        journal,
        backlog,
        dead_letter_count=dead_letter_count,
        has_swept=sweeps > 0 or total_seconds < _SWEEP_SECONDS,
    )
    answers = model.counts if model else Counter[str]()
    return RunReport(seed, size.exchanges, seconds, drain_seconds, sweeps, dead_letter_count, journal, verdict, answers)


def _true_deriver(learns_by: LearnsBy) -> Deriver:
    """Return a deriver that finds what the exchanges state, and nothing else."""
    return RuleDeriver() if learns_by == "rules" else ModelDeriver(ModelName("ollama", "bad"), "true", answer_truly)


def _inject_faults(
    stack: StackProcess,
    proxies: dict[Server, TcpProxy],
    clocks: dict[str, Clock],
    plan: Plan,
    journal: Journal,
    size: Size,
    print_progress: Callable[[str], None],
) -> None:
    info, targets, state_dir = stack.info, Targets(stack), stack.state_dir
    valkey = Valkey(info["redis_url"], state_dir / "valkey", proxies["valkey"])
    postgres = Postgres(info, state_dir / "postgres", proxies["postgres"], targets)
    callers = Callers(
        info["api_url"], plan, journal, number=size.callers, rate=_RATE_MARGIN * size.exchanges / size.seconds
    )
    injector, deliveries = Injector(targets, valkey, postgres, clocks, plan, journal), Deliveries(info, plan, journal)
    deletions = Deletions(callers, plan, journal)
    memory_deletions = MemoryDeletions(callers, plan, journal)
    if size.invokes_sweep:
        targets.shorten_visibility()
    try:
        callers.warm_up()
        journal.began = time.monotonic()
        for component in (callers, deliveries, deletions, memory_deletions, injector):
            component.start()
        _wait_for_exchanges(journal, size, print_progress)
    finally:
        # After an error at the start, `stop` has no effect on a component that did not start.
        for component in (injector, deliveries, memory_deletions, deletions, callers):
            component.stop()
        callers.close()
        targets.close()
        valkey.close()
        postgres.close()


def _wait_for_exchanges(journal: Journal, size: Size, print_progress: Callable[[str], None]) -> None:
    reported_at = 0.0
    while (elapsed := time.monotonic() - journal.began) < 2 * size.seconds:
        accepted = journal.accepted
        if elapsed >= size.seconds and accepted >= size.exchanges:
            return
        if elapsed - reported_at >= _PROGRESS_SECONDS:
            reported_at = elapsed
            print_progress(f"{elapsed:4.0f} s: {accepted} exchanges accepted, {len(journal.faults)} faults.")
        time.sleep(0.5)


def _repeat_requests_with_keys(info: dict[str, Any], plan: Plan, journal: Journal, size: Size) -> None:
    callers = Callers(info["api_url"], plan, journal, number=size.callers, rate=1)
    try:
        callers.repeat_requests_with_keys()
    finally:
        callers.close()


def _read_threads(info: dict[str, Any], plan: Plan, journal: Journal, size: Size) -> None:
    callers = Callers(info["api_url"], plan, journal, number=size.callers, rate=1)
    try:
        callers.read_threads([f"chaos-{number}" for number in range(size.threads)])
    finally:
        callers.close()


def _check_memories(
    info: dict[str, Any], plan: Plan, journal: Journal, size: Size, verdict: Verdict, deriver: Deriver
) -> None:
    if due := wait_until_learned(info):
        verdict.unfinished.append(f"{due} threads are still to be learned from")
    lists = _list_memories(info, plan, journal, size)
    verdict.unfinished += [f"the memories of {user} are not listed" for user, each in lists.items() if each is None]
    listed = {user: each for user, each in lists.items() if each is not None}
    # A request whose key was lost has run twice, and its second exchange may teach the memory again.
    with_lost_key = {each.partition(" ")[0] for each in verdict.keys_lost}
    forgotten = {each.label: each.is_confirmed and each.label not in with_lost_key for each in journal.forgotten}
    learned: LearnedVerdict = check_memories(info, deriver, listed, forgotten)
    verdict.statements, verdict.memories = learned.statements, learned.memories
    verdict.forgotten = sum(forgotten.values())
    verdict.not_learned += learned.missing
    verdict.learned_twice += learned.doubled
    verdict.unproven += learned.unproven
    verdict.returned_memories += journal.returned_memories + learned.returned
    verdict.unfinished += learned.unfinished


def _list_memories(
    info: dict[str, Any], plan: Plan, journal: Journal, size: Size
) -> dict[str, list[dict[str, Any]] | None]:
    callers = Callers(info["api_url"], plan, journal, number=size.callers, rate=1)
    try:
        return {user_id: callers.list_memories(user_id) for user_id in plan.user_ids}
    finally:
        callers.close()


def _record_unfinished(
    verdict: Verdict, journal: Journal, backlog: Backlog | None, *, dead_letter_count: int, has_swept: bool
) -> None:
    if backlog is None or not backlog.is_empty:
        verdict.unfinished.append(f"not drained in time: {backlog}")
    if dead_letter_count:
        verdict.unfinished.append(f"{dead_letter_count} messages in the dead-letter queue")
    if not has_swept:
        verdict.unfinished.append("the schedule never ran the sweep")
    verdict.unfinished += [
        f"the deletion of {each.user_id or each.thread_id} was requested {each.attempts} times,"
        f" last response: {each.last_response}"
        for each in journal.deletions
        if each.ended == float("inf")
    ]
    verdict.unfinished += [
        f"{fault.kind}: {fault.detail}" for fault in journal.faults if "not restarted" in fault.detail
    ]
