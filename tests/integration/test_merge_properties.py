"""`merge.lua` and `read.lua` on a real Valkey have the same results as the Python model, in any order of merges."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local.servers import ValkeyServer
from shared.models import Exchange, Message
from shared.stores.redis.entries import (
    PLACEHOLDER,
    decode,
    encode_seal_or_token,
    is_first,
    script_arguments,
    token_of,
    without_placeholder,
    without_seal_or_token,
)
from shared.stores.redis.lists import cutoff_argument
from shared.stores.redis.scripts import MERGE, READ
from shared.testing.merge import add_token, merge
from tests.support.exchanges import exchanges
from tests.support.strategies import colliding_exchanges, colliding_ids, time_ordered

TOKEN = "0f"
PLACEHOLDER_WITH_TOKEN = PLACEHOLDER + encode_seal_or_token("asked", TOKEN)
KEY = "list"
FOREIGN = st.sampled_from(
    [
        b'{"role":"user","content":"theirs"}',
        b"no json",
        b"{}",
        b'{"a":1} ',
        b'{"content":"}"}',
        b'{"a":1,"first":"1.5"}',
    ]
)
batches = st.lists(colliding_exchanges(), max_size=6)
batches_with_moved_exchanges = st.lists(colliding_exchanges(may_move=True), max_size=6)
NO_LIMIT = 100
windows = st.sampled_from([2, 4, 6, 100])
property_settings = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class ScriptedList:
    """A list in Valkey that the scripts change."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._merge = client.register_script(MERGE)
        self._read = client.register_script(READ)

    def set_entries(self, entries: Sequence[bytes] = (PLACEHOLDER_WITH_TOKEN,)) -> None:
        """Set the list's entries."""
        self._client.delete(KEY)
        if entries:
            self._client.rpush(KEY, *entries)

    def add_token(self, max_messages: int, generation: str, token: str = TOKEN) -> list[bytes]:
        """Run `read.lua` and return the list's entries. An unsealed list gets a token, which a refill must have."""
        self._read(keys=[KEY], args=[max_messages, generation, token, 900])
        return self.entries()[-max_messages:]

    def merge(
        self,
        exchanges: Sequence[Exchange],
        max_messages: int,
        *,
        refill: tuple[str, str, str] | None = None,
        cutoff: UUID | None = None,
        deleted: Collection[UUID] = (),
        is_stored: bool = False,
        ttl: int = 0,
    ) -> int:
        """Run `merge.lua` and return its result."""
        arguments = [part for exchange in exchanges for part in script_arguments(exchange)]
        deleted_ids = ",".join(str(exchange_id) for exchange_id in deleted)
        options: list[str | int] = [
            ttl,
            max_messages,
            " ".join(refill or ()),
            cutoff_argument(cutoff) if cutoff else "",
            deleted_ids,
            int(is_stored),
        ]
        reply: int = self._merge(keys=[KEY], args=[*options, *arguments])
        assert reply in {-1, len(without_placeholder(self.entries()))}
        return reply

    def entries(self) -> list[bytes]:
        """Return the list's entries."""
        return [entry for entry in self._client.lrange(KEY, 0, -1) if isinstance(entry, bytes)]

    def messages(self) -> list[Message | None]:
        """Return the list's messages."""
        return [decode(entry) for entry in without_placeholder(self.entries())]

    def ttl(self) -> int:
        """Return the list's time to live in seconds, or -1 for a list that does not expire."""
        seconds: int = self._client.ttl(KEY)
        return seconds

    def expire(self, seconds: int) -> None:
        """Expire the list."""
        self._client.expire(KEY, seconds)


@pytest.fixture
def valkey_list(valkey: ValkeyServer) -> Iterator[ScriptedList]:
    """Return an empty list."""
    with redis.Redis(host="127.0.0.1", port=valkey.port) as client:
        yield ScriptedList(client)


def _split(exchanges: list[Exchange], seed: int) -> list[list[Exchange]]:
    """Split a list into batches. The scripts may merge a batch of one exchange on a faster path."""
    random_generator = random.Random(seed)  # noqa: S311 - no secret depends on it
    parts: list[list[Exchange]] = []
    for exchange in exchanges:
        if parts and random_generator.random() < 0.4:
            parts[-1].append(exchange)
        else:
            parts.append([exchange])
    return parts


