"""Creates the deriver that `MEMORY__LEARNING` names."""

from __future__ import annotations

from functions.derive.learning import LearningLimits
from shared.learning.statements import Deriver
from shared.model_name import named_model, validate_provider
from shared.settings import DeriveSettings, MemorySettings

# ruff: noqa: PLC0415 - only the configured deriver is needed


def create_deriver(memory: MemorySettings, derive: DeriveSettings) -> tuple[Deriver, LearningLimits] | None:
    """Return the configured deriver and its limits; None if `MEMORY__LEARNING` is off.

    Raises:
        SettingsError: A package or a variable of the model's provider is missing; the message names the variable.
    """
    if memory.learning == "off":
        return None
    model = named_model(memory.learning)
    if model is None:
        from shared.learning.rules.deriver import RuleDeriver

        return RuleDeriver(), LearningLimits()
    validate_provider(model, "MEMORY__LEARNING")
    from functions.derive.model_deriver import EXCHANGES, TEXT_CHARACTERS, ModelDeriver

    return ModelDeriver(model, memory.deriver), LearningLimits(EXCHANGES, TEXT_CHARACTERS, derive.daily_characters)
