"""Learning by a model that also invents, repeats, misplaces, injects and fails, with real servers and two workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest

from functions.derive.learning import LearningDerivation, LearningLimits
from functions.derive.model_deriver import EXCHANGES, ModelDeriver
from shared.errors import StoreUnavailable
from shared.memory.exchanges import Exchanges
from shared.memory.learned import LearnedMemories
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.model_name import ModelName
from shared.models import Exchange, ExchangeTexts
from tests.chaos.learned import MemoryJudge, label_of
from tests.chaos.memories import read_sources, read_statements
from tests.chaos.model_server import BadModel, answer_truly
from tests.chaos.plan import Plan
from tests.support.exchanges import said

_MODEL = ModelName("ollama", "bad")
_TRUE = ModelDeriver(_MODEL, "true", answer_truly)
_USER = "ana"
_THREADS = ("t0", "t1", "t2")
_TURNS = 25
_ATTEMPTS = 50


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadModel]:
    """Return a bad model that answers at its address."""
    with BadModel(seed=5) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def _derive(memory: Memory) -> None:
    """Learn from all threads as a worker of the derive function does, until nothing is due."""
    deriver = ModelDeriver(_MODEL, "ollama:bad/1")
    derivation = LearningDerivation(
        memory.archive, deriver, 50, memory.cache.forget_memories, LearningLimits(EXCHANGES)
    )
    for thread_id in _THREADS:
        for _ in range(_ATTEMPTS):
            # SQS delivers the thread again.
            with suppress(StoreUnavailable):
                if derivation.derive(thread_id, 60):
                    break
        else:
            pytest.fail(f"{thread_id} is still due")
    assert derivation.take_counts().skipped == 0


def _learn(process: Callable[..., Memory], meanwhile: Callable[[], object] = lambda: None) -> None:
    """Let two workers learn from all threads of the user."""
    memory = process()
    memory.archive.mark_user(_USER)
    with ThreadPoolExecutor(2) as executor:
        workers = [executor.submit(_derive, process()) for _ in range(2)]
        meanwhile()
        for worker in workers:
            worker.result()


def _exchanges() -> list[Exchange]:
    turns = [
        (thread_id, turn)
        for number, thread_id in enumerate(_THREADS)
        for turn in itertools.islice(Plan(7, 10).planned_turns(number), _TURNS)
    ]
    return [said(turn.user_message, turn.assistant_message, thread_id, _USER) for thread_id, turn in turns]


def _judged(
    database: psycopg.Connection, memory: Memory, forgotten: dict[str, bool]
) -> tuple[dict[str, list[str]], MemoryJudge]:
    judge = MemoryJudge(read_sources(database), _TRUE, forgotten)
    judge.check_statements(read_statements(database))
    judge.check_list(_USER, LearnedMemories(memory).list_for(_USER, include_superseded=True).items)
    lists = {name: getattr(judge.verdict, name) for name in ("missing", "doubled", "unproven", "returned")}
    return {name: each for name, each in lists.items() if each}, judge


def test_a_bad_model_teaches_what_is_stated_once(
    process: Callable[..., Memory], database: psycopg.Connection, model: BadModel
) -> None:
    """Nothing is missing, doubled, invented or injected; nothing deleted returns; a rebuild gives the same ids."""
    memory = process()
    memory.cache.forget_memories([_USER])
    stored = _exchanges()
    memory.archive.store(stored)
    stating = [each for each in stored if "I like tea" in each.user_message]
    deleted, replaced = stating[0], stating[1]
    new_texts = ExchangeTexts("[c9n9] now\nI like tea number c9n9.", "ok")

    def change() -> None:
        Exchanges(memory).delete(deleted.thread_id, deleted.exchange_id)
        Exchanges(memory).replace(replaced.thread_id, replaced.exchange_id, new_texts)

    _learn(process, change)
    found, judge = _judged(database, memory, {})
    assert (found, judge.verdict.statements > 60) == ({}, True)

    items = LearnedMemories(memory).list_for(_USER).items
    forgotten = [each for each in items if each["kind"] == "preference"][:3]
    for each in forgotten:
        LearnedMemories(memory).forget(_USER, UUID(each["id"]))
    labels = {label_of(each["text"]): True for each in forgotten}
    assert _judged(database, memory, labels)[0] == {}
    Threads(memory).delete("t2")

    first = read_statements(database)
    # Deliver everything once more, and learn from all that is stored.
    memory.archive.store([replace(each) for each in stored])
    _learn(process)
    found, judge = _judged(database, memory, labels)
    judge.check_rebuilt(first, read_statements(database))
    assert (found, judge.verdict.missing, judge.verdict.unproven) == ({}, [], [])
    texts = str(LearnedMemories(memory).list_for(_USER, include_superseded=True).items)
    gone = [deleted, replaced, *(each for each in stored if each.thread_id == "t2")]
    assert not [each for each in gone if f"number {label_of(each.user_message)}." in texts]
    assert {"failures", "invented", "reworded", "repeated", "injected", "of another exchange"} <= model.counts.keys()