def _newest(exchanges: list[Exchange], max_messages: int) -> list[Message]:
    """Return the expected list: one version of each id, limited to the newest exchanges, in thread order."""
    winners: dict[UUID, Exchange] = {}
    for exchange in sorted(exchanges, key=lambda each: (-each.revision, each.acceptance_time), reverse=True):
        winners[exchange.exchange_id] = exchange
    in_order = sorted(winners.values(), key=lambda each: (each.order, each.exchange_id))
    return [message for exchange in in_order for message in exchange.messages][-max_messages:]


refills = st.tuples(st.sampled_from([TOKEN, "ee"]), st.sampled_from(["first", "whole"]), st.just("1.5"))
steps = st.tuples(
    st.one_of(batches_with_moved_exchanges, st.lists(colliding_exchanges(), min_size=1, max_size=1)),
    st.none() | refills,
    st.none() | time_ordered(),
    st.lists(colliding_ids(), max_size=2),
    st.booleans(),
    st.sampled_from(["", "1.5", "22.25"]),
)


@property_settings
@given(
    st.lists(steps, max_size=6),
    windows,
    st.lists(FOREIGN, max_size=3) | st.lists(FOREIGN, max_size=2).map(lambda others: [PLACEHOLDER_WITH_TOKEN, *others]),
    st.lists(FOREIGN, max_size=1),
)
def test_the_scripts_equal_the_model(
    valkey_list: ScriptedList,
    steps: list[tuple[list[Exchange], tuple[str, str, str] | None, UUID | None, list[UUID], bool, str]],
    max_messages: int,
    before: list[bytes],
    lose_between_round_trips: list[bytes],
) -> None:
    """The scripts' results equal the model's byte for byte, for any batches, refills, deletions and foreign entries."""
    valkey_list.set_entries(before)
    model = list(before)
    for number, (batch, refill, cutoff, deleted, is_stored, generation) in enumerate(steps):
        if number == 1 and lose_between_round_trips and model:
            valkey_list._client.rpush(KEY, *lose_between_round_trips)
            model += lose_between_round_trips
        if generation:
            model = add_token(model, max_messages, generation, TOKEN)
            assert valkey_list.add_token(max_messages, generation) == model[-max_messages:]
        if len({each.exchange_id for each in batch}) == len(batch):
            # PostgreSQL has one exchange per id.
            valkey_list.merge(batch, max_messages, is_stored=is_stored)
            model = merge(model, batch, max_messages=max_messages, is_stored=is_stored) or []
        merged = merge(model, batch, max_messages=max_messages, refill=refill, cutoff=cutoff, deleted=deleted)
        assert (valkey_list.merge(batch, max_messages, refill=refill, cutoff=cutoff, deleted=deleted) == -1) == (
            merged is None
        )
        model = model if merged is None else merged
        assert valkey_list.entries() == model


@property_settings
@given(batches, windows, st.randoms(use_true_random=False))
def test_the_order_of_merges_does_not_matter(
    valkey_list: ScriptedList, created: list[Exchange], max_messages: int, random_generator: random.Random
) -> None:
    """Merging is commutative and associative. Any order and any batches produce the same list."""
    results = []
    for attempt in range(3):
        valkey_list.set_entries()
        for batch in _split(created, attempt):
            valkey_list.merge(batch, max_messages)
        results.append(valkey_list.entries())
        random_generator.shuffle(created)
    assert results[0] == results[1] == results[2]


@property_settings
@given(batches_with_moved_exchanges, st.randoms(use_true_random=False))
def test_two_versions_have_the_same_winner_in_any_order(
    valkey_list: ScriptedList, created: list[Exchange], random_generator: random.Random
) -> None:
    """Of two versions of an exchange, any order of merges keeps the same version, even if their positions differ."""
    results = []
    for attempt in range(3):
        valkey_list.set_entries()
        for batch in _split(created, attempt):
            valkey_list.merge(batch, NO_LIMIT)
        results.append(valkey_list.messages())
        random_generator.shuffle(created)
    assert results[0] == results[1] == results[2] == _newest(created, NO_LIMIT)


@property_settings
@given(batches, batches, windows)
def test_repeated_merges_change_nothing(
    valkey_list: ScriptedList, first: list[Exchange], second: list[Exchange], max_messages: int
) -> None:
    """Merging is idempotent. If a batch is merged again, later or exchange by exchange, the list does not change."""
    valkey_list.set_entries()
    valkey_list.merge(first, max_messages)
    valkey_list.merge(second, max_messages)
    once = valkey_list.entries()
    valkey_list.merge(second, max_messages)
    for exchange in second + first:
        valkey_list.merge([exchange], max_messages)
    assert valkey_list.entries() == once


