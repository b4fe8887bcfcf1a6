"""`store.sql` is idempotent, accepts exchanges in any order, and needs a constant number of statements.

The tests also check the stored threads.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.errors import InvalidRecord
from shared.ids import ExchangeIds
from shared.models import Exchange, ExchangeTexts
from shared.stores.archive import StoreResult
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import sql
from tests.support.exchanges import MOMENT, exchange, exchanges
from tests.support.proxy import CountingProxy

MakeArchive = Callable[..., PostgresArchive]


@pytest.fixture
def archive(real_archive: MakeArchive) -> PostgresArchive:
    """Return L2."""
    return real_archive(timeout_ms=20_000)


def _rows(database: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return database.execute(query.encode()).fetchall()


def _contents(database: psycopg.Connection, thread_id: str = "t") -> list[str]:
    rows = database.execute(
        "select content from messages m join conversations c on c.id = m.conversation_id where thread_id = %s"
        " order by order_key, position",
        (thread_id,),
    )
    return [content for (content,) in rows]


def _counts(result: StoreResult) -> tuple[int, int, int]:
    return result.stored, result.duplicates, result.tombstoned


def test_an_exchange_is_two_rows(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """The two rows of an exchange have the contract's role, position, content and time."""
    created = exchange(1, user_id="ana", document_ids=("d2", "d1"))
    assert archive.store([created]) == StoreResult(1, 0, 0, [created])
    assert _rows(database, "select exchange_id, position, role, content, created_at from messages order by 2") == [
        (created.exchange_id, 0, "user", "q1", created.created_at),
        (created.exchange_id, 1, "assistant", "a1", created.created_at),
    ]
    assert _rows(database, "select thread_id, user_id, title, created_at, updated_at from conversations") == [
        ("t", "ana", "q1", created.created_at, created.created_at)
    ]
    assert _rows(database, "select document_id, attached_at from conversation_documents order by 1") == [
        ("d1", created.created_at),
        ("d2", created.created_at),
    ]


