"""Idempotency keys: the same request twice, or ten times at once, is one exchange and one answer.

A claim is made in both layers that answer, so that either alone can tell a repetition. The exchange's id is part of
the claim: should a process die between keeping the exchange and keeping the answer, the repetition takes over the same
id, and the exchange stays one. The exchange carries the key, so that PostgreSQL knows it once the exchange is stored,
also where it was away when the request came.
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

_RUNNING: Final = 409
_OTHER_BODY: Final = 422
_MAX_PENDING_ANSWERS: Final = 100
_RETRY_BATCH: Final = 20


class _Answer(NamedTuple):
    key: str
    body_hash: str
    exchange_id: UUID
    text: str


class _Claim(NamedTuple):
    store: KeyStore
    claim: str


class _PendingAnswers:
    """Answers that a layer was away for: told once it is back, so that it does not take the other one to know them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], tuple[KeyStore, _Answer]] = OrderedDict()

    def add(self, store: KeyStore, answer: _Answer) -> None:
        """Keep an answer for a layer."""
        self._kept[id(store), answer.key] = store, answer
        while len(self._kept) > _MAX_PENDING_ANSWERS:
            self._kept.popitem(last=False)

    def retry(self, store: KeyStore) -> None:
        """Tell a layer what it missed, some at a time so that a request does not wait for all.

        Raises:
            StoreUnavailable: It is away again; what it was not told stays.
        """
        mine = [(place, answer) for place, (other, answer) in self._kept.items() if other is store]
        for place, answer in mine[:_RETRY_BATCH]:
            store.answer(*answer)
            self._kept.pop(place, None)


class KeyLease:
    """A key that this request holds, or whose answer is known.

    Attributes:
        exchange_id: The id that the exchange has to take.
        replayed: The answer of the request that came first, {} if it was deleted; None if this is it. Without `memory`
            where PostgreSQL has it from the exchange.
        keyed: What the request's exchange carries.
    """

    def __init__(
        self,
        stores: Sequence[KeyStore],
        pending_answers: _PendingAnswers,
        keyed: KeyedRequest,
        exchange_id: UUID,
        replayed: dict[str, Any] | None,
        claims: Sequence[_Claim] = (),
    ) -> None:
        self.exchange_id = exchange_id
        self.replayed = replayed
        self.keyed = keyed
        self._stores = stores
        self._pending_answers = pending_answers
        self._claims = claims

    def complete(self, answer: dict[str, Any]) -> None:
        """Remember the answer wherever it can be; the exchange itself is kept already."""
        made = _Answer(self.keyed.key, self.keyed.body_hash, self.exchange_id, orjson.dumps(answer).decode())
        for store in self._stores:
            try:
                store.answer(*made)
            except StoreUnavailable:
                # The other layer has it; if none has, the lease ends and a repetition takes over the exchange's id.
                self._pending_answers.add(store, made)

    def release(self) -> None:
        """Let the next request with this key run: this one kept nothing."""
        _release(self._claims, self.keyed.key)


class Idempotency:
    """Claims keys.

    Args:
        stores: The layers, the fastest first.
        backlog: What PostgreSQL does not know yet.
    """

    def __init__(self, stores: Sequence[KeyStore], backlog: Backlog) -> None:
        self._stores = stores
        self._backlog = backlog
        self._pending_answers = _PendingAnswers()

    def acquire(self, scope: str, key: str, body: bytes, exchange_id: UUID) -> KeyLease:
        """Claim a caller's key for a request.

        Args:
            scope: Who the key belongs to: two users' equal keys are two keys.
            key: The `Idempotency-Key`.
            body: The request in a canonical form.
            exchange_id: For the exchange, unless an earlier claim has named it.

        Raises:
            IdempotencyConflict: The first request is still running (409), or had another body (422).
            StoreUnavailable: No layer can tell whether the key came before, so that running could be for the second
                time.
        """
        return self.claim_hashed(hashlib.sha256(orjson.dumps([scope, key])).hexdigest(), body, exchange_id)

    def claim_hashed(self, hashed: str, body: bytes, exchange_id: UUID) -> KeyLease:
        """Claim a key by the hash that the layers know it by; see `acquire`."""
        keyed = KeyedRequest(hashed, hashlib.sha256(body).hexdigest())
        claimed: list[_Claim] = []
        try:
            return self._claim(keyed, exchange_id, claimed)
        except (IdempotencyConflict, StoreUnavailable):
            # Else its own claim would refuse the next repetition.
            _release(claimed, hashed)
            raise

    def _claim(self, keyed: KeyedRequest, exchange_id: UUID, claimed: list[_Claim]) -> KeyLease:
        """Claim the key in each layer that answers; those that knew nothing of it are then among `claimed`."""
        named, is_new = exchange_id, False
        earlier: KeyState | None = None
        missed = StoreUnavailable(
            "redis", "it was emptied lately", state="was emptied lately and may not know this key"
        )
        for store in self._stores:
            # Asked before the layer is: it knows what is stored in between.
            is_stored = is_new or not store.learns_from_exchanges or self._is_stored(earlier)
            try:
                self._pending_answers.retry(store)
                state = store.acquire(keyed.key, keyed.body_hash, named)
            except StoreUnavailable as error:
                missed = error
                continue
            if state.body_hash != keyed.body_hash:
                raise IdempotencyConflict(_OTHER_BODY, "This Idempotency-Key came with another body before.")
            if state.answer is not None:
                return self._repeated(keyed, state.exchange_id, state.answer, claimed)
            if not state.is_acquired:
                raise IdempotencyConflict(_RUNNING, "The first request with this Idempotency-Key is still running.")
            if state.exchange_id == exchange_id:
                claimed.append(_Claim(store, state.claim))
            named, earlier = state.exchange_id, state
            is_new = is_new or (is_stored and state.is_sure)
        if not is_new:
            raise missed
        return KeyLease(self._stores, self._pending_answers, keyed, named, None, claimed)

    def _is_stored(self, lost: KeyState | None) -> bool:
        """Return whether the exchange of every key that Redis does not know any more is in PostgreSQL.

        There it is once it is drained, also where PostgreSQL was away when the request came.
        """
        if lost is None:
            # Redis does not respond, so its keys are unknown.
            return self._backlog.is_stored()
        if lost.may_be_in_outbox:
            return False
        return self._backlog.is_stored(lost.age)

    def _repeated(self, keyed: KeyedRequest, exchange_id: UUID, answer: str, claimed: Sequence[_Claim]) -> KeyLease:
        """Return a claim that knows its answer, and have the layers know it that did not."""
        for store, _ in claimed:
            try:
                store.answer(keyed.key, keyed.body_hash, exchange_id, answer)
            except StoreUnavailable:
                # The lease of the claim that it has just taken ends by itself.
                continue
        replayed: dict[str, Any] = orjson.loads(answer)
        return KeyLease(self._stores, self._pending_answers, keyed, exchange_id, replayed)


def _release(claims: Sequence[_Claim], key: str) -> None:
    for store, claim in claims:
        try:
            store.release(key, claim)
        except StoreUnavailable:
            # The lease ends by itself.
            continue
