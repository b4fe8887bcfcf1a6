"""Lists the project's own functions that an action calls, and their files."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_PROJECT_DIRECTORIES: Final = (f"{_ROOT / 'functions'}/", f"{_ROOT / 'shared'}/")
# Comprehensions have their own frames in Python 3.11 but not in 3.12.
_COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_CAN_SUSPEND: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


@dataclass
class Calls:
    """The calls of the project's own functions in the current thread.

    Attributes:
        names: For each call, in order, the file's path and the function's name.
    """

    names: list[tuple[str, str]] = field(default_factory=list)

    @property
    def files(self) -> set[str]:
        """Return the functions' files."""
        return {file for file, _ in self.names}


def calls_of(action: Callable[[], object]) -> Calls:
    """Return an action's calls of the project's own functions."""
    calls = Calls()
    suspended: set[FrameType] = set()

    def record(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(_PROJECT_DIRECTORIES) or code.co_name in _COMPREHENSIONS:
            return
        if code.co_flags & _CAN_SUSPEND:
            if frame in suspended:
                # This is a resumed generator or coroutine, whose call is already counted.
                return
            suspended.add(frame)
        calls.names.append((str(Path(code.co_filename).relative_to(_ROOT)), code.co_qualname))

    sys.setprofile(record)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls
