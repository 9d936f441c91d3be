"""PowerPoint's PPTX (slides, notes, diagrams; charts are kept), and the runs of words that Word's DOCX shares with it.

A run is an element with words of one formatting.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Final

from lxml import etree

from app.files.declarations import set_content_language
from app.files.document import Document
from app.files.formats.xml_atoms import Atom, Codec, Content, Element, Node, Role, Style, Words
from app.files.formats.xml_paragraph import Scope, read_scopes
from app.files.raw_file import Archive, XmlPart, check_elements, name_of, namespace_of

_SPACE: Final = "{http://www.w3.org/XML/1998/namespace}space"
_TYPES: Final = "[Content_Types].xml"
_PPTX_NAMESPACES: Final = frozenset(
    ("http://schemas.openxmlformats.org/drawingml/2006/main", "http://purl.oclc.org/ooxml/drawingml/main")
)
_DECLARING_CONTENT_TYPES: Final = (
    "wordprocessingml.styles+xml",
    "wordprocessingml.settings+xml",
    "package.core-properties+xml",
)
_PPTX_CONTENT_TYPES: Final = (
    "presentationml.slide+xml",
    "presentationml.notesSlide+xml",
    "drawingml.diagramData+xml",
    "drawingml.diagramDrawing+xml",
)
# Attributes of the formatting that a reader does not see.
_PPTX_IGNORED: Final = frozenset(("lang", "altLang", "dirty", "err", "noProof", "smtClean"))


def style_of(run: Element, ignored: frozenset[str]) -> Style:
    """Return the formatting of a run.

    Args:
        run: The run.
        ignored: Names of attributes and children of the formatting that a reader does not see.
    """
    properties = next((child for child in run if name_of(child) == "rPr"), None)
    if properties is None:
        return Style("")
    attributes = sorted(f"{name!s}={value!s}" for name, value in properties.attrib.items() if name not in ignored)
    children = sorted(
        etree.tostring(child, method="c14n", exclusive=True, with_tail=False).decode()
        for child in properties
        if name_of(child) not in ignored
    )
    return Style("\n".join([*attributes, *children]), properties)


def words_of(run: Element) -> str:
    """Return the words of a run."""
    return "".join(child.text or "" for child in run if name_of(child) == "t")


def write_run(text: str, style: Style | None, namespace: str, keeps_spaces: bool) -> Content:
    """Make a run.

    Args:
        text: Its words.
        style: Its formatting.
        namespace: The XML namespace of the format.
        keeps_spaces: Whether the format needs an attribute to keep spaces at the edges of the words.
    """
    run = etree.Element(etree.QName(namespace, "r"))
    if style is not None and style.properties is not None:
        properties = deepcopy(style.properties)
        properties.tail = None
        run.append(properties)
    words = etree.SubElement(run, etree.QName(namespace, "t"))
    words.text = text
    if keeps_spaces and text != text.strip():
        words.set(_SPACE, "preserve")
    return [run]


def split_runs(root: Element, namespaces: frozenset[str]) -> None:
    """Give words, and each other child of a run, a run of their own with the same formatting.

    Raises:
        UnusableFile: Too many elements would be copied.
    """
    copies = 0
    for run in list(root.iter("{*}r")):
        if namespace_of(run) not in namespaces:
            continue
        properties = [child for child in run if name_of(child) == "rPr"]
        groups: list[list[Element]] = []
        for child in run:
            if name_of(child) == "rPr":
                continue
            if groups and name_of(child) == name_of(groups[-1][0]) == "t":
                groups[-1].append(child)
            else:
                groups.append([child])
        if len(groups) < 2 or run.getparent() is None:
            continue
        copies += (len(groups) - 1) * (1 + sum(1 for one in properties for _ in one.iter()))
        check_elements(copies)
        last, tail, run.tail = run, run.tail, None
        for group in groups[1:]:
            other = etree.Element(run.tag)
            other.attrib.update(run.attrib)
            other.extend([deepcopy(one) for one in properties])
            other.extend(group)
            last.addnext(other)  # unlike an index, it does not count the children of the paragraph
            last = other
        last.tail = tail


def read_office_file(
    archive: Archive, content_types: tuple[str, ...], prepare: Callable[[Element], tuple[list[Element], Codec]]
) -> Document:
    """Read the passages of a DOCX or PPTX file. What declares their language gets that of the translation.

    Args:
        archive: The file.
        content_types: How the content types of the parts with text end.
        prepare: Finds the paragraphs of a part, and the codec that reads them.

    Raises:
        UnusableFile: The file has another format than its name says, or is damaged.
    """
    parts: list[tuple[str, XmlPart]] = []
    scopes: list[list[Scope]] = []
    for name in _find_parts(archive, content_types):
        part = archive.read_xml(name)
        paragraphs, codec = prepare(part.root)
        parts.append((name, part))
        scopes.append([scope for paragraph in paragraphs for scope in read_scopes(paragraph, codec)])

    others = [(name, archive.read_xml(name)) for name in _find_parts(archive, _DECLARING_CONTENT_TYPES)]

    def write(translations: Iterator[str], target: str) -> bytes:
        changed: dict[str, XmlPart] = {}
        for (name, part), of_part in zip(parts, scopes, strict=True):
            for scope in of_part:
                scope.write(translations)
            if of_part:
                set_content_language(part.root, target)
                changed[name] = part
        if changed:
            changed |= {name: part for name, part in others if set_content_language(part.root, target)}
        return archive.with_replaced_parts({name: part.to_bytes() for name, part in changed.items()})

    fragments = [fragment for of_part in scopes for scope in of_part for fragment in scope.fragments]
    return Document(tuple(fragment.passage for fragment in fragments), write)


def _find_parts(archive: Archive, content_types: tuple[str, ...]) -> list[str]:
    types = archive.read_xml(_TYPES).root
    listed = {
        (override.get("PartName") or "").lstrip("/")
        for override in types.iter("{*}Override")
        if (override.get("ContentType") or "").endswith(content_types)
    }
    return [name for name in archive.names if name in listed]


def read_pptx(archive: Archive) -> Document:
    """Read the passages of a PPTX file.

    Raises:
        UnusableFile: The file has another format than its name says, or is damaged.
    """
    return read_office_file(archive, _PPTX_CONTENT_TYPES, _prepare_pptx)


def _prepare_pptx(root: Element) -> tuple[list[Element], Codec]:
    split_runs(root, _PPTX_NAMESPACES)
    paragraphs = [one for one in root.iter("{*}p") if namespace_of(one) in _PPTX_NAMESPACES]
    return paragraphs, _PptxCodec(namespace_of(paragraphs[0]) if paragraphs else "")


class _PptxCodec:
    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def read_atoms(self, element: Element) -> list[Atom]:
        return [_read_atom(child) for child in element]

    def write_words(self, text: str, style: Style | None) -> Content:
        return write_run(text, style, self._namespace, keeps_spaces=False)


def _read_atom(element: Element) -> Atom:
    name = name_of(element)
    if name == "r":
        style = style_of(element, _PPTX_IGNORED)
        baseline = style.properties.get("baseline", "0") if style.properties is not None else "0"
        return Words(words_of(element), replace(style, is_raised=baseline.rstrip("%") not in ("", "0")))
    if name in ("pPr", "endParaRPr", "br"):
        return Node(Role.BREAK, (element,))
    return Node(Role.POINT, (element,), words_of(element) if name == "fld" else "")
