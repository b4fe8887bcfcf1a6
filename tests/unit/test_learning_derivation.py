"""Learning from threads: what is stored, what is refused, and what happens if a deriver fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from functions.derive.learning import LearningDerivation, LearningLimits
from functions.sync.due_work import DueWork
from shared.errors import StoreUnavailable
from shared.learning.fold import memories_of
from shared.learning.statements import SourceExchange, Statement
from shared.models import ExchangeTexts
from shared.stores.derivations import MEMORIES
from shared.testing import InMemoryArchive
from shared.testing.derivations import InMemoryDueQueue
from tests.support.derivers import ScriptedDeriver, home_of
from tests.support.exchanges import said

_WINDOW = 2
Learn = Callable[..., LearningDerivation]


@pytest.fixture
def archive() -> InMemoryArchive:
    """Return an archive from which memories are learned."""
    made = InMemoryArchive()
    made.derives = [MEMORIES]
    return made


@pytest.fixture
def forgotten() -> list[str]:
    """Return the users whose memories were deleted from L1."""
    return []


@pytest.fixture
def learn(archive: InMemoryArchive, forgotten: list[str]) -> Learn:
    """Return a function that creates a derivation."""

    def make(deriver: ScriptedDeriver | None = None, **limits: int) -> LearningDerivation:
        used = deriver or ScriptedDeriver()
        return LearningDerivation(archive, used, _WINDOW, forgotten.extend, LearningLimits(**limits))

    return make


def _current(archive: InMemoryArchive, kind: str = "fact") -> list[str]:
    now = datetime.now(UTC)
    memories = memories_of(archive.knowledge("ana", _WINDOW))
    return [each.text for each in memories if each.kind == kind and each.is_current(now)]


def test_a_thread_is_learned_from_once(archive: InMemoryArchive, learn: Learn, forgotten: list[str]) -> None:
    """The newest statement is current. L1 loses the user's memories, and a second message has no effect."""
    archive.store([said("I live in Rome"), said("hello"), said("I live in Oslo")])
    derivation = learn()
    assert derivation.derive("t", 9)
    assert (_current(archive), forgotten) == (["Lives in Oslo"], ["ana"])
    counts = derivation.take_counts()
    assert (counts.statements, len(counts.lags), counts.skipped) == (2, 3, 0)
    assert derivation.derive("t", 9)
    assert derivation.take_counts().statements == 0
    assert (_current(archive), forgotten, archive.due) == (["Lives in Oslo"], ["ana"], {})


def test_a_long_thread_is_read_in_parts(archive: InMemoryArchive, learn: Learn) -> None:
    """Each part is stored, so a thread that takes long is continued where it ended."""
    archive.store([said(f"I live in {number}") for number in range(50)])
    deriver = ScriptedDeriver()
    assert not learn(deriver).derive("t", -1)
    assert learn(deriver).derive("t", 9)
    assert deriver.calls == [20, 20, 10]
    assert _current(archive) == ["Lives in 49"]


def test_only_what_is_new_is_read(archive: InMemoryArchive, learn: Learn) -> None:
    """A further exchange does not let the thread be read from its start."""
    deriver = ScriptedDeriver()
    for number in range(3):
        archive.store([said(f"I live in {number}")])
        assert learn(deriver).derive("t", 9)
    assert deriver.calls == [1, 1, 1]


def test_a_replaced_exchange_is_learned_from_again(archive: InMemoryArchive, learn: Learn) -> None:
    """What only the old text said is not known any more."""
    stored = said("I live in Rome")
    archive.store([stored])
    assert learn().derive("t", 9)
    archive.replace_exchange("t", stored.exchange_id, ExchangeTexts("I live in Oslo", "ok"))
    assert _current(archive) == []
    assert learn().derive("t", 9)
    assert _current(archive) == ["Lives in Oslo"]


