"""A paragraph of Markdown as fragments: emphasis and links enclose words, code and pictures are tags between words.

markdown-it-py finds the syntax but does not report its offsets, so functions that record them wrap the rules of its
parser.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Final

from markdown_it import MarkdownIt, rules_inline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from app.files.fragment import CloseTag, Fragment, OpenTag, Piece, PointTag, drop_empty_tags
from app.text.segmentation import needs_translation
from app.text.tag_roles import TagRole, select_tags

# Footnotes, check boxes and attributes, which CommonMark reads as words.
_EXTENSION: Final = re.compile(r"\[\^[^\]\s]{1,100}\]:?|\A\[[ xX]\](?=\s)|\{[#.:][^{}]{0,200}\}|\[TOC\]|\A\[![A-Z]+\]")
_TAG: Final = re.compile(r"<(/?)([A-Za-z][\w-]*)[^>]*?(/?)>\Z", re.DOTALL)
_VOID: Final = select_tags(TagRole.MARKDOWN_VOID)
_WORDS: Final = select_tags(TagRole.EPUB_WORD)  # what they enclose is code
# Characters of a translation that would be read as syntax.
_ACTIVE: Final = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])|[`*]|<(?=[A-Za-z/!?])|(?<!\w)_|_(?!\w)|\](?=[(\[])|&(?=#?\w+;)|~(?=~)"
)

_Rule = Callable[[StateInline, bool], bool]
_NAMED_RULES: Final = ("newline", "escape", "link", "image", "autolink", "html_inline", "entity")
_RULES: Final[dict[str, _Rule]] = {
    **{name: getattr(rules_inline, name) for name in _NAMED_RULES},
    "backticks": rules_inline.backtick,
    "strikethrough": rules_inline.strikethrough.tokenize,
    "emphasis": rules_inline.emphasis.tokenize,
}


@dataclass(frozen=True, slots=True)
class _Match:
    """What a rule of the parser matched, from the offset ``start`` to ``end`` (exclusive).

    Attributes:
        rule: The name of the rule.
        tokens: The tokens that the rule made, each with its length at that time, because later rules change it.
        middle: The offset behind the words of a link or picture.
    """

    rule: str
    start: int
    end: int
    tokens: Sequence[tuple[Token, int]] = ()
    middle: int = 0


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of the paragraph, from ``start`` to ``end`` (exclusive), that is not only words.

    Attributes:
        kind: ``open``, ``close``, ``html open``, ``html close``, ``point``, ``break``, ``picture``, ``word`` or
            ``words``.
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

    def add(self, spans: Sequence[_Span]) -> None:
        """Divide the paragraph into fragments. The spans are in the order of their offsets and well nested."""
        pieces: list[Piece] = []
        opened: list[int] = []
        offset = 0
        for span in [*spans, _Span("break", len(self.source), len(self.source))]:
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
            else:
                pieces.append(PointTag(self._add_tag([text]), span.text))

    def _read_words(self, text: str) -> Iterator[Piece]:
        offset = 0
        for found in _EXTENSION.finditer(text):
            yield text[offset : found.start()]
            yield PointTag(self._add_tag([found.group()]))
            offset = found.end()
        yield text[offset:]

    def _add_tag(self, tag: list[str]) -> int:
        self._tags.append(tag)
        return len(self._tags) - 1


class InlineReader:
    """Reads the paragraphs of one file."""

    def __init__(self, references: dict[str, object]) -> None:
        """Make a parser whose rules record what they match.

        Args:
            references: The link definitions of the file, as the parser of its blocks collected them.
        """
        self._parser = MarkdownIt("commonmark").enable("strikethrough")
        self._references = references
        self._source = ""
        self._matches: list[_Match] = []
        for name, rule in _RULES.items():
            self._parser.inline.ruler.at(name, self._record(name, rule))

    def read(self, source: str, is_cell: bool, kept: Iterable[tuple[int, int]] = ()) -> Inline:
        """Read a paragraph; ``is_cell`` as in ``Inline``, ``kept`` are the edges of words that stay, as formulas."""
        self._source, self._matches = source, []
        self._parser.inline.parse(source, self._parser, self._references, [])
        inline = Inline(source, is_cell)
        spans = sorted(self._find_spans(), key=lambda span: (span.start, span.end))
        spans += [*_join_code(source, spans), *(_Span("word", *edges, source[slice(*edges)]) for edges in kept)]
        inline.add(_nest(sorted(spans, key=lambda span: (span.start, -span.end))))
        return inline

    def _record(self, name: str, rule: _Rule) -> _Rule:
        """Wrap a rule of the parser so that its matches are recorded."""

        def recorded(state: StateInline, silent: bool) -> bool:
            start, count = state.pos, len(state.tokens)
            found = rule(state, silent)
            # The words of a picture are read by a nested parser, whose offsets are not those of the paragraph.
            if found and not silent and len(state.src) == len(self._source):
                middle = 0
                if name in ("link", "image"):
                    middle = state.md.helpers.parseLinkLabel(state, start + (name == "image"), name == "link")
                tokens = [(token, len(token.content)) for token in state.tokens[count:]]
                self._matches.append(_Match(name, start, state.pos, tokens, middle))
            return found

        return recorded

    def _find_spans(self) -> Iterator[_Span]:
        for match in self._matches:
            start, end = match.start, match.end
            text = self._source[start:end]
            if match.rule == "link":
                yield _Span("open", start, start + 1)
                yield _Span("close", match.middle, end)
            elif match.rule == "image":
                words = self._source[start + 2 : match.middle]
                is_plain = needs_translation(words) and not re.search(r"[\\`*_\[\]<>&\n]", words)
                yield _Span("picture" if is_plain else "point", start, end, words if is_plain else "")
            elif match.rule == "backticks":
                is_code = any(token.type == "code_inline" for token, _ in match.tokens)
                yield _Span("word" if is_code else "words", start, end, text.strip("`" if is_code else ""))
            elif match.rule == "autolink":
                yield _Span("word", start, end, text[1:-1])
            elif match.rule == "html_inline":
                yield _read_html_tag(start, end, text)
            elif match.rule == "newline" or (match.rule == "escape" and "\n" in text):
                is_hard = bool(match.tokens) and match.tokens[-1][0].type == "hardbreak"
                yield _Span("break" if is_hard else "words", start, end, " ")
            elif match.rule in ("escape", "entity"):
                yield _Span("words", start, end, text[1:] if match.rule == "escape" else unescape(text))
            else:
                yield from _read_delimiters(match)


def _read_html_tag(start: int, end: int, text: str) -> _Span:
    found = _TAG.match(text)
    name = "" if found is None else found[2].lower()
    if found is None or found[3] or name in _VOID:
        return _Span("break" if name == "br" else "point", start, end)
    return _Span("html close" if found[1] else "html open", start, end, name)


def _join_code(source: str, spans: Sequence[_Span]) -> Iterator[_Span]:
    """Yield the tags of code, as of ``<kbd>``, together with what they enclose."""
    opened: dict[str, _Span] = {}
    for span in spans:
        if span.kind == "html open" and span.text in _WORDS:
            opened.setdefault(span.text, span)
        elif span.kind == "html close" and (first := opened.pop(span.text, None)):
            yield _Span("word", first.start, span.end, unescape(source[first.end : span.start]))


def _read_delimiters(match: _Match) -> Iterator[_Span]:
    """Yield those of a row of ``*``, ``_`` or ``~`` that open or close emphasis."""
    offset = match.end
    for token, width in reversed(match.tokens):
        if offset <= match.start:
            break
        offset -= width
        kind = "open" if token.nesting > 0 else "close"
        if token.type in ("strong_open", "strong_close"):
            # The parser joined two tokens: of two that open it keeps the second, of two that close the first.
            start = offset - 1 if kind == "open" else offset
            yield _Span(kind, start, start + 2)
        elif token.nesting:
            yield _Span(kind, offset, offset + width)


def _nest(spans: Sequence[_Span]) -> list[_Span]:
    """Remove spans within others, and make points of tags that are not paired."""
    outer: list[_Span] = []
    for span in spans:
        if not outer or span.start >= outer[-1].end:
            outer.append(span)
    paired: set[int] = set()
    opened: list[int] = []
    for index, span in enumerate(outer):
        if span.kind in ("open", "html open"):
            opened.append(index)
        elif span.kind == "close":
            while opened and outer[opened[-1]].kind != "open":
                opened.pop()
            if opened:
                paired |= {opened.pop(), index}
        elif span.kind == "html close" and opened and outer[opened[-1]].text == span.text:
            paired |= {opened.pop(), index}
    return [
        _Span(span.kind.removeprefix("html ") if index in paired else "point", span.start, span.end)
        if span.kind.endswith(("open", "close"))
        else span
        for index, span in enumerate(outer)
    ]
