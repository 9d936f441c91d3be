"""Checks a SentencePiece model's table of rules for characters, which SentencePiece reads without any check.

The table is the length of a trie in bytes, the trie, and the replacements, each ended by a zero byte. The trie is a
double array of 32-bit units (Yata, "Darts-clone"): the child of unit ``i`` for byte ``c`` is ``i ^ offset(i) ^ c``, if
that unit's label is ``c``, and a unit with a leaf has at ``i ^ offset(i)`` the place of its replacement. SentencePiece
follows these numbers wherever they lead, so every unit that can be reached must lead inside the table.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.errors import BundleFormatError

MAX_TABLE_BYTES: Final = 4 * 1024**2
# The longest replacement of NFKC is that of U+FDFA, 33 bytes.
MAX_REPLACEMENT_BYTES: Final = 64
_HAS_LEAF: Final = 1 << 8
_IS_VALUE: Final = 1 << 31
_WIDE: Final = 1 << 9
_BYTES: Final = np.arange(1, 256, dtype=np.uint32)


def check_character_rules(table: bytes) -> None:
    """Refuse a table that leads outside itself, or that replaces a character by a long text.

    Raises:
        BundleFormatError: names what is wrong.
    """
    if not table:
        return
    if not 4 <= len(table) <= MAX_TABLE_BYTES:
        raise BundleFormatError(f"its rules for characters have {len(table)} bytes, at most {MAX_TABLE_BYTES} are read")
    size = int.from_bytes(table[:4], "little")
    if size % 4 or not 1024 <= size <= len(table) - 5 or table[-1] != 0:
        raise BundleFormatError(f"its rules for characters say that {size} of {len(table)} bytes are a trie")
    units = np.frombuffer(table, "<u4", size // 4, 4)
    replacements = table[4 + size :]
    for place in _leaves(units).tolist():
        end = replacements.find(b"\0", place)
        if place >= len(replacements) or end - place > MAX_REPLACEMENT_BYTES:
            raise BundleFormatError(
                f"its rules for characters have a replacement at {place} of {len(replacements)} bytes, "
                f"longer than {MAX_REPLACEMENT_BYTES} or outside"
            )
        try:
            replacements[place:end].decode("utf-8")
        except UnicodeDecodeError:
            raise BundleFormatError(
                f"its rules for characters have a replacement at {place} that is no UTF-8"
            ) from None


def _leaves(units: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The values of all leaves that can be reached; each unit is visited once."""
    count = len(units)
    seen = np.zeros(count, bool)
    seen[0] = True
    frontier = np.zeros(1, np.uint32)
    found: list[NDArray[np.uint32]] = []
    while len(frontier):
        unit = units[frontier]
        base = frontier ^ ((unit >> 10) << np.where(unit & _WIDE, np.uint32(8), np.uint32(0)))
        if int((base | 0xFF).max()) >= count:
            raise BundleFormatError("its rules for characters lead outside their trie")
        found.append(units[base[(unit & _HAS_LEAF) != 0]] & np.uint32(_IS_VALUE - 1))
        children = base[:, None] ^ _BYTES
        is_child = (units[children] & np.uint32(_IS_VALUE | 0xFF)) == _BYTES
        frontier = np.unique(children[is_child])
        frontier = frontier[~seen[frontier]]
        seen[frontier] = True
    return np.unique(np.concatenate(found))
