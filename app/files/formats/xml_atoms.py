"""The words and elements of an XML paragraph as a format's ``Codec`` reads and writes them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final, Protocol

from lxml import etree

from app.files.fragment import is_index

Element = etree._Element
Content = list["str | Element"]


class Role(Enum):
    """What an element means for the sentence around it."""

    INLINE = auto()  # encloses words of the sentence
    OPEN = auto()  # OPEN and CLOSE enclose words together, and are well nested within their parent
    CLOSE = auto()
    POINT = auto()  # stands between words, or for a word
    INDEX = auto()  # a raised or lowered number, or the reference of a note: stays at the word before it
    SPACE = auto()  # stands for one space, or divides words as a picture does
    RAISED = auto()  # INDEX if it encloses a number or a sign, otherwise INLINE
    LINK = auto()  # INDEX if it encloses a number that touches a word, otherwise INLINE
    REFERENCE = auto()  # INDEX if it shows a number that touches a word, otherwise POINT
    START = auto()  # one of two markers of a range: may move towards the start of the sentence
    END = auto()  # the other one: may move towards the end
    BREAK = auto()  # ends the sentence; its content is not read
    BLOCK = auto()  # ends the sentence, and its content has sentences of its own
    DROPPED = auto()  # describes the source words and would be wrong of a translation


@dataclass(frozen=True, slots=True)
class Style:
    """The formatting of words.

    Attributes:
        key: Equal for equal formatting.
        properties: What the codec needs to write the formatting.
        is_raised: Whether the words are raised or lowered.
    """

    key: str
    properties: Element | None = field(default=None, compare=False)
    is_raised: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """Words of one formatting."""

    text: str
    style: Style | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """Elements that have one role together.

    Attributes:
        role: Their role.
        elements: One element; several only for ``OPEN``, ``CLOSE``, ``POINT``, ``REFERENCE`` and ``INDEX``.
        word: What a reader sees there.
        written: The content to write for an ``INDEX`` that is more than ``elements``.
    """

    role: Role
    elements: tuple[Element, ...]
    word: str = ""
    written: tuple["str | Element", ...] = ()


Atom = Words | Node


class Codec(Protocol):
    """Reads and writes the paragraphs of a format."""

    def read_atoms(self, element: Element) -> Iterable[Atom]:
        """Return the content of an element; its nodes hold elements of the file, or new ones that replace them."""
        ...

    def write_words(self, text: str, style: Style | None) -> Content:
        """Return the content that shows words in a style."""
        ...


# The number of a note, perhaps in brackets.
_NOTE_NUMBER: Final = re.compile(r"\s*[(\[]?[\d,;–*†‡§-]{1,8}[)\]]?\s*")


def resolve_roles(codec: Codec, element: Element) -> list[Atom]:
    """Return the content of an element, in which ``RAISED``, ``LINK`` and ``REFERENCE`` are replaced.

    A number that a pair of ``OPEN`` and ``CLOSE`` encloses is an ``INDEX`` too where it touches the word before it.
    """
    found: list[Atom] = []
    raised: list[Words] = []  # side by side
    before = ""  # the last character of the words so far

    def end_raised() -> None:
        nonlocal before
        text = "".join(words.text for words in raised)
        if not text:
            return
        if is_index(text, before):
            written = [item for words in raised for item in codec.write_words(words.text, words.style)]
            found.append(Node(Role.INDEX, (), text, tuple(written)))
        else:
            found.extend(raised)
            before = text[-1]
        raised.clear()

    for atom in codec.read_atoms(element):
        if isinstance(atom, Words) and atom.style is not None and atom.style.is_raised:
            raised.append(atom)
            continue
        end_raised()
        if isinstance(atom, Words):
            before = atom.text[-1:] or before
        else:
            atom = _resolve_role(atom, before)
            before = before if not atom.word or atom.role is Role.INDEX else atom.word[-1]
        found.append(atom)
        if isinstance(atom, Node) and atom.role is Role.CLOSE:
            _join_number(found)
    end_raised()
    return found


def _join_number(atoms: list[Atom]) -> None:
    """Replace a pair at the end of the atoms by an index if it encloses a number that touches the word before it."""
    if len(atoms) < 4:
        return
    before, opening, words, closing = atoms[-4:]
    if not (isinstance(before, Words) and isinstance(words, Words)):
        return
    is_note = bool(before.text[-1:].strip()) and _NOTE_NUMBER.fullmatch(words.text) is not None
    if is_note and isinstance(opening, Node) and opening.role is Role.OPEN and isinstance(closing, Node):
        written: tuple[str | Element, ...] = (*opening.elements, words.text, *closing.elements)
        atoms[-3:] = [Node(Role.INDEX, (), words.text, written)]


def _resolve_role(node: Node, before: str) -> Node:
    is_note = bool(before.strip()) and _NOTE_NUMBER.fullmatch(node.word) is not None
    if node.role is Role.RAISED:
        return replace(node, role=Role.INDEX if is_index(node.word, before) else Role.INLINE)
    if node.role is Role.LINK:
        return replace(node, role=Role.INDEX if is_note else Role.INLINE)
    if node.role is Role.REFERENCE:
        return replace(node, role=Role.INDEX if is_note else Role.POINT)
    return node


def content_of(element: Element) -> Content:
    """Return the texts and children of an element in their order; an unresolved entity is an element too."""
    content: Content = [element.text] if element.text else []
    for child in element:
        content.append(child)
        if child.tail:
            content.append(child.tail)
    return content


def set_content(element: Element, content: Content) -> None:
    """Replace the texts and children of an element, the inverse of ``content_of``."""
    for child in list(element):
        child.tail = None
        element.remove(child)
    element.text = None
    last: Element | None = None
    for item in content:
        if not isinstance(item, str):
            item.tail = None
            element.append(item)
            last = item
        elif last is None:
            element.text = (element.text or "") + item
        else:
            last.tail = (last.tail or "") + item
