from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Command, blocks

PAGE = """\
Text, and `code`.

```sh
one "a
b" \\
  c

# no command
two
```

<!-- not run: needs Docker -->
```console
$ three
out
  put
$ four 'x
  y'
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Return a page with two blocks."""
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_commands_are_found(page: Path) -> None:
    """The parser finds commands with their lines, continuation lines and output.

    A reason belongs to the block that follows it.
    """
    first, second = blocks(page)
    assert [(command.line, command.text) for command in first.commands] == [(4, 'one "a\nb" \\\n  c'), (9, "two")]
    assert (first.reason, second.reason) == (None, "needs Docker")
    assert [(command.text, command.output) for command in second.commands] == [
        ("three", "out\n  put"),
        ("four 'x\n  y'", ""),
    ]


@pytest.mark.parametrize(
    ("documented", "output", "is_expected"),
    [
        ("", "anything", True),
        ('{"a": 1,\n "b": 2}', '{"a":1,"b":2}', True),
        ('{"a": 1}', '{"a": 2}', False),
        ('{"a": 1}', '{"a": 1}, 2', False),
        ("id 01a20403-af8b-76fb-9bf9-0bc8b1328586", "id 11a20403-af8b-76fb-9bf9-0bc8b1328587", True),
        ("at 2026-11-22T16:08:00.139000Z", "at 2027-01-01T00:00:00Z", True),
        ('{"next_cursor":"abc"}', '{"next_cursor":"d_e-f"}', True),
        ("0.5 s  0  not_json", "1 min 7 s  0  not_json", True),
        ("0.5 s  0  not_json", "0.5 s  1  not_json", False),
        ("first … last", "first and more\nlast", True),
        ("first … last", "first and more", False),
    ],
)
def test_only_ids_times_and_cut_parts_may_differ(documented: str, output: str, is_expected: bool) -> None:  # noqa: FBT001 - a case
    """Only ids, times, cut parts and line breaks may differ from the documented output."""
    assert Command(1, "x", documented).expects(output) is is_expected