def test_a_row_has_the_time_of_its_storage(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """A row has the time at which PostgreSQL stored it. A duplicate keeps this time, and a replacement changes it."""
    created, texts = exchange(1), ExchangeTexts("new question", "new answer")
    before = archive.clock()
    archive.store([created])
    archive.store([created])
    rows = archive.messages("t", 2, None, descending=False)
    stored = {row.stored_at.timestamp() for row in rows if row.stored_at is not None}
    assert before <= min(stored) <= max(stored) <= archive.clock()
    archive.replace_exchange("t", created.exchange_id, texts)
    replaced = archive.messages("t", 2, None, descending=False)
    assert all(row.stored_at is not None and row.stored_at.timestamp() > max(stored) for row in replaced)
    database.execute("update messages set stored_at = null")  # rows of an earlier release
    database.commit()
    assert {row.stored_at for row in archive.messages("t", 2, None, descending=False)} == {None}


def test_an_empty_batch_is_no_error(archive: PostgresArchive) -> None:
    """An empty batch is no error."""
    assert archive.store([]) == StoreResult(0, 0, 0, [])


def test_texts_are_unchanged(archive: PostgresArchive) -> None:
    """Emoji, right-to-left text, noncharacters, quotes, control characters, spaces and empty texts stay unchanged."""
    for text in ("👩‍👩‍👧‍👦", "שלום", "\ufffe\uffff", "'\"\\ %s :x", "\x01\x1f\x7f\r\n\t", "  ", "", "x" * 200_000):
        created = Exchange(ExchangeIds().new(), text[:50].strip() or "t", None, text, text, MOMENT)
        archive.store([created])
        assert archive.window(created.thread_id, 100).exchanges[-1] == created


def test_a_repeated_batch_is_stored_once(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """PostgreSQL stores a repeated batch once. The result still lists the batch for the update of L1."""
    batch = exchanges(5)
    first, second = archive.store(batch), archive.store(batch)
    assert (_counts(first), _counts(second)) == ((5, 0, 0), (0, 5, 0))
    assert sorted(second.effective, key=lambda each: each.order) == batch
    assert len(_contents(database)) == 10


def test_the_earlier_of_two_exchanges_in_a_batch_is_stored(
    archive: PostgresArchive, database: psycopg.Connection
) -> None:
    """A batch has two exchanges with one id. PostgreSQL stores the earlier exchange, in any order of the batch."""
    exchange_id = uuid4()
    later, earlier = (
        exchange("late", exchange_id=exchange_id, created_at=MOMENT + timedelta(seconds=1)),
        exchange("early", exchange_id=exchange_id, created_at=MOMENT),
    )
    for thread_id, batch in (("t1", [later, earlier, later]), ("t2", [earlier, later, later])):
        moved = [
            Exchange(e.exchange_id, thread_id, None, e.user_message, e.assistant_message, e.created_at) for e in batch
        ]
        result = archive.store(moved)
        assert _counts(result) == (1, 2, 0)
        assert {each.user_message for each in result.effective} == {"qearly"}
        assert _contents(database, thread_id) == ["qearly", "aearly"]


@pytest.mark.parametrize("named", [uuid4(), ExchangeIds().new()])
def test_the_earliest_wins_across_batches(named: UUID, archive: PostgresArchive, database: psycopg.Connection) -> None:
    """Two batches have an exchange with the same id. PostgreSQL keeps the earlier exchange, as Redis does."""
    later = exchange("late", exchange_id=named, created_at=MOMENT + timedelta(seconds=9))
    earlier = exchange("early", exchange_id=named, created_at=MOMENT)
    assert _counts(archive.store([later])) == (1, 0, 0)
    replaced = archive.store([earlier])
    assert (_counts(replaced), replaced.effective) == ((0, 1, 0), [earlier])
    dropped = archive.store([later])
    assert (_counts(dropped), dropped.effective) == ((0, 1, 0), [earlier])
    assert _contents(database) == ["qearly", "aearly"]


def test_one_id_in_two_threads_is_two_exchanges(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """An id that a caller chooses is unique only within its thread."""
    exchange_id = uuid4()
    result = archive.store([exchange(1, "t1", exchange_id=exchange_id), exchange(2, "t2", exchange_id=exchange_id)])
    assert _counts(result) == (2, 0, 0)
    assert (_contents(database, "t1"), _contents(database, "t2")) == (["q1", "a1"], ["q2", "a2"])


def test_batches_in_any_order_result_in_the_same_thread(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """Batches in any order result in the same thread, with the first exchange's title and user."""
    created = [exchange(number, user_id=f"u{number}") for number in range(12)]
    shuffled_exchanges = random.Random(7).sample(created, 12)  # noqa: S311 - no secret depends on it
    for start in range(0, 12, 4):
        archive.store(shuffled_exchanges[start : start + 4])
    assert [each.user_message for each in archive.window("t", 50).exchanges] == [f"q{n}" for n in range(12)]
    assert _rows(database, "select title, user_id, created_at, updated_at from conversations") == [
        ("q0", "u0", created[0].created_at, created[-1].created_at)
    ]


def test_a_renamed_title_stays(archive: PostgresArchive) -> None:
    """A caller renames a thread. The new title stays, even if the thread's first exchange arrives later."""
    first, second = exchanges(2)
    archive.store([second])
    assert archive.rename("t", "Mine") is not None
    archive.store([first])
    thread = archive.thread("t")
    assert thread is not None
    assert (thread.title, thread.message_count, thread.created_at) == ("Mine", 4, first.created_at)


def test_documents_are_attached_once(archive: PostgresArchive) -> None:
    """Documents are listed in the order of their first attachment, for any order of the exchanges."""
    created = [
        exchange(number, created_at=MOMENT + timedelta(seconds=number), document_ids=documents)
        for number, documents in enumerate([("b", "c"), ("a", "b"), ("c", "d")])
    ]
    archive.store(created[1:])
    archive.store(created[:1])
    thread = archive.thread("t")
    assert thread is not None
    assert thread.document_ids == ("b", "c", "a", "d")


def test_exchanges_of_a_deleted_thread_are_dropped(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """PostgreSQL drops exchanges of a deleted thread, and of a deleted user in any thread. Later exchanges stay."""
    old_exchanges = [exchange(0, "t1"), exchange(1, "t2", "ana"), exchange(2, "t2", "bob"), exchange(3, "t3", "ana")]
    cutoff = ExchangeIds().new(after=old_exchanges[-1].exchange_id)
    archive.forget_thread("t1", cutoff)
    archive.forget_user("ana", cutoff, [])
    new_exchanges = [
        exchange(number, thread, user, exchange_id=ExchangeIds().new(after=cutoff))
        for number, (thread, user) in enumerate([("t1", None), ("t2", "ana")], start=4)
    ]
    result = archive.store(old_exchanges + new_exchanges)
    assert _counts(result) == (3, 0, 3)
    assert {each.user_message for each in result.effective} == {"q2", "q4", "q5"}
    assert [_contents(database, name) for name in ("t1", "t2", "t3")] == [["q4", "a4"], ["q2", "a2", "q5", "a5"], []]


def test_a_batch_is_all_or_nothing(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """If PostgreSQL refuses an exchange, it stores no exchange of the batch. The reason quotes no text."""
    database.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin"
        " if new.content = 'q13' then raise exception 'no such number' using errcode = '22023', detail = new.content;"
        " end if; return new; end $$"
    )
    database.execute("create trigger refuse before insert on messages for each row execute function refuse()")
    with pytest.raises(InvalidRecord) as caught:
        archive.store(exchanges(20))
    assert (caught.value.reason, caught.value.detail) == ("refused_by_postgres", "22023: no such number")
    assert _contents(database) == []
    assert archive.store(exchanges(13)).stored == 13


@pytest.fixture
def counted(real_archive: MakeArchive, database_url: str) -> Any:
    """Return a counting proxy to PostgreSQL, and L2 connected through it."""
    port = urlsplit(database_url).port or 0
    with CountingProxy(port) as proxy:
        url = database_url.replace(f":{port}/", f":{proxy.port}/") + "?sslmode=disable&gssencmode=disable"
        behind = real_archive(url)
        behind.ping()
        yield proxy, behind


def test_batches_of_any_size_need_the_same_number_of_statements(counted: tuple[CountingProxy, PostgresArchive]) -> None:
    """Batches of one, ten and a thousand exchanges need the same number of statements."""
    proxy, archive = counted
    numbers = []
    for size in (1, 10, 1_000):
        batch = [exchange(number, f"t{size}-{number % 37}", f"u{number % 5}") for number in range(size)]
        for _ in range(2):
            proxy.reset()
            archive.store(batch)
            numbers.append(len(proxy.statements()))
    new, repeated = numbers[::2], numbers[1::2]
    assert new == [new[0]] * 3
    assert repeated == [repeated[0]] * 3
    # A new batch needs begin, lock, store and commit. A repeated batch also looks up its duplicates.
    assert (new[0], repeated[0]) == (4, 5)


def test_a_window_of_a_long_thread_is_one_page(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """PostgreSQL reads the order index from its newest end, so the cost does not depend on the thread's length."""
    archive.store([each for number in range(30) for each in exchanges(300, f"other{number}")] + exchanges(300))
    window = archive.window("t", 50)
    assert [each.user_message for each in window.exchanges] == [f"q{n}" for n in range(250, 300)]
    assert (window.is_all, archive.window("t", 300).is_all, archive.window("t", 299).is_all) == (False, True, False)
    database.execute("analyze")
    parameters = {
        "thread_id": "t",
        "rows": 101,
        "order_key": UUID(int=1 << 127),
        "position": 0,
        "owner": "u",
        "deleted": 9,
    }
    parameters |= {"users": ["u"], "gap": 100}
    for name in ("window", "messages_asc", "messages_desc"):
        plan = database.execute(b"explain (analyze, format json) " + sql(name), parameters).fetchone()
        assert plan is not None
        assert "ix_messages_order" in str(plan)
        assert max(_rows_read(plan[0][0]["Plan"])) <= 101


def _rows_read(plan: dict[str, Any]) -> list[float]:
    return [plan["Actual Rows"], *(rows for part in plan.get("Plans", []) for rows in _rows_read(part))]


def test_the_first_and_the_last_time_are_stored(archive: PostgresArchive) -> None:
    """L2 stores and reads the first and the last time of the wire format."""
    for moment in (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)):
        created = exchange(1, str(moment.year), exchange_id=uuid4(), created_at=moment)
        archive.store([created])
        assert archive.window(str(moment.year), 1).exchanges == [created]
