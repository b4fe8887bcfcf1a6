"""The verifier accepts valid tokens and returns their users."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest

from functions.agent.callers import Caller
from functions.agent.http.auth_tokens import TokenVerifier
from functions.agent.request_errors import Unauthenticated
from tests.support.issuer import Issuer, new_key, public_jwk, signed_with_public_key, unsigned

Forge = Callable[[Issuer], str]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer with its JWK set."""
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def verify(issuer: Issuer) -> TokenVerifier:
    """Return a verifier of the issuer's tokens."""
    return TokenVerifier(issuer.settings())


@pytest.mark.parametrize("kid", ["one", "two"])
def test_a_good_token(issuer: Issuer, verify: TokenVerifier, kid: str) -> None:
    """RS256 and ES256 tokens are valid. The user is the `sub` claim."""
    assert verify(issuer.token("ana", kid=kid)) == Caller("ana")


@pytest.mark.parametrize("user", ["a", "x" * 255, "auth0|5f7c", "a/b", "שלום", "🎉", "arn:aws:iam::1:user/x", "'; --"])
def test_users_of_any_form(issuer: Issuer, verify: TokenVerifier, user: str) -> None:
    """An issuer may use user ids of any form."""
    assert verify(issuer.token(user)).user_id == user


@pytest.mark.parametrize(
    ("claims", "may"),
    [
        ({}, False),
        ({"scope": "memory:operator"}, True),
        ({"scope": "openid memory:operator email"}, True),
        ({"scp": "openid memory:operator"}, True),
        ({"scp": ["openid", "memory:operator"]}, True),
        ({"scope": "memory:operators"}, False),
        ({"scope": "xmemory:operator"}, False),
        ({"scope": "MEMORY:OPERATOR"}, False),
        ({"scope": {"memory:operator": True}}, False),
        ({"scp": [["memory:operator"], 1, None]}, False),
        ({"scopes": "memory:operator", "roles": ["memory:operator"]}, False),
    ],
)
def test_the_operators_scope(issuer: Issuer, verify: TokenVerifier, claims: dict[str, Any], may: bool) -> None:  # noqa: FBT001 - a column of the table
    """A caller is an operator if `scope` or `scp` has the operator's scope as one word or as one list entry."""
    assert verify(issuer.token("svc", **claims)).may_act_for_others is may


def test_one_audience_of_several(issuer: Issuer, verify: TokenVerifier) -> None:
    """A token may name several audiences."""
    assert verify(issuer.token(aud=["https://other.example", *issuer.settings().audiences])).user_id == "ana"


def test_clocks_that_differ(issuer: Issuer, verify: TokenVerifier) -> None:
    """The verifier tolerates clocks that differ by a few seconds."""
    now = int(time.time())
    assert verify(issuer.token(exp=now - 3, nbf=now + 3, iat=now + 3)).user_id == "ana"


def _other_key(issuer: Issuer) -> str:
    return issuer.token(key=new_key())


def _altered(issuer: Issuer) -> str:
    head, body, _ = issuer.token("ana").split(".")
    other = issuer.token("bob").split(".")[1]
    assert body != other
    return f"{head}.{other}.{issuer.token('ana').split('.')[2]}"


def _own_key_in_header(issuer: Issuer) -> str:
    own = new_key()
    public = public_jwk("one", own)
    return issuer.token(key=own, headers={"jwk": public, "jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9"})


def _now() -> int:
    # Each test reads the time itself, because pytest may have collected the tests 15 minutes earlier.
    return int(time.time())


