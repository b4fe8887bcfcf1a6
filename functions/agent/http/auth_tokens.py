"""Validates bearer tokens. Importing this module imports cryptography, which only `AUTH__MODE=jwt` needs."""

from __future__ import annotations

from typing import Any, Final

import jwt

from functions.agent.callers import Caller
from functions.agent.http.auth_keys import SigningKeys
from functions.agent.request_errors import Unauthenticated
from shared.ids import path_id_error
from shared.settings import TokenSettings

ALGORITHMS: Final = ("RS256", "ES256")
_LEEWAY_SECONDS: Final = 10
# API Gateway accepts 10,240 bytes of headers in total.
_MAX_CHARACTERS: Final = 10_240
_REASONS: Final[dict[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidIssuerError: "The token is from another issuer.",
    jwt.InvalidSignatureError: "The token's signature is wrong.",
}


class TokenVerifier:
    """Authenticates callers by their tokens.

    Args:
        keys: The issuer's keys; by default they are fetched from the configured URL.
    """

    def __init__(self, settings: TokenSettings, keys: SigningKeys | None = None) -> None:
        self._settings = settings
        self._keys = keys or SigningKeys(settings.jwks_url)

    def __call__(self, token: str) -> Caller:
        """Return the token's caller.

        Raises:
            Unauthenticated: The token is invalid.
            SigningKeysUnavailable: The keys for checking the token cannot be fetched.
        """
        if len(token) > _MAX_CHARACTERS:
            raise _invalid("The token is too long.")
        try:
            claims = self._claims(token)
        except jwt.PyJWTError as error:
            raise _invalid(_reason(error)) from error
        except (ValueError, TypeError, OverflowError) as error:
            # A claim has the wrong type, for example a time that is not a number.
            raise _invalid("The token is malformed.") from error
        name = self._settings.user_claim
        user_id = _read_claim(claims, name)
        if not isinstance(user_id, str) or path_id_error(user_id):
            raise _invalid(
                f"The token's {name} is not a user id: it must have 1 to 255 printable characters, and not be . or .."
            )
        return Caller(user_id, may_act_for_others=self._settings.operator_scope in self._scopes(claims))

    def _claims(self, token: str) -> dict[str, Any]:
        # The header only selects the key. A key or a URL in the token is ignored.
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        if not kid:
            raise _invalid("The token names no key (kid).")
        key = self._keys.find(kid, algorithm)
        if key is None:
            raise _invalid("The token's key is not one of its issuer's keys.")
        has_client_claim = self._settings.audience_claim != "aud"
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=None if has_client_claim else self._settings.audiences,
            issuer=self._settings.issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": self._required, "verify_aud": not has_client_claim, "enforce_minimum_key_length": True},
        )
        if has_client_claim:
            self._check_client(claims)
        return claims

    @property
    def _required(self) -> list[str]:
        # The library cannot require a nested claim. If it is missing, the token has no user id and is rejected later.
        user = [] if "." in self._settings.user_claim else [self._settings.user_claim]
        return ["exp", "iss", self._settings.audience_claim, *user]

    def _check_client(self, claims: dict[str, Any]) -> None:
        """Check that the token is an access token and was issued to one of the configured clients."""
        if claims[self._settings.audience_claim] not in self._settings.audiences:
            raise jwt.InvalidAudienceError
        # Cognito's claim for the token's purpose. An ID token identifies a user to an app and does not authorize API
        # calls.
        if claims.get("token_use", "access") != "access":
            raise _invalid("The token is not an access token.")

    def _scopes(self, claims: dict[str, Any]) -> set[str]:
        """Return the token's scopes: a list, or a text with words separated by spaces (RFC 8693)."""
        scopes: set[str] = set()
        for name in self._settings.scope_claims:
            claim = _read_claim(claims, name)
            words = claim.split(" ") if isinstance(claim, str) else claim if isinstance(claim, list) else []
            scopes.update(word for word in words if isinstance(word, str))
        return scopes


def _read_claim(claims: object, name: str) -> object:
    """Return a claim by its path, e.g. `realm_access.roles` for a claim in a nested object.

    A claim whose name is the whole path takes precedence, because namespaced claims such as `https://app.example/roles`
    contain dots.
    """
    if not isinstance(claims, dict):
        return None
    if name in claims:
        return claims[name]
    for index in (index for index, character in enumerate(name) if character == "."):
        if (value := _read_claim(claims.get(name[:index]), name[index + 1 :])) is not None:
            return value
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, jwt.InvalidAlgorithmError):
        return f"The token is not signed with {' or '.join(ALGORITHMS)}."
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"The token lacks {error.claim}."
    return next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), "The token is malformed.")


def _invalid(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, "invalid_token")
