"""The contract of learned memory in L2 and in the in-memory L2. Each test runs on both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared.errors import TooManyMemories
from shared.ids import timestamp_of
from shared.learning import memories as memories_module
from shared.learning.fold import learned_memories, memories_of
from shared.learning.forgetting import Forgetting
from shared.learning.memories import ExplicitMemory, Memory
from shared.learning.statements import Statement, statement_id
from shared.models import Exchange, ExchangeTexts
from shared.stores.archive import Archive
from shared.stores.derivations import MEMORIES
from shared.stores.learning import NewStatement
from shared.testing import InMemoryArchive
from tests.support.exchanges import MOMENT, exchange
from tests.support.learning import homes_in, learn

_WINDOW = 2


@pytest.fixture(params=["real", "in memory"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """Return L2 or the in-memory L2, which marks threads as due for memories."""
    if request.param == "in memory":
        twin = InMemoryArchive()
        twin.derives = [MEMORIES]
        return twin
    make: Callable[..., Archive] = request.getfixturevalue("real_archive")
    return make(derives=[MEMORIES])


def _said(number: int, words: str, thread_id: str = "t", user_id: str = "ana") -> Exchange:
    created = exchange(number, thread_id, user_id)
    return replace(created, user_message=words)


def _memories(archive: Archive, user_id: str = "ana") -> list[Memory]:
    return memories_of(archive.knowledge(user_id, _WINDOW))


def _texts(archive: Archive, user_id: str = "ana") -> list[str]:
    now = datetime.now(UTC)
    return [each.text for each in _memories(archive, user_id) if each.is_current(now)]


def test_a_later_statement_supersedes_an_earlier_one(archive: Archive) -> None:
    """A slot's newest value is current; the older one has an end and names its successor."""
    archive.store([_said(0, "Rome"), _said(1, "Milan")])
    assert learn(archive) == "changed"
    milan, rome = _memories(archive)
    assert (milan.text, milan.valid_to, milan.superseded_by) == ("Lives in Milan", None, None)
    assert (rome.text, rome.valid_to, rome.superseded_by) == ("Lives in Rome", milan.valid_from, milan.memory_id)
    assert [(each.thread_id, each.quote) for each in milan.evidence] == [("t", "Milan")]


def test_statements_are_stored_once(archive: Archive) -> None:
    """A second worker with the same read stores nothing, and nothing is due afterwards."""
    archive.store([_said(0, "Rome")])
    first, second = archive.unread("t", 9), archive.unread("t", 9)
    assert archive.store_statements("t", first, "test:1", homes_in("t", first)) == "changed"
    assert archive.store_statements("t", second, "test:1", homes_in("t", second)) == "stale"
    assert archive.unread("t", 9).exchanges == []
    assert archive.unread("t", 9).due_at is None
    assert archive.mark_user("ana") == 1
    assert learn(archive) == "unchanged"
    assert _texts(archive) == ["Lives in Rome"]


def test_another_deriver_replaces_the_statements(archive: Archive) -> None:
    """What the new deriver does not find is removed, and the result says that the memories changed."""
    archive.store([_said(0, "Rome")])
    learn(archive)
    archive.mark_user("ana")
    unread = archive.unread("t", 9)
    assert archive.store_statements("t", unread, "other:1", []) == "changed"
    assert _memories(archive) == []


def test_a_long_thread_is_read_in_parts(archive: Archive) -> None:
    """Each part starts where the last one has ended, and the thread stays due until the end."""
    archive.store([_said(number, f"Place{number}") for number in range(5)])
    read = []
    while (unread := archive.unread("t", 2)).exchanges:
        read.append([each.user_message for each in unread.exchanges])
        assert archive.store_statements("t", unread, "test:1", homes_in("t", unread)) == "changed"
    assert read == [["Place0", "Place1"], ["Place2", "Place3"], ["Place4"]]
    assert len(_memories(archive)) == 5


def test_an_exchange_that_is_stored_meanwhile_is_read_too(archive: Archive) -> None:
    """An exchange after the read ones keeps the thread due; one between them makes the read stale."""
    rome, genoa, milan, turin = (
        _said(number, place) for number, place in enumerate(("Rome", "Genoa", "Milan", "Turin"))
    )
    archive.store([rome, milan])
    unread = archive.unread("t", 9)
    archive.store([turin])
    assert archive.store_statements("t", unread, "test:1", homes_in("t", unread)) == "changed"
    unread = archive.unread("t", 9)
    assert [each.user_message for each in unread.exchanges] == ["Turin"]
    archive.store([genoa])
    assert archive.store_statements("t", unread, "test:1", homes_in("t", unread)) == "stale"
    assert learn(archive) == "changed"
    assert [each.text for each in _memories(archive)] == [
        f"Lives in {each}" for each in ("Turin", "Milan", "Genoa", "Rome")
    ]


