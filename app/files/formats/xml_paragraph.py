"""A paragraph of an XML file: its content as fragments to translate, and the content made anew from translations.

How words and formatting are written differs between formats; a ``Codec`` knows it. What is the same everywhere is here:
which elements come back where, that words of one formatting are one run, and where a sentence must end.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from lxml import etree

from app.files.fragment import Close, Fragment, Open, Piece, Point

Element = etree._Element
Content = list["str | Element"]


class Role(Enum):
    INLINE = auto()  # encloses words of a sentence
    OPEN = auto()  # these two enclose words together, and are well nested within their parent
    CLOSE = auto()
    POINT = auto()  # stands between words, or for one
    START = auto()  # a mark that may stand earlier, or later, as long as it stands before its other one
    END = auto()
    BREAK = auto()  # ends a sentence; nothing in it is looked at
    BLOCK = auto()  # ends a sentence, and has sentences of its own
    DROPPED = auto()  # says nothing that would still be true of a translation


@dataclass(frozen=True, slots=True)
class Style:
    """The formatting of words; the same if ``key`` is. ``properties`` is for the codec."""

    key: str
    properties: Element | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Words:
    text: str
    style: Style | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """Elements in one role (several only of ``OPEN``, ``CLOSE`` and ``POINT``). ``word``: what a reader sees there."""

    role: Role
    elements: tuple[Element, ...]
    word: str = ""


Atom = Words | Node


class Codec(Protocol):
    """How a format writes paragraphs."""

    def atoms(self, element: Element) -> Iterable[Atom]:
        """The content of an element; elements in it are those of the file, or new ones that can stand for them."""
        ...

    def content(self, text: str, style: Style | None) -> Content:
        """Words as they are written."""
        ...


@dataclass(frozen=True, slots=True)
class _Tag:
    """What a number of a fragment stands for: one of these."""

    element: Element | None = None  # encloses words
    opening: tuple[Element, ...] = ()  # stand before words, or between them
    closing: tuple[Element, ...] = ()
    style: Style | None = None


class Scope:
    """The content of one element. ``inner``: the elements in it whose content is looked at by itself."""

    def __init__(self, element: Element, codec: Codec, breaks: dict[Element, bool]) -> None:
        """:param breaks: of elements that were looked into, whether a sentence ends in them."""
        self._breaks = breaks
        self.inner: list[Element] = []
        self._element = element
        self._codec = codec
        self._tags: list[_Tag] = []
        self._styles: dict[int, Style | None] = {}  # by the number of what encloses words
        self._base: Style | None = None
        self._items: list[Fragment | Element] = []
        self._starts: list[Piece] = []  # of the fragment that is being read, as are the next two
        self._ends: list[Piece] = []
        pieces: list[Piece] = []
        atoms = list(codec.atoms(element))
        self._base = _commonest(atoms)
        for piece in self._pieces(atoms, self._base):
            if isinstance(piece, etree._Element):
                self._items += [self._fragment(pieces), piece]
                pieces = []
            else:
                pieces.append(piece)
        self._items.append(self._fragment(pieces))

    @property
    def fragments(self) -> list[Fragment]:
        """Those that are to be translated."""
        return [item for item in self._items if isinstance(item, Fragment) and item.is_translated]

    def put(self, translations: Iterator[str]) -> None:
        """:param translations: of ``fragments``, taken from a longer line."""
        if not self.fragments:
            return
        content: Content = []
        for item in self._items:
            if isinstance(item, Fragment):
                content += self._built(item.translated(next(translations)) if item.is_translated else item.pieces)
            else:
                content.append(item)
        set_content(self._element, content)

    def _fragment(self, pieces: list[Piece]) -> Fragment:
        starts, ends, self._starts, self._ends = self._starts, self._ends, [], []
        return Fragment([*starts, *pieces, *ends])

    def _pieces(self, atoms: Sequence[Atom], base: Style | None) -> Iterator[Piece | Element]:
        styled: int | None = None  # the number of the style that is open
        opened: list[int] = []
        for atom in atoms:
            if isinstance(atom, Node) and atom.role in (Role.START, Role.END, Role.DROPPED):
                if atom.role is not Role.DROPPED:
                    edge = self._starts if atom.role is Role.START else self._ends
                    edge.append(Point(self._number(_Tag(opening=atom.elements))))
                continue
            style = atom.style if isinstance(atom, Words) else None
            if styled is not None and (not isinstance(atom, Words) or style != self._tags[styled].style):
                yield Close(styled)
                styled = None
            if isinstance(atom, Words):
                if style != base and styled is None:
                    styled = self._number(_Tag(style=style))
                    yield Open(styled)
                yield atom.text
            elif atom.role is Role.OPEN:
                opened.append(self._number(_Tag(opening=atom.elements)))
                yield Open(opened[-1])
            elif atom.role is Role.CLOSE:
                number = opened.pop()
                self._tags[number] = _Tag(opening=self._tags[number].opening, closing=atom.elements)
                yield Close(number)
            else:
                yield from self._node(atom)
        if styled is not None:
            yield Close(styled)

    def _node(self, node: Node) -> Iterator[Piece | Element]:
        element = node.elements[0]
        if node.role is Role.INLINE:
            atoms = list(self._codec.atoms(element))
            if not self._is_broken(element):
                base = _commonest(atoms)
                number = self._number(_Tag(element=element))
                self._styles[number] = base
                yield Open(number)
                yield from self._pieces(atoms, base)
                yield Close(number)
                return
        if node.role in (Role.INLINE, Role.BLOCK):
            self.inner.append(element)
            yield element
        elif node.role is Role.BREAK:
            yield element
        else:
            yield Point(self._number(_Tag(opening=node.elements)), node.word)

    def _is_broken(self, element: Element) -> bool:
        if element not in self._breaks:
            self._breaks[element] = any(
                isinstance(atom, Node)
                and (
                    atom.role in (Role.BREAK, Role.BLOCK)
                    or (atom.role is Role.INLINE and self._is_broken(atom.elements[0]))
                )
                for atom in self._codec.atoms(element)
            )
        return self._breaks[element]

    def _number(self, tag: _Tag) -> int:
        self._tags.append(tag)
        return len(self._tags) - 1

    def _built(self, pieces: Sequence[Piece]) -> Content:
        levels: list[Content] = [[]]
        styles = [self._base]
        for piece in pieces:
            if isinstance(piece, str):
                levels[-1] += self._codec.content(piece, styles[-1]) if piece else []
                continue
            tag = self._tags[piece.number]
            if isinstance(piece, Point):
                levels[-1] += tag.opening
            elif isinstance(piece, Open):
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


def scopes_of(element: Element, codec: Codec) -> list[Scope]:
    """The scopes of an element: its own, and those of blocks in it."""
    scopes: list[Scope] = []
    breaks: dict[Element, bool] = {}
    left = [element]  # no recursion: pages may nest blocks deeply
    while left:
        scopes.append(Scope(left.pop(), codec, breaks))
        left += reversed(scopes[-1].inner)
    return scopes


def content_of(element: Element) -> Content:
    """Texts and children, in their order; an entity that was not resolved is an element too."""
    content: Content = [element.text] if element.text else []
    for child in element:
        content.append(child)
        if child.tail:
            content.append(child.tail)
    return content


def set_content(element: Element, content: Content) -> None:
    """The opposite of ``content_of``; texts side by side become one."""
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


def _commonest(atoms: Iterable[Atom]) -> Style | None:
    """The style of most of the words; they need no tag."""
    counts: Counter[Style | None] = Counter()
    for atom in atoms:
        if isinstance(atom, Words):
            counts[atom.style] += len(atom.text)
    return counts.most_common(1)[0][0] if counts else None
