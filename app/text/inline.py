"""A document -> its texts from one boundary to the next, without the tags in them: what can be cut into sentences.

A *tag* here is anything that is taken out of such a text and goes back into its translation: a tag or a comment, an
emoji, a sign that the model cannot read, a line break within a sentence. An element that is kept from the model but
stands for a word (``<code>``) leaves one private-use character, which is masked as a placeholder is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final, Literal

import regex

from app.text.asides import Aside, AsideKind, find_asides
from app.text.elements import Item, Role, assign_roles, cut_at_syntax
from app.text.markup import Span, find_message_syntax, unescape, unescape_offsets
from app.text.masking import TextRules
from app.text.placeholder_kinds import FIRST_ELEMENT_CODE, MAX_ELEMENTS
from app.text.tag_roles import TagRules
from app.text.wrapped_lines import find_soft_breaks, is_in_break

TextFormat = Literal["text", "html", "xml"]
# Where a text is cut: at the ends of sentences and lines, of sentences alone, or nowhere.
Splitting = Literal["lines", "sentences", "none"]

_SPACES: Final = regex.compile(r"[ \t\r\n\f]++")
_INVISIBLE: Final = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_BLANK_LINE: Final = regex.compile(r"\n\s*\n|\r\s*\r")
_CLOSES: Final = frozenset(".,;:!?…)]»")
_JOINT: Final = regex.compile(r"[.,:][^\W_]")  # it belongs to the word or number behind it
_ELEMENT_CHARACTER: Final = regex.compile(f"[{chr(FIRST_ELEMENT_CODE)}-{chr(FIRST_ELEMENT_CODE + MAX_ELEMENTS)}]")


class TagKind(Enum):
    """How a tag stands among words."""

    OPEN = auto()
    CLOSE = auto()
    POINT = auto()
    LEAD = auto()  # a point that belongs to what follows it
    SPACE = auto()  # characters of the document for which the text has one space


@dataclass(frozen=True, slots=True)
class InlineTag:
    """A tag, comment, emoji, sign or line break that was taken out of a text.

    Attributes:
        kind: How it stands among words.
        offset: Of the character of the text before which it stands.
        start: Offset of its first character in the document.
        written: Its characters in the document.
        partner: Offset in the document of the other tag of its element, None where there is none.
        spaces: Whether white space stands before it, and behind it.
    """

    kind: TagKind
    offset: int
    start: int
    written: str
    partner: int | None = None
    spaces: tuple[bool, bool] = (False, False)


@dataclass(frozen=True, slots=True)
class Flow:
    """A text from one boundary of a document to the next.

    Attributes:
        text: Its characters, without tags.
        starts: Where each character of the text begins in the document.
        ends: Where each of them ends in the document.
        is_markup: Whether it is a text between tags, with character references.
        is_whole: Whether the request says that it is one sentence.
        tags: What was taken out, in order.
        elements: By their private-use characters, the elements that are kept from the model.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    is_markup: bool = False
    is_whole: bool = False
    tags: tuple[InlineTag, ...] = ()
    elements: Mapping[str, str] = field(default_factory=dict)

    def find_tags(self, start: int, end: int) -> tuple[InlineTag, ...]:
        """Returns the tags between the characters of a part of the text, not at its edges."""
        first = bisect_right(self.tags, start, key=lambda tag: tag.offset)
        return self.tags[first : bisect_left(self.tags, end, lo=first, key=lambda tag: tag.offset)]


