"""What a turn knows about its user, on real servers: from Redis in one round trip, and never what was deleted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis

from functions.sync.cache_update import CacheUpdate
from functions.sync.sweep import Sweep
from infra.local.servers import PostgresServer, ValkeyServer
from shared.errors import MemoryNotFound, StoreUnavailable
from shared.learning.fold import MAX_SUMMARY
from shared.learning.normalize import free_slot
from shared.learning.statements import Statement, statement_id
from shared.memory.budget import KNOWN_TITLE, SUMMARY_TITLE, Limits, select
from shared.memory.exchanges import Exchanges
from shared.memory.learned import LearnedMemories
from shared.memory.memory import Memory
from shared.memory.recall import Recall
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.models import Exchange, ExchangeTexts
from shared.stores.learning import NewStatement
from shared.testing import InMemoryQueue
from tests.support.exchanges import exchange
from tests.support.learning import learn, sentences_in

MakeProcess = Callable[..., Memory]
KEY = "user:ana:memories"


@pytest.fixture
def memory(process: MakeProcess, valkey: ValkeyServer, postgres: PostgresServer) -> Memory:
    """Return a process' memory. Ana said in the thread `t` that she lives in Rome."""
    del valkey, postgres
    created = process()
    said = replace(exchange(0, "t", "ana"), user_message="Rome is my home")
    created.archive.store([said])
    created.archive.mark_user("ana")
    assert learn(created.archive) == "changed"
    _clear_records(created)
    return created


def _clear_records(memory: Memory) -> None:
    for record in memory.archive.invalidations(99):
        memory.archive.clear_invalidation(record)


def _recall(memory: Memory, thread_id: str | None = "t", user_id: str = "ana") -> Recall:
    return Turn(memory, thread_id, user_id, has_memories=True).recall()


def _known(memory: Memory, thread_id: str | None = "t") -> list[str]:
    recall = _recall(memory, thread_id)
    assert recall.degraded == []
    return [each["text"] for each in recall.known.items]


def _stored(memory: Memory) -> Exchange:
    (only,) = memory.archive.window("t", 9).exchanges
    return only


def test_memories_come_from_redis_after_the_first_turn(memory: Memory, redis_client: redis.Redis) -> None:
    """The first turn reads PostgreSQL and refills Redis; the next one needs only Redis."""
    assert _known(memory) == ["Lives in Rome"]
    assert 0 < redis_client.ttl(KEY) <= memory.settings.user_ttl_seconds
    redis_client.hset(KEY, "current", b"[]")
    assert _known(memory) == []


def test_a_turn_that_does_not_ask_reads_no_memories(memory: Memory, redis_client: redis.Redis) -> None:
    """Without a request for memories, neither the context nor Redis changes."""
    recall = Turn(memory, "t", "ana").recall()
    assert list(recall.known.items) == []
    assert not redis_client.exists(KEY)


def test_a_thread_without_a_summary_is_cached_too(memory: Memory, redis_client: redis.Redis) -> None:
    """The next turn of the same thread does not read PostgreSQL, although there is no summary."""
    _known(memory)
    assert redis_client.hget(KEY, "summary:t") == "null"


def _replace(memory: Memory) -> None:
    Exchanges(memory).replace("t", _stored(memory).exchange_id, ExchangeTexts("Milan", "a"))


def _delete_exchange(memory: Memory) -> None:
    Exchanges(memory).delete("t", _stored(memory).exchange_id)


def _delete_thread(memory: Memory) -> None:
    Threads(memory).delete("t")


def _delete_user(memory: Memory) -> None:
    Users(memory).forget("ana")


def _delete_memory(memory: Memory) -> None:
    (item,) = LearnedMemories(memory).list_for("ana").items
    LearnedMemories(memory).forget("ana", UUID(item["id"]))


def _delete_memories(memory: Memory) -> None:
    LearnedMemories(memory).forget_all("ana")


def _drain_replacement(memory: Memory) -> None:
    result = memory.archive.store([_stored(memory).revised(ExchangeTexts("Milan", "a"), 1)])
    assert len(result.replaced) == 1
    assert CacheUpdate(memory.archive, memory.cache).merge(result) == (True, True)


