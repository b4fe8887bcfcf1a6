"""The Lua scripts. Each script uses one key."""

import hashlib
from pathlib import Path
from typing import Final


def _script(name: str) -> str:
    """Return a script without comments and indentation. A server without a script cache gets it with each call."""
    lines = (line.strip() for line in (Path(__file__).parent / name).read_text().splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))


_ENTRIES: Final = _script("entries.lua")
MERGE: Final = f"{_ENTRIES}\n{_script('merge.lua')}"
READ: Final = f"{_ENTRIES}\n{_script('read.lua')}"
REFILL_MEMORIES: Final = _script("refill_memories.lua")
REMOVE_ENTRIES: Final = f"{_ENTRIES}\n{_script('remove_entries.lua')}"
REPLACE_HASH: Final = _script("replace_hash.lua")
SET_TOMBSTONE: Final = _script("set_tombstone.lua")

# The SHA-1 of each script, by which a call names the script that the connection has loaded.
SHA_OF: Final = {
    script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (MERGE, READ, REFILL_MEMORIES, REMOVE_ENTRIES, REPLACE_HASH, SET_TOMBSTONE)
}
