"""A document -> its texts from one boundary to the next, without the tags in them: what can be cut into sentences.

What is taken out leaves a *mark*: a tag or a comment, an emoji, a line break that a sentence goes over. What is kept
from the model but stands for a word (``<code>``) is one character of the private use area, which ``placeholders`` takes
care of.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final, Literal

import regex

from app.text.markup import tokens_of, unescape, unescape_places
from app.text.placeholder_patterns import BUILT_IN, PlaceholderFinder
from app.text.tag_roles import Item, Role, TagRules, items_of

TextFormat = Literal["text", "html", "xml"]
# Where a text is cut: at the ends of sentences and lines, of sentences alone, or nowhere.
Splitting = Literal["lines", "sentences", "none"]

# Emoji with all that makes them one (skin, gender, flags); a character that is a sign of text by itself, such as "©",
# only where it is said to be an emoji.
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
_FIRST_WORD: Final = 0xF0000  # a plane for private use
_MAX_WORDS: Final = 1000
_OWN_WORD: Final = regex.compile(f"[{chr(_FIRST_WORD)}-{chr(_FIRST_WORD + _MAX_WORDS)}]")


class MarkKind(Enum):
    OPEN = auto()
    CLOSE = auto()
    POINT = auto()
    LEAD = auto()  # a point that belongs to what follows it
    SPACE = auto()  # what stands in the document for a space of the text


@dataclass(frozen=True, slots=True)
class Mark:
    """``place``: before this character of the text. ``written``: what stands in the document, from ``start`` on.
    ``partner``: where the other tag of the element begins. ``spaces``: does white space stand before it, and behind?
    """

    kind: MarkKind
    place: int
    start: int
    written: str
    partner: int | None = None
    spaces: tuple[bool, bool] = (False, False)


@dataclass(frozen=True, slots=True)
class Flow:
    """``starts`` and ``ends``: where each character of ``text`` lies in the document. ``words``: by their character,
    what is kept from the model. ``is_markup``: a text between tags. ``is_whole``: it is one sentence, as was asked.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    is_markup: bool = False
    is_whole: bool = False
    marks: tuple[Mark, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)

    def marks_within(self, start: int, end: int) -> tuple[Mark, ...]:
        """Those between the characters of a part of the text, not at its edges."""
        first = bisect_right(self.marks, start, key=lambda mark: mark.place)
        return self.marks[first : bisect_left(self.marks, end, lo=first, key=lambda mark: mark.place)]