_CHANGES: list[Callable[[Memory], None]] = [
    _replace,
    _delete_exchange,
    _delete_thread,
    _delete_user,
    _delete_memory,
    _delete_memories,
    _drain_replacement,
]
each_change = pytest.mark.parametrize("change", _CHANGES, ids=lambda change: change.__name__.strip("_"))


@each_change
def test_a_memory_ends_with_its_exchange_in_both_layers(memory: Memory, change: Callable[[Memory], None]) -> None:
    """After the change is confirmed, no turn of any process shows the memory."""
    assert _known(memory) == ["Lives in Rome"]
    change(memory)
    assert _known(memory) == []
    assert LearnedMemories(memory).list_for("ana", include_superseded=True).items == []


@each_change
def test_a_refill_that_began_before_a_change_is_refused(
    process: MakeProcess,
    memory: Memory,
    change: Callable[[Memory], None],
    monkeypatch: pytest.MonkeyPatch,
    redis_client: redis.Redis,
) -> None:
    """A reader has read PostgreSQL before the change, and writes to Redis after it: the old memories are not stored."""
    reader = process()
    refill = reader.cache.refill_memories

    def change_first(*arguments: Any) -> None:
        change(memory)
        refill(*arguments)

    monkeypatch.setattr(reader.cache, "refill_memories", change_first)
    assert [each["text"] for each in _recall(reader).known.items] == ["Lives in Rome"]
    assert redis_client.hget(KEY, "current") is None
    assert _known(process()) == []


# The deletion of a user reads Redis first, so it changes nothing while Redis is down.
@pytest.mark.parametrize("change", [_replace, _delete_exchange, _delete_thread, _delete_memory])
def test_a_change_while_redis_is_down_is_shown_afterwards(
    process: MakeProcess, memory: Memory, change: Callable[[Memory], None], valkey: ValkeyServer
) -> None:
    """Redis stops during the change. The old memories are not shown after its return."""
    assert _known(memory) == ["Lives in Rome"]
    valkey.freeze()
    with suppress(StoreUnavailable):
        change(process())
    valkey.thaw()
    other = process()
    Sweep(other.archive, other.cache, 50, dead_letter_body=lambda *_: None).run()
    assert _known(other) == []


def test_without_postgresql_redis_shows_what_it_has(memory: Memory, postgres: PostgresServer) -> None:
    """Redis' memories are shown without PostgreSQL; without both, `degraded` names PostgreSQL."""
    assert _known(memory) == ["Lives in Rome"]
    postgres.kill()
    assert _known(memory) == ["Lives in Rome"]
    listed = LearnedMemories(memory).list_for("ana")
    assert ([each["text"] for each in listed.items], listed.degraded) == (["Lives in Rome"], ["postgres"])
    with pytest.raises(StoreUnavailable):
        LearnedMemories(memory).list_for("ana", include_superseded=True)
    memory.cache.forget_memories(["ana"])
    recall = _recall(memory)
    assert (list(recall.known.items), recall.degraded) == ([], ["postgres"])


def test_without_redis_postgresql_serves_the_memories(memory: Memory, valkey: ValkeyServer) -> None:
    """An outage of Redis changes only `degraded`."""
    valkey.kill()
    recall = _recall(memory)
    assert [each["text"] for each in recall.known.items] == ["Lives in Rome"]
    assert recall.degraded == ["redis"]


def test_a_replacement_while_postgresql_is_down_hides_the_memory(memory: Memory, postgres: PostgresServer) -> None:
    """The replacement waits in the queue. Until it is drained, the memory of the old text is not shown."""
    Turn(memory, "t", "ana").recall()
    assert _known(memory) == ["Lives in Rome"]
    exchange_id = _stored(memory).exchange_id
    postgres.kill()
    Exchanges(memory).replace("t", exchange_id, ExchangeTexts("Milan", "a"))
    recall = _recall(memory)
    assert (list(recall.known.items), recall.degraded) == ([], ["postgres"])


