"""The result of a check of `doctor` or `smoke`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "fault", "unreachable", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result.

    Attributes:
        check: The name of the check, e.g. `redrive policy`.
        state: `warning` means that the part works but may fail later. `skipped` means that the check did not run.
        found: The result in one sentence, or the reason for skipping the check.
        advice: The recommended fix; None if none is needed.
    """

    check: str
    state: State
    found: str
    advice: str | None = None
