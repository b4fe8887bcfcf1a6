"""Generates the synchronous modules from the asynchronous ones: `python clients/python/unasync.py`.

A test checks that the generated modules are up to date.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent / "src" / "hybrid_memory_client"
MODULES: Final = ("client", "journal", "memories", "sender")
REPLACEMENTS: Final = (
    (r"(?<=\A\"\"\")The asynchronous client", "The synchronous client"),
    (
        r"\. `_sync_(\w+)\.py` is generated from this file by (`[^`]*`)\.",
        r". Generated from `_async_\1.py` by \2: edit that file.",
    ),
    (r"(?<=annotations\n)\n(?=[\s\S]*import anyio)", "\nimport time\n"),
    (r"import anyio\n", ""),
    (r"anyio\.sleep", "time.sleep"),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"\baclose\b", "close"),
    (r"_async_(client|memories|sender) import", r"_sync_\1 import"),
    (r"AsyncMemoryClient", "MemoryClient"),
    (r"AsyncMemoriesClient", "MemoriesClient"),
    (r"AsyncJournal", "Journal"),
    (r"AsyncSender", "Sender"),
    (r"AsyncClient", "Client"),
    (r"AsyncConnections", "Connections"),
    (r"AsyncIterator", "Iterator"),
    (r" The function may be asynchronous\.", ""),
    (r" It serves one event loop only\.", ""),
    (r"\basync (?=def|for)", ""),
    (r"\bawait ", ""),
)


def to_synchronous(text: str) -> str:
    """Return the synchronous form of an asynchronous module's source."""
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text)
    return text


if __name__ == "__main__":
    for module in MODULES:
        generated = to_synchronous((SOURCE / f"_async_{module}.py").read_text())
        (SOURCE / f"_sync_{module}.py").write_text(generated)
