"""Idempotency keys: the same request twice, or ten times at once, is one exchange and one answer.

A claim is made in both layers that answer, so that either alone can tell a repetition. The exchange's id is part of
the claim: should a sandbox die between keeping the exchange and keeping the answer, the repetition takes over the same
id, and the exchange stays one.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from shared.errors import IdempotencyConflict, StoreUnavailable
from shared.stores.idempotency import KeyStore

_RUNNING: Final = 409
_OTHER_BODY: Final = 422
_MOST_OWED: Final = 100
_PAID_AT_ONCE: Final = 20


class _Answer(NamedTuple):
    key: str
    body_hash: str
    exchange_id: UUID
    text: str


class _Owed:
    """Answers that a layer was away for: told once it is back, so that it does not take the other one to know them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], tuple[KeyStore, _Answer]] = OrderedDict()

    def add(self, store: KeyStore, answer: _Answer) -> None:
        """Keep an answer for a layer."""
        self._kept[id(store), answer.key] = store, answer
        while len(self._kept) > _MOST_OWED:
            self._kept.popitem(last=False)

    def pay(self, store: KeyStore) -> None:
        """Tell a layer what it missed, some at a time so that a request does not wait for all.

        Raises:
            StoreUnavailable: It is away again; what it was not told stays.
        """
        mine = [(place, answer) for place, (other, answer) in self._kept.items() if other is store]
        for place, answer in mine[:_PAID_AT_ONCE]:
            store.answer(*answer)
            self._kept.pop(place, None)


class Claim:
    """A key that this request holds, or whose answer is known.

    Attributes:
        exchange_id: The id that the exchange has to take.
        replayed: The answer of the request that came first, {} if it was deleted; None if this is it.
    """

    def __init__(
        self,
        stores: Sequence[KeyStore],
        owed: _Owed,
        key: str,
        body_hash: str,
        exchange_id: UUID,
        replayed: dict[str, Any] | None,
    ) -> None:
        self.exchange_id = exchange_id
        self.replayed = replayed
        self._stores = stores
        self._owed = owed
        self._key = key
        self._body_hash = body_hash

    def complete(self, answer: dict[str, Any]) -> None:
        """Remember the answer wherever it can be; the exchange itself is kept already."""
        made = _Answer(self._key, self._body_hash, self.exchange_id, orjson.dumps(answer).decode())
        for store in self._stores:
            try:
                store.answer(*made)
            except StoreUnavailable:
                # The other layer has it; if none has, the lease ends and a repetition takes over the exchange's id.
                self._owed.add(store, made)

    def release(self) -> None:
        """Let the next request with this key run: this one kept nothing."""
        for store in self._stores:
            try:
                store.release(self._key)
            except StoreUnavailable:
                # The lease ends by itself.
                continue


class Idempotency:
    """Claims keys.

    Args:
        stores: The layers, the fastest first.
    """

    def __init__(self, stores: Sequence[KeyStore]) -> None:
        self._stores = stores
        self._owed = _Owed()

    def claim(self, scope: str, key: str, body: bytes, exchange_id: UUID) -> Claim:
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

    def claim_hashed(self, hashed: str, body: bytes, exchange_id: UUID) -> Claim:
        """Claim a key by the hash that the layers know it by; see `claim`."""
        body_hash = hashlib.sha256(body).hexdigest()
        is_sure = False
        missed = StoreUnavailable(
            "redis", "it was emptied lately", state="was emptied lately and may not know this key"
        )
        for store in self._stores:
            try:
                self._owed.pay(store)
                state = store.claim(hashed, body_hash, exchange_id)
            except StoreUnavailable as error:
                missed = error
                continue
            if state.body_hash != body_hash:
                raise IdempotencyConflict(_OTHER_BODY, "This Idempotency-Key came with another body before.")
            if state.answer is not None:
                replayed: dict[str, Any] = orjson.loads(state.answer)
                return Claim(self._stores, self._owed, hashed, body_hash, state.exchange_id, replayed)
            if not state.is_claimed:
                raise IdempotencyConflict(_RUNNING, "The first request with this Idempotency-Key is still running.")
            exchange_id = state.exchange_id
            is_sure = is_sure or state.is_sure
        claim = Claim(self._stores, self._owed, hashed, body_hash, exchange_id, None)
        if not is_sure:
            claim.release()
            raise missed
        return claim