@property_settings
@given(batches, windows)
def test_the_newest_exchanges_stay(valkey_list: ScriptedList, created: list[Exchange], max_messages: int) -> None:
    """The list has the earliest version of each id. It is limited to the newest exchanges.

    It has both messages of each exchange, in thread order.
    """
    valkey_list.set_entries()
    for exchange in created:
        valkey_list.merge([exchange], max_messages)
    assert valkey_list.messages() == _newest(created, max_messages)


@property_settings
@given(batches, time_ordered(), windows)
def test_deleted_exchanges_stay_deleted(
    valkey_list: ScriptedList, created: list[Exchange], cutoff: UUID, max_messages: int
) -> None:
    """The list has no exchange up to the cutoff, for any order of the deletion and the merges."""
    for order in sorted(set(permutations(["merge", "cut", "merge", "cut"]))):
        valkey_list.set_entries()
        for step in order:
            valkey_list.merge(
                created if step == "merge" else [], max_messages, cutoff=cutoff if step == "cut" else None
            )
        valkey_list.merge([], max_messages, cutoff=cutoff)
        assert all(message and message.acceptance and message.acceptance > cutoff for message in valkey_list.messages())


@property_settings
@given(batches, batches, windows, st.sampled_from([None, (TOKEN, "first", "1.5")]))
def test_merges_do_not_change_foreign_entries(
    valkey_list: ScriptedList,
    first: list[Exchange],
    second: list[Exchange],
    max_messages: int,
    refill: tuple[str, str, str] | None,
) -> None:
    """Merges do not change foreign entries. They remove a foreign entry only if the list is longer than the window."""
    foreign = [b"no json", b'{"a":1} ', b"{}"]
    valkey_list.set_entries(foreign)
    valkey_list.merge(first, max_messages, refill=refill)
    valkey_list.merge(second, max_messages)
    stored = [entry for entry in valkey_list.entries() if not entry.startswith(b'{"exchange_id"')]
    assert stored == foreign[len(foreign) - len(stored) :]


@property_settings
@given(batches, windows, batches)
def test_a_refill_seals_a_list_with_its_token(
    valkey_list: ScriptedList, created: list[Exchange], max_messages: int, later: list[Exchange]
) -> None:
    """A refill seals the list's first entry. After later merges the seal is still on the first entry only."""
    valkey_list.set_entries()
    assert valkey_list.merge(created, max_messages, refill=("ee", "first", "1.5")) == -1
    assert valkey_list.entries() == [PLACEHOLDER_WITH_TOKEN]
    valkey_list.merge(created, max_messages, refill=(TOKEN, "first", "1.5"))
    assert valkey_list.merge(created, max_messages, refill=(TOKEN, "first", "1.5")) == -1
    valkey_list.merge(later, max_messages)
    entries = valkey_list.entries()
    assert [without_seal_or_token(entry) for entry in entries[1:]] == entries[1:]
    assert token_of(entries) is None
    assert valkey_list.add_token(max_messages, "1.5") == entries
    is_trimmed = len(_newest(created + later, NO_LIMIT)) > max_messages
    assert is_first(entries[0], "1.5") == (not is_trimmed)


@property_settings
@given(batches, windows, time_ordered())
def test_a_deletion_removes_the_token(
    valkey_list: ScriptedList, created: list[Exchange], max_messages: int, cutoff: UUID
) -> None:
    """A deletion removes the token, so a refill from before the deletion changes nothing."""
    valkey_list.set_entries()
    valkey_list.merge(created, max_messages)
    valkey_list.merge([], max_messages, cutoff=cutoff)
    remaining = valkey_list.entries()
    assert valkey_list.merge(created, max_messages, refill=(TOKEN, "first", "1.5")) == -1
    assert valkey_list.entries() == remaining


def test_an_exchange_with_a_random_id_is_merged_once(valkey_list: ScriptedList) -> None:
    """An exchange with a random id is merged twice. The list has it once."""
    valkey_list.set_entries()
    created = exchanges(3)
    random_exchange = created[2].with_id(uuid4(), created[2].created_at + timedelta(seconds=1))
    for each in (*created[:2], random_exchange, random_exchange, created[0]):
        valkey_list.merge([each], NO_LIMIT)
    assert [message.exchange_id for message in valkey_list.messages() if message] == [
        each.exchange_id for each in (*created[:2], random_exchange) for _ in range(2)
    ]