def extract_flows(
    document: str, text_format: TextFormat, tag_rules: TagRules, splitting: Splitting | None, rules: TextRules
) -> Iterator[Flow]:
    """Splits a document at its boundaries and takes the tags out of its texts.

    Args:
        document: Plain text, HTML or XML.
        text_format: Which of them.
        tag_rules: What the request says about tags.
        splitting: Where texts are cut; None for ``lines``, or ``sentences`` in HTML, where a line break is a space. A
            blank line ends a sentence in any case.
        rules: Give the placeholders. Where masking is off, nothing restores an element that is kept from the model, so
            such an element is a boundary.

    Yields:
        The texts in order; what they leave out of the document stays as it is.
    """
    soft_breaks: list[Span] = []
    if text_format == "text":
        soft_breaks = find_soft_breaks(document) if splitting is None else []
        if (
            splitting in (None, "lines")
            and not soft_breaks
            and not find_message_syntax(document)
            and not find_asides(document, rules)
        ):
            yield Flow(document, range(len(document)), range(1, len(document) + 1))
            return
        items = [Item(Role.TEXT, 0, len(document))] if document else []
    else:
        is_xml = text_format == "xml"
        items = assign_roles(document, tag_rules, is_xml, rules.finder)
        is_html = not is_xml and any(item.role is not Role.TEXT for item in items)
        splitting = splitting or ("sentences" if is_html else "lines")
    collector = _Collector(document, rules, text_format != "text", splitting or "lines")
    collector.soft_breaks = soft_breaks
    for item in cut_at_syntax(items, find_message_syntax(document)):
        is_boundary = item.role is Role.BOUNDARY or (item.role is Role.WORD and not collector.can_keep())
        if is_boundary:
            collector.end_flow()
        elif item.role is Role.TEXT:
            collector.add_text(item.start, item.end)
        else:
            collector.add_markup(item)
        yield from collector.take_flows()
    collector.end_flow()
    yield from collector.take_flows()


