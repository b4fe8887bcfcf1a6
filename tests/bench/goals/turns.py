"""Measures the two steps of a turn, a read of the window and an append to it, in the store and through the function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson
import redis

from shared.models import Exchange
from tests.bench.floors import APPEND_SCRIPT, BareRedis, command
from tests.bench.goals.figures import Figure, Goal, alternate, compare, microseconds
from tests.bench.goals.system import LENGTHS, USER, BenchSystem, Event, rest_event

_PARSED: Final = "redis-py, one JSON parse"
_EVALSHA: Final = "redis-py, one EVALSHA"
_ENTRIES: Final = 100
# The part of an entry's JSON without the text.
_ENTRY_OVERHEAD: Final = 180
_SCRIPTS: Final = frozenset({"cmdstat_eval", "cmdstat_evalsha", "cmdstat_fcall"})


def turns(system: BenchSystem) -> Iterator[Figure]:
    """Measure each case with short and with long messages."""
    client = redis.Redis(port=system.redis_port)
    with BareRedis(system.redis_port) as bare_redis:
        for length in LENGTHS:
            system.fill(_thread(length), length)
            yield from _reads(system, client, bare_redis, length)
            yield from _appends(system, client, length)


def _thread(length: int) -> str:
    return f"bench-{length}"


def case_name(case: str, length: int) -> str:
    """Return a case with the length of its messages."""
    return f"{case}, {length} characters"


def _reads(system: BenchSystem, client: redis.Redis, bare_redis: BareRedis, length: int) -> Iterator[Figure]:
    thread_id = _thread(length)
    messages, preferences = f"thread:{thread_id}:messages", f"user:{USER}:preferences"
    request = command("LRANGE", messages, "-100", "-1") + command("HGETALL", preferences)
    reply_bytes = 0

    def measure_reply() -> None:
        # Measured each time, because the first read seals the list, which changes the length of an entry.
        nonlocal reply_bytes
        reply_bytes = bare_redis.measure_reply(request)

    def parsed() -> object:
        pipe = client.pipeline(transaction=False)
        pipe.lrange(messages, -100, -1)
        pipe.hgetall(preferences)
        entries, values = pipe.execute()
        return orjson.loads(b"[" + b",".join(entries) + b"]"), values

    read = system.cache.read(thread_id, USER)
    if len(read.messages) != _ENTRIES or not read.is_sealed or not read.has_all_preferences:
        raise RuntimeError("the read did not return the whole window and the preferences")
    body = {"thread_id": thread_id, "user_id": USER}
    direct, rest = {"action": "invoking", **body}, rest_event("/invoking", body)
    answer = system.invoke(direct)
    if len(answer["messages"]) != _ENTRIES or answer["source"] != "redis":
        raise RuntimeError("the invocation did not return the window from Redis")
    _check_status(system.invoke(rest), 200)
    raw, reference, store, directly, by_rest = alternate(
        system.sizes.repetitions,
        lambda: bare_redis.send(request, reply_bytes),
        parsed,
        lambda: system.cache.read(thread_id, USER),
        lambda: system.invoke(direct),
        lambda: system.invoke(rest),
        between=measure_reply,
    )
    name = case_name("read window and preferences, in the store", length)
    yield compare(name, store, _PARSED, reference, Goal(1.6, "x"))
    yield compare(name, store, "raw socket", raw, None)
    yield compare(case_name("`invoking`, direct", length), directly, _PARSED, reference, Goal(350, "us"))
    yield compare(case_name("`invoking`, REST event", length), by_rest, _PARSED, reference, Goal(550, "us"))


def _appends(system: BenchSystem, client: redis.Redis, length: int) -> Iterator[Figure]:
    thread_id = f"{_thread(length)}-append"
    system.fill(thread_id, length)
    script, key, entry = client.script_load(APPEND_SCRIPT), f"floor:{length}", "x" * (length + _ENTRY_OVERHEAD)
    for _ in range(_ENTRIES // 2):
        client.evalsha(script, 1, key, entry, entry)
    body = {"thread_id": thread_id, "user_id": USER, "user_message": "q" * length, "assistant_message": "a" * length}
    rest = rest_event("/invoked", body)
    response = system.invoke(rest)
    _check_status(response, 202)
    if orjson.loads(response["body"])["durability"] != "queue":
        raise RuntimeError("the exchange was not queued")

    ordered: list[Exchange] = []
    random: list[Exchange] = []

    def prepare() -> None:
        client.delete(f"thread:{thread_id}:pending")
        # Each exchange has its own millisecond. Its order key is therefore higher than the order key of the list's last
        # exchange, as usual in a conversation.
        ordered.append(system.newer_exchange(thread_id, length))
        random.append(system.newer_exchange(thread_id, length, is_random=True))

    floor, store, by_random_id, by_rest = alternate(
        system.sizes.repetitions,
        lambda: client.evalsha(script, 1, key, entry, entry),
        lambda: system.cache.append(ordered.pop(), is_drained=False),
        lambda: system.cache.append(random.pop(), is_drained=False),
        lambda: system.invoke(rest),
        between=prepare,
    )
    for case, cost, is_random in (("append", store, False), ("append under a random id", by_random_id, True)):
        name = case_name(f"{case}, in the store", length)
        yield compare(name, cost, _EVALSHA, floor, Goal(2, "x"))
        server = _append_script_microseconds(system, client, thread_id, length, is_random=is_random)
        yield Figure(f"{name}: its scripts in the server", microseconds(server), "", None, server, Goal(40, "us"))
    name = case_name("append, REST event, queue answers at once", length)
    yield compare(name, by_rest, _EVALSHA, floor, Goal(600, "us"))
    client.delete(key)


def _append_script_microseconds(
    system: BenchSystem, client: redis.Redis, thread_id: str, length: int, *, is_random: bool
) -> float:
    """Return the time that the server spends in the script of one append."""
    exchanges = [system.newer_exchange(thread_id, length, is_random=is_random) for _ in range(system.sizes.repetitions)]
    spent = _script_microseconds(client)
    for exchange in exchanges:
        system.cache.append(exchange, is_drained=False)
    return (_script_microseconds(client) - spent) / len(exchanges)


def _script_microseconds(client: redis.Redis) -> float:
    """Return the microseconds that the server has spent in scripts."""
    statistics = client.info("commandstats")
    return float(sum(usage["usec"] for name, usage in statistics.items() if name in _SCRIPTS))


def _check_status(answer: Event, status: int) -> None:
    if answer["statusCode"] != status:
        raise RuntimeError(f"the invocation returned {answer['statusCode']}: {answer['body'][:500]}")
