"""XLIFF 1.2 and 2: units without a translation get one, with a state that tells that it is not reviewed."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Final

from lxml import etree

from app.errors import UnusableFile
from app.files.document import Document
from app.files.formats.xml_atoms import Atom, Content, Element, Node, Role, Style, Words, content_of
from app.files.formats.xml_paragraph import read_scopes
from app.files.raw_file import XmlPart, name_of, namespace_of

_OPENING: Final = ("bpt", "bx", "sc", "sm")
_CLOSING: Final = ("ept", "ex", "ec", "em")
_ENCLOSING: Final = ("g", "mrk", "pc")
_SHOWN: Final = ("mrk", "pc")
_STANDING: Final = ("x", "ph", "it")
# Where a unit says what an element stands for, and with which words.
_KIND_ATTRIBUTES: Final = ("ctype", "type", "subType")
_SHOWN_ATTRIBUTES: Final = ("equiv-text", "equiv", "disp")
_BREAK_KINDS: Final = frozenset(
    ("lb", "pb", "xlf:lb", "xlf:pb", "x-lb", "x-br", "x-html-br", "html:br", "linebreak", "x-linebreak", "x-line-break")
)
_IMAGE_KINDS: Final = frozenset(("image", "x-img", "xlf:image", "html:img"))  # a reader sees no one word around it
_BREAK_CODE: Final = re.compile(r"\s*<(?:br|hr)\b[^<>]*>\s*|\s*(?:\\[nr])+\s*", re.IGNORECASE)
_UNTRANSLATED_STATES: Final = ("new", "needs-translation", "initial")
_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"


class _Codec:
    """Reads text between elements. Pairs of empty elements enclose words too, if they are well nested."""

    def read_atoms(self, element: Element) -> list[Atom]:
        content = content_of(element)
        roles = _pair_tags([item for item in content if not isinstance(item, str)])
        atoms = [Words(item) if isinstance(item, str) else _read_node(item, roles) for item in content]
        return _part_at_breaks(atoms)

    def write_words(self, text: str, style: Style | None) -> Content:
        return [text]


class _Unit:
    """A source and the target that is made of it."""

    def __init__(self, source: Element, template: Element, holder: Element | None) -> None:
        """Make the target.

        Args:
            source: The source element.
            template: The element whose content the target copies: the source, or its segmented form.
            holder: The element whose attribute holds the state; None for the target.
        """
        self._source, self._template, self._holder = source, template, holder
        self._old = next((one for one in _parent(source) if name_of(one) == "target"), None)
        self.target = deepcopy(template)
        self.target.tag = etree.QName(namespace_of(source) or None, "target").text
        for name in self.target.attrib:
            del self.target.attrib[name]
        if self._old is not None:
            self.target.attrib.update(self._old.attrib)
        self.scopes = read_scopes(self.target, _Codec())

    def write(self, translations: Iterator[str], language: str) -> None:
        """Put the target with its translations into the file."""
        for scope in self.scopes:
            scope.write(translations)
        if _LANG in self._source.attrib:
            self.target.set(_LANG, language)
        if self._holder is None:
            self.target.set("state", "needs-review-translation")
        else:
            self._holder.set("state", "translated")
        parent = _parent(self._source)
        if self._old is None:
            before = self._template
            self.target.tail, after = before.tail, parent.index(before) + 1
            parent.insert(after, self.target)
        else:
            self.target.tail = self._old.tail
            parent.replace(self._old, self.target)


def read_xliff(data: bytes, languages: Sequence[str] = ()) -> Document:
    """Read the sources that have no translation.

    Raises:
        UnusableFile: The file is no XLIFF, or XML that is not read.
    """
    part = XmlPart(data, "The file")
    root = part.root
    if name_of(root) != "xliff":
        raise UnusableFile(f"The file is no XLIFF: its root is {name_of(root)[:50]!r}")
    is_old = root.get("version", "1").startswith("1")
    elements = root.iter("{*}trans-unit" if is_old else "{*}segment")
    units = [unit for element in elements if (unit := _read_unit(element, is_old))]

    def write(translations: Iterator[str], target: str) -> bytes:
        for unit in units:
            unit.write(translations, target)
        name = "target-language" if is_old else "trgLang"
        for holder in root.iter("{*}file") if is_old else [root]:
            if not holder.get(name):
                holder.set(name, target)
        return part.to_bytes()

    fragments = [fragment for unit in units for scope in unit.scopes for fragment in scope.fragments]
    return Document(tuple(fragment.passage for fragment in fragments), write)


def _read_unit(element: Element, is_old: bool) -> _Unit | None:
    """Return a unit to translate; None if it has a translation, or must not be translated."""
    children = {name_of(child): child for child in element}
    source, target = children.get("source"), children.get("target")
    if source is None or any(one.get("translate") == "no" for one in (element, *element.iterancestors())):
        return None
    state = (target.get("state") if target is not None else None) if is_old else element.get("state")
    is_filled = target is not None and (len(target) > 0 or bool((target.text or "").strip()))
    if element.get("approved") == "yes" or (is_filled and state not in _UNTRANSLATED_STATES):
        return None
    return _Unit(source, children.get("seg-source", source), None if is_old else element)


def _parent(element: Element) -> Element:
    parent = element.getparent()
    assert parent is not None
    return parent


def _read_node(element: Element, roles: dict[Element, Role]) -> Node:
    name = name_of(element)
    if name == "mrk" and element.get("mtype") == "seg":
        return Node(Role.BLOCK, (element,))
    is_kept = element.get("translate") == "no" or element.get("mtype") == "protected"
    text = "".join(str(text) for text in element.itertext())
    if name in _ENCLOSING and not is_kept:
        return Node(Role.LINK, (element,), text)
    if name in _STANDING and (role := _read_space(element, text)):
        return Node(role, (element,))
    return Node(roles.get(element, Role.POINT), (element,), text if name in _SHOWN else "")


def _read_space(element: Element, text: str) -> Role | None:
    """Return the role of an element that stands for a line break or a space; None if it stands for neither.

    Args:
        element: The element.
        text: The code in it.
    """
    kinds = {(element.get(name) or "").lower() for name in _KIND_ATTRIBUTES}
    shown = next((element.get(name, "") for name in _SHOWN_ATTRIBUTES if element.get(name)), text)
    if kinds & _BREAK_KINDS or _BREAK_CODE.fullmatch(text) or _BREAK_CODE.fullmatch(shown):
        return Role.BREAK
    if kinds & _IMAGE_KINDS:
        return Role.SPACE
    if not shown or shown.strip():
        return None
    return Role.BREAK if "\n" in shown else Role.SPACE


def _part_at_breaks(atoms: list[Atom]) -> list[Atom]:
    """Make the elements of a pair points if a sentence ends between them."""
    parted: set[int] = set()
    opened: list[int] = []
    last_break = -1
    for index, atom in enumerate(atoms):
        if not isinstance(atom, Node):
            continue
        if atom.role in (Role.BREAK, Role.BLOCK):
            last_break = index
        elif atom.role is Role.OPEN:
            opened.append(index)
        elif atom.role is Role.CLOSE and (opening := opened.pop()) < last_break:
            parted |= {opening, index}
    return [
        replace(atom, role=Role.POINT) if index in parted and isinstance(atom, Node) else atom
        for index, atom in enumerate(atoms)
    ]


def _pair_tags(elements: list[Element]) -> dict[Element, Role]:
    """Return the roles of empty elements that enclose words in pairs."""
    found: dict[Element, Role] = {}
    opened: list[tuple[str, Element]] = []
    counts: Counter[str] = Counter()  # of the keys of ``opened``
    for element in elements:
        name = name_of(element)
        if name in _OPENING:
            opened.append((_CLOSING[_OPENING.index(name)] + _key(element), element))
            counts[opened[-1][0]] += 1
            continue
        key = name + _key(element)
        while name in _CLOSING and counts[key]:
            other, partner = opened.pop()
            counts[other] -= 1
            if other == key:
                found[partner], found[element] = Role.OPEN, Role.CLOSE
                break
    return found


def _key(element: Element) -> str:
    return element.get("startRef") or element.get("rid") or element.get("id") or ""
