# ruff: noqa: INP001 - a script, run by its path
"""Writes the API's OpenAPI description to `openapi.json`. The client's types are generated from this file.

With `--check` the script only compares the file. The exit code is 1 if the file is out of date.
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


async def openapi_json() -> bytes:
    """Return the description, indented, so that diffs are readable."""
    # The description needs no operations.
    app = create_app(cast("Operations", object()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        response = await client.get("/openapi.json")
    response.raise_for_status()
    return orjson.dumps(response.json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def main() -> int:
    """Write the file, or compare it. Return the exit code."""
    current = asyncio.run(openapi_json())
    if "--check" not in sys.argv:
        FILE.write_bytes(current)
        return 0
    if FILE.exists() and FILE.read_bytes() == current:
        return 0
    sys.stderr.write("clients/typescript/openapi.json is out of date: run `make clients-types` and commit it.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
