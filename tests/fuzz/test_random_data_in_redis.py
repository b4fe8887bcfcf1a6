"""Redis has random data. A read returns the valid part of the data and never fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from functions.sync.sweep import Sweep
from infra.local.servers import ValkeyServer
from shared.errors import InvalidRecord
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.settings import MemorySettings
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.entries import decode, decode_list, decode_undrained, encode, is_sealed
from shared.stores.redis.generation import _FIELDS
from shared.stores.redis.names import (
    GENERATION_KEY,
    OUTBOX,
    messages_key,
    preferences_key,
    preferences_seal_key,
    reader_lease_key,
    tombstone_key,
    undrained_key,
    user_threads_key,
)
from shared.stores.sqs.received import SqsQueues
from shared.testing import InMemoryArchive, InMemoryQueue
from tests.support import random_input, strategies
from tests.support.exchanges import exchange
from tests.support.queues import Queues

_STORED = exchange(1, "t", "u")
_STORED_ENTRIES = encode(_STORED)
_noise = st.binary(max_size=20) | random_input.values.map(lambda value: random_input.to_json(value).encode())


@st.composite
def _entries(draw: st.DrawFn) -> bytes:
    """Return an entry of a list: an entry of the project, with or without a seal, a damaged entry, or random bytes."""
    valid = draw(st.sampled_from(_STORED_ENTRIES) | strategies.exchanges().map(lambda exchange: encode(exchange)[0]))
    ending = draw(st.sampled_from([b"", b',"first":true}', b',"whole":true}', b',"first":"1.5"}', b',"whole":"1.5"}']))
    return draw(
        st.just(valid[:-1] + ending if ending else valid)
        | random_input.damaged_fields(json.loads(valid)).map(lambda fields: random_input.to_json(fields).encode())
        | random_input.damaged_bytes(valid)
        | _noise
    )


@random_input.fuzz
@given(st.lists(_entries(), max_size=4))
def test_any_entry_is_decoded(entries: list[bytes]) -> None:
    """The decoder returns a message that the API can return, or None."""
    for entry in entries:
        message = decode(entry)
        if message is not None:
            json.dumps(message.to_json()).encode()
        decode_undrained("t", entry)
    parsed = decode_list(entries)
    assert len(list(parsed)) == len(parsed) <= len(entries)
    json.dumps(parsed.of_user("u").without(None, []).to_json() + parsed.to_json()).encode()
    assert is_sealed(entries, 4, "1.5") in {True, False}


# --- with a real server ---


@pytest.fixture
def cache(real_cache: Callable[..., RedisCache]) -> RedisCache:
    """Return the L1 of a process. All examples use the same L1."""
    return real_cache(max_thread_messages=3)


def _write(client: redis.Redis, key: str, kind: str, contents: list[bytes]) -> None:
    client.delete(key)
    match kind:
        case "list" if contents:
            client.rpush(key, *contents)
        case "hash" if contents:
            client.hset(key, mapping={content: content for content in contents})
        case "set" if contents:
            client.sadd(key, *contents)
        case "sorted set" if contents:
            client.zadd(key, dict.fromkeys(contents, 1.0))
        case "string":
            client.set(key, b"".join(contents))
        case _:
            pass


_KEYS = {
    messages_key("t"): "list",
    undrained_key("t"): "hash",
    tombstone_key("t"): "string",
    reader_lease_key("t"): "string",
    preferences_key("u"): "hash",
    preferences_seal_key("u"): "string",
    user_threads_key("u"): "sorted set",
    GENERATION_KEY: "hash",
}
_KINDS = ["list", "hash", "set", "sorted set", "string", "nothing"]


@random_input.fuzz
@given(st.data())
def test_keys_may_have_any_value(cache: RedisCache, valkey: ValkeyServer, data: st.DataObject) -> None:
    """Turns and reads work if one or two of the project's keys have random values of any type."""
    archive = InMemoryArchive()
    archive.store([_STORED])
    memory = Memory(cache, archive, InMemoryQueue(), MemorySettings(max_thread_messages=3))
    with redis.Redis(host="127.0.0.1", port=valkey.port) as client:
        client.flushall()
        for key in data.draw(st.lists(st.sampled_from(sorted(_KEYS)), min_size=1, max_size=2, unique=True)):
            kind = data.draw(st.just(_KEYS[key]) | st.sampled_from(_KINDS))
            contents = data.draw(st.lists(_entries() | _noise, max_size=4))
            _write(client, key, kind, contents)
            if key == GENERATION_KEY and kind == "hash":
                for name in data.draw(st.lists(st.sampled_from(_FIELDS), unique=True)):
                    client.hset(key, name, data.draw(_noise))

        answers: list[Any] = [
            cache.read("t", "u"),
            Threads(memory).get("t"),
            Threads(memory).messages("t", 10, None, descending=False),
            Threads(memory).list_for("u", 10, None),
            Users(memory).preferences("u"),
        ]
        recall = Turn(memory, "t", "u").recall()

    assert all(answer is not None for answer in answers)
    json.dumps([message.to_json() for message in recall.messages]).encode()
    # Redis refuses a write to a key of another type, so the turn may report `redis` as degraded, and nothing else.
    assert set(recall.degraded) <= {"redis"}


@random_input.fuzz
@given(
    outbox=st.lists(strategies.exchanges().map(lambda exchange: exchange.to_wire().encode()) | _noise, max_size=5),
    partial=st.lists(_noise | st.just(b"t"), max_size=3),
)
def test_the_sweep_handles_any_entry(
    cache: RedisCache, valkey: ValkeyServer, outbox: list[bytes], partial: list[bytes]
) -> None:
    """The sweep stores or dead-letters each entry of the outbox.

    Foreign entries in the set `memory:begun` do not stop the sweep.
    """
    dead_letters: list[str] = []

    def dead_letter_body(body: str, error: InvalidRecord, _: str | None) -> None:
        assert error.reason
        dead_letters.append(body)

    with redis.Redis(host="127.0.0.1", port=valkey.port) as client:
        client.flushall()
        if outbox:
            client.rpush(OUTBOX, *outbox)
        if partial:
            client.sadd("memory:begun", *partial)
        result = Sweep(InMemoryArchive(), cache, 3, dead_letter_body=dead_letter_body).run()
        remaining = client.llen(OUTBOX)

    assert (remaining, result.skipped) == (0, [])
    assert result.refused == len(dead_letters)
    assert result.stored + result.refused <= len(outbox)


def test_sqs_accepts_a_dead_lettered_body(queues: Queues) -> None:
    """The queue replaces characters that SQS refuses. Otherwise the body would stay in the outbox forever."""
    SqsQueues(queues.settings()).dead_letter_body("a\x00b\udc80c\uffffd\n🧠", InvalidRecord("not_json", "no"))

    assert queues.dead()[0][0] == "a?b?c?d\n🧠"
