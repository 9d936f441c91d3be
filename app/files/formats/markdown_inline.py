"""One paragraph of Markdown -> fragments, and back: emphasis and links enclose words, code and pictures are marks.

markdown-it-py finds what is what, but does not say where it stands; its rules are listened to while they read.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Final

from markdown_it import MarkdownIt, rules_inline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from app.files.fragment import Close, Fragment, Open, Piece, Point, without_empty
from app.text.segmentation import needs_translation
from app.text.tag_roles import TagRole, select_tags

# Footnotes, boxes to tick and attributes, which plain Markdown takes for words.
_EXTENSION: Final = re.compile(r"\[\^[^\]\s]{1,100}\]:?|\A\[[ xX]\](?=\s)|\{[#.:][^{}]{0,200}\}|\[TOC\]|\A\[![A-Z]+\]")
_TAG: Final = re.compile(r"<(/?)([A-Za-z][\w-]*)[^>]*?(/?)>\Z", re.DOTALL)
_VOID: Final = select_tags(TagRole.MARKDOWN_VOID)
_ACTIVE: Final = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])|[`*]|<(?=[A-Za-z/!?])|(?<!\w)_|_(?!\w)|\](?=[(\[])|&(?=#?\w+;)|~(?=~)"
)

_Rule = Callable[[StateInline, bool], bool]
_RULES: Final[dict[str, _Rule]] = {
    "newline": rules_inline.newline,
    "escape": rules_inline.escape,
    "backticks": rules_inline.backtick,
    "strikethrough": rules_inline.strikethrough.tokenize,
    "emphasis": rules_inline.emphasis.tokenize,
    "link": rules_inline.link,
    "image": rules_inline.image,
    "autolink": rules_inline.autolink,
    "html_inline": rules_inline.html_inline,
    "entity": rules_inline.entity,
}


@dataclass(frozen=True, slots=True)
class _Span:
    """What a rule found. ``tokens``, each with its length as it was read, which later rules change.
    ``middle``: where the words of a link or picture end."""

    rule: str
    start: int
    end: int
    tokens: Sequence[tuple[Token, int]] = ()
    middle: int = 0


@dataclass(frozen=True, slots=True)
class _Mark:
    """A stretch of the paragraph that is not just words. ``kind``: ``open``, ``close``, ``html open``, ``html close``,
    ``point``, ``break``, ``picture`` (``text``: its words), ``word`` (``text``: as a reader sees it) or ``words``
    (``text``: what they mean).
    """

    kind: str
    start: int
    end: int
    text: str = ""


@dataclass(slots=True)
class Inline:
    """A paragraph: its fragments, with what stands between them."""

    source: str
    is_cell: bool
    items: list[Fragment | str] = field(default_factory=list)
    _tags: list[list[str]] = field(default_factory=list)  # what opens and what closes
    _texts: dict[int, str] = field(default_factory=dict)  # the words of pictures

    def passages(self) -> Iterator[Fragment]:
        for item in self.items:
            if isinstance(item, Fragment):
                if item.is_translated:
                    yield item
                for piece in item.pieces:
                    if isinstance(piece, Point) and piece.number in self._texts:
                        yield Fragment([self._texts[piece.number]])

    def written(self, translations: Iterator[str]) -> str:
        """The paragraph anew; if nothing is translated otherwise than it was, to the letter."""
        passages = [fragment.passage.text for fragment in self.passages()]
        given = [next(translations) for _ in passages]
        return self.source if given == passages else self._written(iter(given))

    def _written(self, translations: Iterator[str]) -> str:
        texts: list[str] = []
        for item in self.items:
            if isinstance(item, str):
                texts.append(item)
                continue
            pieces = item.translated(next(translations)) if item.is_translated else item.pieces
            for piece in item.pieces:
                if isinstance(piece, Point) and piece.number in self._texts:
                    self._tags[piece.number].insert(1, next(translations))
            texts += [self._piece(piece) for piece in without_empty(pieces, self._is_emphasis)]
        return "".join(texts)

    def _is_emphasis(self, number: int) -> bool:
        return self._tags[number][0][:1] in ("*", "_", "~")

    def _piece(self, piece: Piece) -> str:
        if isinstance(piece, str):
            escaped = _ACTIVE.sub(lambda found: "\\" + found.group(), piece)
            return escaped.replace("|", "\\|") if self.is_cell else escaped
        tag = self._tags[piece.number]
        return "".join(tag) if isinstance(piece, Point) else tag[-1] if isinstance(piece, Close) else tag[0]

    def add(self, marks: Sequence[_Mark]) -> None:
        pieces: list[Piece] = []
        opened: list[int] = []
        position = 0
        for mark in [*marks, _Mark("break", len(self.source), len(self.source))]:
            pieces += self._words(self.source[position : mark.start])
            position = mark.end
            written = self.source[mark.start : mark.end]
            if mark.kind == "words":
                pieces.append(mark.text)
            elif mark.kind == "open":
                opened.append(self._number([written, ""]))
                pieces.append(Open(opened[-1]))
            elif mark.kind == "close":
                number = opened.pop()
                self._tags[number][1] = written
                pieces.append(Close(number))
            elif mark.kind == "picture":
                number = self._number([written[:2], written[len(mark.text) + 2 :]])
                self._texts[number] = mark.text
                pieces.append(Point(number))
            elif mark.kind == "break" and not opened:
                spaces = ""
                if pieces and isinstance(pieces[-1], str):
                    words = pieces[-1].rstrip(" \t")
                    pieces[-1], spaces = words, pieces[-1][len(words) :]
                self.items += [Fragment(pieces), spaces + written]
                pieces = []
            else:
                pieces.append(Point(self._number([written]), mark.text))

    def _words(self, text: str) -> Iterator[Piece]:
        position = 0
        for found in _EXTENSION.finditer(text):
            yield text[position : found.start()]
            yield Point(self._number([found.group()]))
            position = found.end()
        yield text[position:]

    def _number(self, tag: list[str]) -> int:
        self._tags.append(tag)
        return len(self._tags) - 1


class InlineReader:
    """Reads paragraphs of one file. ``references``: its link definitions, as the parser collected them."""

    def __init__(self, references: dict[str, object]) -> None:
        self._parser = MarkdownIt("commonmark").enable("strikethrough")
        self._references = references
        self._source = ""
        self._spans: list[_Span] = []
        for name, rule in _RULES.items():
            self._parser.inline.ruler.at(name, self._heard(name, rule))

    def read(self, source: str, is_cell: bool) -> Inline:
        """:param is_cell: of a table, where ``|`` ends a cell."""
        self._source, self._spans = source, []
        self._parser.inline.parse(source, self._parser, self._references, [])
        inline = Inline(source, is_cell)
        inline.add(_nested(sorted(self._marks(), key=lambda mark: (mark.start, mark.end))))
        return inline

    def _heard(self, name: str, rule: _Rule) -> _Rule:
        def heard(state: StateInline, silent: bool) -> bool:
            start, count = state.pos, len(state.tokens)
            found = rule(state, silent)
            # The words of a picture are read by a parser within the parser.
            if found and not silent and len(state.src) == len(self._source):
                middle = 0
                if name in ("link", "image"):
                    middle = state.md.helpers.parseLinkLabel(state, start + (name == "image"), name == "link")
                tokens = [(token, len(token.content)) for token in state.tokens[count:]]
                self._spans.append(_Span(name, start, state.pos, tokens, middle))
            return found

        return heard

    def _marks(self) -> Iterator[_Mark]:
        for span in self._spans:
            start, end = span.start, span.end
            written = self._source[start:end]
            if span.rule == "link":
                yield _Mark("open", start, start + 1)
                yield _Mark("close", span.middle, end)
            elif span.rule == "image":
                words = self._source[start + 2 : span.middle]
                is_plain = needs_translation(words) and not re.search(r"[\\`*_\[\]<>&\n]", words)
                yield _Mark("picture" if is_plain else "point", start, end, words if is_plain else "")
            elif span.rule == "backticks":
                is_code = any(token.type == "code_inline" for token, _ in span.tokens)
                yield _Mark("word" if is_code else "words", start, end, written.strip("`" if is_code else ""))
            elif span.rule == "autolink":
                yield _Mark("word", start, end, written[1:-1])
            elif span.rule == "html_inline":
                yield _html_mark(start, end, written)
            elif span.rule == "newline" or (span.rule == "escape" and "\n" in written):
                is_hard = bool(span.tokens) and span.tokens[-1][0].type == "hardbreak"
                yield _Mark("break" if is_hard else "words", start, end, " ")
            elif span.rule in ("escape", "entity"):
                yield _Mark("words", start, end, written[1:] if span.rule == "escape" else unescape(written))
            else:
                yield from _delimiters(span)


def _html_mark(start: int, end: int, written: str) -> _Mark:
    found = _TAG.match(written)
    if found is None:
        return _Mark("point", start, end)
    closes, name, is_empty = found.groups()
    if name.lower() == "br":
        return _Mark("break", start, end)
    if is_empty or name.lower() in _VOID:
        return _Mark("point", start, end)
    return _Mark("html close" if closes else "html open", start, end, name.lower())


def _delimiters(span: _Span) -> Iterator[_Mark]:
    """Of a row of ``*``, ``_`` or ``~``: those that came to open or close something."""
    place = span.end
    for token, width in reversed(span.tokens):
        if place <= span.start:
            break
        place -= width
        kind = "open" if token.nesting > 0 else "close"
        if token.type in ("strong_open", "strong_close"):
            # Two tokens were made one: of those that open the second is left, of those that close the first.
            start = place - 1 if kind == "open" else place
            yield _Mark(kind, start, start + 2)
        elif token.nesting:
            yield _Mark(kind, place, place + width)


def _nested(marks: Sequence[_Mark]) -> list[_Mark]:
    """Without marks in others, and with tags of HTML that are not closed as marks between words."""
    outer: list[_Mark] = []
    for mark in marks:
        if not outer or mark.start >= outer[-1].end:
            outer.append(mark)
    partners: set[int] = set()
    opened: list[int] = []
    for place, mark in enumerate(outer):
        if mark.kind in ("open", "html open"):
            opened.append(place)
        elif mark.kind == "close":
            while opened and outer[opened[-1]].kind != "open":
                opened.pop()
            if opened:
                partners |= {opened.pop(), place}
        elif mark.kind == "html close" and opened and outer[opened[-1]].text == mark.text:
            partners |= {opened.pop(), place}
    return [
        _Mark(mark.kind.removeprefix("html "), mark.start, mark.end)
        if place in partners
        else _Mark("point", mark.start, mark.end)
        if mark.kind.endswith(("open", "close"))
        else mark
        for place, mark in enumerate(outer)
    ]
