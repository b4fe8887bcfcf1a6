"""Settings of callers' bearer tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from shared.errors import SettingsError
from shared.settings.loading import OptionalText, config, split_list

LOCAL_STAGE: Final = "local"
_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
AudienceClaim = Literal["aud", "client_id", "azp"]
OPERATOR_SCOPE: Final = "memory:operator"


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """The rules for validating a bearer token.

    Attributes:
        jwks_url: The URL of the issuer's keys (a JWK set, RFC 7517).
        issuer: The required `iss`.
        audiences: The audience claim must contain one of these.
        audience_claim: `aud`, or the claim of the client id for issuers whose tokens have no `aud`.
        user_claim: The claim with the user's id.
        scope_claims: The claims with the scopes: words in one string, or a list.
        operator_scope: The scope that may act for any user.
    """

    jwks_url: str
    issuer: str
    audiences: tuple[str, ...]
    audience_claim: AudienceClaim = "aud"
    user_claim: str = "sub"
    scope_claims: tuple[str, ...] = ("scope", "scp")
    operator_scope: str = OPERATOR_SCOPE


class AuthSettings(BaseSettings):
    """`AUTH__*`: whether callers need a bearer token, and its rules."""

    model_config = config("AUTH__")

    mode: OptionalText = None
    jwks_url: OptionalText = None
    issuer: OptionalText = None
    audience: OptionalText = None
    audience_claim: AudienceClaim = "aud"
    user_claim: str = Field(default="sub", min_length=1)
    scope_claims: str = Field(default="scope,scp", min_length=1)
    operator_scope: str = Field(default=OPERATOR_SCOPE, min_length=1, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")

    @field_validator("audience", "scope_claims")
    @classmethod
    def _has_entries(cls, value: str | None) -> str | None:
        if value is not None and not split_list(value):
            message = "must have at least one entry"
            raise ValueError(message)
        return value

    @field_validator("jwks_url", "issuer", "user_claim")
    @classmethod
    def _has_no_surrounding_spaces(cls, value: str | None) -> str | None:
        if value is not None and value != value.strip():
            message = "must not begin or end with white space"
            raise ValueError(message)
        return value

    @field_validator("mode")
    @classmethod
    def _is_mode(cls, value: str | None) -> str | None:
        if value not in {None, "none", "jwt"}:
            message = "must be none or jwt"
            raise ValueError(message)
        return value

    def tokens(self, stage: str) -> TokenSettings | None:
        """Return the rules for tokens in a stage; None without authentication.

        Raises:
            SettingsError: The stage requires authentication, or a required setting is missing.
        """
        if (self.mode or ("none" if stage == LOCAL_STAGE else "jwt")) == "none":
            if stage != LOCAL_STAGE:
                raise SettingsError(f"AUTH__MODE is none, which requires STAGE={LOCAL_STAGE}.")
            return None
        if not (self.jwks_url and self.issuer and self.audience):
            required = {"AUTH__JWKS_URL": self.jwks_url, "AUTH__ISSUER": self.issuer, "AUTH__AUDIENCE": self.audience}
            missing = [name for name, value in required.items() if not value]
            raise SettingsError(f"AUTH__MODE is jwt, which requires {', '.join(missing)}.")
        if not _is_safe_jwks_url(self.jwks_url, stage):
            raise SettingsError(
                "AUTH__JWKS_URL is invalid: it must start with https://"
                " (http:// is allowed for this machine and with STAGE=local)."
            )
        return TokenSettings(
            self.jwks_url,
            self.issuer,
            split_list(self.audience),
            self.audience_claim,
            self.user_claim,
            split_list(self.scope_claims),
            self.operator_scope,
        )


def _is_safe_jwks_url(url: str, stage: str) -> bool:
    """Return whether the URL is safe for fetching keys. An attacker who can change the keys can act as any user."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (stage == LOCAL_STAGE or host in _LOOPBACK_HOSTS))
