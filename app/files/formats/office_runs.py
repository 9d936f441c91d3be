"""Paragraphs made of runs, as Office writes them: words of one formatting each, in an element of their own."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Final

from lxml import etree

from app.files.archive import Archive
from app.files.document import Document
from app.files.formats.xml_paragraph import Codec, Content, Element, Scope, Style, scopes_of
from app.files.formats.xml_part import XmlPart, name_of, namespace_of

_SPACE: Final = "{http://www.w3.org/XML/1998/namespace}space"
_TYPES: Final = "[Content_Types].xml"


def style_of(run: Element, ignored: frozenset[str]) -> Style:
    """:param ignored: names of attributes and children that a reader does not see."""
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


def run_of(text: str, style: Style | None, namespace: str, keeps_spaces: bool) -> Content:
    """A run with these words.

    :param keeps_spaces: it has to be said that spaces at its edges count.
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
    """Give everything in a run that is not words a run of its own, with the same formatting."""
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
        parent = run.getparent()
        if len(groups) < 2 or parent is None:
            continue
        place = parent.index(run) + 1
        tail, run.tail = run.tail, None
        for group in groups[1:]:
            other = etree.Element(run.tag)
            other.attrib.update(run.attrib)
            other.extend([deepcopy(one) for one in properties])
            other.extend(group)
            parent.insert(place, other)
            place += 1
        parent[place - 1].tail = tail


def words_of(run: Element) -> str:
    return "".join(child.text or "" for child in run if name_of(child) == "t")


def office_document(
    archive: Archive, content_types: tuple[str, ...], prepare: Callable[[Element], tuple[list[Element], Codec]]
) -> Document:
    """A file of Office: the parts of these types, and in each the paragraphs that ``prepare`` finds.

    :raises UnusableFile: it is not what its name says, or damaged.
    """
    parts: list[tuple[str, XmlPart]] = []
    scopes: list[list[Scope]] = []
    for name in _names(archive, content_types):
        part = XmlPart(archive.read(name), name)
        paragraphs, codec = prepare(part.root)
        parts.append((name, part))
        scopes.append([scope for paragraph in paragraphs for scope in scopes_of(paragraph, codec)])

    def write(translations: Iterator[str], _: str) -> bytes:
        for scope in (scope for of_part in scopes for scope in of_part):
            scope.put(translations)
        changed = zip(parts, scopes, strict=True)
        return archive.replaced(
            {name: part.to_bytes() for (name, part), of_part in changed if any(scope.fragments for scope in of_part)}
        )

    fragments = [fragment for of_part in scopes for scope in of_part for fragment in scope.fragments]
    return Document(tuple(fragment.passage for fragment in fragments), write)


def _names(archive: Archive, content_types: tuple[str, ...]) -> list[str]:
    types = XmlPart(archive.read(_TYPES), _TYPES).root
    wanted = {
        (override.get("PartName") or "").lstrip("/")
        for override in types.iter("{*}Override")
        if (override.get("ContentType") or "").endswith(content_types)
    }
    return [name for name in archive.names if name in wanted]
