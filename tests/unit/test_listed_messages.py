"""Parsing a whole list at once has the same result as parsing each entry."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.models import Exchange, Message
from shared.stores.redis.entries import decode, decode_list, encode, encode_seal_or_token
from tests.support import strategies
from tests.support.exchanges import exchange


# The health check is off, because generating whole exchanges is slow on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(strategies.exchanges(), max_size=4), st.booleans())
def test_a_list_and_its_entries_have_the_same_messages(exchanges: list[Exchange], is_sealed: bool) -> None:  # noqa: FBT001 - generated
    """The parser of a list returns the same messages and the same JSON as the parser of one entry."""
    entries = [entry for each in exchanges for entry in encode(each)]
    if is_sealed and entries:
        entries[0] = entries[0][:-1] + encode_seal_or_token("first", "1.5")
    parsed = decode_list(entries)
    messages = [decode(entry) for entry in entries]
    assert list(parsed) == messages
    assert parsed.to_json() == [message.to_json() for message in messages if message is not None]
    assert [parsed[index] for index in range(len(parsed))] == messages


def test_only_entries_of_the_user_are_the_users_own() -> None:
    """Entries without an owner and entries of another user do not count as the user's own entries."""
    other, own = exchange(1, "t", "bob"), exchange(2, "t", "ana")
    foreign = b'{"role":"user","content":"x","user_id":"ana"}'
    messages = decode_list([foreign, *encode(other), *encode(own)])
    assert messages.of_user("ana") == list(own.messages)
    assert list(messages.without(other.order, [])) == [Message("user", "x"), *own.messages]
    assert messages.without(None, [own.exchange_id])[1:] == list(other.messages)


@pytest.mark.parametrize("user_id", [["ana"], 5, None, {"ana": 1}, True])
def test_an_invalid_user_id_makes_an_entry_unreadable(user_id: object) -> None:
    """An entry whose user id is not a text is unreadable and has no owner."""
    entries = [entry for number in (1, 2) for entry in encode(exchange(number, "t", "ana"))]
    entries[0] = orjson.dumps({**orjson.loads(entries[0]), "user_id": user_id})
    messages = decode_list(entries)
    assert list(messages) == [message for entry in entries if (message := decode(entry)) is not None]
    assert len(messages) == 3
    assert messages.owners() == set()
