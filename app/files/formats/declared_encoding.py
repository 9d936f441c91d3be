"""The encodings that HTML pages and PO files declare."""

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from app.errors import UnusableFile
from app.files.raw_file import decode

_DECLARED_WITHIN: Final = 16 * 1024  # characters


@dataclass(frozen=True, slots=True)
class Declaration:
    """How the texts of a format declare their encoding.

    Attributes:
        pattern: Matches a declaration up to the name of the encoding, its last group. A match without a group is none.
        errors: How characters are written that the encoding lacks. ``strict`` changes the declaration to UTF-8.
        read_as: The encodings that are meant by names of others, as browsers read them.
    """

    pattern: re.Pattern[str]
    errors: str = "strict"
    read_as: Mapping[str, str] = field(default_factory=dict)

    def decode(self, data: bytes) -> tuple[str, Callable[[str], bytes]]:
        """Decode a text as it declares; a byte order mark, or letters in valid UTF-8, count more.

        Returns:
            The text, and a function that encodes another text in the same way. If that is UTF-8 and the text declares
            another encoding, the declaration is changed.

        Raises:
            UnusableFile: The text is in another encoding.
        """
        matches = self.pattern.finditer(data[:_DECLARED_WITHIN].decode("latin-1"))
        name = next((found[found.lastindex].lower() for found in matches if found.lastindex), "utf-8")
        if data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return decode(data)
        codec = _find_codec(self.read_as.get(name, name))
        if codec == "utf-8" or (_is_utf_8(data) and not data.isascii()):
            text, codec = decode(data)[0], "utf-8"
        else:
            try:
                text = data.decode(codec)
            except UnicodeDecodeError as error:
                raise UnusableFile(f"The file is not valid {name}, as it declares (at byte {error.start})") from None
        return text, lambda changed: self._encode(changed, codec, name)

    def _encode(self, text: str, codec: str, name: str) -> bytes:
        try:
            if codec != "utf-8":
                return text.encode(codec, self.errors)
        except UnicodeEncodeError:
            pass
        if name not in ("utf-8", "utf8"):
            text = self.pattern.sub(_declare_utf_8, text[: 2 * _DECLARED_WITHIN]) + text[2 * _DECLARED_WITHIN :]
        return text.encode("utf-8", "replace")


def _declare_utf_8(found: re.Match[str]) -> str:
    group = found.lastindex
    return f"{found[0][: found.start(group) - found.start()]}UTF-8" if group else found[0]


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _find_codec(name: str) -> str:
    """Return Python's name of an encoding in which ASCII characters keep their bytes; ``utf-8`` for others."""
    try:
        is_plain = '<"\\'.encode(name) == b'<"\\'
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        return "utf-8"
    return codec if is_plain and codec != "utf-7" else "utf-8"
