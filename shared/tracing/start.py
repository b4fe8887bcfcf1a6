"""Reads OpenTelemetry's own variables: whether tracing is on, and how long a response may wait for the export."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from shared.errors import SettingsError
from shared.texts import is_http_url

if TYPE_CHECKING:
    from shared.tracing.tracer import Tracer  # importing it would import OpenTelemetry

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORT_TIMEOUT: Final = "OTEL_BSP_EXPORT_TIMEOUT"
_DEFAULT_MILLISECONDS: Final = 500
_MAX_MILLISECONDS: Final = 5_000


def start_tracing(service: str) -> Tracer | None:
    """Return the function's tracer, or None without importing anything if tracing is off.

    Args:
        service: The service's name, unless `OTEL_SERVICE_NAME` sets one.

    Raises:
        SettingsError: A variable's value is invalid.
    """
    environment = {name: value.strip() for name, value in os.environ.items() if name.startswith("OTEL_")}
    if not _is_on(environment):
        return None
    seconds = _export_seconds(environment)
    from shared.tracing.tracer import Tracer  # noqa: PLC0415 - takes 70 ms of CPU, which only tracing needs

    return Tracer(service, seconds)


def _is_on(environment: Mapping[str, str]) -> bool:
    """Return whether tracing is on: by an endpoint, or by `OTEL_TRACES_EXPORTER=otlp`."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").lower()
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return False
    if exporter not in {"", "otlp"}:
        raise SettingsError("OTEL_TRACES_EXPORTER is invalid: it must be otlp or none.")
    if not (exporter or any(environment.get(name) for name in _ENDPOINTS)):
        return False
    for name in _ENDPOINTS:
        if (url := environment.get(name)) and not is_http_url(url):
            raise SettingsError(f"{name} is invalid: it must be like http://localhost:4318.")
    for name in _PROTOCOLS:
        if environment.get(name, "") not in {"", "http/protobuf"}:
            raise SettingsError(f"{name} is invalid: it must be http/protobuf.")
    return True


def _export_seconds(environment: Mapping[str, str]) -> float:
    value = environment.get(_EXPORT_TIMEOUT) or str(_DEFAULT_MILLISECONDS)
    if not (value.isascii() and value.isdecimal() and len(value) <= len(str(_MAX_MILLISECONDS))) or not (
        1 <= int(value) <= _MAX_MILLISECONDS
    ):
        raise SettingsError(f"{_EXPORT_TIMEOUT} is invalid: it must be 1 to {_MAX_MILLISECONDS}, in milliseconds.")
    return int(value) / 1000
