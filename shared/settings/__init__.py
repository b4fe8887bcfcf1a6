"""Settings, one class per concern. Only a program's entry point reads them from the environment (and `.env`)."""

from __future__ import annotations

from shared.errors import SettingsError
from shared.settings.agent import AgentSettings
from shared.settings.auth import LOCAL_STAGE, OPERATOR_SCOPE, AudienceClaim, AuthSettings, TokenSettings
from shared.settings.loading import OptionalText, find_unknown, load
from shared.settings.stores import (
    LOCAL_VECTOR_MODEL,
    RULES_DERIVER,
    Auth,
    DatabaseSettings,
    DeriveSettings,
    MemorySettings,
    RedisSettings,
    SearchSettings,
    SyncSettings,
)

__all__ = [
    "LOCAL_STAGE",
    "LOCAL_VECTOR_MODEL",
    "OPERATOR_SCOPE",
    "RULES_DERIVER",
    "AgentSettings",
    "AudienceClaim",
    "Auth",
    "AuthSettings",
    "DatabaseSettings",
    "DeriveSettings",
    "MemorySettings",
    "OptionalText",
    "RedisSettings",
    "SearchSettings",
    "SyncSettings",
    "TokenSettings",
    "load",
    "validate_environment",
]


def validate_environment() -> None:
    """Validate every setting that a start needs, except those that a deployment sets.

    Raises:
        SettingsError: A value is invalid; the message names the variable.
    """
    for kind in (RedisSettings, DatabaseSettings, MemorySettings, AgentSettings, SearchSettings, DeriveSettings):
        load(kind)
    if unknown := find_unknown("SYNC__"):
        raise SettingsError(" ".join(unknown))
    load(AuthSettings).tokens(LOCAL_STAGE)
