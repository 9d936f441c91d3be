"""What a file declares: its encoding, as pages and PO files do, and its language, which the translation changes."""

import codecs
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from babel.core import get_global
from lxml import etree

from app.errors import UnusableFile
from app.files.encoding import decode
from app.files.raw_file import name_of, namespace_of

Element = etree._Element
_DECLARED_WITHIN: Final = 16 * 1024  # characters

_XML_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
DUBLIN_CORE: Final = "http://purl.org/dc/elements/1.1/"
_EAST_ASIAN: Final = frozenset(("ja", "ko", "zh"))
_COMPLEX: Final = frozenset(("ar", "fa", "he", "hi", "th", "ur"))
# Codes of ISO 639 for text that is in no language, in several, or in an unknown one.
_NO_LANGUAGE: Final = frozenset(("", "none", "x", "zxx", "mul", "und"))


def primary_of(tag: str) -> str:
    """Return the language of a tag such as ``en-US`` or ``en_US`` without its region, in lower case."""
    return tag.strip().replace("_", "-").partition("-")[0].lower()


def is_language(tag: str) -> bool:
    """Tell whether a tag names one language."""
    return primary_of(tag) not in _NO_LANGUAGE


def with_region(target: str) -> tuple[str, str]:
    """Return a language and its region, which office programs expect: ``("fr", "FR")`` for ``fr``.

    Args:
        target: The target language; its own region counts, otherwise CLDR's likeliest.
    """
    language, _, region = target.replace("_", "-").partition("-")
    if not region:
        likely = str(get_global("likely_subtags").get(language.lower(), ""))
        region = likely.rpartition("_")[2]
    return language.lower(), region.upper()


def script_kind_of(target: str) -> str:
    """Return which of the three kinds of scripts of office programs a language has: ``western``, ``asian`` or
    ``complex``.
    """
    language = primary_of(target)
    return "asian" if language in _EAST_ASIAN else "complex" if language in _COMPLEX else "western"


def set_xml_languages(elements: Iterable[Element], declared: str, target: str) -> None:
    """Set the attributes ``lang`` and ``xml:lang`` that name the declared language.

    Args:
        elements: The elements that may have them.
        declared: The declared language.
        target: The target language.
    """
    for element in elements:
        for name in (_XML_LANG, "lang"):
            tag = element.get(name)
            if tag and primary_of(tag) == primary_of(declared):
                element.set(name, target)


def xml_language_of(element: Element) -> str:
    """Return the language that an element declares for its content; empty if it declares none."""
    return element.get(_XML_LANG) or element.get("lang") or ""


def set_metadata_language(root: Element, target: str) -> bool:
    """Set each ``dc:language`` of a file's metadata; return whether there is one."""
    found = [one for one in root.iter(f"{{{DUBLIN_CORE}}}language") if is_language(one.text or "")]
    for one in found:
        one.text = target
    return bool(found)


def set_word_languages(root: Element, target: str) -> bool:
    """Set the languages of the words and styles of a Word file; return whether there is one."""
    attribute = {"western": "val", "asian": "eastAsia", "complex": "bidi"}[script_kind_of(target)]
    changed = False
    for element in root.iter("{*}lang", "{*}themeFontLang"):
        name = f"{{{namespace_of(element)}}}{attribute}"
        if is_language(str(element.get(name) or "en")):
            element.set(name, "-".join(filter(None, with_region(target))))
            changed = True
    return changed


def set_slide_languages(root: Element, target: str) -> bool:
    """Set the languages of the words of a slide; return whether there is one."""
    changed = False
    for element in root.iter("{*}rPr", "{*}endParaRPr", "{*}defRPr"):
        if is_language(element.get("lang", "")):
            element.set("lang", "-".join(filter(None, with_region(target))))
            changed = True
    return changed


def set_text_document_languages(root: Element, target: str) -> bool:
    """Set the languages of the styles of an OpenDocument file; return whether there is one."""
    fo = "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"
    style = "urn:oasis:names:tc:opendocument:xmlns:style:1.0"
    kind = script_kind_of(target)
    space, suffix = (fo, "") if kind == "western" else (style, f"-{kind}")
    language, region = with_region(target)
    changed = False
    for element in root.iter("{*}text-properties"):
        name = f"{{{space}}}language{suffix}"
        if is_language(str(element.get(name) or "")):
            element.set(name, language)
            element.set(f"{{{space}}}country{suffix}", region or "none")
            changed = True
    return changed


def set_content_language(root: Element, target: str) -> bool:
    """Set the language wherever the XML of a Word file, a slide or its metadata declares one."""
    if name_of(root) == "coreProperties":
        return set_metadata_language(root, target)
    return set_word_languages(root, target) or set_slide_languages(root, target)


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

    def decode(self, data: bytes, languages: Sequence[str] = ()) -> tuple[str, Callable[[str], bytes]]:
        """Decode a text as it declares; a byte order mark, or letters in valid UTF-8, count more.

        Args:
            data: The text.
            languages: The languages that a text may be in that declares no encoding.

        Returns:
            The text, and a function that encodes another text in the same way. If that is UTF-8 and the text declares
            another encoding, the declaration is changed.

        Raises:
            UnusableFile: The text is in another encoding.
        """
        matches = self.pattern.finditer(data[:_DECLARED_WITHIN].decode("latin-1"))
        declared = next((found[found.lastindex].lower() for found in matches if found.lastindex), None)
        if declared is None or data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return decode(data, languages, self.errors)
        name = declared
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
