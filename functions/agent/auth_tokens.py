"""Checks bearer tokens. Importing this module imports the cryptography, which only `AUTH__MODE=jwt` needs."""

from __future__ import annotations

from typing import Any, Final

import jwt

from functions.agent.auth import OPERATOR_SCOPE, Caller
from functions.agent.auth_keys import SigningKeys
from functions.agent.errors import Unauthenticated
from shared.models import path_id_fault
from shared.settings import TokenSettings

ALGORITHMS: Final = ("RS256", "ES256")
_LEEWAY_SECONDS: Final = 10
# API Gateway takes 10,240 bytes of headers in all.
_MOST_CHARACTERS: Final = 10_240
_REASONS: Final[dict[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidIssuerError: "The token is of another issuer.",
    jwt.InvalidSignatureError: "The token's signature is wrong.",
    jwt.MissingRequiredClaimError: "The token lacks one of exp, iss, aud, sub.",
}


class TokenVerifier:
    """Tells from a token who asks.

    Args:
        keys: The issuer's; fetched from where the settings say unless given.
    """

    def __init__(self, settings: TokenSettings, keys: SigningKeys | None = None) -> None:
        self._settings = settings
        self._keys = keys or SigningKeys(settings.jwks_url)

    def __call__(self, token: str) -> Caller:
        """Return who the token is of.

        Raises:
            Unauthenticated: It cannot be believed.
            SigningKeysUnavailable: Nobody can say whether it can.
        """
        if len(token) > _MOST_CHARACTERS:
            raise _invalid("The token is too long.")
        try:
            claims = self._claims(token)
        except jwt.PyJWTError as error:
            raise _invalid(_reason(error)) from error
        except (ValueError, TypeError, OverflowError) as error:
            # Claims of the wrong type, for example a time that is no number.
            raise _invalid("The token is malformed.") from error
        subject = claims["sub"]
        if not isinstance(subject, str) or path_id_fault(subject):
            raise _invalid("The token's sub is no user id: it must have 1 to 255 printable characters, not be . or ..")
        return Caller(subject, may_act_for_others=OPERATOR_SCOPE in _scopes(claims))

    def _claims(self, token: str) -> dict[str, Any]:
        # Only to choose the key. Nothing else in it is believed: no key or address that a token brings along.
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        if not kid:
            raise _invalid("The token names no key (kid).")
        key = self._keys.find(kid, algorithm)
        if key is None:
            raise _invalid("The token's key is none of its issuer's.")
        return jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
        )


def _reason(error: Exception) -> str:
    if isinstance(error, jwt.InvalidAlgorithmError):
        return f"The token is not signed with {' or '.join(ALGORITHMS)}."
    return next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), "The token is malformed.")


def _scopes(claims: dict[str, Any]) -> set[str]:
    """Return what the token permits: `scope` (RFC 8693) or `scp`, words with spaces between or a list of them."""
    found: set[str] = set()
    for given in (claims.get("scope"), claims.get("scp")):
        words = given.split(" ") if isinstance(given, str) else given if isinstance(given, list) else []
        found.update(word for word in words if isinstance(word, str))
    return found


def _invalid(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, "invalid_token")