def test_nothing_is_learned_without_a_user(archive: InMemoryArchive, learn: Learn) -> None:
    """A thread without a user, and one that does not exist, have nothing to learn from."""
    archive.store([said("I live in Rome", user_id=None)])
    assert learn().derive("t", 9)
    assert learn().derive("missing", 9)
    archive.due[MEMORIES, "t"] = datetime.now(UTC)
    assert learn().derive("t", 9)
    assert archive.due == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda archive, stored: archive.delete_exchange("t", stored.exchange_id),
        lambda archive, stored: archive.forget_thread("t", stored.exchange_id),
        lambda archive, stored: archive.forget_user("ana", stored.exchange_id, []),
    ],
    ids=["exchange", "thread", "user"],
)
def test_nothing_is_stored_of_what_is_deleted_meanwhile(
    archive: InMemoryArchive, learn: Learn, change: Callable[..., object]
) -> None:
    """A deletion between the reading and the storing wins."""
    stored = said("I live in Rome")
    archive.store([stored])
    deriver = ScriptedDeriver(before=lambda: change(archive, stored))
    learn(deriver).derive("t", 9)
    assert _current(archive) == []


def _invented(exchange: SourceExchange) -> list[Statement]:
    return [
        *home_of(exchange),
        *home_of(exchange),
        Statement("fact", "home", "paris", "Lives in Paris", "I live in Paris"),
        Statement("fact", "role", "pilot", "Works as pilot", exchange.assistant_message, "assistant"),
        Statement("fact", "role", "pilot", "Works as pilot", ""),
        Statement("summary", "summary", "x", "x", exchange.user_message),
    ]


def test_what_an_exchange_does_not_say_is_refused(archive: InMemoryArchive, learn: Learn) -> None:
    """Statements without a true quote of the user, repeated ones and those of another kind are counted and dropped."""
    archive.store([said("I live in Rome", "You are a pilot")])
    derivation = learn(ScriptedDeriver(find=_invented))
    assert derivation.derive("t", 9)
    assert _current(archive) == ["Lives in Rome"]
    counts = derivation.take_counts()
    assert (counts.statements, counts.refused.total()) == (1, 4)
    assert counts.refused["quote_not_found"] == 1


def test_a_refused_exchange_does_not_block_its_thread(archive: InMemoryArchive, learn: Learn) -> None:
    """A deriver that fails for one exchange, but responds to another one, is not asked for it again."""
    archive.store([said("I live in Rome"), *(said(f"bad {number}") for number in range(3)), said("I live in Oslo")])
    deriver = ScriptedDeriver(refused="bad")
    derivation = learn(deriver)
    assert derivation.derive("t", 9)
    assert (_current(archive), derivation.take_counts().skipped) == (["Lives in Oslo"], 3)
    assert archive.due == {}


def test_an_exchange_alone_that_is_refused_does_not_block_its_thread(archive: InMemoryArchive, learn: Learn) -> None:
    """The deriver is asked about a harmless exchange each time to find out whether it responds at all."""
    archive.store([said("bad")])
    deriver = ScriptedDeriver(refused="bad")
    assert learn(deriver).derive("t", 9)
    assert deriver.calls == 3 * [1, 1]
    assert archive.due == {}