class _Collector:
    """Collects the flows of a document."""

    def __init__(self, document: str, rules: TextRules, is_markup: bool, splitting: Splitting) -> None:
        self._document = document
        self._rules = rules
        self._is_markup = is_markup
        self._splitting = splitting
        self._flows: list[Flow] = []
        self.soft_breaks: list[Span] = []  # in the document, those that are spaces
        self._begin_flow()

    def _begin_flow(self) -> None:
        self._text: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._tags: list[InlineTag] = []
        self._elements: dict[str, str] = {}
        self._is_behind_aside = False

    def end_flow(self) -> None:
        """Ends a flow, if there is a text in it, and begins the next one."""
        if self._text:
            flow = Flow(
                text="".join(self._text),
                starts=self._starts,
                ends=self._ends,
                is_markup=self._is_markup,
                is_whole=self._splitting == "none",
                tags=tuple(self._tags),
                elements=self._elements,
            )
            self._flows.append(flow)
        self._begin_flow()

    def take_flows(self) -> list[Flow]:
        """Returns the flows that ended since the last call."""
        flows, self._flows = self._flows, []
        return flows

    def can_keep(self) -> bool:
        """Tells whether the flow can hold one more element that is kept from the model."""
        return self._rules.masking and len(self._elements) < MAX_ELEMENTS

    def add_markup(self, item: Item) -> None:
        """Takes an item out of the text, or puts one character for an element that is kept from the model."""
        if item.role is Role.WORD:
            character = chr(FIRST_ELEMENT_CODE + len(self._elements))
            self._elements[character] = self._document[item.start : item.end]
            self._add(character, [item.start], [item.end])
            return
        if item.role is Role.SPACE:
            self._add_tag(TagKind.SPACE, item.start, item.end)
            self._add(" ", [item.start], [item.end])
            return
        kind = TagKind.LEAD if item.leads else TagKind[item.role.name]
        self._add_tag(kind, item.start, item.end, item.partner)
        if kind is TagKind.POINT:
            self._is_behind_aside = _JOINT.match(self._document, item.end) is None

    def _add_tag(self, kind: TagKind, start: int, end: int, partner: int | None = None) -> None:
        document = self._document
        spaces = document[start - 1 : start].isspace() if start else False, document[end : end + 1].isspace()
        self._tags.append(InlineTag(kind, len(self._text), start, document[start:end], partner, spaces))

    def add_text(self, start: int, end: int) -> None:
        """Adds a text of the document, from offset ``start`` to ``end``, without what is taken out of it."""
        raw = self._document[start:end]
        text = unescape(raw) if self._is_markup else raw
        if self._is_markup and _ELEMENT_CHARACTER.search(text):
            # The text's own character cannot be told from one that stands for an element.
            self.add_markup(Item(Role.POINT, start, end))
            return
        if text is raw or "&" not in raw:
            offsets: Sequence[int] = range(start, end + 1)
        else:
            offsets = [start + offset for offset in unescape_offsets(raw)]
        done = 0
        for aside in find_asides(text, self._rules, self._is_markup):
            if not is_in_break(self.soft_breaks, offsets[aside.start]):
                self._add_spaced(text, done, aside.start, offsets)
                self._add_aside(aside, text, offsets)
                done = aside.end
        self._add_spaced(text, done, len(text), offsets)

    def _add_spaced(self, text: str, start: int, end: int, offsets: Sequence[int]) -> None:
        """Adds a part of a text in which nothing is taken out but line breaks."""
        if self.soft_breaks:
            start = self._add_wrapped(text, start, end, offsets)
        for spaces in _SPACES.finditer(text, start, end) if self._splitting != "lines" else ():
            before, behind = spaces.span()
            self._add(text[start:before], offsets[start:before], offsets[start + 1 : before + 1])
            self._add_space(spaces.group(), offsets[before : behind + 1])
            start = behind
        self._add(text[start:end], offsets[start:end], offsets[start + 1 : end + 1])

    def _add_wrapped(self, text: str, start: int, end: int, offsets: Sequence[int]) -> int:
        """Adds the part of a text up to its last soft break; the offsets are those of a plain text."""
        base = offsets[0]
        first = bisect_left(self.soft_breaks, (base + start, 0))
        for before, behind in self.soft_breaks[first:]:
            before, behind = before - base, behind - base
            if behind > end:
                break
            self._add(text[start:before], offsets[start:before], offsets[start + 1 : before + 1])
            if text[before].isspace():
                self._add_space(text[before:behind], offsets[before : behind + 1])
            else:
                self._add_tag(TagKind.SPACE, offsets[before] + 1, offsets[behind])
            start = behind
        return start

    def _add(self, text: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        if not text:
            return
        if text[0] == " " and self._text and self._text[-1] == " ":  # of two spaces with a tag between, one remains
            text, starts, ends = text[1:], starts[1:], ends[1:]
        elif self._is_behind_aside and text[0] in _CLOSES and self._text and self._text[-1] == " ":
            self._drop_space()
        self._is_behind_aside = self._is_behind_aside and not text
        self._text.extend(text)
        self._starts.extend(starts)
        self._ends.extend(ends)

    def _drop_space(self) -> None:
        """Removes the space before a point that a full stop follows, so that the full stop is behind the word."""
        for column in (self._text, self._starts, self._ends):
            column.pop()
        last = len(self._text)
        for index in range(len(self._tags) - 1, -1, -1):  # offsets ascend, so only the last tags can be behind it
            if self._tags[index].offset <= last:
                break
            self._tags[index] = replace(self._tags[index], offset=last)

    def _add_space(self, spaces: str, offsets: Sequence[int]) -> None:
        is_layout = not self._is_markup and not {"\r", "\n"} & set(spaces)
        is_kept = self._splitting != "none" and (is_layout or _BLANK_LINE.search(spaces) is not None)
        if is_kept or spaces == " ":
            self._add(spaces, offsets[:-1], offsets[1:])
            return
        if not self._text or self._text[-1] != " ":
            self._add_tag(TagKind.SPACE, offsets[0], offsets[-1])
        self._add(" ", [offsets[0]], [offsets[-1]])

    def _add_aside(self, aside: Aside, text: str, offsets: Sequence[int]) -> None:
        if aside.kind is AsideKind.BREAK:
            self.end_flow()
            return
        start, end, behind = offsets[aside.start], offsets[aside.end], text[aside.end : aside.end + 1]
        partner = None if aside.partner is None else offsets[aside.partner]
        self._add_tag(TagKind[aside.kind.name], start, end, partner)
        is_alone = aside.start == 0 and not behind  # between tags
        is_between = self._text and not self._text[-1].isspace() and (is_alone or (behind and not behind.isspace()))
        joins = _JOINT.match(text, aside.end) is not None
        if is_between and (joins or behind not in _CLOSES) and not _INVISIBLE.fullmatch(text, aside.start, aside.end):
            self._add(" ", [start], [end])  # two words, or addresses, with a heart between them are not one
        self._is_behind_aside = aside.kind is not AsideKind.OPEN and not joins
