"""The reader returns a framework's items from exchanges of any kind and number, with or without retractions."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_memory_client import CannotBeKept, HistoryDegraded, Message
from hybrid_memory_client._ids import id_after, make_uuid7
from hybrid_memory_client._items import (
    ExchangeDraft,
    items_from_objects,
    make_draft,
    make_drafts,
    make_part_drafts,
    make_records,
    make_retraction,
)
from hybrid_memory_client._reading import ItemReader, StoredExchange, require_complete
from hybrid_memory_client._texts import ExchangeTexts, ToolStep
from tests.clients.python.test_bad_input import INVALID, circular

FRAMEWORK = "framework"
LONG = "a text that is long enough to be kept once only, and more"
LARGE = "x1" * 4_000
texts = st.sampled_from(["", "short", LONG, LONG + "!", LONG + LONG, LARGE])
items = st.fixed_dictionaries(
    {"text": texts}, optional={"more": st.lists(texts, max_size=3), "nested": st.dictionaries(texts, texts, max_size=2)}
)
exchange_texts = st.builds(ExchangeTexts, st.sampled_from(["", "short", LONG]), st.sampled_from(["", LONG, LONG + "!"]))
appends = st.lists(st.tuples(items, exchange_texts), max_size=6)
retractions = st.just(None)


def _make_exchanges(items_with_texts: list[tuple[Any, ExchangeTexts]]) -> list[ExchangeDraft]:
    """Return the exchanges of one `append`. Parts follow the exchange that refers to them."""
    exchanges: list[ExchangeDraft] = []
    for draft in make_drafts(FRAMEWORK, make_records(items_with_texts)):
        exchanges += [draft, *(part for record in draft.records for part in make_part_drafts(FRAMEWORK, record))]
    return exchanges


def _messages_of(stored: list[tuple[UUID, ExchangeDraft]]) -> list[Message]:
    messages = []
    for exchange_id, draft in sorted(stored, key=lambda each: each[0], reverse=True):
        metadata = json.loads(json.dumps(draft.metadata))
        messages.append(Message("assistant", draft.texts.assistant, exchange_id, None))
        messages.append(Message("user", draft.texts.user, exchange_id, None, metadata))
    return messages


def _with_ids(stored: list[ExchangeDraft]) -> list[tuple[UUID, ExchangeDraft]]:
    return [(make_uuid7(number, 0), draft) for number, draft in enumerate(stored)]


def _exchanges_of(reader: ItemReader, messages: list[Message]) -> list[StoredExchange]:
    return [exchange for message in messages for exchange in reader.add_message(message)] + reader.finish()


def _read(messages: list[Message]) -> list[Any]:
    reader = ItemReader(FRAMEWORK)
    exchanges = _exchanges_of(reader, messages)
    return [each.item for exchange in exchanges for each in reader.remaining_items(exchange)][::-1]


@given(st.lists(st.one_of(appends, retractions), max_size=6))
def test_items_that_were_not_retracted_are_read(operations: list[list[tuple[Any, ExchangeTexts]] | None]) -> None:
    """The reader returns items in order and unchanged, even if exchanges are small and a large item is split."""
    stored: list[tuple[UUID, ExchangeDraft]] = []
    expected: list[Any] = []
    limits = patch.multiple("hybrid_memory_client._items", _MAX_BYTES=2_000, _MAX_ITEM_BYTES=1_200)
    for number, operation in enumerate(operations):
        if operation is not None:
            with limits:
                drafts = _make_exchanges(operation)
            stored += [(make_uuid7(number * 1000 + position, 0), draft) for position, draft in enumerate(drafts)]
            expected += [item for item, _ in operation]
        elif expected:
            reader = ItemReader(FRAMEWORK)
            exchanges = _exchanges_of(reader, _messages_of(stored))
            newest = next(each for exchange in exchanges for each in reader.remaining_items(exchange))
            assert newest.item == expected.pop()
            assert newest.exchange.exchange_id is not None
            exchange_id = id_after(newest.exchange.exchange_id, None, newest.position)
            stored.append((exchange_id, make_retraction(FRAMEWORK, newest.id, "me")))
    assert _read(_messages_of(stored)) == expected


def test_items_of_an_older_version_are_read() -> None:
    """The reader also returns items of an older version.

    These items have no ids, and a retraction has only the number of items.
    """
    old_drafts = [
        ExchangeDraft(
            ExchangeTexts("q", LONG), {FRAMEWORK: {"items": [{"n": 1}, {"n": 2, "said": {"$exchange": "assistant"}}]}}
        ),
        ExchangeDraft(ExchangeTexts(), {FRAMEWORK: {"items": [{"n": 3}, {"n": 4}]}}),
        ExchangeDraft(ExchangeTexts(), {FRAMEWORK: {"retracted": 1}}),
    ]
    stored = _with_ids(old_drafts)
    assert _read(_messages_of(stored)) == [{"n": 1}, {"n": 2, "said": LONG}, {"n": 3}]
    stored.append((id_after(stored[1][0], None, 0), make_retraction(FRAMEWORK, f"{stored[1][0]}:0", "me")))
    stored.append((make_uuid7(9, 0), ExchangeDraft(ExchangeTexts(), {FRAMEWORK: {"retracted": 1}})))
    assert _read(_messages_of(stored)) == [{"n": 1}]


def test_a_long_text_is_stored_once() -> None:
    """The item refers to the exchange's text, even to a part of it."""
    first, second = "x" * 90_000, "y" * 90_000
    records = make_records([({"content": text}, ExchangeTexts(assistant=text)) for text in (first, second)])
    draft = make_draft(FRAMEWORK, records)
    assert draft is not None
    assert draft.metadata[FRAMEWORK]["items"] == [
        {"content": {"$exchange": ["assistant", 0, 90_000]}},
        {"content": {"$exchange": ["assistant", 90_002, 180_002]}},
    ]
    assert _read(_messages_of(_with_ids([draft]))) == [{"content": first}, {"content": second}]
    alone = make_draft(FRAMEWORK, records[:1])
    assert alone is not None
    assert alone.metadata[FRAMEWORK]["items"] == [{"content": {"$exchange": "assistant"}}]