@pytest.mark.parametrize("failures", [1, 2])
def test_a_deriver_that_fails_for_a_moment_is_asked_again(
    archive: InMemoryArchive, learn: Learn, failures: int
) -> None:
    """An error of the model's server, or an answer of another form, is not the exchange's fault."""

    class Unsteady(ScriptedDeriver):
        def derive(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
            self.refused = "Rome" if len(self.calls) < 2 * failures else "\0"
            return super().derive(exchanges)

    archive.store([said("I live in Rome")])
    derivation = learn(Unsteady())
    assert derivation.derive("t", 9)
    assert (_current(archive), derivation.take_counts().skipped) == (["Lives in Rome"], 0)


def test_a_deriver_that_does_not_respond_is_asked_later(archive: InMemoryArchive, learn: Learn) -> None:
    """The thread stays due. What was stored before stays stored."""
    archive.store([said("I live in Rome")])
    deriver = ScriptedDeriver(is_down=True)
    derivation = learn(deriver)
    with pytest.raises(StoreUnavailable):
        derivation.derive("t", 9)
    assert (MEMORIES, "t") in archive.due
    deriver.is_down = False
    assert derivation.derive("t", 9)
    assert _current(archive) == ["Lives in Rome"]


def test_a_wrong_number_of_answers_is_a_failure(archive: InMemoryArchive, learn: Learn) -> None:
    """A deriver that answers for other exchanges than it was asked for has not responded."""

    class Short(ScriptedDeriver):
        def derive(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
            return super().derive(exchanges)[1:] if len(exchanges) > 1 else super().derive(exchanges)

    archive.store([said("I live in Rome"), said("I live in Oslo")])
    assert learn(Short()).derive("t", 9)
    assert _current(archive) == ["Lives in Oslo"]


def test_a_user_has_a_budget(archive: InMemoryArchive, learn: Learn) -> None:
    """Without budget, the thread is due again at midnight, and the deriver is not asked."""
    archive.store([said("I live in Rome", "a" * 100), said("I live in Oslo", "a" * 100)])
    deriver = ScriptedDeriver()
    derivation = learn(deriver, daily_characters=120)
    assert derivation.derive("t", 9)
    assert (deriver.calls, derivation.take_counts().postponed) == ([1], 1)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert archive.due[MEMORIES, "t"] == midnight
    assert derivation.derive("t", 9)
    assert deriver.calls == [1]
    archive.budgets.clear()
    assert derivation.derive("t", 9)
    assert (deriver.calls, _current(archive)) == ([1, 1], ["Lives in Oslo"])


def test_an_exchange_that_exceeds_the_budget_takes_all_of_it(archive: InMemoryArchive, learn: Learn) -> None:
    """One long exchange is read on one day, so that it does not block its thread."""
    archive.store([said("I live in Rome", "a" * 1000)])
    assert learn(daily_characters=10).derive("t", 9)
    assert (_current(archive), list(archive.budgets.values())) == (["Lives in Rome"], [10])


def test_a_deriver_reads_the_start_of_a_long_text(archive: InMemoryArchive, learn: Learn) -> None:
    """A quote is compared with what the deriver has read."""
    archive.store([said("I live in Rome" + "!" * 100)])
    assert learn(text_characters=14).derive("t", 9)
    assert _current(archive) == ["Lives in Rome"]


def test_a_long_thread_has_a_summary(archive: InMemoryArchive, learn: Learn) -> None:
    """Exchanges before the window have a sentence each. One without a sentence is not read again."""
    archive.store([said(text) for text in ("We met in Rome.", "hello", "We left.", "three", "four")])
    assert learn().derive("t", 9)
    assert _current(archive, "summary") == ["We met in Rome. We left."]
    assert archive.unsummarized("t", _WINDOW, 9).exchanges == []


def test_redis_may_be_down(archive: InMemoryArchive) -> None:
    """The statements are stored, and the sweep deletes the memories from Redis later."""

    def fail(_: Sequence[str]) -> None:
        raise StoreUnavailable("redis")

    archive.store([said("I live in Rome")])
    assert LearningDerivation(archive, ScriptedDeriver(), _WINDOW, fail).derive("t", 9)
    assert _current(archive) == ["Lives in Rome"]
    assert ("user", "ana") in {(each.kind, each.id) for each in archive.invalidations(9)}


def test_another_deriver_reads_all_exchanges_again(archive: InMemoryArchive, learn: Learn) -> None:
    """The sweep marks all threads once. These old exchanges have no lag."""
    archive.store([said("I live in Rome"), said("hello", thread_id="u", user_id=None)])
    assert learn().derive("t", 9)
    queue, deriver = InMemoryDueQueue(), ScriptedDeriver("scripted:2")
    for _ in range(2):
        DueWork(queue, {MEMORIES: deriver.name}).sweep(archive, deadline=0)
    assert list(archive.due) == [(MEMORIES, "t")]
    derivation = learn(deriver)
    assert derivation.derive("t", 9)
    assert (deriver.calls, derivation.take_counts().lags) == ([1], [])
    DueWork(queue, {}).sweep(archive, deadline=0)
    assert archive.mark_old_threads(MEMORIES, deriver.name) == 1


def test_missed_threads_are_sent_though_marking_fails(
    archive: InMemoryArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of one step of the sweep does not keep the other steps from running, and is raised at the end."""

    def fail(*_: object) -> int:
        raise StoreUnavailable("postgres")

    archive.store([said("I live in Rome")])
    archive.due = {each: moment - timedelta(minutes=5) for each, moment in archive.due.items()}
    monkeypatch.setattr(archive, "mark_old_threads", fail)
    queue = InMemoryDueQueue()
    with pytest.raises(StoreUnavailable):
        DueWork(queue, {MEMORIES: "scripted:1"}).sweep(archive, deadline=0)
    assert [each.thread_id for each in queue.sent] == ["t"]
