"""A turn reads a window and appends to it: in the store, by direct invocation, and by a REST event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson
import redis

from shared.models import Exchange
from tests.bench.floors import APPEND_SCRIPT, BareRedis, command
from tests.bench.goals.figures import Figure, Goal, alternate, compared, microseconds
from tests.bench.goals.scene import LENGTHS, USER, Event, Scene, rest_event

_PARSED: Final = "redis-py, one JSON parse"
_EVALSHA: Final = "redis-py, one EVALSHA"
_ENTRIES: Final = 100
# The part of an entry's JSON without the text.
_HEAD: Final = 180
_SCRIPTS: Final = frozenset({"cmdstat_eval", "cmdstat_evalsha", "cmdstat_fcall"})


def turns(scene: Scene) -> Iterator[Figure]:
    """Measure each case with short and with long messages."""
    client = redis.Redis(port=scene.redis_port)
    with BareRedis(scene.redis_port) as without_ending:
        for length in LENGTHS:
            scene.fill(_thread(length), length)
            yield from _reads(scene, client, without_ending, length)
            yield from _appends(scene, client, length)


def _thread(length: int) -> str:
    return f"bench-{length}"


def name_of(case: str, length: int) -> str:
    """Return a case with the length of its messages."""
    return f"{case}, {length} characters"


def _reads(scene: Scene, client: redis.Redis, without_ending: BareRedis, length: int) -> Iterator[Figure]:
    thread_id = _thread(length)
    messages, preferences = f"thread:{thread_id}:messages", f"user:{USER}:preferences"
    request = command("LRANGE", messages, "-100", "-1") + command("HGETALL", preferences)
    answer_bytes = 0

    def learn() -> None:
        # The first read seals the list, which changes the length of an entry.
        nonlocal answer_bytes
        answer_bytes = without_ending.learn(request)

    def parsed() -> object:
        pipe = client.pipeline(transaction=False)
        pipe.lrange(messages, -100, -1)
        pipe.hgetall(preferences)
        entries, found = pipe.execute()
        return orjson.loads(b"[" + b",".join(entries) + b"]"), found

    read = scene.cache.read(thread_id, USER)
    if len(read.messages) != _ENTRIES or not read.is_sealed or not read.has_all_preferences:
        raise RuntimeError("the read does not do what is to be measured")
    asked = {"thread_id": thread_id, "user_id": USER}
    direct, rest = {"action": "invoking", **asked}, rest_event("/invoking", asked)
    answer = scene.invoke(direct)
    if len(answer["messages"]) != _ENTRIES or answer["source"] != "redis":
        raise RuntimeError("the invocation does not do what is to be measured")
    _require(scene.invoke(rest), 200)
    raw, reference, store, directly, by_rest = alternate(
        scene.sizes.repetitions,
        lambda: without_ending.ask(request, answer_bytes),
        parsed,
        lambda: scene.cache.read(thread_id, USER),
        lambda: scene.invoke(direct),
        lambda: scene.invoke(rest),
        between=learn,
    )
    name = name_of("read window and preferences, in the store", length)
    yield compared(name, store, _PARSED, reference, Goal(1.6, "x"))
    yield compared(name, store, "raw socket", raw, None)
    yield compared(name_of("`invoking`, direct", length), directly, _PARSED, reference, Goal(350, "us"))
    yield compared(name_of("`invoking`, REST event", length), by_rest, _PARSED, reference, Goal(550, "us"))


def _appends(scene: Scene, client: redis.Redis, length: int) -> Iterator[Figure]:
    thread_id = f"{_thread(length)}-append"
    scene.fill(thread_id, length)
    script, key, entry = client.script_load(APPEND_SCRIPT), f"floor:{length}", "x" * (length + _HEAD)
    for _ in range(_ENTRIES // 2):
        client.evalsha(script, 1, key, entry, entry)
    body = {"thread_id": thread_id, "user_id": USER, "user_message": "q" * length, "assistant_message": "a" * length}
    rest = rest_event("/invoked", body)
    taken = scene.invoke(rest)
    _require(taken, 202)
    if orjson.loads(taken["body"])["durability"] != "queue":
        raise RuntimeError("the queue of this run has to answer at once")

    ordered: list[Exchange] = []
    random: list[Exchange] = []

    def prepare() -> None:
        client.delete(f"thread:{thread_id}:pending")
        # Each exchange has its own millisecond. So its order key is newer than the tail's, like that of a user's
        # exchange.
        ordered.append(scene.later(thread_id, length))
        random.append(scene.later(thread_id, length, is_random=True))

    floor, store, by_random_id, by_rest = alternate(
        scene.sizes.repetitions,
        lambda: client.evalsha(script, 1, key, entry, entry),
        lambda: scene.cache.append(ordered.pop(), is_drained=False),
        lambda: scene.cache.append(random.pop(), is_drained=False),
        lambda: scene.invoke(rest),
        between=prepare,
    )
    for case, cost, is_random in (("append", store, False), ("append under a random id", by_random_id, True)):
        name = name_of(f"{case}, in the store", length)
        yield compared(name, cost, _EVALSHA, floor, Goal(2, "x"))
        server = _server_microseconds(scene, client, thread_id, length, is_random=is_random)
        yield Figure(f"{name}: its scripts in the server", microseconds(server), "", None, server, Goal(40, "us"))
    name = name_of("append, REST event, queue answers at once", length)
    yield compared(name, by_rest, _EVALSHA, floor, Goal(600, "us"))
    client.delete(key)


def _server_microseconds(scene: Scene, client: redis.Redis, thread_id: str, length: int, *, is_random: bool) -> float:
    """Return the time that the server spends in the script of one append."""
    exchanges = [scene.later(thread_id, length, is_random=is_random) for _ in range(scene.sizes.repetitions)]
    spent = _in_scripts(client)
    for exchange in exchanges:
        scene.cache.append(exchange, is_drained=False)
    return (_in_scripts(client) - spent) / len(exchanges)


def _in_scripts(client: redis.Redis) -> float:
    """Return the microseconds that the server has spent in scripts."""
    statistics = client.info("commandstats")
    return float(sum(found["usec"] for name, found in statistics.items() if name in _SCRIPTS))


def _require(answer: Event, status: int) -> None:
    if answer["statusCode"] != status:
        raise RuntimeError(f"the invocation answers {answer['statusCode']}: {answer['body'][:500]}")
