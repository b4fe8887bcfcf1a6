"""Injects one planned fault after another. Killed processes restart while the next fault runs."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psutil
import psycopg
import redis
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import LocalStackError
from tests.chaos.clocks import Clock, libfaketime_path
from tests.chaos.journal import FaultPeriod, Journal
from tests.chaos.plan import Fault, FaultKind, Plan
from tests.chaos.postgres import Postgres
from tests.chaos.targets import Server, Targets
from tests.chaos.valkey import Refusal, Valkey

# A killed worker is replaced within this time, including its cold start.
_COLD_START_SECONDS: Final = 3.0
# The time that timeouts and circuit breakers need to notice the end of a freeze.
_RECOVERY_SECONDS: Final = 1.0
# An outage of the in-memory queue must be shorter than its clients' timeout.
_MAX_EMULATOR_SECONDS: Final = 5.0


class Injector:
    """Runs the plan's faults until it is stopped."""

    def __init__(
        self,
        targets: Targets,
        valkey: Valkey,
        postgres: Postgres,
        clocks: dict[str, Clock],
        plan: Plan,
        journal: Journal,
    ) -> None:
        self._targets = targets
        self._valkey = valkey
        self._postgres = postgres
        self._clocks = clocks
        self._plan = plan
        self._journal = journal
        self._stopped = threading.Event()
        self._watchers: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, name="injector", daemon=True)
        self._injections: dict[FaultKind, Callable[[Fault], None]] = {
            "valkey killed": lambda fault: self._kill(fault, "valkey"),
            "valkey frozen": lambda fault: self._freeze(fault, "valkey"),
            "valkey restarted": lambda fault: self._restart(fault, "valkey", self._targets.stop_valkey),
            "valkey restores older data": self._restart_with_snapshot,
            "valkey fails over": self._fail_over,
            "valkey fails over to wrong clock": lambda fault: self._fail_over(fault, days=_days(fault)),
            "valkey full": lambda fault: self._refuse_writes(fault, "full"),
            "valkey without replicas": lambda fault: self._refuse_writes(fault, "without replicas"),
            "valkey cannot save": lambda fault: self._refuse_writes(fault, "cannot save"),
            "postgres killed": lambda fault: self._kill(fault, "postgres"),
            "postgres frozen": lambda fault: self._freeze(fault, "postgres"),
            "postgres restarted": lambda fault: self._restart(fault, "postgres", self._targets.stop_postgres),
            "postgres backend killed": self._kill_backend,
            "postgres fails over": self._fail_over_postgres,
            "workers' clocks wrong by days": self._set_clocks,
            "workers killed": self._kill_workers,
            "workers frozen": self._freeze_workers,
            "both stores killed": lambda fault: self._kill(fault, "valkey", "postgres"),
            "both stores frozen": lambda fault: self._freeze(fault, "valkey", "postgres"),
            "postgres frozen, valkey killed": lambda fault: self._freeze(fault, "postgres", killed="valkey"),
            "queue refuses": self._refuse_messages,
            "queue refuses, postgres frozen": lambda fault: self._refuse_messages(fault, also_frozen="postgres"),
            "emulator frozen": lambda fault: self._freeze(fault, "emulator"),
        }

    def start(self) -> None:
        """Start the faults."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the current fault and inject no more. Return when all killed processes have restarted."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        for watcher in self._watchers:
            watcher.join()

    def _run(self) -> None:
        for fault in self._plan.faults():
            if self._stopped.wait(fault.pause_before):
                return
            try:
                self._injections[fault.kind](fault)
            except (
                *(BotoCoreError, ClientError, redis.RedisError, psycopg.Error),
                *(LocalStackError, OSError, subprocess.SubprocessError),
            ) as error:
                # The fault failed because the stack was still recovering from the previous fault.
                period = self._journal.faults[-1]
                period.detail = f"failed: {type(error).__name__}"
                self._end_period(period, _RECOVERY_SECONDS)

    def _begin_period(self, fault: Fault) -> FaultPeriod:
        period = FaultPeriod(fault.kind, time.monotonic())
        self._journal.faults.append(period)
        return period

    def _end_period(self, period: FaultPeriod, seconds: float) -> None:
        period.ended = time.monotonic() + seconds

    def _watch(self, period: FaultPeriod, pids: dict[Server, int]) -> None:
        """Start a Python thread that records when the servers have recovered."""

        def watch() -> None:
            unrecovered = [name for name, pid in pids.items() if not self._targets.wait_restarted(name, pid)]
            self._end_period(period, _RECOVERY_SECONDS)
            if unrecovered:
                period.detail = f"not restarted in time: {', '.join(unrecovered)}"

        self._watchers.append(threading.Thread(target=watch, name=f"watch-{period.kind}", daemon=True))
        self._watchers[-1].start()

    def _kill(self, fault: Fault, *names: Server) -> None:
        period = self._begin_period(fault)
        pids = {name: self._targets.pid(name) for name in names}
        trees = [process for name in names for process in self._targets.tree(name)]
        self._targets.kill(trees)
        self._watch(period, pids)

    def _freeze(self, fault: Fault, *names: Server, killed: Server | None = None) -> None:
        period = self._begin_period(fault)
        processes = [process for name in names for process in self._targets.tree(name)]
        pids = {killed: self._targets.pid(killed)} if killed else {}
        try:
            self._targets.freeze(processes)
            if killed:
                self._targets.kill(self._targets.tree(killed))
            seconds = min(fault.seconds, _MAX_EMULATOR_SECONDS) if "emulator" in names else fault.seconds
            self._stopped.wait(seconds)
        finally:
            self._targets.thaw(processes)
        self._watch(period, pids)

    def _restart(self, fault: Fault, name: Server, stop: Callable[[], None]) -> None:
        period = self._begin_period(fault)
        pid = self._targets.pid(name)
        stop()
        self._watch(period, {name: pid})

    def _refuse_writes(self, fault: Fault, refusal: Refusal) -> None:
        period = self._begin_period(fault)
        with self._valkey.refusing(refusal):
            self._stopped.wait(fault.seconds)
        self._end_period(period, _RECOVERY_SECONDS)

    def _restart_with_snapshot(self, fault: Fault) -> None:
        """Kill Valkey and restart it with an older snapshot.

        The snapshot is from a moment ago, or from the last injection of this kind of fault.
        """
        period = self._begin_period(fault)
        self._valkey.take_snapshot(overwrite=bool(fault.random_bits % 2))
        self._stopped.wait(fault.seconds)
        self._valkey.load_snapshot_at_start()
        pid = self._targets.pid("valkey")
        self._targets.kill(self._targets.tree("valkey"))
        self._watch(period, {"valkey": pid})

    def _fail_over(self, fault: Fault, days: int = 0) -> None:
        """Promote a replica at the same address, and fail back after a while. The replica may lag."""
        period = self._begin_period(fault)
        is_lagging, closes_connections = bool(fault.random_bits % 2), bool(fault.random_bits % 3)
        connections = "connections closed" if closes_connections else "connections stay open"
        period.detail = f"{'lagging, ' if is_lagging else ''}{connections}"
        period.detail += (
            "" if not days else f", {days:+d} days" if libfaketime_path() else ", the same day: no libfaketime"
        )
        try:
            self._valkey.start_standby(is_lagging=is_lagging, days=days)
            self._stopped.wait(fault.seconds / 2)
            self._valkey.fail_over(closes_connections=closes_connections)
            self._stopped.wait(fault.seconds)
            self._valkey.fail_back()
        except BaseException:
            self._valkey.discard_standby()
            raise
        self._end_period(period, _RECOVERY_SECONDS)

    def _fail_over_postgres(self, fault: Fault) -> None:
        """Promote a standby of PostgreSQL at the same address, and fail back after a while."""
        period = self._begin_period(fault)
        try:
            self._postgres.start_standby()
            self._postgres.fail_over()
        except BaseException:
            self._postgres.discard_standby()
            raise
        self._stopped.wait(fault.seconds)
        self._postgres.fail_back()
        self._end_period(period, _RECOVERY_SECONDS)

    def _set_clocks(self, fault: Fault) -> None:
        """Set the clocks of one function's processes ahead or behind by days."""
        period = self._begin_period(fault)
        name = _random_of(fault).choice(sorted(self._clocks))
        days = _days(fault)
        period.detail = f"{name} {days:+d} days"
        # If one store is down, a process has only two clocks to compare and cannot decide which of them is right.
        self._targets.wait_up()
        try:
            self._clocks[name].set_days(days)
            self._stopped.wait(fault.seconds)
        finally:
            self._clocks[name].set_days(0)
        self._end_period(period, _RECOVERY_SECONDS)

    def _kill_backend(self, fault: Fault) -> None:
        """Kill one of PostgreSQL's processes. PostgreSQL then ends all sessions and recovers from its log."""
        period = self._begin_period(fault)
        backends = self._targets.backends()
        if backends:
            self._targets.kill([_random_of(fault).choice(backends)])
        self._end_period(period, _RECOVERY_SECONDS)

    def _kill_workers(self, fault: Fault) -> None:
        period = self._begin_period(fault)
        killed = self._targets.kill(self._some_workers(fault))
        period.detail = f"{killed} killed"
        self._end_period(period, _COLD_START_SECONDS)

    def _freeze_workers(self, fault: Fault) -> None:
        period = self._begin_period(fault)
        workers = self._some_workers(fault)
        try:
            period.detail = f"{self._targets.freeze(workers)} frozen"
            self._stopped.wait(fault.seconds)
        finally:
            self._targets.thaw(workers)
        self._end_period(period, _RECOVERY_SECONDS)

    def _some_workers(self, fault: Fault) -> list[psutil.Process]:
        workers = self._targets.workers()
        return _random_of(fault).sample(workers, min(len(workers), max(1, round(fault.worker_share * len(workers)))))

    def _refuse_messages(self, fault: Fault, also_frozen: Server | None = None) -> None:
        period = self._begin_period(fault)
        processes = self._targets.tree(also_frozen) if also_frozen else []
        try:
            self._targets.limit_queue(refuses=True)
            self._targets.freeze(processes)
            self._stopped.wait(fault.seconds)
        finally:
            self._targets.thaw(processes)
            with suppress(BotoCoreError, ClientError):
                self._targets.limit_queue(refuses=False)
        self._end_period(period, _RECOVERY_SECONDS)


def _days(fault: Fault) -> int:
    return 2 if fault.random_bits % 2 else -2


def _random_of(fault: Fault) -> random.Random:
    return random.Random(fault.random_bits)  # noqa: S311 - reproducible, not for security
