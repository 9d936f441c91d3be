"""A paragraph of Markdown as fragments: emphasis and links enclose words, code and pictures are tags between words.

markdown-it-py finds the syntax but does not report its offsets, so functions that record them wrap the rules of its
parser.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Final

from markdown_it import MarkdownIt, rules_inline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from app.files.formats.markdown_paragraph import Inline, Span
from app.files.fragment import is_index
from app.text.segmentation import needs_translation
from app.text.tag_roles import TagRole, select_tags

_TAG: Final = re.compile(r"<(/?)([A-Za-z][\w-]*)[^>]*?(/?)>\Z", re.DOTALL)
_VOID: Final = select_tags(TagRole.MARKDOWN_VOID)
_WORDS: Final = select_tags(TagRole.EPUB_WORD)  # what they enclose is code

_JOINED: Final = _WORDS | {"sub", "sup"}
_NOTE: Final = re.compile(r"\\?\[?[\d,;*†‡§-]{1,8}\\?\]?")  # the number of a note

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
        spans += [*_join_tags(source, spans), *(Span("word", *edges, source[slice(*edges)]) for edges in kept)]
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

    def _find_spans(self) -> Iterator[Span]:
        for match in self._matches:
            start, end = match.start, match.end
            text = self._source[start:end]
            if match.rule == "link":
                if _NOTE.fullmatch(self._source, start + 1, match.middle) and self._source[start - 1 : start].strip():
                    yield Span("index", start, end, self._source[start + 1 : match.middle])
                    continue
                yield Span("open", start, start + 1)
                yield Span("close", match.middle, end)
            elif match.rule == "image":
                words = self._source[start + 2 : match.middle]
                is_plain = needs_translation(words) and not re.search(r"[\\`*_\[\]<>&\n]", words)
                yield Span("picture" if is_plain else "point", start, end, words if is_plain else "")
            elif match.rule == "backticks":
                is_code = any(token.type == "code_inline" for token, _ in match.tokens)
                yield Span("word" if is_code else "words", start, end, text.strip("`" if is_code else ""))
            elif match.rule == "autolink":
                yield Span("word", start, end, text[1:-1])
            elif match.rule == "html_inline":
                yield _read_html_tag(start, end, text)
            elif match.rule == "newline" or (match.rule == "escape" and "\n" in text):
                is_hard = bool(match.tokens) and match.tokens[-1][0].type == "hardbreak"
                yield Span("break" if is_hard else "words", start, end, " ")
            elif match.rule in ("escape", "entity"):
                yield Span("words", start, end, text[1:] if match.rule == "escape" else unescape(text))
            else:
                yield from _read_delimiters(match)


def _read_html_tag(start: int, end: int, text: str) -> Span:
    found = _TAG.match(text)
    name = "" if found is None else found[2].lower()
    if found is None or found[3] or name in _VOID:
        return Span("break" if name == "br" else "point", start, end)
    return Span("html close" if found[1] else "html open", start, end, name)


def _join_tags(source: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Yield the tags of code, as of ``<kbd>``, and those of a raised number together with what they enclose."""
    opened: dict[str, Span] = {}
    for span in spans:
        if span.kind == "html open" and span.text in _JOINED:
            opened.setdefault(span.text, span)
        elif span.kind == "html close" and (first := opened.pop(span.text, None)):
            content = unescape(source[first.end : span.start])
            if span.text in _WORDS:
                yield Span("word", first.start, span.end, content)
            elif is_index(content, source[first.start - 1 : first.start]):
                yield Span("index", first.start, span.end, content)


def _read_delimiters(match: _Match) -> Iterator[Span]:
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
            yield Span(kind, start, start + 2)
        elif token.nesting:
            yield Span(kind, offset, offset + width)


def _nest(spans: Sequence[Span]) -> list[Span]:
    """Remove spans within others, and make points of tags that are not paired."""
    outer: list[Span] = []
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
        Span(span.kind.removeprefix("html ") if index in paired else "point", span.start, span.end)
        if span.kind.endswith(("open", "close"))
        else span
        for index, span in enumerate(outer)
    ]
