"""What a check found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "fault", "unreachable", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result.

    Attributes:
        check: What was checked, e.g. `redrive policy`.
        state: `warning` works today and will not always; `skipped` was not asked, and `found` says why.
        found: What is so, in one sentence.
        advice: What to do; None where there is nothing to do.
    """

    check: str
    state: State
    found: str
    advice: str | None = None
