"""The service validates tokens of each identity provider with the settings of its recipe in docs/tokens.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.agent.callers import Caller
from functions.agent.http.auth_tokens import TokenVerifier
from functions.agent.request_errors import Unauthenticated
from shared.settings import TokenSettings
from tests.support.issuer import Issuer

USER = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
NAMESPACED = "https://app.example/roles"
COGNITO = {"aud": None, "client_id": "app", "token_use": "access", "username": "ana", "version": 2, "jti": "j"}
COGNITO_SETTINGS = {"audiences": ("app", "service"), "audience_claim": "client_id", "operator_scope": "memory/operator"}
AUTH0 = {"aud": ["https://memory.example/api", "https://tenant.auth0.com/userinfo"], "azp": "app", "gty": "password"}
AUTH0_SETTINGS = {"audiences": ("https://memory.example/api",), "scope_claims": ("scope", "permissions")}
ENTRA = {"aud": "api://memory", "oid": USER, "tid": "t", "ver": "1.0", "appid": "app"}
ENTRA_SETTINGS = {
    "audiences": ("api://memory", "memory-app-id"),
    "user_claim": "oid",
    "scope_claims": ("scp", "roles"),
    "operator_scope": "Memory.Operator",
}
KEYCLOAK = {"aud": ["memory-api", "account"], "azp": "app", "typ": "Bearer", "scope": "email profile"}
KEYCLOAK_SETTINGS = {
    "audiences": ("memory-api",),
    "scope_claims": ("scope", "realm_access.roles", "resource_access.memory.api.roles"),
    "operator_scope": "memory-operator",
}


def _verify(issuer: Issuer, settings: dict[str, Any], user: object = USER, **claims: Any) -> Caller:
    token_settings: TokenSettings = replace(issuer.settings(), **settings)
    return TokenVerifier(token_settings)(issuer.token(user, **claims))


@pytest.mark.parametrize(
    ("settings", "claims", "operator"),
    [
        (COGNITO_SETTINGS, COGNITO, {"scope": "openid memory/operator"}),
        (AUTH0_SETTINGS, AUTH0, {"permissions": ["read:all", "memory:operator"]}),
        (
            {**AUTH0_SETTINGS, "scope_claims": (NAMESPACED,)},
            AUTH0,
            {NAMESPACED: ["memory:operator"]},
        ),
        (ENTRA_SETTINGS, {**ENTRA, "sub": "pairwise"}, {"scp": "User.Read Memory.Operator"}),
        (ENTRA_SETTINGS, {**ENTRA, "aud": "memory-app-id"}, {"roles": ["Memory.Operator"]}),
        (KEYCLOAK_SETTINGS, KEYCLOAK, {"realm_access": {"roles": ["memory-operator"]}}),
        (KEYCLOAK_SETTINGS, KEYCLOAK, {"resource_access": {"memory.api": {"roles": ["memory-operator"]}}}),
    ],
)
def test_a_token_of_each_issuer_is_valid(
    issuer: Issuer, settings: dict[str, Any], claims: dict[str, Any], operator: dict[str, Any]
) -> None:
    """The user is the value of the configured claim. The operator's scope counts only in the configured claims."""
    user = claims.get("sub", USER)
    others = {name: value for name, value in claims.items() if name != "sub"}
    assert _verify(issuer, settings, user, **others) == Caller(USER)
    assert _verify(issuer, settings, user, **{**others, **operator}) == Caller(USER, may_act_for_others=True)
    other_claims = {**others, "groups": ["memory:operator", "memory/operator", "Memory.Operator", "memory-operator"]}
    assert not _verify(issuer, settings, user, **other_claims).may_act_for_others


@pytest.mark.parametrize(
    ("settings", "claims", "reason"),
    [
        ({}, COGNITO, "lacks aud"),
        (COGNITO_SETTINGS, {**COGNITO, "client_id": "other"}, "another audience"),
        (COGNITO_SETTINGS, {**COGNITO, "client_id": ["app"]}, "another audience"),
        (COGNITO_SETTINGS, {**COGNITO, "client_id": "ap"}, "another audience"),
        (COGNITO_SETTINGS, {**COGNITO, "client_id": None, "aud": "app"}, "lacks client_id"),
        (COGNITO_SETTINGS, {**COGNITO, "token_use": "id"}, "not an access token"),
        (COGNITO_SETTINGS, {**COGNITO, "token_use": "refresh"}, "not an access token"),
        (AUTH0_SETTINGS, {**AUTH0, "aud": "https://tenant.auth0.com/userinfo"}, "another audience"),
        (AUTH0_SETTINGS, {**AUTH0, "aud": None}, "lacks aud"),
        (ENTRA_SETTINGS, {**ENTRA, "oid": None}, "lacks oid"),
        (ENTRA_SETTINGS, {**ENTRA, "oid": ["x"]}, "oid is not a user id"),
        (ENTRA_SETTINGS, {**ENTRA, "iss": "https://sts.windows.net/other/"}, "another issuer"),
        (KEYCLOAK_SETTINGS, {**KEYCLOAK, "aud": "account"}, "another audience"),
        (
            {**KEYCLOAK_SETTINGS, "user_claim": "account.id"},
            {**KEYCLOAK, "account": {}},
            "account.id is not a user id",
        ),
    ],
)
def test_a_token_without_a_valid_claim_is_refused(
    issuer: Issuer, settings: dict[str, Any], claims: dict[str, Any], reason: str
) -> None:
    """Each setting names one claim. A token without a valid claim of this name is refused."""
    with pytest.raises(Unauthenticated, match=reason) as caught:
        _verify(issuer, settings, **claims)
    assert caught.value.error == "invalid_token"
