"""Asks a data set's questions through `POST /search` and `POST /invoking`, and computes the scores."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import mean
from typing import Any, Final

from functions.derive.vectors import VectorDerivation
from shared.stores.archive import Archive
from tests.recall.data import Question, RecallUser
from tests.support.api import Api

CUTS: Final = (5, 10, 20)
CONTEXT_TOKENS: Final = 2_000
_BATCH: Final = 500


@dataclass(slots=True)
class Scores:
    """The scores of a data set, each with a value for each question.

    Attributes:
        recall: The fraction of the exchanges with the answer that are among the first k, by k.
        threads: The fraction of their threads that are among the threads of the first 10 exchanges.
        contexts: 1 if all exchanges with the answer are in a context of `CONTEXT_TOKENS`, otherwise 0.
    """

    recall: dict[int, list[float]] = field(default_factory=lambda: {cut: [] for cut in CUTS})
    threads: list[float] = field(default_factory=list)
    contexts: list[float] = field(default_factory=list)

    def means(self) -> dict[str, float]:
        """Return the mean scores by their names."""
        return {
            **{f"R@{cut}": mean(values) for cut, values in self.recall.items()},
            "threads R@10": mean(self.threads),
            f"context {CONTEXT_TOKENS}": mean(self.contexts),
        }


def measure(api: Api, archive: Archive, users: Iterable[RecallUser], derivation: VectorDerivation | None) -> Scores:
    """Store the users' exchanges with their vectors, ask all questions, and return the scores."""
    scores = Scores()
    for user in users:
        for start in range(0, len(user.exchanges), _BATCH):
            archive.store(user.exchanges[start : start + _BATCH])
        if derivation is not None:
            for thread_id in dict.fromkeys(exchange.thread_id for exchange in user.exchanges):
                derivation.derive(thread_id, seconds=math.inf)
        for question in user.questions:
            if question.exchange_ids:
                _ask(api, user.user_id, question, scores)
    return scores


def _ask(api: Api, user_id: str, question: Question, scores: Scores) -> None:
    body = {"user_id": user_id, "query": question.text, "limit": max(CUTS)}
    items = _answer(api, "/search", body)["items"]
    for cut, values in scores.recall.items():
        values.append(_fraction(question.exchange_ids, items[:cut], "exchange_id"))
    scores.threads.append(_fraction(question.thread_ids, items[:10], "thread_id"))
    context = {
        "user_id": user_id,
        "query": question.text,
        "max_context_tokens": CONTEXT_TOKENS,
        "include": ["context", "related"],
    }
    related = _answer(api, "/invoking", context)["related"]
    scores.contexts.append(float(_fraction(question.exchange_ids, related, "exchange_id") == 1))


def _answer(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = api.ask("POST", path, body)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    if answer["degraded"]:
        raise RuntimeError(f"{path} did not look at everything: {answer['degraded']}")
    return answer


def _fraction(wanted: frozenset[str], items: list[dict[str, Any]], name: str) -> float:
    return len(wanted & {item[name] for item in items}) / len(wanted)
