"""A document -> its texts from one boundary to the next, without the tags in them: what can be cut into sentences.

A *tag* here is anything that is taken out of such a text and goes back into its translation: a tag or a comment, an
emoji, a line break within a sentence. An element that is kept from the model but stands for a word (``<code>``) leaves
one private-use character, which is masked as a placeholder is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final, Literal

import regex

from app.text.elements import Item, Role, assign_roles
from app.text.markup import unescape, unescape_offsets
from app.text.masking import TextRules
from app.text.placeholder_patterns import FIRST_ELEMENT_CODE, MAX_ELEMENTS
from app.text.tag_roles import TagRules

TextFormat = Literal["text", "html", "xml"]
# Where a text is cut: at the ends of sentences and lines, of sentences alone, or nowhere.
Splitting = Literal["lines", "sentences", "none"]

# Emoji with all that belongs to them (skin, gender, flags); a character that is a symbol of text by itself, such as
# "©", only where a variation selector makes it an emoji.
_EMOJI: Final = (
    r"(?:\p{Regional_Indicator}{2}|[0-9#*]\uFE0F?\u20E3"
    r"|(?:\p{Emoji_Presentation}|\p{Emoji}\uFE0F|[\u2600-\u27BF&&\p{Extended_Pictographic}])"
    r"[\uFE0F\p{Emoji_Modifier}\U000E0020-\U000E007F]*+"
    r"(?:\u200D\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]*+)*+)"
)
_EMOJIS: Final = regex.compile(rf"(?V1){_EMOJI}(?:\s?{_EMOJI})*+")
_SPACES_OR_EMOJIS: Final = regex.compile(rf"(?V1)[ \t\r\n\f]++|{_EMOJI}(?:\s?{_EMOJI})*+")
_BLANK_LINE: Final = regex.compile(r"\n\s*\n|\r\s*\r")
_CLOSES: Final = frozenset(".,;:!?…)]»")
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
    """A tag, comment, emoji or line break that was taken out of a text.

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
    if text_format == "text":
        if splitting in (None, "lines") and not _EMOJIS.search(document):
            yield Flow(document, range(len(document)), range(1, len(document) + 1))
            return
        items = [Item(Role.TEXT, 0, len(document))] if document else []
    else:
        is_xml = text_format == "xml"
        items = assign_roles(document, tag_rules, is_xml, rules.finder)
        is_html = not is_xml and any(item.role is not Role.TEXT for item in items)
        splitting = splitting or ("sentences" if is_html else "lines")
    collected = _Collector(document, text_format != "text", splitting or "lines")
    for item in items:
        is_boundary = item.role is Role.BOUNDARY or (item.role is Role.WORD and not collected.can_keep(rules.masking))
        if is_boundary:
            if collected.text:
                yield collected.build_flow()
            collected = _Collector(document, text_format != "text", splitting or "lines")
        elif item.role is Role.TEXT:
            collected.add_text(item.start, item.end)
        else:
            collected.add_markup(item)
    if collected.text:
        yield collected.build_flow()


class _Collector:
    """Collects one flow."""

    def __init__(self, document: str, is_markup: bool, splitting: Splitting) -> None:
        self.text: list[str] = []
        self._document = document
        self._is_markup = is_markup
        self._splitting = splitting
        self._specials = _EMOJIS if splitting == "lines" else _SPACES_OR_EMOJIS
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._tags: list[InlineTag] = []
        self._elements: dict[str, str] = {}
        self._is_behind_emoji = False

    def build_flow(self) -> Flow:
        """Returns what was collected."""
        return Flow(
            text="".join(self.text),
            starts=self._starts,
            ends=self._ends,
            is_markup=self._is_markup,
            is_whole=self._splitting == "none",
            tags=tuple(self._tags),
            elements=self._elements,
        )

    def can_keep(self, masking: bool) -> bool:
        """Tells whether the flow can hold one more element that is kept from the model."""
        return masking and len(self._elements) < MAX_ELEMENTS

    def add_markup(self, item: Item) -> None:
        """Takes an item out of the text, or puts one character for an element that is kept from the model."""
        if item.role is Role.WORD:
            character = chr(FIRST_ELEMENT_CODE + len(self._elements))
            self._elements[character] = self._document[item.start : item.end]
            self._add(character, [item.start], [item.end])
            return
        kind = TagKind.LEAD if item.leads else TagKind[item.role.name]
        self._add_tag(kind, item.start, item.end, item.partner)

    def _add_tag(self, kind: TagKind, start: int, end: int, partner: int | None = None) -> None:
        document = self._document
        spaces = document[start - 1 : start].isspace() if start else False, document[end : end + 1].isspace()
        self._tags.append(InlineTag(kind, len(self.text), start, document[start:end], partner, spaces))

    def add_text(self, start: int, end: int) -> None:
        """Adds a text of the document, from offset ``start`` to ``end``, without its emoji and line breaks."""
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
        for special in self._specials.finditer(text):
            before, behind = special.span()
            self._add(text[done:before], offsets[done:before], offsets[done + 1 : before + 1])
            if special.group()[0] in " \t\r\n\f":
                self._add_space(special.group(), offsets[before : behind + 1])
            else:
                self._add_emoji(offsets[before], offsets[behind], text[behind : behind + 1])
            done = behind
        self._add(text[done:], offsets[done:-1], offsets[done + 1 :])

    def _add(self, text: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        if not text:
            return
        if text[0] == " " and self.text and self.text[-1] == " ":  # of two spaces with a tag between, one remains
            text, starts, ends = text[1:], starts[1:], ends[1:]
        elif self._is_behind_emoji and text[0] in _CLOSES and self.text and self.text[-1] == " ":
            self._drop_space()
        self._is_behind_emoji = self._is_behind_emoji and not text
        self.text.extend(text)
        self._starts.extend(starts)
        self._ends.extend(ends)

    def _drop_space(self) -> None:
        """Removes the space before an emoji that a full stop follows, so that the full stop is behind the word."""
        for column in (self.text, self._starts, self._ends):
            column.pop()
        last = len(self.text)
        self._tags[:] = [replace(tag, offset=last) if tag.offset > last else tag for tag in self._tags]

    def _add_space(self, spaces: str, offsets: Sequence[int]) -> None:
        is_layout = not self._is_markup and not {"\r", "\n"} & set(spaces)
        is_kept = self._splitting != "none" and (is_layout or _BLANK_LINE.search(spaces) is not None)
        if is_kept or spaces == " ":
            self._add(spaces, offsets[:-1], offsets[1:])
            return
        if not self.text or self.text[-1] != " ":
            self._add_tag(TagKind.SPACE, offsets[0], offsets[-1])
        self._add(" ", [offsets[0]], [offsets[-1]])

    def _add_emoji(self, start: int, end: int, behind: str) -> None:
        self._add_tag(TagKind.POINT, start, end)
        if self.text and not self.text[-1].isspace() and behind and not behind.isspace() and behind not in _CLOSES:
            self._add(" ", [start], [end])  # two words, or addresses, with a heart between them are not one
        self._is_behind_emoji = True
