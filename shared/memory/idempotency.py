"""Idempotency keys: the same request twice, or ten times at once, is one exchange and one answer.

A claim is made in both layers that answer, so that either alone can tell a repetition. The exchange's id is part of
the claim: should a sandbox die between keeping the exchange and keeping the answer, the repetition takes over the same
id, and the exchange stays one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from shared.errors import IdempotencyConflict, StoreUnavailable
from shared.stores.base import KeyStore

_RUNNING: Final = 409
_OTHER_BODY: Final = 422


class Claim:
    """A key that this request holds, or whose answer is known.

    Attributes:
        exchange_id: The id that the exchange has to take.
        replayed: The answer of the request that came first; None if this is it.
    """

    def __init__(
        self, stores: Sequence[KeyStore], key: str, body_hash: str, exchange_id: UUID, replayed: dict[str, Any] | None
    ) -> None:
        self.exchange_id = exchange_id
        self.replayed = replayed
        self._stores = stores
        self._key = key
        self._body_hash = body_hash

    def complete(self, answer: dict[str, Any]) -> None:
        """Remember the answer wherever it can be; the exchange itself is kept already."""
        text = orjson.dumps(answer).decode()
        for store in self._stores:
            try:
                store.answer(self._key, self._body_hash, self.exchange_id, text)
            except StoreUnavailable:
                # The other layer has it; if none has, the lease ends and a repetition takes over the exchange's id.
                continue

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
        hashed = hashlib.sha256(orjson.dumps([scope, key])).hexdigest()
        body_hash = hashlib.sha256(body).hexdigest()
        is_sure, missed = False, StoreUnavailable("redis", "it was emptied lately")
        for store in self._stores:
            try:
                state = store.claim(hashed, body_hash, exchange_id)
            except StoreUnavailable as error:
                missed = error
                continue
            if state.body_hash != body_hash:
                raise IdempotencyConflict(_OTHER_BODY, "This Idempotency-Key came with another body before.")
            if state.answer is not None:
                replayed: dict[str, Any] = orjson.loads(state.answer)
                return Claim(self._stores, hashed, body_hash, state.exchange_id, replayed)
            if not state.is_claimed:
                raise IdempotencyConflict(_RUNNING, "The first request with this Idempotency-Key is still running.")
            exchange_id = state.exchange_id
            is_sure = is_sure or state.is_sure
        claim = Claim(self._stores, hashed, body_hash, exchange_id, None)
        if not is_sure:
            claim.release()
            raise missed
        return claim
