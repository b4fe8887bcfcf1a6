"""Settings of the agent function's HTTP API and of its model."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from shared.settings.loading import OptionalText, config

# An origin as browsers send it: without a path, and with an ASCII host, which is punycode for other scripts.
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
# Only characters that no client and no event source encodes, so that the base path is equal in every event.
_BASE_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)*/?")
# A base path equal to a route of the API would be ambiguous.
_ROUTES: Final = frozenset(
    {"assets", "docs", "health", "invoked", "invoking", "openapi.json", "overview", "run", "status", "threads", "users"}
    | {"mcp", "search", ".well-known"}  # used by later releases
)


class AgentSettings(BaseSettings):
    """`AGENT__*`: the model, its timeout, the allowed origins, plug-in modules and the base path."""

    model_config = config("AGENT__")

    model: str = Field(default="offline", min_length=1)
    # API Gateway ends a request after 29 s.
    timeout_seconds: float = Field(default=25, ge=0.1, le=28, allow_inf_nan=False)
    cors_origins: OptionalText = None
    plugins: OptionalText = None
    # Whether installed packages register agents and tools by their entry points.
    entry_points: bool = True
    base_path: OptionalText = None

    @field_validator("base_path")
    @classmethod
    def _is_base_path(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not _BASE_PATH.fullmatch(value):
            message = "must be like /memory or /memory/v1, of letters, digits, dots, underscores and hyphens"
            raise ValueError(message)
        if (first := value.split("/")[1:2]) and first[0] in _ROUTES:
            message = f"must not begin with /{first[0]}, which is a route of the API"
            raise ValueError(message)
        return value.rstrip("/") or None

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str | None) -> str | None:
        if any(origin != "*" and not _ORIGIN.fullmatch(origin) for origin in _origins(value)):
            message = "each origin must be like https://app.example.com, without a path, or be *"
            raise ValueError(message)
        return value

    @property
    def origins(self) -> list[str]:
        """The origins as a list, in the format of browsers."""
        return _origins(self.cors_origins)

    @property
    def plugin_modules(self) -> list[str]:
        """The modules that register agents and tools, as a list."""
        return [name.strip() for name in (self.plugins or "").split(",") if name.strip()]


def _origins(value: str | None) -> list[str]:
    origins = (origin.strip().rstrip("/").lower() for origin in (value or "").split(","))
    return [origin for origin in origins if origin]
