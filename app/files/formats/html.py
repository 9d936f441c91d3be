"""HTML: the translator reads HTML itself; a long page is cut into parts where a block ends.

Attributes that people read are passages of their own. While their page is translated, each of them, and each attribute
that declares the language, has a token in its place: the translator returns tags as they are.
"""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape, unescape
from itertools import pairwise
from typing import Final

from app.files.declarations import Declaration
from app.files.document import Document, Passage
from app.files.formats.html_tags import Attribute, scan_page
from app.files.raw_file import check_elements
from app.text.segmentation import needs_translation

_DECLARATION: Final = Declaration(
    re.compile(
        r"<!--(?:(?!-->).)*+(?:-->)?|<meta\b[^>]{0,500}?\bcharset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})"
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


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a page.

    Attributes:
        text: The part, with a token in place of each attribute.
        attributes: The attributes, by the numbers of their tokens.
    """

    text: str
    attributes: dict[int, Attribute]

    @property
    def passages(self) -> list[Passage]:
        """The passages of the part: its text, and the attributes that people read."""
        read = [Passage(unescape(one.value)) for one in self.attributes.values() if one.language is None]
        return ([Passage(self.text, "html")] if needs_translation(self.text) else []) + read


def read_html(data: bytes, languages: Sequence[str] = ()) -> Document:
    """Read a page as passages of whole blocks.

    Raises:
        UnusableFile: The page is in an encoding that is not read.
    """
    text, encode = _DECLARATION.decode(data, languages)
    check_elements(text.count("<"), "tags")
    scan = scan_page(text)
    prefix = secrets.token_hex(8)
    while prefix in text:
        prefix = secrets.token_hex(8)
    parts = list(_make_parts(text, scan.cuts, scan.attributes, prefix))
    token = re.compile(rf'"{prefix}-([0-9]+)"')

    def write(translations: Iterator[str], target: str) -> bytes:
        written: list[str] = []
        for part in parts:
            page = next(translations) if needs_translation(part.text) else part.text
            values = {
                number: one.declare(target) if one.language is not None else _write_value(one, next(translations))
                for number, one in part.attributes.items()
            }
            written.append(token.sub(partial(_replace_token, values), page))
        return encode("".join(written))

    return Document(tuple(passage for part in parts for passage in part.passages), write)


def _make_parts(text: str, cuts: Sequence[int], attributes: Sequence[Attribute], prefix: str) -> Iterator[_Part]:
    number = 0
    for start, end in pairwise([0, *cuts, len(text)]):
        pieces: list[str] = []
        found: dict[int, Attribute] = {}
        while number < len(attributes) and attributes[number].start < end:
            one = attributes[number]
            pieces += [text[start : one.start], f'"{prefix}-{number}"']
            found[number] = one
            start = one.end
            number += 1
        pieces.append(text[start:end])
        yield _Part("".join(pieces), found)


def _replace_token(values: Mapping[int, str], found: re.Match[str]) -> str:
    return values[int(found[1])]


def _write_value(attribute: Attribute, translation: str) -> str:
    """Write the translation of an attribute with the quotation marks that it had."""
    if translation == unescape(attribute.value):
        return attribute.written
    mark = attribute.written[0] if attribute.written[0] in "\"'" else '"'
    escaped = escape(translation, quote=False).replace(mark, "&quot;" if mark == '"' else "&#39;")
    return f"{mark}{escaped}{mark}"
