""".env.example lists every setting with its default."""

import inspect
from pathlib import Path

from dotenv import dotenv_values
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from shared import settings

_EXAMPLE = Path(__file__).parents[2] / ".env.example"
_SETTINGS_CLASSES = [
    settings_class
    for _, settings_class in inspect.getmembers(settings, inspect.isclass)
    if issubclass(settings_class, BaseSettings) and settings_class.__module__.startswith(settings.__name__)
]


def _default(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def test_the_example_has_every_setting_with_its_default() -> None:
    """The example has all existing settings with their default values, and no others."""
    expected = {}
    without_default = set()
    for settings_class in _SETTINGS_CLASSES:
        prefix = str(settings_class.model_config.get("env_prefix"))
        for name, field in settings_class.model_fields.items():
            variable = prefix + name.upper()
            if variable.endswith(("QUEUE_URL", "DLQ_URL")) or field.default is PydanticUndefined:
                without_default.add(variable)
            else:
                expected[variable] = _default(field.default)

    assert dotenv_values(_EXAMPLE) == expected
    commented = {
        line.removeprefix("#").split("=")[0]
        for line in _EXAMPLE.read_text().splitlines()
        if line.startswith("#") and "=" in line and " " not in line
    }
    assert commented == without_default
