"""The verifier accepts valid tokens, returns their users, and refuses invalid tokens."""

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
    """Start an issuer with its JWK set."""
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def verify(issuer: Issuer) -> TokenVerifier:
    """Return a verifier of the issuer's tokens."""
    return TokenVerifier(issuer.settings())


@pytest.mark.parametrize("kid", ["one", "two"])
def test_a_valid_token_returns_its_user(issuer: Issuer, verify: TokenVerifier, kid: str) -> None:
    """RS256 and ES256 tokens are valid. The user is the `sub` claim."""
    assert verify(issuer.token("ana", kid=kid)) == Caller("ana")


@pytest.mark.parametrize("user", ["a", "x" * 255, "auth0|5f7c", "a/b", "שלום", "🎉", "arn:aws:iam::1:user/x", "'; --"])
def test_user_ids_may_have_any_form(issuer: Issuer, verify: TokenVerifier, user: str) -> None:
    """An issuer may use user ids of any form."""
    assert verify(issuer.token(user)).user_id == user


@pytest.mark.parametrize(
    ("claims", "is_operator"),
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
def test_the_operators_scope_makes_an_operator(
    issuer: Issuer, verify: TokenVerifier, claims: dict[str, Any], *, is_operator: bool
) -> None:
    """A caller is an operator if `scope` or `scp` has the operator's scope as one word or as one list entry."""
    assert verify(issuer.token("svc", **claims)).may_act_for_others is is_operator


def test_a_token_may_name_several_audiences(issuer: Issuer, verify: TokenVerifier) -> None:
    """A token may name several audiences."""
    assert verify(issuer.token(aud=["https://other.example", *issuer.settings().audiences])).user_id == "ana"


def test_clocks_may_differ_by_a_few_seconds(issuer: Issuer, verify: TokenVerifier) -> None:
    """The verifier tolerates clocks that differ by a few seconds."""
    now = int(time.time())
    assert verify(issuer.token(exp=now - 3, nbf=now + 3, iat=now + 3)).user_id == "ana"


def _token_signed_with_another_key(issuer: Issuer) -> str:
    return issuer.token(key=new_key())


def _token_with_another_body(issuer: Issuer) -> str:
    head, body, _ = issuer.token("ana").split(".")
    other = issuer.token("bob").split(".")[1]
    assert body != other
    return f"{head}.{other}.{issuer.token('ana').split('.')[2]}"


def _token_with_its_own_key_in_the_header(issuer: Issuer) -> str:
    own_key = new_key()
    public = public_jwk("one", own_key)
    return issuer.token(
        key=own_key, headers={"jwk": public, "jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9"}
    )


def _now() -> int:
    # Each test reads the time itself, because pytest may have collected the tests 15 minutes earlier.
    return int(time.time())


INVALID_TOKENS: dict[str, tuple[Forge, str]] = {
    "expired": (lambda i: i.token(exp=_now() - 60), "expired"),
    "not yet": (lambda i: i.token(nbf=_now() + 300), "not valid yet"),
    "issued in the future": (lambda i: i.token(iat=_now() + 300), "not valid yet"),
    "other audience": (lambda i: i.token(aud="https://other.example"), "another audience"),
    "no audience": (lambda i: i.token(aud=None), "lacks"),
    "other issuer": (lambda i: i.token(iss="https://other.example"), "another issuer"),
    "issuer with an extra slash": (lambda i: i.token(iss=f"{i.url}/"), "another issuer"),
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
    "RS256 in the header, no signature": (lambda i: unsigned(i.claims(), alg="RS256", kid="one"), "signature is wrong"),
    "HS256 with the public key": (lambda i: signed_with_public_key(i, i.claims()), "not signed with"),
    "RS512": (lambda i: jwt.encode(i.claims(), i.keys["one"], "RS512", {"kid": "one"}), "not signed with"),
    "PS256": (lambda i: jwt.encode(i.claims(), i.keys["one"], "PS256", {"kid": "one"}), "not signed with"),
    "no algorithm": (lambda i: unsigned(i.claims(), alg=None, kid="one"), "not signed with"),
    "a list of algorithms": (lambda i: unsigned(i.claims(), alg=["RS256"], kid="one"), "not signed with"),
    "another key under a known id": (_token_signed_with_another_key, "signature is wrong"),
    "another key's id": (lambda i: i.token(key=i.keys["one"], headers={"kid": "two"}), "not one of its issuer's keys"),
    "no kid": (lambda i: jwt.encode(i.claims(), i.keys["one"], "RS256"), "names no key"),
    "a kid that is a path": (lambda i: i.token(headers={"kid": "../../dev/null"}), "not one of its issuer's keys"),
    "a kid that is a number": (lambda i: unsigned(i.claims(), alg="RS256", kid=1), "malformed"),
    "its own key in the header": (_token_with_its_own_key_in_the_header, "signature is wrong"),
    "altered": (_token_with_another_body, "signature is wrong"),
    "a critical extension": (lambda i: i.token(headers={"crit": ["b65"], "b65": 1}), "malformed"),
    "a letter": (lambda _: "x", "malformed"),
    "three dots": (lambda _: "...", "malformed"),
    "deeply nested": (lambda _: "W1tb" * 3000 + ".e30.e30", "too long"),
    "huge": (lambda i: i.token("x" * 20_000), "too long"),
}


@pytest.mark.parametrize("name", INVALID_TOKENS)
def test_an_invalid_token_is_refused_with_a_reason(issuer: Issuer, verify: TokenVerifier, name: str) -> None:
    """The verifier refuses an invalid token. The reason does not contain the token's contents."""
    forge, reason = INVALID_TOKENS[name]
    with pytest.raises(Unauthenticated, match=reason) as caught:
        verify(forge(issuer))
    assert caught.value.error == "invalid_token"
    assert '"' not in str(caught.value)
    assert "ana" not in str(caught.value)
