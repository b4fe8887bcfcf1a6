"""Removes symbols and debug sections from shared libraries. Only debuggers and linkers read these megabytes.

The loader reads only a library's segments. So the part after the last segment (symbol tables, debug sections, the
section table) is removed. Sections between the segments stay.
"""

import struct
from pathlib import Path
from typing import Final

_MAGIC: Final = b"\x7fELF\x02\x01"  # 64 bits, little endian: both architectures
# Positions in the header: the offset of the segment table, its entry size and count, and the same for the section
# table. The offset and the count of the section table are set to zero.
_SEGMENTS_AT: Final = 32
_SEGMENTS: Final = 54
_SECTIONS_AT: Final = 40
_SECTIONS: Final = 58


def cut_symbols(directory: Path) -> None:
    """Remove the part that the loader does not read from every shared library in `directory`."""
    for path in sorted(directory.rglob("*")):
        if ".so" in path.suffixes and path.is_file():
            library = path.read_bytes()
            if library.startswith(_MAGIC):
                path.write_bytes(_without_symbols(library))


def _without_symbols(library: bytes) -> bytes:
    (table,) = struct.unpack_from("<Q", library, _SEGMENTS_AT)
    entry, count = struct.unpack_from("<HH", library, _SEGMENTS)
    end = table + entry * count
    for number in range(count):
        offset, _, _, length = struct.unpack_from("<4Q", library, table + entry * number + 8)
        end = max(end, offset + length)
    loaded = bytearray(library[:end])
    struct.pack_into("<Q", loaded, _SECTIONS_AT, 0)
    # The size of an entry is not changed.
    struct.pack_into("<2H", loaded, _SECTIONS + 2, 0, 0)
    return bytes(loaded)