@pytest.mark.parametrize("change", ["stored between", "replaced", "deleted"])
def test_a_change_of_what_was_read_makes_it_stale(archive: Archive, change: str) -> None:
    """Nothing is stored of exchanges that changed since they were read. They are read again."""
    rome, genoa, milan = [_said(0, place) for place in ("Rome", "Genoa", "Milan")]
    archive.store([rome, milan])
    unread = archive.unread("t", 9)
    if change == "stored between":
        archive.store([genoa])
    elif change == "replaced":
        archive.replace_exchange("t", milan.exchange_id, ExchangeTexts("Turin", "a"))
    else:
        archive.delete_exchange("t", milan.exchange_id)
    assert archive.store_statements("t", unread, "test:1", homes_in("t", unread)) == "stale"
    assert _memories(archive) == []
    learn(archive)
    expected = {"stored between": ["Milan", "Genoa", "Rome"], "replaced": ["Turin", "Rome"], "deleted": ["Rome"]}
    assert [each.text.split()[-1] for each in _memories(archive)] == expected[change]


def test_a_replaced_exchange_loses_its_memory_at_once(archive: Archive) -> None:
    """The memory of the old text is gone before the new text is read."""
    said = _said(0, "Rome")
    archive.store([said])
    learn(archive)
    unread = archive.unread("t", 9)
    assert archive.replace_exchange("t", said.exchange_id, ExchangeTexts("Milan", "a")) is not None
    assert _memories(archive) == []
    assert archive.store_statements("t", unread, "test:1", homes_in("t", unread)) == "stale"
    learn(archive)
    assert _texts(archive) == ["Lives in Milan"]


def test_a_deleted_exchange_takes_its_memory_with_it(archive: Archive) -> None:
    """What another exchange says remains, as another memory."""
    said = [_said(0, "Rome"), _said(1, "Rome"), _said(2, "Milan")]
    archive.store(said)
    learn(archive)
    _, rome = _memories(archive)
    assert len(rome.evidence) == 2
    archive.delete_exchange("t", said[0].exchange_id)
    archive.delete_exchange("t", said[2].exchange_id)
    (remaining,) = _memories(archive)
    assert (remaining.text, remaining.valid_to) == ("Lives in Rome", None)
    assert remaining.memory_id != rome.memory_id
    assert [each.exchange_id for each in remaining.evidence] == [said[1].exchange_id]


def test_a_deleted_thread_or_user_takes_its_memories_with_it(archive: Archive) -> None:
    """Nothing of a deleted thread or user is known, and explicit memories go with the user."""
    archive.store([_said(0, "Rome"), _said(0, "Milan", "other"), _said(0, "Paris", "bobs", "bob")])
    for thread_id in ("t", "other", "bobs"):
        learn(archive, thread_id)
    archive.forget_thread("t", UUID(int=2**128 - 1))
    assert _texts(archive) == ["Lives in Milan"]
    archive.set_explicit("ana", _explicit("likes tea"))
    archive.forget_user("ana", UUID(int=2**128 - 1), [])
    assert _memories(archive) == []
    assert _texts(archive, "bob") == ["Lives in Paris"]


def _explicit(text: str, slot: str = "", memory_id: UUID | None = None) -> ExplicitMemory:
    now = datetime.now(UTC)
    return ExplicitMemory(memory_id or uuid4(), "fact", slot or f"fact:{text}", text, now, now)


def test_a_deleted_memory_is_not_learned_again(archive: Archive) -> None:
    """After a deletion, the same exchanges give nothing; a later statement does."""
    archive.store([_said(0, "Rome")])
    learn(archive)
    (learned,) = learned_memories(archive.knowledge("ana", _WINDOW))
    deleted_at = datetime.now(UTC)
    forgotten = Forgetting(archive.hash_key("ana")).of_run("home", learned.run, learned.following, deleted_at)
    archive.forget_memories("ana", [forgotten], [each.statement_id for each in learned.run], [])
    assert _memories(archive) == []
    archive.mark_user("ana")
    assert learn(archive) == "unchanged"
    assert _memories(archive) == []
    later = replace(_said(5, "Rome"), created_at=deleted_at + timedelta(hours=1))
    archive.store([later])
    learn(archive)
    assert _texts(archive) == ["Lives in Rome"]


def test_a_deletion_refuses_other_words_for_the_same(archive: Archive) -> None:
    """Between the deleted statement and the next value, nothing of the slot is learned. Older values stay ended."""
    archive.store([_said(0, "Genoa"), _said(1, "Rome"), _said(2, "Roma")])
    unread = archive.unread("t", 9)
    statements = homes_in("t", unread)
    archive.store_statements("t", unread, "test:1", statements[:2])
    rome = next(each for each in learned_memories(archive.knowledge("ana", _WINDOW)) if "Rome" in each.memory.text)
    forgotten = Forgetting(archive.hash_key("ana")).of_run("home", rome.run, rome.following, datetime.now(UTC))
    archive.forget_memories("ana", [forgotten], [each.statement_id for each in rome.run], [])
    archive.mark_user("ana")
    learn(archive)
    (genoa,) = _memories(archive)
    assert (genoa.text, genoa.valid_to) == ("Lives in Genoa", timestamp_of(rome.run[0].order))
    assert _texts(archive) == []