FORGERIES: dict[str, tuple[Forge, str]] = {
    "expired": (lambda i: i.token(exp=_now() - 60), "expired"),
    "not yet": (lambda i: i.token(nbf=_now() + 300), "not valid yet"),
    "issued in the future": (lambda i: i.token(iat=_now() + 300), "not valid yet"),
    "other audience": (lambda i: i.token(aud="https://other.example"), "another audience"),
    "no audience": (lambda i: i.token(aud=None), "lacks"),
    "other issuer": (lambda i: i.token(iss="https://other.example"), "another issuer"),
    "issuer with a slash more": (lambda i: i.token(iss=f"{i.url}/"), "another issuer"),
    "no issuer": (lambda i: i.token(iss=None), "lacks"),
    "no expiry": (lambda i: i.token(exp=None), "lacks"),
    "no sub": (lambda i: i.token(user=None), "lacks"),
    "empty sub": (lambda i: i.token(""), "is not a user id"),
    "sub too long": (lambda i: i.token("x" * 256), "is not a user id"),
    "sub with a line": (lambda i: i.token("ana\nbob"), "is not a user id"),
    "sub with NUL": (lambda i: i.token("ana\x00"), "is not a user id"),
    "sub with a lone surrogate": (lambda i: i.token("ana\ud800"), "is not a user id"),
    "sub a number": (lambda i: jwt.encode(i.claims(7), i.keys["one"], "RS256", {"kid": "one"}), "malformed"),
    "sub a list": (lambda i: jwt.encode(i.claims(["ana"]), i.keys["one"], "RS256", {"kid": "one"}), "malformed"),
    "expiry no number": (lambda i: i.token(exp="soon"), "malformed"),
    "expiry infinite": (lambda i: i.token(exp=float("inf")), "malformed"),
    "expiry a list": (lambda i: i.token(exp=[_now() + 60]), "malformed"),
    "sub a dot segment": (lambda i: i.token(".."), "is not a user id"),
    "none": (lambda i: unsigned(i.claims()), "not signed with"),
    "none with a kid": (lambda i: unsigned(i.claims(), kid="one"), "not signed with"),
    "None": (lambda i: unsigned(i.claims(), alg="None", kid="one"), "not signed with"),
    "RS256 said, nothing signed": (lambda i: unsigned(i.claims(), alg="RS256", kid="one"), "signature is wrong"),
    "HS256 with the public key": (lambda i: signed_with_public_key(i, i.claims()), "not signed with"),
    "RS512": (lambda i: jwt.encode(i.claims(), i.keys["one"], "RS512", {"kid": "one"}), "not signed with"),
    "PS256": (lambda i: jwt.encode(i.claims(), i.keys["one"], "PS256", {"kid": "one"}), "not signed with"),
    "no algorithm": (lambda i: unsigned(i.claims(), alg=None, kid="one"), "not signed with"),
    "a list of algorithms": (lambda i: unsigned(i.claims(), alg=["RS256"], kid="one"), "not signed with"),
    "another key under a known id": (_other_key, "signature is wrong"),
    "another key's id": (lambda i: i.token(key=i.keys["one"], headers={"kid": "two"}), "not one of its issuer's keys"),
    "no kid": (lambda i: jwt.encode(i.claims(), i.keys["one"], "RS256"), "names no key"),
    "a kid that is a path": (lambda i: i.token(headers={"kid": "../../dev/null"}), "not one of its issuer's keys"),
    "a kid that is a number": (lambda i: unsigned(i.claims(), alg="RS256", kid=1), "malformed"),
    "its own key in the header": (_own_key_in_header, "signature is wrong"),
    "altered": (_altered, "signature is wrong"),
    "a critical extension": (lambda i: i.token(headers={"crit": ["b65"], "b65": 1}), "malformed"),
    "nothing": (lambda _: "x", "malformed"),
    "three dots": (lambda _: "...", "malformed"),
    "deep": (lambda _: "W1tb" * 3000 + ".e30.e30", "too long"),
    "huge": (lambda i: i.token("x" * 20_000), "too long"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_an_invalid_token(issuer: Issuer, verify: TokenVerifier, name: str) -> None:
    """The verifier refuses an invalid token. The reason does not contain the token's contents."""
    forge, why = FORGERIES[name]
    with pytest.raises(Unauthenticated, match=why) as caught:
        verify(forge(issuer))
    assert caught.value.error == "invalid_token"
    assert '"' not in str(caught.value)
    assert "ana" not in str(caught.value)
