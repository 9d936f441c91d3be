"""A paragraph of an XML file: its content as fragments to translate, and the new content from their translations.

Formats write words and formatting in different ways, which a ``Codec`` reads and writes. This module does what is the
same in all of them: it decides which elements are tags of a fragment and where a sentence ends, joins words of one
formatting to one run, and puts every element back.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from app.files.formats.xml_atoms import (
    Atom,
    Codec,
    Content,
    Element,
    Node,
    Role,
    Style,
    Words,
    resolve_roles,
    set_content,
)
from app.files.fragment import CloseTag, Fragment, OpenTag, Piece, PointKind, PointTag

_KINDS: Final = {Role.INDEX: PointKind.INDEX, Role.SPACE: PointKind.SPACE}


@dataclass(frozen=True, slots=True)
class _Tag:
    """What a number of a fragment refers to: ``element``, or ``opening`` with ``closing``, or ``style``."""

    element: Element | None = None  # encloses words
    opening: tuple["str | Element", ...] = ()  # stand before words, or between them
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
        atoms = resolve_roles(codec, element)
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
        if node.role in _KINDS:
            yield PointTag(self._add_tag(_Tag(opening=node.written or node.elements)), node.word, _KINDS[node.role])
            return
        element = node.elements[0]
        if node.role is Role.INLINE:
            atoms = resolve_roles(self._codec, element)
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
                for atom in resolve_roles(self._codec, element)
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


def _most_common_style(atoms: Iterable[Atom]) -> Style | None:
    """Return the style of most of the words, which therefore needs no tag."""
    counts: Counter[Style | None] = Counter()
    for atom in atoms:
        if isinstance(atom, Words):
            counts[atom.style] += len(atom.text)
    return counts.most_common(1)[0][0] if counts else None
