"""Takes out of shared libraries what only a debugger or a linker reads: several megabytes of symbols.

The loader goes by a library's segments. What lies behind the last of them (symbol tables, debug sections, the table of
sections) is cut off. Where it lies before the end, it stays.
"""

import struct
from pathlib import Path
from typing import Final

_MAGIC: Final = b"\x7fELF\x02\x01"  # 64 bits, little endian: both architectures
# Where the header says at which byte the table of segments begins, of how many bytes an entry is, how many there are;
# and, to be emptied, the same of the table of sections.
_SEGMENTS_AT: Final = 32
_SEGMENTS: Final = 54
_SECTIONS_AT: Final = 40
_SECTIONS: Final = 58


def cut_symbols(directory: Path) -> None:
    """Cut off, in every shared library in `directory`, what the loader does not load."""
    for path in sorted(directory.rglob("*")):
        if ".so" in path.suffixes and path.is_file():
            library = path.read_bytes()
            if library.startswith(_MAGIC):
                path.write_bytes(_loaded(library))


def _loaded(library: bytes) -> bytes:
    (table,) = struct.unpack_from("<Q", library, _SEGMENTS_AT)
    entry, count = struct.unpack_from("<HH", library, _SEGMENTS)
    end = table + entry * count
    for number in range(count):
        offset, _, _, length = struct.unpack_from("<4Q", library, table + entry * number + 8)
        end = max(end, offset + length)
    kept = bytearray(library[:end])
    struct.pack_into("<Q", kept, _SECTIONS_AT, 0)
    # The size of an entry stays.
    struct.pack_into("<2H", kept, _SECTIONS + 2, 0, 0)
    return bytes(kept)