def flows_of(
    document: str,
    text_format: TextFormat,
    rules: TagRules,
    splitting: Splitting | None,
    keeps_words: bool,
    finder: PlaceholderFinder = BUILT_IN,
) -> Iterator[Flow]:
    """In order; what they leave out stays as it is.

    :param splitting: None: ``lines``, or ``sentences`` for HTML, where a line break is a space. A blank line ends a
        sentence all the same.
    :param keeps_words: False: there is nobody to take care of a word that is kept from the model, so it is a boundary.
    """
    if text_format == "text":
        if splitting in (None, "lines") and not _EMOJIS.search(document):
            yield Flow(document, range(len(document)), range(1, len(document) + 1))
            return
        items = [Item(Role.TEXT, 0, len(document))] if document else []
    else:
        is_xml = text_format == "xml"
        items = items_of(document, list(tokens_of(document, is_xml)), rules, is_xml, finder)
        is_html = not is_xml and any(item.role is not Role.TEXT for item in items)
        splitting = splitting or ("sentences" if is_html else "lines")
    collected = _Collector(document, text_format != "text", splitting or "lines")
    for item in items:
        is_boundary = item.role is Role.BOUNDARY or (item.role is Role.WORD and not collected.can_keep(keeps_words))
        if is_boundary:
            if collected.text:
                yield collected.flow()
            collected = _Collector(document, text_format != "text", splitting or "lines")
        elif item.role is Role.TEXT:
            collected.add_text(item.start, item.end)
        else:
            collected.add_markup(item)
    if collected.text:
        yield collected.flow()


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
        self._marks: list[Mark] = []
        self._words: dict[str, str] = {}
        self._is_behind_emoji = False

    def flow(self) -> Flow:
        return Flow(
            text="".join(self.text),
            starts=self._starts,
            ends=self._ends,
            is_markup=self._is_markup,
            is_whole=self._splitting == "none",
            marks=tuple(self._marks),
            words=self._words,
        )

    def can_keep(self, keeps_words: bool) -> bool:
        return keeps_words and len(self._words) < _MAX_WORDS

    def add_markup(self, item: Item) -> None:
        if item.role is Role.WORD:
            character = chr(_FIRST_WORD + len(self._words))
            self._words[character] = self._document[item.start : item.end]
            self._add(character, [item.start], [item.end])
            return
        kind = MarkKind.LEAD if item.leads else MarkKind[item.role.name]
        self._add_mark(kind, item.start, item.end, item.partner)

    def _add_mark(self, kind: MarkKind, start: int, end: int, partner: int | None = None) -> None:
        document = self._document
        spaces = document[start - 1 : start].isspace() if start else False, document[end : end + 1].isspace()
        self._marks.append(Mark(kind, len(self.text), start, document[start:end], partner, spaces))

    def add_text(self, start: int, end: int) -> None:
        raw = self._document[start:end]
        text = unescape(raw) if self._is_markup else raw
        if self._is_markup and _OWN_WORD.search(text):
            # It could not be told from a word that is kept from the model.
            self.add_markup(Item(Role.POINT, start, end))
            return
        if text is raw or "&" not in raw:
            places: Sequence[int] = range(start, end + 1)
        else:
            places = [start + place for place in unescape_places(raw)]
        position = 0
        for special in self._specials.finditer(text):
            before, behind = special.span()
            self._add(text[position:before], places[position:before], places[position + 1 : before + 1])
            if special.group()[0] in " \t\r\n\f":
                self._add_space(special.group(), places[before : behind + 1])
            else:
                self._add_emoji(places[before], places[behind], text[behind : behind + 1])
            position = behind
        self._add(text[position:], places[position:-1], places[position + 1 :])

    def _add(self, text: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        if not text:
            return
        if text[0] == " " and self.text and self.text[-1] == " ":  # one of them is enough, with a tag between
            text, starts, ends = text[1:], starts[1:], ends[1:]
        elif self._is_behind_emoji and text[0] in _CLOSES and self.text and self.text[-1] == " ":
            self._drop_space()
        self._is_behind_emoji = self._is_behind_emoji and not text
        self.text.extend(text)
        self._starts.extend(starts)
        self._ends.extend(ends)

    def _drop_space(self) -> None:
        """Before an emoji that a full stop follows: the model reads it behind the word, as everywhere."""
        for column in (self.text, self._starts, self._ends):
            column.pop()
        last = len(self.text)
        self._marks[:] = [replace(mark, place=last) if mark.place > last else mark for mark in self._marks]

    def _add_space(self, spaces: str, places: Sequence[int]) -> None:
        is_layout = not self._is_markup and not {"\r", "\n"} & set(spaces)
        is_kept = self._splitting != "none" and (is_layout or _BLANK_LINE.search(spaces) is not None)
        if is_kept or spaces == " ":
            self._add(spaces, places[:-1], places[1:])
            return
        if not self.text or self.text[-1] != " ":
            self._add_mark(MarkKind.SPACE, places[0], places[-1])
        self._add(" ", [places[0]], [places[-1]])

    def _add_emoji(self, start: int, end: int, behind: str) -> None:
        self._add_mark(MarkKind.POINT, start, end)
        if self.text and not self.text[-1].isspace() and behind and not behind.isspace() and behind not in _CLOSES:
            self._add(" ", [start], [end])  # two words, or addresses, with a heart between them are not one
        self._is_behind_emoji = True
