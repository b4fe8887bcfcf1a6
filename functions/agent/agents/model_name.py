"""Parses `AGENT__MODEL` at the start, so that an invalid value is found before the first run."""

from typing import Final

from shared.errors import SettingsError
from shared.model_name import NAMED_MODELS, ModelName, named_model, validate_provider

OFFLINE: Final = "offline"


def parse_model(model: str) -> ModelName:
    """Return the parsed `AGENT__MODEL`.

    Raises:
        SettingsError: It names no supported model; the message names the variable.
    """
    parsed = ModelName(OFFLINE, "") if model == OFFLINE else named_model(model)
    if parsed is None:
        # The message does not contain the value, because it may be a key that was pasted by mistake.
        raise SettingsError(f"AGENT__MODEL is invalid: it must be {OFFLINE} or one of {NAMED_MODELS}.")
    return parsed


def validate_model(model: str) -> None:
    """Check `AGENT__MODEL` and its provider's environment variables, without loading the library that runs the model.

    Raises:
        SettingsError: It names no supported model, or the key is missing; the message names the variable.
    """
    validate_provider(parse_model(model), "AGENT__MODEL")
