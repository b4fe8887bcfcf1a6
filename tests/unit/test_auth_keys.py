"""A process fetches new keys after a rotation, works during an outage, and sends few requests to the issuer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from functions.agent.http.auth_keys import SigningKeys
from functions.agent.request_errors import SigningKeysUnavailable
from tests.support.issuer import Issuer, new_key


@dataclass
class FakeClock:
    """A clock that the test sets."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Start an issuer with its JWK set."""
    with Issuer() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of the keys."""
    return FakeClock()


@pytest.fixture
def keys(issuer: Issuer, clock: FakeClock) -> SigningKeys:
    """Return the issuer's keys in one process."""
    return SigningKeys(issuer.settings().jwks_url, clock)


def test_keys_are_fetched_once_in_five_minutes(issuer: Issuer, keys: SigningKeys, clock: FakeClock) -> None:
    """A process fetches the keys at first use, and again after five minutes."""
    assert issuer.fetches == 0
    for _ in range(5):
        assert keys.find("one", "RS256")
        assert keys.find("two", "ES256")
    assert issuer.fetches == 1
    clock.now += 301
    assert keys.find("one", "RS256")
    assert issuer.fetches == 2


def test_a_key_is_found_only_with_its_algorithm(keys: SigningKeys) -> None:
    """The process finds a key only if its id and its algorithm match."""
    assert keys.find("one", "ES256") is None
    assert keys.find("two", "RS256") is None


def test_a_new_key_is_fetched_when_a_token_names_it(issuer: Issuer, keys: SigningKeys, clock: FakeClock) -> None:
    """A process fetches a new key as soon as a token names it. The same fetch removes the old key."""
    assert keys.find("one", "RS256")
    issuer.keys = {"three": new_key()}
    clock.now += 0.1
    assert keys.find("three", "RS256")
    assert keys.find("one", "RS256") is None


def test_unknown_key_ids_cause_few_requests(issuer: Issuer, keys: SigningKeys, clock: FakeClock) -> None:
    """Any number of unknown key ids causes at most one request in ten seconds."""
    for number in range(100):
        clock.now += 0.5
        assert keys.find(f"made-up-{number}", "RS256") is None
    assert issuer.fetches == 6


@pytest.mark.parametrize(
    "outage", ["refused", "error", "moved", "no answer", "no json", "no object", "no keys", "late"]
)
def test_cached_keys_work_during_an_outage_for_a_day(
    issuer: Issuer, keys: SigningKeys, clock: FakeClock, outage: str
) -> None:
    """During an outage of the issuer, a process without cached keys cannot check tokens.

    Cached keys still work, for at most a day. An unknown key may be a new key, so its tokens cannot be checked.
    """
    published = dict(issuer.keys)
    issuer.status = {"refused": 503, "error": 500, "moved": 302, "no answer": 0}.get(outage, 200)
    issuer.body = {"no json": b"<html>", "no object": b"[]", "no keys": b'{"keys": []}'}.get(outage)
    issuer.delay = 2.5 if outage == "late" else 0
    with pytest.raises(SigningKeysUnavailable):
        keys.find("one", "RS256")
    fetched = issuer.fetches
    with pytest.raises(SigningKeysUnavailable):
        keys.find("one", "RS256")
    assert issuer.fetches == fetched == 1

    issuer.status, issuer.body, issuer.delay = 200, None, 0
    clock.now += 5
    assert keys.find("one", "RS256")
    issuer.status = 503
    clock.now += 3600
    assert keys.find("one", "RS256")
    with pytest.raises(SigningKeysUnavailable):
        keys.find("unknown", "RS256")
    clock.now += 86_400
    with pytest.raises(SigningKeysUnavailable):
        keys.find("one", "RS256")

    issuer.status, issuer.keys = 200, published
    clock.now += 5
    assert keys.find("one", "RS256")


def test_unusable_keys_are_ignored(issuer: Issuer, keys: SigningKeys) -> None:
    """The process ignores keys for encryption, keys of unknown types and keys without an id. It uses all other keys."""
    usable = issuer.published()
    encryption = {**usable[0], "kid": "enc", "use": "enc"}
    nameless = {name: value for name, value in usable[0].items() if name != "kid"}
    unknown_type = {"kty": "XYZ", "kid": "odd"}
    secret = {"kty": "oct", "kid": "one", "k": "c2VjcmV0", "alg": "HS256"}
    issuer.body = json.dumps({"keys": [encryption, nameless, unknown_type, secret, *usable]}).encode()
    assert keys.find("one", "RS256")
    for kid, algorithm in (("enc", "RS256"), ("odd", "RS256"), ("", "RS256")):
        assert keys.find(kid, algorithm) is None
