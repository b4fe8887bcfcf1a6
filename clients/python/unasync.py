"""Makes the synchronous client from the asynchronous one: `python clients/python/unasync.py`. A test compares."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent / "src" / "hybrid_memory_client"
HEADING: Final = "The synchronous client. Made from `_async_client.py` by `clients/python/unasync.py`: edit that one."
WORDS: Final = (
    (r"(?<=\A\"\"\")[^\"]*", HEADING),
    (r"(?<=annotations\n)\n", "\nimport time\n"),
    (r"import anyio\n", ""),
    (r"anyio\.sleep", "time.sleep"),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"\baclose\b", "close"),
    (r"AsyncMemoryClient", "MemoryClient"),
    (r"AsyncClient", "Client"),
    (r"AsyncIterator", "Iterator"),
    (r" \(awaited if need be; asked again", " (asked again"),
    (r"\basync def\b", "def"),
    (r"\bawait ", ""),
)


def synchronous(text: str) -> str:
    """Return the synchronous form of the asynchronous client's source."""
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    return text


if __name__ == "__main__":
    (SOURCE / "_sync_client.py").write_text(synchronous((SOURCE / "_async_client.py").read_text()))
