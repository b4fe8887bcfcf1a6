"""Reads settings from the environment, with an error message for each invalid value."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import SettingsError
from shared.unknown_settings import unknown_settings


def config(prefix: str) -> SettingsConfigDict:
    """Return the sources of settings: variables with the prefix, and `.env`."""
    # A class is built at its first use, because no function uses all classes.
    return SettingsConfigDict(env_prefix=prefix, env_file=".env", extra="ignore", defer_build=True)


def _empty_is_none(value: Any) -> Any:
    # A CloudFormation parameter cannot be absent, only empty.
    return None if value == "" else value


OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]


def split_list(text: str) -> tuple[str, ...]:
    """Return the values between commas, without surrounding spaces."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


_PACKAGE: Final = f"{__name__.rpartition('.')[0]}."
_Settings = TypeVar("_Settings", bound=BaseSettings)


def load(kind: type[_Settings]) -> _Settings:
    """Read one class of settings.

    Raises:
        SettingsError: A value is invalid, or a variable with this prefix is unknown, e.g. misspelt; the message names
            it.
    """
    prefix = str(kind.model_config.get("env_prefix", ""))
    errors = find_unknown(prefix)
    try:
        settings = kind()
    except ValidationError as error:
        errors += [_format_error(prefix, detail) for detail in error.errors(include_url=False, include_context=False)]
    else:
        if not errors:
            return settings
    raise SettingsError(" ".join(errors)) from None


def find_unknown(prefix: str) -> list[str]:
    """Return a message for each variable with this prefix that no class of this package knows."""
    known_names = {
        f"{prefix}{name}".upper()
        for kind in BaseSettings.__subclasses__()
        if kind.__module__.startswith(_PACKAGE) and kind.model_config.get("env_prefix") == prefix
        for name in kind.model_fields
    }
    return unknown_settings(prefix, known_names) if known_names else []


def _format_error(prefix: str, error: Any) -> str:
    variable = prefix + "__".join(str(part) for part in error["loc"]).upper()
    if error["type"] == "missing":
        return f"{variable} is not set."
    # The value is not repeated, because it may contain a password.
    return f"{variable} is invalid: {error['msg'].removeprefix('Value error, ')}."
