"""Reads JSON from a file: one value per line, or documents, each with its place in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.importing.fields import Fields
from cli.importing.records import InvalidRecordError

_BOM = b"\xef\xbb\xbf"


def read_lines(file: Path) -> Iterator[Fields | InvalidRecordError]:
    """Yield the object of each line. Empty lines are skipped.

    Raises:
        OSError: The file cannot be read.
    """
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            position = f"{file.name}:{number}"
            text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
            if text:
                try:
                    yield Fields(_parse(text, position), position)
                except InvalidRecordError as error:
                    yield error


def read_documents(file: Path) -> Iterator[Fields | InvalidRecordError]:
    """Yield the objects of a file that is a JSON object, an array of objects, or an object per line.

    Raises:
        OSError: The file cannot be read.
    """
    data = file.read_bytes().removeprefix(_BOM)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        # The file may have one object per line. For other text, each line is reported as an error.
        yield from read_lines(file)
        return
    if isinstance(value, list):
        for number, element in enumerate(value, 1):
            try:
                yield Fields(element, f"{file.name}: element {number}")
            except InvalidRecordError as error:
                yield error
    else:
        try:
            yield Fields(value, f"{file.name}:1")
        except InvalidRecordError as error:
            yield error


def _parse(text: bytes, position: str) -> Any:
    try:
        return json.loads(text.decode())
    except UnicodeDecodeError as error:
        raise InvalidRecordError(position, f"is not UTF-8: byte {error.start + 1} is invalid") from None
    except json.JSONDecodeError as error:
        raise InvalidRecordError(position, f"is not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidRecordError(position, f"is not JSON: {error}") from None
