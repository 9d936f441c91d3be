"""EPUB: its XHTML pages, and the table of contents of EPUB 2 (an NCX file)."""

import posixpath
import re
from collections.abc import Iterator
from html import unescape
from typing import Final
from urllib.parse import unquote

from lxml import etree

from app.errors import UnusableFile
from app.files.document import Document
from app.files.formats.xml_atoms import Atom, Content, Element, Node, Role, Style, Words, content_of
from app.files.formats.xml_paragraph import Scope, read_scopes
from app.files.raw_file import Archive, XmlPart, name_of
from app.text.tag_roles import TagRole, select_tags

_CONTAINER: Final = "META-INF/container.xml"
_PAGE: Final = "application/xhtml+xml"
_CONTENTS: Final = "application/x-dtbncx+xml"
_XML_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
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


def read_epub(archive: Archive) -> Document:
    """Read the passages of an EPUB.

    Raises:
        UnusableFile: The file has another format than its name says, or is damaged.
    """
    packages = {name: archive.read_xml(name) for name in _find_packages(archive)}
    pages: dict[str, XmlPart] = {}
    scopes: dict[str, list[Scope]] = {}
    for package, part in packages.items():
        for name, media_type in _list_items(package, part.root):
            if media_type not in (_PAGE, _CONTENTS) or name in pages or name not in archive.names:
                continue
            pages[name] = page = archive.read_xml(name)
            roots = [page.root] if media_type == _PAGE else page.root.iter("{*}text")
            scopes[name] = [scope for root in roots for scope in read_scopes(root, _Codec())]

    def write(translations: Iterator[str], target: str) -> bytes:
        for scope in (scope for of_page in scopes.values() for scope in of_page):
            scope.write(translations)
        for page in pages.values():
            for name in (_XML_LANG, "lang"):
                if page.root.get(name):
                    page.root.set(name, target)
        for part in packages.values():
            for language in part.root.iter("{http://purl.org/dc/elements/1.1/}language"):
                language.text = target
        return archive.with_replaced_parts({name: part.to_bytes() for name, part in (packages | pages).items()})

    fragments = [fragment for of_page in scopes.values() for scope in of_page for fragment in scope.fragments]
    return Document(tuple(fragment.passage for fragment in fragments), write)


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
