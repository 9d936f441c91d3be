"""HTML: the translator reads HTML itself; a long page is cut into parts where a block ends.

Pages declare their encoding, as PO files do; ``Declaration`` reads and writes both.
"""

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from app.errors import UnusableFile
from app.files.document import Document, PageParser, Passage, join_pieces
from app.files.raw_file import decode
from app.text.tag_roles import TagRole, select_tags

# Pages up to this length are not cut, and no part but the last is shorter. A block is never cut.
PART_CHARACTERS: Final = 10_000
_DECLARED_WITHIN: Final = 16 * 1024  # characters
_BLOCKS: Final = select_tags(TagRole.PAGE_CUT)
_KEPT: Final = select_tags(TagRole.PAGE_KEPT)
_VOID: Final = select_tags(TagRole.PAGE_VOID)


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


_DECLARATION: Final = Declaration(
    re.compile(
        r"<!--.*?-->|<meta\b[^>]{0,500}?\bcharset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})"
        r"|\A\s*<\?xml\b[^>]{0,500}?\bencoding\s{0,9}=\s{0,9}[\"']([\w.:-]{1,40})",
        re.IGNORECASE | re.DOTALL,
    ),
    "xmlcharrefreplace",
    {
        **dict.fromkeys(("iso-8859-1", "iso8859-1", "latin1", "l1", "x-cp1252"), "cp1252"),
        **dict.fromkeys(("iso-8859-9", "latin5"), "cp1254"),
        **dict.fromkeys(("gb2312", "gb_2312-80", "x-gbk"), "gbk"),
        **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis"), "cp932"),
        **dict.fromkeys(("euc-kr", "ks_c_5601-1987"), "cp949"),
        **dict.fromkeys(("tis-620", "iso-8859-11"), "cp874"),
    },
)


def read_html(data: bytes) -> Document:
    """Read a page as passages of whole blocks.

    Raises:
        UnusableFile: The page is in an encoding that is not read.
    """
    text, encode = _DECLARATION.decode(data)
    cuts = [0, *(_Cutter(text).cuts if len(text) > PART_CHARACTERS else []), len(text)]
    parts = [text[start:end] for start, end in pairwise(cuts)]
    return join_pieces([Passage(part, "html") for part in parts if part], encode)


class _Cutter(PageParser):
    """Finds the offsets at which a page may be cut: behind the end of a block that is not within untranslated content.

    Attributes:
        cuts: The offsets.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.cuts: list[int] = []
        self._text = text
        self._lines = [0]
        for line in text.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._kept: str | None = None
        self._depth = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        values = dict(attrs)
        is_kept = (
            tag in _KEPT or values.get("translate") == "no" or "notranslate" in (values.get("class") or "").split()
        )
        if self._kept is None and is_kept:
            self._kept = tag
        if tag == self._kept:
            self._depth += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag == self._kept:
            self._depth -= 1
            self._kept = self._kept if self._depth else None
        if self._kept is not None or tag not in _BLOCKS:
            return
        line, column = self.getpos()
        end = self._text.find(">", self._lines[line - 1] + column) + 1
        if end - (self.cuts[-1] if self.cuts else 0) >= PART_CHARACTERS:
            self.cuts.append(end)


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
