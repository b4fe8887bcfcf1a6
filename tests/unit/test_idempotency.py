"""A request acquires its idempotency key in both layers. It runs once, even if a layer or a process fails."""

from __future__ import annotations

import pytest

from shared.errors import IdempotencyConflict, StoreUnavailable
from shared.ids import ExchangeIds
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency, KeyLease
from shared.testing import InMemoryArchive, InMemoryKeys, InMemoryQueue

ANSWER = {"response": "Hi!"}


class FakeClock:
    """A clock that only the test advances."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of both layers."""
    return FakeClock()


@pytest.fixture
def layers(clock: FakeClock) -> list[InMemoryKeys]:
    """Return the keys of both layers."""
    return [InMemoryKeys("redis", clock), InMemoryKeys("postgres", clock)]


@pytest.fixture
def keys(layers: list[InMemoryKeys]) -> Idempotency:
    """Return the idempotency keys over both layers."""
    return Idempotency(layers, Backlog(InMemoryQueue(), InMemoryArchive()))


def _acquire(keys: Idempotency, key: str = "k", *, scope: str = "ana", body: bytes = b"{}") -> KeyLease:
    return keys.acquire(scope, key, body, ExchangeIds().new())


def test_the_second_request_gets_the_first_response(keys: Idempotency) -> None:
    """The second request gets the response and the exchange id of the first request."""
    first = _acquire(keys)
    assert first.replayed is None
    first.complete(ANSWER)
    second = _acquire(keys)
    assert (second.replayed, second.exchange_id) == (ANSWER, first.exchange_id)


def test_a_key_in_use_returns_a_409(keys: Idempotency) -> None:
    """While the first request runs, the second request gets a 409."""
    _acquire(keys)
    with pytest.raises(IdempotencyConflict) as caught:
        _acquire(keys)
    assert caught.value.status == 409


def test_a_key_with_another_body_returns_a_422(keys: Idempotency) -> None:
    """A key with another body returns a 422, both before and after the first response."""
    lease = _acquire(keys)
    for _ in range(2):
        with pytest.raises(IdempotencyConflict) as caught:
            _acquire(keys, body=b"other")
        assert caught.value.status == 422
        lease.complete(ANSWER)


def test_keys_belong_to_their_user(keys: Idempotency) -> None:
    """The same key from two users counts as two keys."""
    assert _acquire(keys).replayed is None
    assert _acquire(keys, scope="bob").replayed is None


def test_a_request_that_stored_nothing_may_be_repeated(keys: Idempotency) -> None:
    """A request that stored nothing releases its key."""
    _acquire(keys).release()
    assert _acquire(keys).replayed is None


def test_an_expired_lease_is_taken_over_with_its_exchange_id(keys: Idempotency, clock: FakeClock) -> None:
    """After the lease of a process ends, another process acquires the key and gets the same exchange id."""
    first = _acquire(keys)
    clock.now += 41
    assert _acquire(keys).exchange_id == first.exchange_id


@pytest.mark.parametrize("failed_layer", [0, 1])
def test_one_layer_alone_returns_the_answer(failed_layer: int, keys: Idempotency, layers: list[InMemoryKeys]) -> None:
    """One layer alone returns the answer, even if the other layer loses its data or is down."""
    _acquire(keys).complete(ANSWER)
    layers[failed_layer].states.clear()
    assert _acquire(keys).replayed == ANSWER
    layers[failed_layer].is_down = True
    assert _acquire(keys).replayed == ANSWER


@pytest.mark.parametrize("failed_layer", [0, 1])
def test_one_layer_is_sufficient_for_a_key(failed_layer: int, keys: Idempotency, layers: list[InMemoryKeys]) -> None:
    """If one layer is down, the other layer is sufficient for an idempotency key."""
    layers[failed_layer].is_down = True
    lease = _acquire(keys)
    with pytest.raises(IdempotencyConflict):
        _acquire(keys)
    lease.release()
    _acquire(keys).complete(ANSWER)
    assert _acquire(keys).replayed == ANSWER


def test_a_request_is_refused_without_both_layers(keys: Idempotency, layers: list[InMemoryKeys]) -> None:
    """If both layers are down, the API cannot know whether the key was used before. It refuses the request."""
    for layer in layers:
        layer.is_down = True
    with pytest.raises(StoreUnavailable):
        _acquire(keys)
