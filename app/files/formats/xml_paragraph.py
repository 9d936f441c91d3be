"""A paragraph of an XML file: its content as fragments to translate, and the new content from their translations.

Formats write words and formatting in different ways, which a ``Codec`` reads and writes. This module does what is the
same in all of them: it decides which elements are tags of a fragment and where a sentence ends, joins words of one
formatting to one run, and puts every element back.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from lxml import etree

from app.files.document import CloseTag, Fragment, OpenTag, Piece, PointTag

Element = etree._Element
Content = list["str | Element"]


class Role(Enum):
    """What an element means for the sentence around it."""

    INLINE = auto()  # encloses words of the sentence
    OPEN = auto()  # OPEN and CLOSE enclose words together, and are well nested within their parent
    CLOSE = auto()
    POINT = auto()  # stands between words, or for a word
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
    """

    key: str
    properties: Element | None = field(default=None, compare=False)


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
        elements: One element; several only for ``OPEN``, ``CLOSE`` and ``POINT``.
        word: What a reader sees there.
    """

    role: Role
    elements: tuple[Element, ...]
    word: str = ""


Atom = Words | Node


class Codec(Protocol):
    """Reads and writes the paragraphs of a format."""

    def read_atoms(self, element: Element) -> Iterable[Atom]:
        """Return the content of an element; its nodes hold elements of the file, or new ones that replace them."""
        ...

    def write_words(self, text: str, style: Style | None) -> Content:
        """Return the content that shows words in a style."""
        ...


@dataclass(frozen=True, slots=True)
class _Tag:
    """What a number of a fragment refers to: ``element``, or ``opening`` with ``closing``, or ``style``."""

    element: Element | None = None  # encloses words
    opening: tuple[Element, ...] = ()  # stand before words, or between them
    closing: tuple[Element, ...] = ()  # stand behind words
    style: Style | None = None


class Scope:
    """The content of one element as fragments.

    Attributes:
        inner: The elements in it whose content has a scope of its own.
    """

    def __init__(self, element: Element, codec: Codec, breaks: dict[Element, bool]) -> None:
        """Read the content.

        Args:
            element: The element.
            codec: Reads and writes the content.
            breaks: A cache, shared by the scopes of a paragraph: whether a sentence ends in an element.
        """
        self._breaks = breaks
        self.inner: list[Element] = []
        self._element = element
        self._codec = codec
        self._tags: list[_Tag] = []
        self._styles: dict[int, Style | None] = {}  # within an enclosing element, by its number
        self._base: Style | None = None
        self._items: list[Fragment | Element] = []
        self._starts: list[Piece] = []  # range markers of the fragment that is being read
        self._ends: list[Piece] = []
        pieces: list[Piece] = []
        atoms = list(codec.read_atoms(element))
        self._base = _most_common_style(atoms)
        for piece in self._read_pieces(atoms, self._base):
            if isinstance(piece, etree._Element):
                self._items += [self._end_fragment(pieces), piece]
                pieces = []
            else:
                pieces.append(piece)
        self._items.append(self._end_fragment(pieces))

    @property
    def fragments(self) -> list[Fragment]:
        """The fragments to translate."""
        return [item for item in self._items if isinstance(item, Fragment) and item.is_translated]

    def write(self, translations: Iterator[str]) -> None:
        """Replace the content of the element.

        Args:
            translations: Yields those of ``fragments``, and then those of other scopes.
        """
        if not self.fragments:
            return
        content: Content = []
        for item in self._items:
            if isinstance(item, Fragment):
                content += self._build(item.restore(next(translations)) if item.is_translated else item.pieces)
            else:
                content.append(item)
        set_content(self._element, content)

    def _end_fragment(self, pieces: list[Piece]) -> Fragment:
        starts, ends, self._starts, self._ends = self._starts, self._ends, [], []
        return Fragment([*starts, *pieces, *ends])

    def _read_pieces(self, atoms: Sequence[Atom], base: Style | None) -> Iterator[Piece | Element]:
        """Yield words and tags; an element ends a fragment."""
        styled: int | None = None  # the number of the style that is open
        opened: list[int] = []
        for atom in atoms:
            if isinstance(atom, Node) and atom.role in (Role.START, Role.END, Role.DROPPED):
                if atom.role is not Role.DROPPED:
                    edge = self._starts if atom.role is Role.START else self._ends
                    edge.append(PointTag(self._add_tag(_Tag(opening=atom.elements))))
                continue
            style = atom.style if isinstance(atom, Words) else None
            if styled is not None and (not isinstance(atom, Words) or style != self._tags[styled].style):
                yield CloseTag(styled)
                styled = None
            if isinstance(atom, Words):
                if style != base and styled is None:
                    styled = self._add_tag(_Tag(style=style))
                    yield OpenTag(styled)
                yield atom.text
            elif atom.role is Role.OPEN:
                opened.append(self._add_tag(_Tag(opening=atom.elements)))
                yield OpenTag(opened[-1])
            elif atom.role is Role.CLOSE:
                number = opened.pop()
                self._tags[number] = _Tag(opening=self._tags[number].opening, closing=atom.elements)
                yield CloseTag(number)
            else:
                yield from self._read_node(atom)
        if styled is not None:
            yield CloseTag(styled)

    def _read_node(self, node: Node) -> Iterator[Piece | Element]:
        element = node.elements[0]
        if node.role is Role.INLINE:
            atoms = list(self._codec.read_atoms(element))
            if not self._is_broken(element):
                base = _most_common_style(atoms)
                number = self._add_tag(_Tag(element=element))
                self._styles[number] = base
                yield OpenTag(number)
                yield from self._read_pieces(atoms, base)
                yield CloseTag(number)
                return
        if node.role in (Role.INLINE, Role.BLOCK):
            self.inner.append(element)
            yield element
        elif node.role is Role.BREAK:
            yield element
        else:
            yield PointTag(self._add_tag(_Tag(opening=node.elements)), node.word)

    def _is_broken(self, element: Element) -> bool:
        """Tell whether a sentence ends in the element."""
        if element not in self._breaks:
            self._breaks[element] = any(
                isinstance(atom, Node)
                and (
                    atom.role in (Role.BREAK, Role.BLOCK)
                    or (atom.role is Role.INLINE and self._is_broken(atom.elements[0]))
                )
                for atom in self._codec.read_atoms(element)
            )
        return self._breaks[element]

    def _add_tag(self, tag: _Tag) -> int:
        self._tags.append(tag)
        return len(self._tags) - 1

    def _build(self, pieces: Sequence[Piece]) -> Content:
        levels: list[Content] = [[]]
        styles = [self._base]
        for piece in pieces:
            if isinstance(piece, str):
                levels[-1] += self._codec.write_words(piece, styles[-1]) if piece else []
                continue
            tag = self._tags[piece.number]
            if isinstance(piece, PointTag):
                levels[-1] += tag.opening
            elif isinstance(piece, OpenTag):
                levels[-1] += tag.opening
                if tag.element is not None:
                    levels.append([])
                styles.append(tag.style or self._styles.get(piece.number, styles[-1]))
            else:
                styles.pop()
                if tag.element is not None:
                    set_content(tag.element, levels.pop())
                    levels[-1].append(tag.element)
                levels[-1] += tag.closing
        return levels[0]


def read_scopes(element: Element, codec: Codec) -> list[Scope]:
    """Return the scopes with fragments to translate of an element and of the blocks in it."""
    scopes: list[Scope] = []
    breaks: dict[Element, bool] = {}
    left = [element]  # a list instead of recursion, because pages may nest blocks deeply
    while left:
        scope = Scope(left.pop(), codec, breaks)
        left += reversed(scope.inner)
        scopes += [scope] if scope.fragments else []
    return scopes


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


def _most_common_style(atoms: Iterable[Atom]) -> Style | None:
    """Return the style of most of the words, which therefore needs no tag."""
    counts: Counter[Style | None] = Counter()
    for atom in atoms:
        if isinstance(atom, Words):
            counts[atom.style] += len(atom.text)
    return counts.most_common(1)[0][0] if counts else None
