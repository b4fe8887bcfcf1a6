"""Reports the result of a run as a table and as JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.chaos.journal import Journal, Request
from tests.chaos.plan import FAULT_KINDS
from tests.chaos.verdict import Verdict

DURABILITIES: Final = ("queue", "postgres", "redis", "none")
_MAX_EXAMPLES: Final = 10
_ANSWERS: Final = {"answers", "failures", "slow answers"}


@dataclass(frozen=True, slots=True)
class RunReport:
    """The summary of a run.

    Attributes:
        wanted: The number of exchanges that the run should accept. A slow machine may accept fewer.
        seconds: The duration of the faults.
        drain_seconds: The time from the end of the faults until everything was drained.
        sweeps: The number of sweeps in the functions' log, which is emptied when it has become long.
        answers: The numbers of the model's answers and of what was wrong in them; empty if the rules learned.
    """

    seed: int
    wanted: int
    seconds: float
    drain_seconds: float
    sweeps: int
    dead_letters: int
    journal: Journal
    verdict: Verdict
    answers: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return the figures of the run."""
        journal, verdict = self.journal, self.verdict
        requests = list(journal.requests())
        during = [request.seconds for request in requests if journal.is_during_fault(request)]
        outside = [request.seconds for request in requests if not journal.is_during_fault(request)]
        faults = Counter(fault.kind for fault in journal.faults)
        durabilities = Counter(self._durability(turn.answered) for turn in journal.turns if turn.answered)
        return {
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "seconds_until_drained": round(self.drain_seconds, 1),
            "requests": len(requests),
            "accepted": {"total": journal.accepted} | {name: durabilities[name] for name in DURABILITIES},
            "faults": {"total": len(journal.faults)} | {kind: faults[kind] for kind in FAULT_KINDS},
            "deliveries": {"copied": journal.copies_delivered, "delayed": journal.deliveries_delayed},
            "sweeps": self.sweeps,
            "dead_letters": self.dead_letters,
            "unknown": {
                "requests": sum(request.is_unknown for request in requests),
                "turns": sum(turn.is_unknown for turn in journal.turns),
                "stored": verdict.unknown_stored,
                "missing": verdict.unknown_missing,
            },
            "outbox_lost_with_valkey": len(verdict.outbox_lost),
            "keys_lost_with_valkey": len(verdict.keys_lost),
            "checked": {
                "threads": verdict.threads,
                "cached_threads": verdict.cached_threads,
                "ordered_pairs": verdict.ordered_pairs,
                "deletions": len(self.journal.deletions),
                "erased": verdict.erased,
                "statements": verdict.statements,
                "memories": verdict.memories,
                "deleted_memories": verdict.forgotten,
                "not_degraded": sum(
                    request.route == "invoking" and request.is_answered and not request.degraded for request in requests
                ),
                "keys": sum(turn.planned.id_source == "key" for turn in journal.turns),
                "repeated": sum(turn.planned.copies > 1 for turn in journal.turns),
            },
            "model": dict(self.answers.most_common()),
            "violations": {kind: len(examples) for kind, examples in verdict.violations.items()},
            "latency_ms": {"during_faults": _latency(during), "outside": _latency(outside)},
            "examples": {kind: examples[:_MAX_EXAMPLES] for kind, examples in verdict.violations.items() if examples},
        }

    def _durability(self, requests: Sequence[Request]) -> str:
        """Return the durability in an exchange's responses; if they differ, the one that is first in `DURABILITIES`."""
        result = {request.durability for request in requests}
        return next(name for name in DURABILITIES if name in result)

    def table(self) -> str:
        """Return the figures as a table."""
        figures = self.to_json()
        accepted, unknown, checked = figures["accepted"], figures["unknown"], figures["checked"]
        rows: list[tuple[str, str]] = [
            ("seed", f"{self.seed}"),
            ("faults for", f"{self.seconds:.0f} s, drained {self.drain_seconds:.0f} s later"),
            ("requests", f"{figures['requests']:,}"),
            ("exchanges accepted", f"{accepted['total']:,} of {self.wanted:,} requested"),
        ]
        rows += [(f"  durability {name}", f"{accepted[name]:,}") for name in DURABILITIES]
        rows += [("faults injected", f"{figures['faults']['total']}")]
        rows += [(f"  {kind}", f"{figures['faults'][kind]}") for kind in FAULT_KINDS]
        rows += [
            ("deliveries duplicated", f"{self.journal.copies_delivered:,}"),
            ("deliveries delayed", f"{self.journal.deliveries_delayed:,}"),
            ("deletions", f"{len(self.journal.deletions)}, of {checked['erased']:,} exchanges at least"),
            *(
                (f"the model's {name}" if name in _ANSWERS else f"  statements {name}", f"{count:,}")
                for name, count in figures["model"].items()
            ),
            ("sweeps in the last log", f"{self.sweeps}"),
            ("dead letters", f"{self.dead_letters}"),
            (
                "unknown outcomes",
                f"{unknown['requests']} requests; {unknown['turns']} exchanges, {unknown['stored']} stored",
            ),
            ("outbox lost with Valkey", f"{figures['outbox_lost_with_valkey']}"),
            ("keys lost with Valkey", f"{figures['keys_lost_with_valkey']}"),
        ]
        checked_counts = {
            "out of order": f" of {checked['ordered_pairs']:,} pairs",
            "differing threads": f" of {checked['cached_threads']} cached",
            "incomplete responses": f" of {checked['not_degraded']:,} without a degraded layer",
            "two responses for one key or id": f" of {checked['repeated']:,} repeated",
            "statements not learned": f" of {checked['statements']:,}",
            "memories deleted and returned": f" of {checked['deleted_memories']:,}",
        }
        rows += [(kind, f"{count}{checked_counts.get(kind, '')}") for kind, count in figures["violations"].items()]
        for name, figure in figures["latency_ms"].items():
            rows.append((f"latency {name.replace('_', ' ')}", _latency_text(figure)))
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:{width}}  {value}" for name, value in rows]
        for kind, examples in figures["examples"].items():
            lines += ["", f"{kind}:", *(f"  {example}" for example in examples)]
        return "\n".join(lines)


def _latency(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    if not ordered:
        return {"requests": 0, "median": 0, "p99": 0, "worst": 0}

    def percentile(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] * 1000, 1)

    return {"requests": len(ordered), "median": percentile(0.5), "p99": percentile(0.99), "worst": percentile(1)}


def _latency_text(figure: dict[str, float]) -> str:
    return (
        f"median {figure['median']:,.0f} ms, p99 {figure['p99']:,.0f} ms, worst {figure['worst']:,.0f} ms"
        f" ({figure['requests']:,} requests)"
    )
