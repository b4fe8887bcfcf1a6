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
# Values that vary between runs. `…` in a page means omitted text.
_VARIABLE: Final = re.compile(
    rf"(?P<uuid>{_UUID})|(?P<time>{_TIME})|(?P<cursor>(?<=\"next_cursor\":\")[\w-]+)|(?P<length>{_LENGTH})|(?P<cut>…)"
)
_VALUE_PATTERNS: Final = {"uuid": _UUID, "time": _TIME, "cursor": r"[\w-]+", "length": _LENGTH, "cut": ".*?"}


@dataclass(frozen=True)
class Command:
    """A command with its documented output. The output is '' if there is none."""

    line: int
    text: str
    output: str

    def expects(self, output: str) -> bool:
        """Return whether the output equals the documented output, except for ids, times, cut parts and line breaks."""
        if not self.output:
            return True
        documented, pattern, end = _without_whitespace(self.output), "", 0
        for found in _VARIABLE.finditer(documented):
            pattern += re.escape(documented[end : found.start()]) + _VALUE_PATTERNS[str(found.lastgroup)]
            end = found.end()
        return re.fullmatch(pattern + re.escape(documented[end:]), _without_whitespace(output), re.DOTALL) is not None


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        kind: The text after the fence, or '' if there is none.
        reason: The reason why the block is not run, or None if it is run.
    """

    line: int
    kind: str
    reason: str | None
    body: str

    @property
    def commands(self) -> list[Command]:
        """Return the block's commands: every line of `sh`, or the text after `$ ` in `console`."""
        return list(_console_commands(self) if self.kind == "console" else _sh_commands(self))


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks, in order."""
    text = page.read_text()
    return [
        Block(text.count("\n", 0, found.start("body")) + 1, found["kind"], found["reason"], found["body"])
        for found in _FENCE.finditer(text)
    ]


def _sh_commands(block: Block) -> Iterator[Command]:
    entered, first_line = "", block.line
    for number, line in enumerate(block.body.splitlines(), start=block.line):
        if not entered and (not line.strip() or line.startswith("#")):
            continue
        entered, first_line = (f"{entered}\n{line}", first_line) if entered else (line, number)
        if _is_complete(entered):
            yield Command(first_line, entered, "")
            entered = ""
    assert not entered, f"line {first_line}: {entered}"


def _console_commands(block: Block) -> Iterator[Command]:
    entered, first_line, output = "", block.line, list[str]()
    for number, line in enumerate(block.body.splitlines(), start=block.line):
        if entered and not _is_complete(entered):
            entered += f"\n{line}"
        elif line.startswith("$ "):
            if entered:
                yield Command(first_line, entered, "\n".join(output))
            entered, first_line, output = line.removeprefix("$ "), number, []
        else:
            assert entered, f"line {number}: output before any command"
            output.append(line)
    if entered:
        yield Command(first_line, entered, "\n".join(output))


def _is_complete(entered: str) -> bool:
    if entered.endswith("\\"):
        return False
    try:
        shlex.split(entered)
    except ValueError:  # a quoted string continues in the next line
        return False
    return True


def _without_whitespace(text: str) -> str:
    return re.sub(r"\s+", "", text)
