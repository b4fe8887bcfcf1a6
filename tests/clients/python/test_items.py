"""Items of any kind and number come back from exchanges, whatever was taken back in between."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_memory_client import CannotBeKept, HistoryDegraded, Message
from hybrid_memory_client._items import Draft, Entry, NewestFirst, Texts, drafts, require_whole, retraction

KIND = "kind"
LONG = "a text that is long enough to be kept once only, and more"
texts = st.sampled_from(["", "short", LONG, LONG + "!", LONG + LONG])
items = st.fixed_dictionaries(
    {"text": texts}, optional={"more": st.lists(texts, max_size=3), "nested": st.dictionaries(texts, texts, max_size=2)}
)
said = st.builds(Texts, st.sampled_from(["", "short", LONG]), st.sampled_from(["", LONG, LONG + "!"]))
added = st.lists(st.tuples(items, said), max_size=6)
taken_back = st.just(None)


def _newest_first(kept: list[Draft]) -> list[Message]:
    found = []
    for number, draft in reversed(list(enumerate(kept))):
        named = UUID(int=number)
        found.append(Message("assistant", draft.texts.assistant, named, None))
        found.append(Message("user", draft.texts.user, named, None, draft.metadata))
    return found


def _read(messages: list[Message], limit: int | None = None) -> list[Any]:
    reader, found = NewestFirst(KIND), []
    entries: list[Entry] = [entry for message in messages if (entry := reader.feed(message))]
    if (last := reader.end()) is not None:
        entries.append(last)
    for entry in entries:
        found += reversed(reader.left_of(entry, entry.items()))
    return found[:limit][::-1]


@given(st.lists(st.one_of(added, taken_back), max_size=6))
def test_what_was_added_and_not_taken_back_is_read(doings: list[list[tuple[Any, Texts]] | None]) -> None:
    """In its order, as it was, though an exchange may carry little."""
    kept: list[Draft] = []
    expected: list[Any] = []
    for doing in doings:
        if doing is not None:
            with patch("hybrid_memory_client._items._MOST_BYTES", 2_000):
                kept += drafts(KIND, doing)
            expected += [item for item, _ in doing]
        elif expected:
            kept.append(retraction(KIND, 1))
            expected.pop()
    assert _read(_newest_first(kept)) == expected


def test_a_long_text_is_kept_once() -> None:
    """The item refers to the exchange's text."""
    (draft,) = drafts(KIND, [({"role": "user", "content": "x" * 190_000}, Texts(user="x" * 190_000))])
    assert draft.metadata == {KIND: {"items": [{"role": "user", "content": {"$exchange": "user"}}]}}
    assert _read(_newest_first([draft])) == [{"role": "user", "content": "x" * 190_000}]


def test_what_is_too_much_for_one_exchange_is_several() -> None:
    """In order; an item that is too much alone is refused, with all that came with it."""
    many = [({"n": number, "text": "y" * 30_000}, Texts()) for number in range(10)]
    made = drafts(KIND, many)
    assert 3 <= len(made) <= 5
    assert _read(_newest_first(made)) == [item for item, _ in many]
    with pytest.raises(CannotBeKept, match="larger"):
        drafts(KIND, [*many, ({"text": "ü" * 60_000}, Texts())])


@pytest.mark.parametrize("item", [float("inf"), b"x", (1,), {"a": (1,)}, {1: "x"}, {"$exchange": 1}, object()])
def test_what_would_not_come_back_is_refused(item: object) -> None:
    """Rather than kept as something else."""
    with pytest.raises(CannotBeKept):
        drafts(KIND, [({"item": item}, Texts())])


def test_an_exchange_of_another_writer_has_no_items() -> None:
    """Its texts are there, also when a page begins in its middle."""
    reader = NewestFirst(KIND)
    mine = Message("user", "q", UUID(int=2), None, {"other": {"items": [1]}})
    assert reader.feed(Message("assistant", "a", UUID(int=2), None)) is None
    assert reader.feed(mine) is None
    found = reader.feed(Message("assistant", "older", UUID(int=1), None))
    assert found == Entry(UUID(int=2), Texts("q", "a"), None)
    assert reader.end() == Entry(UUID(int=1), Texts("", "older"), None)
    assert reader.end() is None


def test_whole_is_what_postgresql_alone_did_not_answer() -> None:
    """The API then shows only what Redis knows to be whole."""
    require_whole(["postgres"], allow_degraded=False)
    require_whole(["redis"], allow_degraded=True)
    with pytest.raises(HistoryDegraded):
        require_whole(["redis", "postgres"], allow_degraded=False)
