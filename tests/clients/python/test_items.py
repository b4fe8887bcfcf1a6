"""The reader returns items from exchanges of any kind and number, with or without retractions."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_memory_client import CannotBeKept, HistoryDegraded, Message
from hybrid_memory_client._ids import compose, id_after
from hybrid_memory_client._items import Draft, combined_draft, drafts, pairs, part_drafts, records, retraction
from hybrid_memory_client._reading import Entry, Reader, require_complete
from hybrid_memory_client._texts import Step, Texts
from tests.clients.python.test_bad_input import BAD, circle

KIND = "framework"
LONG = "a text that is long enough to be kept once only, and more"
LARGE = "x1" * 4_000
texts = st.sampled_from(["", "short", LONG, LONG + "!", LONG + LONG, LARGE])
items = st.fixed_dictionaries(
    {"text": texts}, optional={"more": st.lists(texts, max_size=3), "nested": st.dictionaries(texts, texts, max_size=2)}
)
said = st.builds(Texts, st.sampled_from(["", "short", LONG]), st.sampled_from(["", LONG, LONG + "!"]))
added = st.lists(st.tuples(items, said), max_size=6)
taken_back = st.just(None)


def _kept(pairs_: list[tuple[Any, Texts]]) -> list[Draft]:
    """Return the exchanges of one call; parts have later ids than the exchange that refers to them."""
    made = records(pairs_)
    found: list[Draft] = []
    for draft in drafts(KIND, made):
        found += [draft, *(part for record in draft.records for part in part_drafts(KIND, record))]
    return found


def _newest_first(kept: list[tuple[UUID, Draft]]) -> list[Message]:
    found = []
    for named, draft in sorted(kept, key=lambda each: each[0], reverse=True):
        metadata = json.loads(json.dumps(draft.metadata))
        found.append(Message("assistant", draft.texts.assistant, named, None))
        found.append(Message("user", draft.texts.user, named, None, metadata))
    return found


def _named(kept: list[Draft]) -> list[tuple[UUID, Draft]]:
    return [(compose(number, 0), draft) for number, draft in enumerate(kept)]


def _entries(reader: Reader, messages: list[Message]) -> list[Entry]:
    return [entry for message in messages for entry in reader.feed(message)] + reader.end()


def _read(messages: list[Message]) -> list[Any]:
    reader = Reader(KIND)
    return [found.item for entry in _entries(reader, messages) for found in reader.left_of(entry)][::-1]


@given(st.lists(st.one_of(added, taken_back), max_size=6))
def test_items_that_were_not_retracted_are_read(doings: list[list[tuple[Any, Texts]] | None]) -> None:
    """The reader returns items in order and unchanged, even if exchanges are small and a large item is split."""
    kept: list[tuple[UUID, Draft]] = []
    expected: list[Any] = []
    limits = patch.multiple("hybrid_memory_client._items", _MOST_BYTES=2_000, _MOST_ITEM_BYTES=1_200)
    for number, doing in enumerate(doings):
        if doing is not None:
            with limits:
                made = _kept(doing)
            kept += [(compose(number * 1000 + place, 0), draft) for place, draft in enumerate(made)]
            expected += [item for item, _ in doing]
        elif expected:
            reader = Reader(KIND)
            found = next(each for entry in _entries(reader, _newest_first(kept)) for each in reader.left_of(entry))
            assert found.item == expected.pop()
            assert found.entry.exchange_id is not None
            kept.append((id_after(found.entry.exchange_id, None, found.number), retraction(KIND, found.name, "me")))
    assert _read(_newest_first(kept)) == expected


def test_items_of_an_older_version_are_read() -> None:
    """The reader also returns items of an older version.

    These items have no ids, and a retraction has only the number of items.
    """
    old = [
        Draft(Texts("q", LONG), {KIND: {"items": [{"n": 1}, {"n": 2, "said": {"$exchange": "assistant"}}]}}),
        Draft(Texts(), {KIND: {"items": [{"n": 3}, {"n": 4}]}}),
        Draft(Texts(), {KIND: {"retracted": 1}}),
    ]
    kept = _named(old)
    assert _read(_newest_first(kept)) == [{"n": 1}, {"n": 2, "said": LONG}, {"n": 3}]
    kept.append((id_after(kept[1][0], None, 0), retraction(KIND, f"{kept[1][0]}:0", "me")))
    kept.append((compose(9, 0), Draft(Texts(), {KIND: {"retracted": 1}})))
    assert _read(_newest_first(kept)) == [{"n": 1}]


def test_a_long_text_is_stored_once() -> None:
    """The item refers to the exchange's text, even to a part of it."""
    first, second = "x" * 90_000, "y" * 90_000
    made = records([({"content": text}, Texts(assistant=text)) for text in (first, second)])
    draft = combined_draft(KIND, made)
    assert draft is not None
    assert draft.metadata[KIND]["items"] == [
        {"content": {"$exchange": ["assistant", 0, 90_000]}},
        {"content": {"$exchange": ["assistant", 90_002, 180_002]}},
    ]
    assert _read(_newest_first(_named([draft]))) == [{"content": first}, {"content": second}]
    alone = combined_draft(KIND, made[:1])
    assert alone is not None
    assert alone.metadata[KIND]["items"] == [{"content": {"$exchange": "assistant"}}]


@pytest.mark.parametrize("size", [60_000, 99_000, 250_000, 2_000_000])
@pytest.mark.parametrize("is_said", [False, True])
def test_a_large_item_is_stored_in_parts(size: int, *, is_said: bool) -> None:
    """An item may have any size. Other readers see the beginning of a long text."""
    text = "".join(f"{number:x}" for number in range(size // 4))[:size].ljust(size, "ü")
    item = {"data": text, "again": [text[1:]]}
    kept = _kept([({"n": 1}, Texts(user="q")), (item, Texts(assistant=text if is_said else "")), ({"n": 2}, Texts())])
    assert _read(_newest_first(_named(kept))) == [{"n": 1}, item, {"n": 2}]
    for draft in kept:
        assert len(json.dumps(draft.metadata, ensure_ascii=False).encode()) <= 100_000
        assert max(len(draft.texts.user), len(draft.texts.assistant)) <= 200_000
        assert (draft.metadata.get("kind") == "step") == (draft.texts == Texts())


def test_an_item_larger_than_the_limit_is_refused() -> None:
    """The client refuses an item that is too large, before it sends a request."""
    with patch("hybrid_memory_client._items._MOST_PARTS", 1), pytest.raises(CannotBeKept, match="larger"):
        records([({"text": "".join(map(str, range(200_000)))}, Texts())])


def test_an_item_with_missing_parts() -> None:
    """If parts of an item are missing, the reader raises an error. With `may_lack` it skips the item."""
    head, *parts = _kept([({"data": "".join(map(str, range(90_000)))}, Texts(user="q"))])
    messages = _newest_first(_named([head, *parts[1:]]))
    for may_lack in (False, True):
        reader = Reader(KIND, may_lack=may_lack)
        entries = _entries(reader, messages)
        if may_lack:
            assert [found for entry in entries for found in reader.left_of(entry)] == []
        else:
            with pytest.raises(HistoryDegraded):
                [reader.left_of(entry) for entry in entries]


def test_many_items_need_several_exchanges() -> None:
    """Many items are stored in several exchanges and keep their order."""
    many = [({"n": number, "text": f"{number}" * 30_000}, Texts()) for number in range(10)]
    made = drafts(KIND, records(many))
    assert 3 <= len(made) <= 5
    assert _read(_newest_first(_named(made))) == [item for item, _ in many]


def test_an_item_in_two_exchanges_is_read_once() -> None:
    """An item that is stored in two exchanges is read once.

    If the response to a replacement is lost, both the replacement and a new exchange hold the item.
    """
    first, second = records([({"n": 1}, Texts(user="q")), ({"n": 2}, Texts())])
    made = [combined_draft(KIND, [first, second]), combined_draft(KIND, [second])]
    assert _read(_newest_first(_named([draft for draft in made if draft]))) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    "item", [*BAD, (1,), {"a": (1,)}, {"$exchange": 1}, [{"$parts": 1}]], ids=lambda item: type(item).__name__
)
def test_items_changed_by_json_are_refused(item: object) -> None:
    """The client refuses items that JSON would change, before it sends them to the service."""
    for wrapped in ({"item": item}, [item]):
        with pytest.raises(CannotBeKept):
            records([(wrapped, Texts())])


def test_refused_items_may_be_replaced_or_left_out() -> None:
    """The application may replace a refused item or omit it."""
    given: list[Any] = ["a", circle, "\x00", object(), "b"]

    def instead(value: Any, error: CannotBeKept) -> Any:
        assert isinstance(error, CannotBeKept)
        return None if value == "\x00" else "instead"

    def pair(value: Any) -> tuple[Any, Texts]:
        if type(value) is object:
            raise TypeError("no conversion")
        return {"v": value}, Texts()

    assert [item["v"] for item, _ in pairs(given, pair, instead)] == ["a", "instead", "instead", "b"]
    with pytest.raises(CannotBeKept):
        pairs(given, pair, None)
    with pytest.raises(CannotBeKept):
        pairs(given, pair, lambda _, __: circle)


def test_steps_are_for_showing() -> None:
    """The client cuts steps, because they are for display only."""
    steps = tuple(Step("tool_call", f"c{number}", "weather", "ü" * 1_000) for number in range(100))
    (draft,) = drafts(KIND, records([({}, Texts(user="q", steps=steps))]))
    assert draft.metadata["steps"][0] == {"type": "tool_call", "id": "c0", "name": "weather", "text": "ü" * 200}
    assert len(json.dumps(draft.metadata["steps"], ensure_ascii=False).encode()) < 10_000
    assert "kind" not in draft.metadata


def test_an_exchange_of_another_writer_has_no_items() -> None:
    """The reader returns another program's exchange as texts, even if a page starts in the middle of the exchange."""
    reader = Reader(KIND)
    mine = Message("user", "q", UUID(int=2), None, {"other": {"items": [1]}})
    assert reader.feed(Message("assistant", "a", UUID(int=2), None)) == []
    assert reader.feed(mine) == [Entry(UUID(int=2), Texts("q", "a"), None)]
    assert reader.feed(Message("assistant", "older", UUID(int=1), None)) == []
    assert reader.end() == [Entry(UUID(int=1), Texts("", "older"), None)]
    assert reader.end() == []


def test_a_page_without_one_layer_is_complete() -> None:
    """A page has all drained exchanges while one layer is down.

    Some exchanges may be missing while both are down, or while exchanges are queued.
    """
    require_complete([], allow_degraded=False)
    require_complete(["postgres"], allow_degraded=False)
    require_complete(["redis"], allow_degraded=False)
    for degraded in (["redis", "postgres"], ["queue"], ["redis", "queue"]):
        require_complete(degraded, allow_degraded=True)
        with pytest.raises(HistoryDegraded):
            require_complete(degraded, allow_degraded=False)
