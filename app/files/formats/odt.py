"""OpenDocument's ODT: paragraphs and headings of the text, its notes, frames, headers and footers."""

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Final

from lxml import etree

from app.files.declarations import set_metadata_language, set_text_document_languages
from app.files.document import Document
from app.files.formats.xml_atoms import Atom, Content, Element, Node, Role, Style, Words, content_of, set_content
from app.files.formats.xml_paragraph import Scope, read_scopes
from app.files.raw_file import Archive, name_of, namespace_of

_TEXT: Final = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
_DRAWING: Final = "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
_STYLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_STYLE_NAME: Final = f"{{{_TEXT}}}style-name"
_COUNT: Final = f"{{{_TEXT}}}c"
_PARTS: Final[tuple[str, ...]] = ("content.xml", "styles.xml")
_METADATA: Final = "meta.xml"
_SPACES: Final = re.compile(r"[ \t\r\n]+")
_DROPPED: Final = ("soft-page-break",)
_BREAKS: Final = ("tab", "line-break")
_MARKERS: Final = ("bookmark", "reference-mark", "change", "toc-mark", "alphabetical-index-mark", "user-index-mark")
_WITHOUT_WORDS: Final = frozenset(_MARKERS)
# LibreOffice adds this attribute to tell apart words that were typed in different sessions.
_REVISION: Final = re.compile(r"rsid")


class _Codec:
    def __init__(self, root: Element, raised_styles: frozenset[str]) -> None:
        """Read the automatic styles, which an editor makes for formatted words.

        Args:
            root: The root of the part.
            raised_styles: The names of styles that raise or lower words.
        """
        self._raised_styles = raised_styles
        self._automatic = {
            style.get(f"{_STYLE}name"): _style_key(style)
            for style in root.iter(f"{_STYLE}style")
            if _is_automatic(style)
        }

    def read_atoms(self, element: Element) -> list[Atom]:
        return [self._read_atom(item) for item in content_of(element)]

    def write_words(self, text: str, style: Style | None) -> Content:
        if style is None or style.properties is None:
            return [text]
        span = deepcopy(style.properties)
        set_content(span, [text])
        return [span]

    def _read_atom(self, item: str | Element) -> Atom:
        if isinstance(item, str):
            return Words(_SPACES.sub(" ", item), Style(""))
        if namespace_of(item) != _TEXT:
            return Node(Role.SPACE if namespace_of(item) == _DRAWING else Role.POINT, (item,))
        name = name_of(item)
        if name == "span":
            return self._read_span(item)
        if name == "a":
            return Node(Role.LINK, (item,), "".join(str(text) for text in item.itertext()))
        if name == "s":  # several spaces separate columns rather than words
            return Node(Role.SPACE if (item.get(_COUNT) or "1") == "1" else Role.BREAK, (item,))
        if name in _DROPPED or name in _BREAKS:
            return Node(Role.DROPPED if name in _DROPPED else Role.BREAK, (item,))
        if name.endswith(("-start", "-end")) and name.rpartition("-")[0] in _MARKERS:
            return Node(Role.START if name.endswith("-start") else Role.END, (item,))
        if name == "note":
            return Node(Role.INDEX, (item,))
        word = "" if name in _WITHOUT_WORDS else "".join(str(text) for text in item.itertext())
        return Node(Role.REFERENCE if word else Role.POINT, (item,), word)

    def _read_span(self, span: Element) -> Atom:
        name = span.get(_STYLE_NAME) or ""
        is_raised = name in self._raised_styles
        if len(span) and is_raised:
            return Node(Role.RAISED, (span,), "".join(str(text) for text in span.itertext()))
        if len(span):
            return Node(Role.INLINE, (span,))
        key = self._automatic.get(name, f"named {name}")
        return Words(_SPACES.sub(" ", span.text or ""), Style(key, span, is_raised) if key else Style(""))


def read_odt(archive: Archive) -> Document:
    """Read the passages of an ODT file.

    Raises:
        UnusableFile: The file has another format than its name says, or is damaged.
    """
    parts = {name: archive.read_xml(name) for name in _PARTS if name in archive.names or name == _PARTS[0]}
    scopes: dict[str, list[Scope]] = {}
    raised_styles = _find_raised_styles([part.root for part in parts.values()])
    for name, part in parts.items():
        codec = _Codec(part.root, raised_styles)
        paragraphs = [one for one in part.root.iter(f"{{{_TEXT}}}p", f"{{{_TEXT}}}h") if not _is_deleted(one)]
        scopes[name] = [scope for paragraph in paragraphs for scope in read_scopes(paragraph, codec)]

    metadata = archive.read_xml(_METADATA) if _METADATA in archive.names else None

    def write(translations: Iterator[str], target: str) -> bytes:
        for scope in (scope for of_part in scopes.values() for scope in of_part):
            scope.write(translations)
        changed = {name for name, of_part in scopes.items() if of_part}
        if changed:
            changed |= {name for name, part in parts.items() if set_text_document_languages(part.root, target)}
        if changed and metadata is not None and set_metadata_language(metadata.root, target):
            parts[_METADATA] = metadata
            changed.add(_METADATA)
        return archive.with_replaced_parts({name: parts[name].to_bytes() for name in changed})

    fragments = [fragment for of_part in scopes.values() for scope in of_part for fragment in scope.fragments]
    return Document(tuple(fragment.passage for fragment in fragments), write)


def _find_raised_styles(roots: Sequence[Element]) -> frozenset[str]:
    """Return the names of the styles whose text position is not on the line."""
    found = set()
    for root in roots:
        for style in root.iter(f"{_STYLE}style"):
            positions = [properties.get(f"{_STYLE}text-position", "") for properties in style]
            if any(position.split()[:1] not in ([], ["0%"]) for position in positions):
                found.add(style.get(f"{_STYLE}name") or "")
    return frozenset(found)


def _is_automatic(style: Element) -> bool:
    parent = style.getparent()
    return parent is not None and name_of(parent) == "automatic-styles"


def _is_deleted(paragraph: Element) -> bool:
    return any(name_of(one) == "tracked-changes" for one in paragraph.iterancestors())


def _style_key(style: Element) -> str:
    """Return a key of the formatting that a reader sees; empty if the style changes nothing that is visible."""
    visible = [
        f"{name!s}={value!s}"
        for properties in style
        for name, value in sorted(properties.attrib.items())
        if not _REVISION.search(str(name))
    ]
    parent = style.get(f"{_STYLE}parent-style-name")
    nested = [
        etree.tostring(child, method="c14n", exclusive=True, with_tail=False).decode() for one in style for child in one
    ]
    return "\n".join([*([f"parent {parent}"] if parent else []), *visible, *nested])
