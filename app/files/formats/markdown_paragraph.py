"""The content of a paragraph of Markdown: fragments to translate, and what stands between them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.files.fragment import CloseTag, Fragment, OpenTag, Piece, PointKind, PointTag, drop_empty_tags

# Footnotes, check boxes, attributes, and raised and lowered numbers, which CommonMark reads as words.
_EXTENSION: Final = re.compile(
    r"\[\^[^\]\s]{1,100}\]:?|\A\[[ xX]\](?=\s)|\{[#.:][^{}]{0,200}\}|\[TOC\]|\A\[![A-Z]+\]"
    r"|(?<=\w)\^[\w+*†‡§,−-]{1,8}\^|(?<=\w)~\d{1,8}~(?!~)"
)
# Characters of a translation that would be read as syntax.
_ACTIVE: Final = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])|[`*]|<(?=[A-Za-z/!?])|(?<!\w)_|_(?!\w)|\](?=[(\[])|&(?=#?\w+;)|~(?=~)"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the paragraph, from ``start`` to ``end`` (exclusive), that is not only words.

    Attributes:
        kind: ``open``, ``close``, ``html open``, ``html close``, ``point``, ``index``, ``break``, ``picture``,
            ``word`` or ``words``.
        text: The words of a ``picture``, a ``word`` as a reader sees it, the meaning of ``words``, or the name of an
            HTML tag.
    """

    kind: str
    start: int
    end: int
    text: str = ""


@dataclass(slots=True)
class Inline:
    """A paragraph as fragments and the texts between them.

    Attributes:
        source: The paragraph.
        is_cell: Whether it is a cell of a table, which ``|`` ends.
        items: The fragments and texts.
    """

    source: str
    is_cell: bool
    items: list[Fragment | str] = field(default_factory=list)
    _tags: list[list[str]] = field(default_factory=list)  # by number, the text that opens and the text that closes
    _texts: dict[int, str] = field(default_factory=dict)  # by number, the words of pictures

    def fragments(self) -> Iterator[Fragment]:
        """Yield what is translated: the fragments, and the words of pictures."""
        for item in self.items:
            if isinstance(item, Fragment):
                if item.is_translated:
                    yield item
                for piece in item.pieces:
                    if isinstance(piece, PointTag) and piece.number in self._texts:
                        yield Fragment([self._texts[piece.number]])

    def write(self, translations: Iterator[str]) -> str:
        """Return the paragraph with the next translations; if they all equal their source, it is unchanged."""
        sources = [fragment.passage.text for fragment in self.fragments()]
        own = [next(translations) for _ in sources]
        return self.source if own == sources else self._write_items(iter(own))

    def _write_items(self, translations: Iterator[str]) -> str:
        texts: list[str] = []
        for item in self.items:
            if isinstance(item, str):
                texts.append(item)
                continue
            pieces = item.restore(next(translations)) if item.is_translated else item.pieces
            for piece in item.pieces:
                if isinstance(piece, PointTag) and piece.number in self._texts:
                    self._tags[piece.number].insert(1, next(translations))
            written = drop_empty_tags(pieces, lambda number: self._tags[number][0][:1] in ("*", "_", "~"))
            texts += [self._write_piece(piece) for piece in written]
        return "".join(texts)

    def _write_piece(self, piece: Piece) -> str:
        if isinstance(piece, str):
            escaped = _ACTIVE.sub(lambda found: "\\" + found.group(), piece)
            return escaped.replace("|", "\\|") if self.is_cell else escaped
        tag = self._tags[piece.number]
        return "".join(tag) if isinstance(piece, PointTag) else tag[-1] if isinstance(piece, CloseTag) else tag[0]

    def add(self, spans: Sequence[Span]) -> None:
        """Divide the paragraph into fragments. The spans are in the order of their offsets and well nested."""
        pieces: list[Piece] = []
        opened: list[int] = []
        offset = 0
        for span in [*spans, Span("break", len(self.source), len(self.source))]:
            pieces += self._read_words(self.source[offset : span.start])
            offset = span.end
            text = self.source[span.start : span.end]
            if span.kind == "words":
                pieces.append(span.text)
            elif span.kind == "open":
                opened.append(self._add_tag([text, ""]))
                pieces.append(OpenTag(opened[-1]))
            elif span.kind == "close":
                number = opened.pop()
                self._tags[number][1] = text
                pieces.append(CloseTag(number))
            elif span.kind == "picture":
                number = self._add_tag([text[:2], text[len(span.text) + 2 :]])
                self._texts[number] = span.text
                pieces.append(PointTag(number))
            elif span.kind == "break" and not opened:
                spaces = ""
                if pieces and isinstance(pieces[-1], str):
                    words = pieces[-1].rstrip(" \t")
                    pieces[-1], spaces = words, pieces[-1][len(words) :]
                self.items += [Fragment(pieces), spaces + text]
                pieces = []
            elif span.kind == "break":
                pieces.append(PointTag(self._add_tag([text]), kind=PointKind.SPACE))
            else:
                kind = PointKind.INDEX if span.kind == "index" else PointKind.WORD
                pieces.append(PointTag(self._add_tag([text]), span.text, kind))

    def _read_words(self, text: str) -> Iterator[Piece]:
        offset = 0
        for found in _EXTENSION.finditer(text):
            yield text[offset : found.start()]
            kind = PointKind.INDEX if found.group().startswith(("[^", "^", "~")) else PointKind.WORD
            yield PointTag(self._add_tag([found.group()]), kind=kind)
            offset = found.end()
        yield text[offset:]

    def _add_tag(self, tag: list[str]) -> int:
        self._tags.append(tag)
        return len(self._tags) - 1