def test_an_explicit_memory_is_stronger_than_later_statements(archive: Archive) -> None:
    """What the user set explicitly stays current. Learned memories of its slot are superseded by it."""
    archive.store([_said(0, "Rome")])
    learn(archive)
    explicit = _explicit("Lives in Oslo", "home")
    archive.set_explicit("ana", explicit)
    archive.store([replace(_said(1, "Milan"), created_at=datetime.now(UTC) + timedelta(hours=1))])
    learn(archive)
    assert _texts(archive) == ["Lives in Oslo"]
    superseded = {each.text: each.superseded_by for each in _memories(archive) if each.source == "learned"}
    assert superseded["Lives in Milan"] == explicit.memory_id
    changed = replace(explicit, text="Lives in Bergen")
    archive.set_explicit("ana", changed)
    assert _texts(archive) == ["Lives in Bergen"]


def test_explicit_memories_have_a_limit(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user cannot set more memories than the limit; the others are unchanged."""
    for module in ("shared.stores.postgres.memories", "shared.testing.learning"):
        monkeypatch.setattr(f"{module}.MAX_EXPLICIT", 2)
    assert memories_module.MAX_EXPLICIT > 2
    archive.set_explicit("ana", _explicit("one"))
    archive.set_explicit("ana", _explicit("two"))
    with pytest.raises(TooManyMemories):
        archive.set_explicit("ana", _explicit("three"))
    assert len(_memories(archive)) == 2


def test_a_summary_has_what_left_the_window(archive: Archive) -> None:
    """Only exchanges before the window are summarized, each once, and only their sentences are shown."""
    archive.store([_said(number, f"Sentence {number}.") for number in range(5)])
    unread = archive.unsummarized("t", _WINDOW, 9)
    assert [each.user_message for each in unread.exchanges] == ["Sentence 0.", "Sentence 1.", "Sentence 2."]
    new = []
    for each in unread.exchanges:
        is_empty = each.user_message == "Sentence 1."
        statement = Statement("summary", "summary", "" if is_empty else "v", each.user_message, each.user_message)
        new.append(NewStatement(statement_id("t", each.exchange_id, 0, statement), each, statement))
    assert archive.store_sentences("t", unread, "test:1", new) == "changed"
    assert archive.unsummarized("t", _WINDOW, 9).exchanges == []
    (summary,) = _memories(archive)
    assert (summary.kind, summary.text) == ("summary", "Sentence 0. Sentence 2.")
    assert memories_of(archive.knowledge("ana", 3))[0].text == "Sentence 0."
    assert memories_of(archive.knowledge("ana", _WINDOW, "other")) == []


def test_a_budget_is_counted_by_day(archive: Archive) -> None:
    """Characters above a day's limit are refused and not counted; the next day starts at zero."""
    day = date(2026, 1, 1)
    archive.store([_said(0, "Rome")])
    assert archive.take_budget("ana", day, 60, 100)
    assert not archive.take_budget("ana", day, 60, 100)
    assert archive.take_budget("ana", day, 40, 100)
    assert archive.take_budget("ana", day + timedelta(days=1), 100, 100)
    assert not archive.take_budget("bob", day, 101, 100)


def test_a_change_of_the_deriver_makes_all_exchanges_due(archive: Archive) -> None:
    """All exchanges are read again once; the same deriver marks nothing more."""
    archive.store([_said(0, "Rome")])
    learn(archive)
    while archive.mark_old_threads(MEMORIES, "other:1"):
        pass
    assert [each.user_message for each in archive.unread("t", 9).exchanges] == ["Rome"]
    learn(archive)
    assert archive.mark_old_threads(MEMORIES, "other:1") == 0
    assert archive.unread("t", 9).due_at is None


def test_changes_ask_the_sweep_to_update_redis(archive: Archive) -> None:
    """Learning, replacing and deleting each record that the user's memories in Redis are old."""

    def changed_users() -> set[str]:
        records = archive.invalidations(99)
        for record in records:
            archive.clear_invalidation(record)
        return {record.id for record in records if record.kind == "user"}

    said = _said(0, "Rome")
    archive.store([said])
    assert changed_users() == set()
    learn(archive)
    assert changed_users() == {"ana"}
    archive.set_explicit("ana", _explicit("likes tea"))
    assert changed_users() == {"ana"}


def test_moment_is_in_the_past() -> None:
    """The tests' exchanges lie before the deletions that the tests make."""
    assert datetime.now(UTC) > MOMENT
