"""Settings, one class a concern, read from the environment (and `.env`) by the composition roots only."""

from __future__ import annotations

from shared.errors import SettingsError
from shared.settings.agent import AgentSettings
from shared.settings.auth import LOCAL_STAGE, OPERATOR_SCOPE, AudienceClaim, AuthSettings, TokenSettings
from shared.settings.loading import OptionalText, find_unknown, load
from shared.settings.stores import Auth, DatabaseSettings, MemorySettings, RedisSettings, SearchSettings, SyncSettings

__all__ = [
    "LOCAL_STAGE",
    "OPERATOR_SCOPE",
    "AgentSettings",
    "AudienceClaim",
    "Auth",
    "AuthSettings",
    "DatabaseSettings",
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
    """Check every setting that a start needs, except those that a deployment fills in.

    Raises:
        SettingsError: A value cannot work; the sentence names the variable.
    """
    for kind in (RedisSettings, DatabaseSettings, MemorySettings, AgentSettings, SearchSettings):
        load(kind)
    if unknown := find_unknown("SYNC__"):
        raise SettingsError(" ".join(unknown))
    load(AuthSettings).tokens(LOCAL_STAGE)
