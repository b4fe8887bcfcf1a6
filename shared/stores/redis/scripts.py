"""The Lua scripts; each touches one key."""

import hashlib
from pathlib import Path
from typing import Final


def _script(name: str) -> str:
    """Return a script without comments and indentation, because it may be sent with each call."""
    lines = (line.strip() for line in (Path(__file__).parent / name).read_text().splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))


_ENTRIES: Final = _script("entries.lua")
MERGE: Final = f"{_ENTRIES}\n{_script('merge.lua')}"
READ: Final = f"{_ENTRIES}\n{_script('read.lua')}"
REMOVE_ENTRIES: Final = f"{_ENTRIES}\n{_script('remove_entries.lua')}"
REPLACE_HASH: Final = _script("replace_hash.lua")
SET_TOMBSTONE: Final = _script("set_tombstone.lua")

# The scripts that a new connection loads, with the hashes by which the server knows them.
SHA_OF: Final = {
    script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (MERGE, READ, REMOVE_ENTRIES, REPLACE_HASH, SET_TOMBSTONE)
}
