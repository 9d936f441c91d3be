"""Bytes <-> text: UTF-8 with or without a byte order mark, and UTF-16 with one."""

import codecs
from collections.abc import Callable
from typing import Final

from app.errors import UnusableFile

_UTF_16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def decode(data: bytes) -> tuple[str, Callable[[str], bytes]]:
    """The text without its mark, and what writes another text in the same encoding.

    :raises UnusableFile: another encoding.
    """
    mark, encoding = next(((mark, name) for mark, name in _UTF_16.items() if data.startswith(mark)), (b"", "utf-8"))
    if encoding == "utf-8" and data.startswith(codecs.BOM_UTF8):
        mark = codecs.BOM_UTF8
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise UnusableFile(
            f"The file is not valid {encoding.upper()} (at byte {len(mark) + error.start}); "
            "texts are read in UTF-8, or in UTF-16 with a byte order mark"
        ) from None
    if "\0" in text:
        raise UnusableFile("The file has NUL characters: texts are read in UTF-8, or in UTF-16 with a byte order mark")
    return text, lambda written: mark + written.encode(encoding, "replace")
