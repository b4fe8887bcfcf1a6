"""Redis and PostgreSQL have the formats that other programs rely on."""

from uuid import UUID

from tests.e2e.memory_api import MemoryApi
from tests.e2e.stores import Layers

_WINDOW = 50


def test_the_list_has_json_objects_oldest_first(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """Each entry of the list is a JSON object with at least role and content."""
    api.invoked("one", "1", thread_id=thread_id)
    api.invoked("two", "2", thread_id=thread_id)

    entries = layers.cached(thread_id)

    assert [(entry["role"], entry["content"]) for entry in entries] == [
        ("user", "one"),
        ("assistant", "1"),
        ("user", "two"),
        ("assistant", "2"),
    ]
    assert 0 < 24 * 3600 - layers.ttl(f"thread:{thread_id}:messages") + 1 < 600


def test_the_list_has_the_window_and_the_table_has_all_exchanges(
    api: MemoryApi, layers: Layers, thread_id: str
) -> None:
    """A thread has 60 exchanges. Redis has the newest 50 exchanges, and PostgreSQL has all of them, in order."""
    everything = [text for number in range(60) for text in (f"question {number}", f"answer {number}")]
    for question, answer in zip(everything[::2], everything[1::2], strict=True):
        api.invoked(question, answer, thread_id=thread_id)

    assert layers.cached_contents(thread_id) == everything[-2 * _WINDOW :]
    layers.wait_stored(thread_id, 120)
    assert layers.stored_contents(thread_id) == everything
    assert layers.cached_contents(thread_id) == everything[-2 * _WINDOW :]


def test_the_tables_have_the_conversation_and_its_messages(
    api: MemoryApi, layers: Layers, thread_id: str, user_id: str
) -> None:
    """There is one conversation, and each exchange has two messages: the user's at position 0, the assistant's at 1."""
    appended = api.invoked("Hello", "Hi", thread_id=thread_id, user_id=user_id)

    stored = layers.wait_stored(thread_id, 2)

    assert [row[:4] for row in stored] == [
        ("user", "Hello", appended["exchange_id"], 0),
        ("assistant", "Hi", appended["exchange_id"], 1),
    ]
    assert layers.conversations(thread_id) == [(user_id, "Hello")]
    created, updated = layers.rows("select created_at, updated_at from conversations where thread_id = %s", thread_id)[
        0
    ]
    assert created == updated == stored[0][4]
    assert created.tzinfo is not None


def test_documents_are_attached_to_the_thread(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """Each document is one row, and the thread lists them in order."""
    api.run("Read these", thread_id=thread_id, document_ids=["doc_b", "doc_a", "doc_b"])
    layers.wait_stored(thread_id, 2)
    api.invoked("And this", "Done", thread_id=thread_id, document_ids=["doc_c", "doc_a"])
    layers.wait_stored(thread_id, 4)

    documents = layers.rows(
        "select d.document_id::text, count(*) from conversation_documents d join conversations c"
        " on c.id = d.conversation_id where c.thread_id = %s group by 1 order by 1",
        thread_id,
    )

    assert documents == [("doc_a", 1), ("doc_b", 1), ("doc_c", 1)]
    assert sorted(api.thread(thread_id)["document_ids"]) == ["doc_a", "doc_b", "doc_c"]


def test_an_expired_list_is_refilled(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """After the list's expiry, PostgreSQL serves the history. Redis serves the next turn."""
    api.invoked("Hello", "Hi", thread_id=thread_id)
    layers.wait_stored(thread_id, 2)
    layers.delete_cached(f"thread:{thread_id}:messages")

    first = api.invoking(thread_id=thread_id)
    second = api.invoking(thread_id=thread_id)

    assert first["source"] == "postgres"
    assert second["source"] == "redis"
    assert first["messages"] == second["messages"]
    assert layers.cached_contents(thread_id) == ["Hello", "Hi"]
    assert layers.ttl(f"thread:{thread_id}:messages") > 23 * 3600


def test_an_expired_list_and_a_new_exchange_hide_no_history(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """An exchange right after the list's expiry does not hide the exchanges from before the expiry."""
    api.invoked("old question", "old answer", thread_id=thread_id)
    layers.wait_stored(thread_id, 2)
    layers.delete_cached(f"thread:{thread_id}:messages")

    api.invoked("new question", "new answer", thread_id=thread_id)

    expected = ["old question", "old answer", "new question", "new answer"]
    assert [message["content"] for message in api.invoking(thread_id=thread_id)["messages"]] == expected
    assert layers.cached_contents(thread_id) == expected


def test_entries_of_another_writer_are_read(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """Entries with only a role and a content, as the specification's code writes them, are part of the history."""
    with layers.redis() as client:
        client.rpush(f"thread:{thread_id}:messages", '{"role": "user", "content": "from elsewhere"}')

    context = api.invoking(thread_id=thread_id)

    assert context["context"] == "Previous conversation:\nuser: from elsewhere"


def test_exchange_ids_rise_with_time(api: MemoryApi, thread_id: str) -> None:
    """Ids are UUIDv7s and sort in the order of their exchanges."""
    ids = [UUID(api.invoked(str(n), str(n), thread_id=thread_id)["exchange_id"]) for n in range(10)]

    assert ids == sorted(ids)
    assert {each.version for each in ids} == {7}