@pytest.mark.parametrize("delete", [_delete_memory, _delete_memories])
def test_a_deleted_memory_stays_deleted_when_everything_is_learned_again(
    memory: Memory, queue: InMemoryQueue, delete: Callable[[Memory], None]
) -> None:
    """Replaying the exchange and deriving all threads again does not restore it. A later statement does."""
    said = _stored(memory)
    delete(memory)
    queue.bodies.append(said.to_wire())
    memory.archive.store(queue.take())
    memory.archive.mark_user("ana")
    learn(memory.archive)
    assert _known(memory) == []
    later = replace(
        exchange(1, "t", "ana"), user_message="Rome again", created_at=datetime.now(UTC) + timedelta(hours=1)
    )
    memory.archive.store([later])
    memory.archive.mark_user("ana")
    learn(memory.archive)
    memory.cache.forget_memories(["ana"])
    assert _known(memory) == ["Lives in Rome"]


def test_a_correction_is_explicit_and_wins(memory: Memory) -> None:
    """A corrected memory keeps its id, loses its evidence, and later statements do not change it."""
    memories = LearnedMemories(memory)
    (item,) = memories.list_for("ana").items
    corrected = memories.correct("ana", UUID(item["id"]), "Lives in Ostia")
    assert (corrected["id"], corrected["source"], corrected["evidence"]) == (item["id"], "explicit", [])
    memory.archive.mark_user("ana")
    learn(memory.archive)
    assert _known(memory) == ["Lives in Ostia"]
    assert memories.get("ana", UUID(item["id"])) == corrected
    memories.forget("ana", UUID(item["id"]))
    memory.archive.mark_user("ana")
    learn(memory.archive)
    assert memories.list_for("ana", include_superseded=True).items == []
    with pytest.raises(MemoryNotFound):
        memories.forget("ana", UUID(item["id"]))


def test_the_same_explicit_memory_twice_is_one(memory: Memory) -> None:
    """Adding a fact again changes nothing; a preference replaces the one of its key."""
    memories = LearnedMemories(memory)
    first = memories.add("ana", "fact", "Has two cats")
    second = memories.add("ana", "fact", "has two CATS!")
    assert first["id"] == second["id"]
    memories.add("ana", "preference", "short", "answer_style")
    memories.add("ana", "preference", "long", "answer_style")
    preferences = [each for each in memories.list_for("ana").items if each["kind"] == "preference"]
    assert [(each["key"], each["text"]) for each in preferences] == [("answer_style", "long")]


def test_a_user_reads_and_changes_only_the_own_memories(memory: Memory) -> None:
    """Another user's id of a memory is unknown."""
    memories = LearnedMemories(memory)
    (item,) = memories.list_for("ana").items
    for attempt in (memories.get, memories.forget):
        with pytest.raises(MemoryNotFound):
            attempt("bob", UUID(item["id"]))
    with pytest.raises(MemoryNotFound):
        memories.correct("bob", UUID(item["id"]), "x")
    assert memories.list_for("bob").items == []


def _summarized(memory: Memory) -> None:
    memory.archive.store([replace(exchange(number, "t", "ana"), user_message=f"Line {number}") for number in range(4)])
    unread = memory.archive.unsummarized("t", 2, 9)
    assert memory.archive.store_sentences("t", unread, "test:1", sentences_in("t", unread)) == "changed"


@pytest.mark.usefixtures("memory")
def test_a_context_has_the_memories_after_the_other_parts(process: MakeProcess) -> None:
    """Memories and the summary of what left the window follow, each under its title, within the limit."""
    small = process(max_thread_messages=2)
    _summarized(small)
    LearnedMemories(small).add("ana", "preference", "metric", "units")
    recall = _recall(small)
    selection = select(recall.messages, recall.preferences, Limits()).add_known(recall.known, 0)
    known, summary = selection.context.split("\n\n")[-2:]
    assert known == f"{KNOWN_TITLE}\nunits: metric\nLives in Rome"
    assert summary == f"{SUMMARY_TITLE}\nRome is my home Line 0 Line 1"
    assert [each["kind"] for each in selection.known] == ["preference", "fact", "summary"]
    limit = selection.tokens - 5
    limited = select(recall.messages, recall.preferences, Limits(limit)).add_known(recall.known, limit)
    assert limited.tokens <= limit
    assert [each["kind"] for each in limited.known] == ["preference", "fact"]
    assert SUMMARY_TITLE not in limited.context