@pytest.mark.parametrize("size", [60_000, 99_000, 250_000, 2_000_000])
@pytest.mark.parametrize("is_said", [False, True])
def test_a_large_item_is_stored_in_parts(size: int, *, is_said: bool) -> None:
    """An item may have any size. Other readers see the beginning of a long text."""
    text = "".join(f"{number:x}" for number in range(size // 4))[:size].ljust(size, "ü")
    item = {"data": text, "again": [text[1:]]}
    stored = _make_exchanges(
        [
            ({"n": 1}, ExchangeTexts(user="q")),
            (item, ExchangeTexts(assistant=text if is_said else "")),
            ({"n": 2}, ExchangeTexts()),
        ]
    )
    assert _read(_messages_of(_with_ids(stored))) == [{"n": 1}, item, {"n": 2}]
    for draft in stored:
        assert len(json.dumps(draft.metadata, ensure_ascii=False).encode()) <= 100_000
        assert max(len(draft.texts.user), len(draft.texts.assistant)) <= 200_000
        assert (draft.metadata.get("kind") == "step") == (draft.texts == ExchangeTexts())


def test_an_item_larger_than_the_limit_is_refused() -> None:
    """The client refuses an item that is too large, before it sends a request."""
    with patch("hybrid_memory_client._items._MAX_PARTS", 1), pytest.raises(CannotBeKept, match="larger"):
        make_records([({"text": "".join(map(str, range(200_000)))}, ExchangeTexts())])


def test_an_item_with_missing_parts() -> None:
    """If parts of an item are missing, the reader raises an error. With `skip_incomplete` it skips the item."""
    head, *parts = _make_exchanges([({"data": "".join(map(str, range(90_000)))}, ExchangeTexts(user="q"))])
    messages = _messages_of(_with_ids([head, *parts[1:]]))
    for skip_incomplete in (False, True):
        reader = ItemReader(FRAMEWORK, skip_incomplete=skip_incomplete)
        exchanges = _exchanges_of(reader, messages)
        if skip_incomplete:
            assert [item for exchange in exchanges for item in reader.remaining_items(exchange)] == []
        else:
            with pytest.raises(HistoryDegraded):
                [reader.remaining_items(exchange) for exchange in exchanges]


def test_many_items_need_several_exchanges() -> None:
    """Many items are stored in several exchanges and keep their order."""
    many = [({"n": number, "text": f"{number}" * 30_000}, ExchangeTexts()) for number in range(10)]
    drafts = make_drafts(FRAMEWORK, make_records(many))
    assert 3 <= len(drafts) <= 5
    assert _read(_messages_of(_with_ids(drafts))) == [item for item, _ in many]


def test_an_item_in_two_exchanges_is_read_once() -> None:
    """An item that is stored in two exchanges is read once.

    If the response to a replacement is lost, both the replacement and a new exchange hold the item.
    """
    first, second = make_records([({"n": 1}, ExchangeTexts(user="q")), ({"n": 2}, ExchangeTexts())])
    drafts = [make_draft(FRAMEWORK, [first, second]), make_draft(FRAMEWORK, [second])]
    assert _read(_messages_of(_with_ids([draft for draft in drafts if draft]))) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    "item", [*INVALID, (1,), {"a": (1,)}, {"$exchange": 1}, [{"$parts": 1}]], ids=lambda item: type(item).__name__
)
def test_items_changed_by_json_are_refused(item: object) -> None:
    """The client refuses items that JSON would change, before it sends them to the service."""
    for wrapped in ({"item": item}, [item]):
        with pytest.raises(CannotBeKept):
            make_records([(wrapped, ExchangeTexts())])


def test_refused_items_may_be_replaced_or_omitted() -> None:
    """The application may replace a refused item or omit it."""
    given: list[Any] = ["a", circular, "\x00", object(), "b"]

    def replace_refused(value: Any, error: CannotBeKept) -> Any:
        assert isinstance(error, CannotBeKept)
        return None if value == "\x00" else "instead"

    def convert(value: Any) -> tuple[Any, ExchangeTexts]:
        if type(value) is object:
            raise TypeError("no conversion")
        return {"v": value}, ExchangeTexts()

    items = [item["v"] for item, _ in items_from_objects(given, convert, replace_refused)]
    assert items == ["a", "instead", "instead", "b"]
    with pytest.raises(CannotBeKept):
        items_from_objects(given, convert, None)
    with pytest.raises(CannotBeKept):
        items_from_objects(given, convert, lambda _, __: circular)


def test_long_steps_are_cut() -> None:
    """The client cuts steps, because they are for display only."""
    steps = tuple(ToolStep("tool_call", f"c{number}", "weather", "ü" * 1_000) for number in range(100))
    (draft,) = make_drafts(FRAMEWORK, make_records([({}, ExchangeTexts(user="q", steps=steps))]))
    assert draft.metadata["steps"][0] == {"type": "tool_call", "id": "c0", "name": "weather", "text": "ü" * 200}
    assert len(json.dumps(draft.metadata["steps"], ensure_ascii=False).encode()) < 10_000
    assert "kind" not in draft.metadata


def test_an_exchange_of_another_program_has_no_items() -> None:
    """The reader returns another program's exchange as texts, even if a page starts in the middle of the exchange."""
    reader = ItemReader(FRAMEWORK)
    question = Message("user", "q", UUID(int=2), None, {"other": {"items": [1]}})
    assert reader.add_message(Message("assistant", "a", UUID(int=2), None)) == []
    assert reader.add_message(question) == [StoredExchange(UUID(int=2), ExchangeTexts("q", "a"), None)]
    assert reader.add_message(Message("assistant", "older", UUID(int=1), None)) == []
    assert reader.finish() == [StoredExchange(UUID(int=1), ExchangeTexts("", "older"), None)]
    assert reader.finish() == []


def test_a_page_without_one_layer_is_complete() -> None:
    """A page has all drained exchanges while one layer is down.

    Some exchanges may be missing while both layers are down, or while exchanges are queued.
    """
    require_complete([], allow_degraded=False)
    require_complete(["postgres"], allow_degraded=False)
    require_complete(["redis"], allow_degraded=False)
    for degraded in (["redis", "postgres"], ["queue"], ["redis", "queue"]):
        require_complete(degraded, allow_degraded=True)
        with pytest.raises(HistoryDegraded):
            require_complete(degraded, allow_degraded=False)
