"""Reads commands and their documented output from a Markdown page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FENCE: Final = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_LENGTH: Final = r"(?:\d+\.\ds|\d+min\d+s|\d+h\d+min)"  # a duration in the command line's output
_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
# Values that vary between runs, and their placeholders; `…` in a page stands for any cut text.
_VARIABLE: Final = re.compile(
    rf"(?P<uuid>{_UUID})|(?P<time>{_TIME})|(?P<cursor>(?<=\"next_cursor\":\")[\w-]+)|(?P<length>{_LENGTH})|(?P<cut>…)"
)
_STANDS_FOR: Final = {"uuid": _UUID, "time": _TIME, "cursor": r"[\w-]+", "length": _LENGTH, "cut": ".*?"}


@dataclass(frozen=True)
class Command:
    """A command with its documented output. The output is '' if there is none."""

    line: int
    text: str
    shown: str

    def expects(self, output: str) -> bool:
        """Return whether the output equals the documented output, except for ids, times, cut parts and line breaks."""
        if not self.shown:
            return True
        shown, pattern, at = _unfolded(self.shown), "", 0
        for found in _VARIABLE.finditer(shown):
            pattern += re.escape(shown[at : found.start()]) + _STANDS_FOR[str(found.lastgroup)]
            at = found.end()
        return re.fullmatch(pattern + re.escape(shown[at:]), _unfolded(output), re.DOTALL) is not None


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        kind: The text after the fence; '' for none.
        reason: Why the block is not run; None if it is run.
    """

    line: int
    kind: str
    reason: str | None
    body: str

    @property
    def commands(self) -> list[Command]:
        """Return the block's commands: every line of `sh`, or the text after `$ ` in `console`."""
        return list(_of_console(self) if self.kind == "console" else _of_sh(self))


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks, in order."""
    text = page.read_text()
    return [
        Block(text.count("\n", 0, found.start("body")) + 1, found["kind"], found["reason"], found["body"])
        for found in _FENCE.finditer(text)
    ]


def _of_sh(block: Block) -> Iterator[Command]:
    typed, began = "", block.line
    for number, line in enumerate(block.body.splitlines(), start=block.line):
        if not typed and (not line.strip() or line.startswith("#")):
            continue
        typed, began = (f"{typed}\n{line}", began) if typed else (line, number)
        if _is_complete(typed):
            yield Command(began, typed, "")
            typed = ""
    assert not typed, f"line {began}: {typed}"


def _of_console(block: Block) -> Iterator[Command]:
    typed, began, shown = "", block.line, list[str]()
    for number, line in enumerate(block.body.splitlines(), start=block.line):
        if typed and not _is_complete(typed):
            typed += f"\n{line}"
        elif line.startswith("$ "):
            if typed:
                yield Command(began, typed, "\n".join(shown))
            typed, began, shown = line.removeprefix("$ "), number, []
        else:
            assert typed, f"line {number}: output before any command"
            shown.append(line)
    if typed:
        yield Command(began, typed, "\n".join(shown))


def _is_complete(typed: str) -> bool:
    if typed.endswith("\\"):
        return False
    try:
        shlex.split(typed)
    except ValueError:  # a quotation that continues in the next line
        return False
    return True


def _unfolded(text: str) -> str:
    return re.sub(r"\s+", "", text)