@pytest.mark.usefixtures("memory")
def test_a_deleted_summary_is_not_made_again(process: MakeProcess) -> None:
    """The sentences of a deleted summary do not return, not even as rows; later ones do."""
    small = process(max_thread_messages=2)
    _summarized(small)
    memories = LearnedMemories(small)
    (summary,) = [each for each in memories.list_for("ana").items if each["kind"] == "summary"]
    with pytest.raises(MemoryNotFound):
        memories.correct("ana", UUID(summary["id"]), "x")
    memories.forget("ana", UUID(summary["id"]))
    unread = small.archive.unsummarized("t", 2, 9)
    assert len(unread.exchanges) == 3
    small.archive.store_sentences("t", unread, "test:1", sentences_in("t", unread))
    assert small.archive.unsummarized("t", 2, 9).exchanges == []
    assert [each["kind"] for each in memories.list_for("ana").items] == ["fact"]
    assert small.archive.knowledge("ana", 2).summaries == []


def test_a_preference_ends_learned_memories_of_its_name_at_once(memory: Memory) -> None:
    """After the preference is set, no turn shows the learned memory; after its removal, it is known again."""
    assert _known(memory) == ["Lives in Rome"]
    Users(memory).merge("ana", {"home": "Oslo"})
    assert _known(memory) == []
    Users(memory).merge("ana", {"home": None})
    assert _known(memory) == ["Lives in Rome"]


def test_after_all_memories_are_deleted_earlier_exchanges_teach_nothing(memory: Memory) -> None:
    """This includes exchanges that nothing was learned from yet, and slots that were not known."""
    waiting = replace(exchange(1, "other", "ana"), user_message="Milan is nice")
    memory.archive.store([waiting])
    LearnedMemories(memory).add("ana", "fact", "Has two cats")
    LearnedMemories(memory).forget_all("ana")
    memory.archive.mark_user("ana")
    learn(memory.archive)
    learn(memory.archive, "other")
    assert LearnedMemories(memory).list_for("ana", include_superseded=True).items == []
    assert memory.archive.knowledge("ana", 50).statements == []


def _learn_free(memory: Memory, texts: dict[str, str]) -> None:
    """Learn free facts: the text that a model would find in each message."""
    memory.archive.mark_user("ana")
    unread = memory.archive.unread("t", 99)
    new = []
    for each in unread.exchanges:
        if (text := texts.get(each.user_message)) is not None:
            statement = Statement("fact", free_slot(text), "yes", text, each.user_message)
            new.append(NewStatement(statement_id("t", each.exchange_id, 0, statement), each, statement))
    memory.archive.store_statements("t", unread, "test:1", new)


def test_similar_free_facts_are_deleted_together(memory: Memory) -> None:
    """Two wordings that are one memory are deleted by one request, and corrected by one."""
    memories = LearnedMemories(memory)
    said = [replace(exchange(number, "t", "ana"), user_message=f"house {number}") for number in (1, 2)]
    memory.archive.store(said)
    texts = {"house 1": "Owns a small red wooden house by lake", "house 2": "Owns a small red wooden house at lake"}
    _learn_free(memory, texts)
    (item,) = [each for each in memories.list_for("ana").items if "house" in each["text"]]
    assert len(item["evidence"]) == 2
    memories.forget("ana", UUID(item["id"]))
    _learn_free(memory, texts)
    assert not [each for each in memories.list_for("ana").items if "house" in each["text"]]


def test_a_deleted_free_fact_does_not_return_in_other_words(memory: Memory) -> None:
    """A model words the same quote in another way: it is refused."""
    memories = LearnedMemories(memory)
    memory.archive.store([replace(exchange(1, "t", "ana"), user_message="stamps of Peru")])
    _learn_free(memory, {"stamps of Peru": "Collects stamps from Peru"})
    (item,) = [each for each in memories.list_for("ana").items if "stamps" in each["text"]]
    memories.forget("ana", UUID(item["id"]))
    _learn_free(memory, {"stamps of Peru": "Is a collector of Peruvian postage"})
    assert [each["text"] for each in memories.list_for("ana").items] == []


def test_an_explicit_fact_takes_the_place_of_the_same_learned_one(memory: Memory) -> None:
    """The user confirms what was learned: it is one memory, and it is explicit."""
    LearnedMemories(memory).add("ana", "fact", "lives in ROME")
    current = LearnedMemories(memory).list_for("ana").items
    assert [(each["text"], each["source"]) for each in current] == [("lives in ROME", "explicit")]


@pytest.mark.parametrize("text", ["Lives in Ostia", "The user lives in Ostia.", "Ich wohne in Ostia"])
def test_an_explicit_fact_replaces_a_learned_one_about_the_same(memory: Memory, text: str) -> None:
    """What the user sets explicitly wins, whatever was said before or is said later."""
    memories = LearnedMemories(memory)
    (learned,) = memories.list_for("ana").items
    added = memories.add("ana", "fact", text)
    later = replace(exchange(1, "t", "ana"), user_message="Rome again")
    memory.archive.store([later])
    memory.archive.mark_user("ana")
    learn(memory.archive)
    assert _known(memory) == [text]
    old = memories.get("ana", UUID(learned["id"]))
    assert (old["text"], old["superseded_by"]) == ("Lives in Rome", added["id"])


def test_a_newer_explicit_fact_ends_an_older_one_about_the_same(memory: Memory) -> None:
    """The older one stays in the history. The deletion of the newer one deletes both, so that none is current again."""
    memories = LearnedMemories(memory)
    ostia = memories.add("ana", "fact", "Lives in Ostia")
    milan = memories.add("ana", "fact", "Lives in Milan")
    assert _known(memory) == ["Lives in Milan"]
    ended = memories.get("ana", UUID(ostia["id"]))
    assert (ended["valid_to"], ended["superseded_by"]) == (milan["valid_from"], milan["id"])
    with pytest.raises(MemoryNotFound):
        memories.correct("ana", UUID(ostia["id"]), "Lives in Turin")
    memories.forget("ana", UUID(milan["id"]))
    assert memories.list_for("ana", include_superseded=True).items == []


@pytest.mark.usefixtures("memory")
def test_a_summary_is_short_and_has_one_id(process: MakeProcess) -> None:
    """A long thread's summary has some of its sentences, each with its quote. Turns and the list show the same."""
    small = process(max_thread_messages=2)
    said = [replace(exchange(number, "t", "ana"), user_message=f"{number} " + "x" * 200) for number in range(60)]
    small.archive.store(said)
    while (unread := small.archive.unsummarized("t", 2, 50)).exchanges:
        small.archive.store_sentences("t", unread, "test:1", sentences_in("t", unread))
    (listed,) = [each for each in LearnedMemories(small).list_for("ana").items if each["kind"] == "summary"]
    assert 1_000 < len(listed["text"]) <= MAX_SUMMARY
    numbers = [int(each["quote"].split()[0]) for each in listed["evidence"] if each["quote"][0].isdigit()]
    assert numbers == sorted(numbers, reverse=True)
    assert all(each["quote"] in listed["text"] for each in listed["evidence"])
    assert len(listed["evidence"]) == len(listed["text"].split("x ")) + ("Rome" in listed["text"])
    assert _recall(small).known.summary == listed


def test_many_statements_do_not_displace_others(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit, the newest statement of each slot is used first."""
    monkeypatch.setattr("shared.stores.postgres.memories._MAX_STATEMENTS", 4)
    memory.archive.store([replace(exchange(number, "t", "ana"), user_message="tea") for number in range(9)])
    memory.archive.mark_user("ana")
    unread = memory.archive.unread("t", 99)
    new = []
    for each in unread.exchanges:
        slot = "likes:tea" if each.user_message == "tea" else "home"
        statement = Statement("fact", slot, "like", "Likes tea", each.user_message)
        new.append(NewStatement(statement_id("t", each.exchange_id, 0, statement), each, statement))
    memory.archive.store_statements("t", unread, "test:1", new)
    assert {each.statement.slot for each in memory.archive.knowledge("ana", 50).statements} == {"likes:tea", "home"}
