"""Idempotency keys: a request and its repetitions have one exchange and one response, even if they run concurrently.

A request acquires its key in each layer that responds, so that either layer alone can detect a repetition. Each layer
stores the exchange's id with the key. If a process ends after it stored the exchange and before it stored the response,
a repeated request uses the same id, so that only one exchange exists. The exchange also carries the key. So PostgreSQL
has the key after the exchange is stored, even if PostgreSQL was down during the request.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from shared.errors import IdempotencyConflict, StoreUnavailable
from shared.idempotency import KeyedRequest
from shared.memory.backlog import Backlog
from shared.stores.idempotency import KeyState, KeyStore

# HTTP status codes.
_RUNNING: Final = 409
_OTHER_BODY: Final = 422
_MAX_MISSED_ANSWERS: Final = 100
_RETRY_BATCH: Final = 20


class _Answer(NamedTuple):
    key: str
    body_hash: str
    exchange_id: UUID
    text: str


class _Lease(NamedTuple):
    store: KeyStore
    lease_id: str


class _MissedAnswers:
    """Responses that a layer missed.

    The layer gets them when it responds again, because the other layer may lose its copy.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[int, str], tuple[KeyStore, _Answer]] = OrderedDict()

    def add(self, store: KeyStore, answer: _Answer) -> None:
        """Add a response for a layer."""
        self._answers[id(store), answer.key] = store, answer
        while len(self._answers) > _MAX_MISSED_ANSWERS:
            self._answers.popitem(last=False)

    def retry(self, store: KeyStore) -> None:
        """Send some of the missed responses to a layer. A limit keeps the delay short.

        Raises:
            StoreUnavailable: The layer is down again; unsent responses stay.
        """
        own_answers = [(name, answer) for name, (other, answer) in self._answers.items() if other is store]
        for name, answer in own_answers[:_RETRY_BATCH]:
            store.answer(*answer)
            self._answers.pop(name, None)


class KeyLease:
    """A key that this request has acquired, or whose response is known.

    Attributes:
        exchange_id: The id that the exchange must have.
        replayed: The first request's response; {} if the response was deleted, None if this is the first request. It
            has no `memory` if PostgreSQL restored it from the exchange.
        keyed: The key data for the request's exchange.
    """

    def __init__(
        self,
        stores: Sequence[KeyStore],
        missed_answers: _MissedAnswers,
        keyed: KeyedRequest,
        exchange_id: UUID,
        replayed: dict[str, Any] | None,
        leases: Sequence[_Lease] = (),
    ) -> None:
        self.exchange_id = exchange_id
        self.replayed = replayed
        self.keyed = keyed
        self._stores = stores
        self._missed_answers = missed_answers
        self._leases = leases

    def complete(self, answer: dict[str, Any]) -> None:
        """Store the response in every layer that responds. The exchange itself is stored already."""
        stored_answer = _Answer(self.keyed.key, self.keyed.body_hash, self.exchange_id, orjson.dumps(answer).decode())
        for store in self._stores:
            try:
                store.answer(*stored_answer)
            except StoreUnavailable:
                # The other layer has the response. If no layer has the response, the lease ends, and a repeated request
                # uses the same exchange id.
                self._missed_answers.add(store, stored_answer)

    def release(self) -> None:
        """Release the key, because this request stored nothing. The next request with this key then runs."""
        _release(self._leases, self.keyed.key)


class Idempotency:
    """Acquires keys.

    Args:
        stores: The layers, the fastest first.
        backlog: The undrained exchanges.
    """

    def __init__(self, stores: Sequence[KeyStore], backlog: Backlog) -> None:
        self._stores = stores
        self._backlog = backlog
        self._missed_answers = _MissedAnswers()

    def acquire(self, scope: str, key: str, body: bytes, exchange_id: UUID) -> KeyLease:
        """Acquire a caller's key for a request.

        Args:
            scope: The key's owner: equal keys of two users are different.
            key: The `Idempotency-Key`.
            body: The request in a canonical form.
            exchange_id: The exchange's id, unless an earlier request has acquired the key with another id.

        Raises:
            IdempotencyConflict: The first request is still running (409), or had another body (422).
            StoreUnavailable: No layer that responded shows whether the key is new, so the request might run twice.
        """
        return self.acquire_hashed(hashlib.sha256(orjson.dumps([scope, key])).hexdigest(), body, exchange_id)

    def acquire_hashed(self, hashed: str, body: bytes, exchange_id: UUID) -> KeyLease:
        """Acquire a key by its hash; see `acquire`."""
        keyed = KeyedRequest(hashed, hashlib.sha256(body).hexdigest())
        leases: list[_Lease] = []
        try:
            return self._acquire(keyed, exchange_id, leases)
        except (IdempotencyConflict, StoreUnavailable):
            # Release the key, because its lease would refuse the next request with this key.
            _release(leases, hashed)
            raise

    def _acquire(self, keyed: KeyedRequest, exchange_id: UUID, leases: list[_Lease]) -> KeyLease:
        """Acquire the key in each layer that responds, and append the leases of layers in which it was new."""
        stored_id, is_new = exchange_id, False
        earlier: KeyState | None = None
        outage = StoreUnavailable(
            "redis", "it was emptied lately", state="was emptied lately and may not know this key"
        )
        for store in self._stores:
            # Check the backlog before reading the layer, because the drain may store exchanges in between.
            is_stored = is_new or not store.stores_exchange_keys or self._is_stored(earlier)
            try:
                self._missed_answers.retry(store)
                state = store.acquire(keyed.key, keyed.body_hash, stored_id)
            except StoreUnavailable as error:
                outage = error
                continue
            if state.body_hash != keyed.body_hash:
                raise IdempotencyConflict(_OTHER_BODY, "This Idempotency-Key was used with another body before.")
            if state.answer is not None:
                return self._repeated(keyed, state.exchange_id, state.answer, leases)
            if not state.is_acquired:
                raise IdempotencyConflict(_RUNNING, "The first request with this Idempotency-Key is still running.")
            if state.exchange_id == exchange_id:
                leases.append(_Lease(store, state.lease_id))
            stored_id, earlier = state.exchange_id, state
            is_new = is_new or (is_stored and state.has_all_keys)
        if not is_new:
            raise outage
        return KeyLease(self._stores, self._missed_answers, keyed, stored_id, None, leases)

    def _is_stored(self, redis_key: KeyState | None) -> bool:
        """Return whether the exchange of every key that Redis may have lost is in PostgreSQL.

        PostgreSQL has the exchange after the drain, even if PostgreSQL was down when the request came.
        """
        if redis_key is None:
            # Redis does not respond, so its keys are unknown.
            return self._backlog.is_stored()
        if redis_key.may_be_in_outbox:
            return False
        return self._backlog.is_stored(redis_key.age)

    def _repeated(self, keyed: KeyedRequest, exchange_id: UUID, answer: str, leases: Sequence[_Lease]) -> KeyLease:
        """Return the known response, and store the response in layers that lack it."""
        for store, _ in leases:
            try:
                store.answer(keyed.key, keyed.body_hash, exchange_id, answer)
            except StoreUnavailable:
                # The new lease ends by itself.
                continue
        replayed: dict[str, Any] = orjson.loads(answer)
        return KeyLease(self._stores, self._missed_answers, keyed, exchange_id, replayed)


def _release(leases: Sequence[_Lease], key: str) -> None:
    for store, lease_id in leases:
        try:
            store.release(key, lease_id)
        except StoreUnavailable:
            # The lease ends by itself.
            continue
