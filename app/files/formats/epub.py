"""EPUB: its XHTML pages, and the table of contents of EPUB 2 (an NCX file)."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Final
from urllib.parse import unquote

from lxml import etree

from app.errors import UnusableFile
from app.files.declarations import (
    DUBLIN_CORE,
    is_language,
    set_metadata_language,
    set_xml_languages,
    xml_language_of,
)
from app.files.document import Document
from app.files.formats.html_tags import READ_ANYWHERE, READ_IN
from app.files.formats.xml_atoms import Atom, Content, Element, Node, Role, Style, Words, content_of
from app.files.formats.xml_paragraph import Scope, read_scopes
from app.files.fragment import Fragment
from app.files.raw_file import Archive, XmlPart, name_of
from app.text.segmentation import needs_translation
from app.text.tag_roles import TagRole, select_tags

_CONTAINER: Final = "META-INF/container.xml"
_PAGE: Final = "application/xhtml+xml"
_CONTENTS: Final = "application/x-dtbncx+xml"
_DESCRIBING: Final = ("title", "description")  # of the metadata, what a reader reads
_EPUB_TYPE: Final = "{http://www.idpf.org/2007/ops}type"
_SPACES: Final = re.compile(r"[ \t\r\n]+")
_INLINE: Final = select_tags(TagRole.EPUB_INLINE)
_WORDS: Final = select_tags(TagRole.EPUB_WORD)
_POINTS: Final = select_tags(TagRole.EPUB_POINT) | {""}  # a comment has an empty name
_PICTURES: Final = ("img", "image", "svg")
_BREAKS: Final = select_tags(TagRole.EPUB_BREAK)


class _Codec:
    """Reads XHTML, in which a line break is a space."""

    def read_atoms(self, element: Element) -> list[Atom]:
        return [_read_atom(item) for item in content_of(element)]

    def write_words(self, text: str, style: Style | None) -> Content:
        return [text]


class _AttributeText:
    """An attribute that people read.

    Attributes:
        fragments: Its text.
    """

    def __init__(self, element: Element, name: str) -> None:
        self.fragments = [Fragment([element.get(name) or ""])]
        self._element, self._name = element, name

    def write(self, translations: Iterator[str]) -> None:
        """Set the attribute to the next translation."""
        self._element.set(self._name, next(translations))


def read_epub(archive: Archive) -> Document:
    """Read the passages of an EPUB.

    Raises:
        UnusableFile: The file has another format than its name says, or is damaged.
    """
    packages = {name: archive.read_xml(name) for name in _find_packages(archive)}
    pages: dict[str, XmlPart] = {}
    scopes: list[Scope | _AttributeText] = []
    for package, part in packages.items():
        for name, media_type in _list_items(package, part.root):
            if media_type not in (_PAGE, _CONTENTS) or name in pages or name not in archive.names:
                continue
            pages[name] = page = archive.read_xml(name)
            for root in [page.root] if media_type == _PAGE else page.root.iter("{*}text"):
                scopes += read_scopes(root, _Codec())
            scopes += _read_attributes(page.root)
    for part in packages.values():
        for described in part.root.iter(*(f"{{{DUBLIN_CORE}}}{name}" for name in _DESCRIBING)):
            scopes += read_scopes(described, _Codec())
    declared = _find_language([part.root for part in packages.values()])

    def write(translations: Iterator[str], target: str) -> bytes:
        for scope in scopes:
            scope.write(translations)
        for page in pages.values():
            of_page = xml_language_of(page.root) or declared
            set_xml_languages(page.root.iter(etree.Element), of_page, target)
        for part in packages.values():
            set_xml_languages(part.root.iter(etree.Element), declared, target)
            set_metadata_language(part.root, target)
        return archive.with_replaced_parts({name: part.to_bytes() for name, part in (packages | pages).items()})

    fragments = [fragment for scope in scopes for fragment in scope.fragments]
    return Document(tuple(fragment.passage for fragment in fragments), write)


def _read_attributes(page: Element) -> Iterator[_AttributeText]:
    """Yield the attributes that people read of elements that are translated."""
    for element in page.iter(etree.Element):
        for name, value in element.attrib.items():
            is_read = str(name) in READ_ANYWHERE or (name_of(element), str(name)) in READ_IN
            if (
                is_read
                and needs_translation(str(value))
                and not any(map(_is_kept, (element, *element.iterancestors())))
            ):
                yield _AttributeText(element, str(name))


def _is_kept(element: Element) -> bool:
    name = name_of(element)
    is_marked = element.get("translate") == "no" or "notranslate" in (element.get("class") or "").split()
    return is_marked or name in _WORDS or name == "pre"


def _find_language(packages: Sequence[Element]) -> str:
    """Return the first language that the metadata names; empty if it names none."""
    found = [one.text or "" for root in packages for one in root.iter(f"{{{DUBLIN_CORE}}}language")]
    return next((tag for tag in found if is_language(tag)), "")


def _find_packages(archive: Archive) -> list[str]:
    """Return the names of the package documents, which list the other parts."""
    container = archive.read_xml(_CONTAINER).root
    names = [path for root in container.iter("{*}rootfile") if (path := root.get("full-path"))]
    if not names:
        raise UnusableFile(f"{_CONTAINER} names no package, so the file is no EPUB")
    return names


def _list_items(package: str, root: Element) -> list[tuple[str, str]]:
    """Return the names and media types of the parts that a package lists, pages first and in their reading order."""
    listed = {
        item.get("id") or "": (
            posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(item.get("href") or ""))),
            item.get("media-type") or "",
        )
        for item in root.iter("{*}item")
    }
    order = [listed[name] for one in root.iter("{*}itemref") if (name := one.get("idref") or "") in listed]
    return list(dict.fromkeys([*order, *listed.values()]))


def _read_atom(item: str | Element) -> Atom:
    if isinstance(item, str):
        return Words(_SPACES.sub(" ", item) if item.strip() else item)
    if isinstance(item, etree._Entity):
        return Words(_decode_entity(item))
    name = name_of(item)
    if item.get("translate") == "no" or "notranslate" in (item.get("class") or "").split():
        is_inline = name in _INLINE or name in _WORDS
        return Node(Role.POINT if is_inline else Role.BREAK, (item,), _text_of(item) if is_inline else "")
    if name in _WORDS:
        return Node(Role.POINT, (item,), _text_of(item))
    if "noteref" in (item.get(_EPUB_TYPE) or "").split() or item.get("role") == "doc-noteref":
        return Node(Role.INDEX, (item,), _text_of(item))
    if name in _POINTS:
        return Node(Role.SPACE if name in _PICTURES else Role.POINT, (item,))
    if name in _BREAKS:
        return Node(Role.BREAK, (item,))
    if name in ("sub", "sup", "a"):
        is_raised = name != "a" or _is_raised_link(item)
        return Node(Role.RAISED if is_raised else Role.LINK, (item,), _text_of(item))
    return Node(Role.INLINE if name in _INLINE else Role.BLOCK, (item,))


def _is_raised_link(link: Element) -> bool:
    """Tell whether all words of a link are raised or lowered."""
    children = list(link)
    around = (link.text or "") + "".join(child.tail or "" for child in children)
    return bool(children) and not around.strip() and all(name_of(child) in ("sub", "sup") for child in children)


def _decode_entity(entity: "etree._Entity") -> str:
    return unescape(f"&{entity.name};")


def _text_of(element: Element) -> str:
    return "".join(str(text) for text in element.itertext())
