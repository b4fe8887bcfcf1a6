# ruff: noqa: INP001 - a script, run by its path
"""Writes the API's OpenAPI description to `openapi.json`, from which the client's types are generated.

With `--check` it writes nothing, and the exit code tells whether the file is up to date.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

import httpx
import orjson

from functions.agent.http.api import create_app
from functions.agent.operations import Operations

FILE = Path(__file__).resolve().parents[1] / "openapi.json"


async def described() -> bytes:
    """Return the description, indented, so that diffs are readable."""
    # The description needs no operations.
    app = create_app(cast("Operations", object()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        answer = await client.get("/openapi.json")
    answer.raise_for_status()
    return orjson.dumps(answer.json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def main() -> int:
    """Write the file, or compare it."""
    now = asyncio.run(described())
    if "--check" not in sys.argv:
        FILE.write_bytes(now)
        return 0
    if FILE.exists() and FILE.read_bytes() == now:
        return 0
    sys.stderr.write(
        "The API is no longer what clients/react/openapi.json says: run `make clients-types`, commit what it changes.\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
