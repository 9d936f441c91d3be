"""Finds what is taken out of a text, so that the model reads the sentence around it as if it were not there.

These are emoji, signs that the model cannot read, statements of templates, stamps at the beginning of a line. Each goes
back into the translation at its word. What separates two sentences or items (a dash, an arrow, a line break that is
spelled) ends a segment.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

import regex

from app.text.masking import TextRules
from app.text.placeholder_finder import Terms, add_terms
from app.text.placeholder_kinds import Treatment
from app.text.words import EMOJIS

_ONLY_EMOJIS: Final = regex.compile(rf"(?V1)(?P<emoji>{EMOJIS})")
# Nothing that a sign may belong to.
_FREE_BEHIND: Final = regex.compile(r"[\s.,;:!?…\p{Pe}\p{Pf}\"%]|\Z")
_FRACTION: Final = regex.compile(r"[¼-¾⅐-⅞][ \u00a0]\p{L}")  # "½ of it"
_LETTER: Final = regex.compile(r"[\p{L}\p{N}]")
# Between white space these separate, as a colon or the end of a line does.
_SEPARATORS: Final = regex.compile(r"[\p{Pd}\p{Sm}\p{So}•·‣◦…|¦‖›»;:*]+")
_JOINS: Final = frozenset("&+±×÷=<>≤≥≠≈√∑∞™®©°^~№§%")
_SEPARATES_UNSPACED: Final = frozenset("—―…|;‖")
_JOINTS: Final = frozenset("‒–/")  # as in "Monday–Friday"
_WHITE_SPACE: Final = regex.compile(r"\s")
_QUOTES: Final = {'"': '"', "“": '"', "”": '"', "„": '"', "‟": '"', "«": "«", "»": "«", "‹": "‹", "›": "‹"}
_CLOSING: Final = {")": "(", "]": "[", "}": "{", "〉": "〈", "》": "《", "」": "「", "』": "『", "】": "【", "⟩": "⟨"}
_OPENED_BY: Final = {"»": "«", "›": "‹"}
_MAX_QUOTATION: Final = 1000  # characters
_GUILLEMETS: Final = frozenset("«‹")
_EMPHASIS: Final = frozenset("*_~|=^$")
_MAX_NESTED: Final = 20  # pairs that are open at once
_NAMED_TAG: Final = regex.compile(r"<(/?)([A-Za-z][\w.:-]{0,60}+)(?:\s.*)?(?<!/)>", regex.DOTALL)
_TAG_NAME: Final = regex.compile(r"[<\[](/?)(\w+)(?:[\s=].*?)?(/?) ?[>\]]", regex.DOTALL)


class AsideKind(Enum):
    """How a part that is taken out stands in its text."""

    POINT = auto()  # belongs to what precedes it
    LEAD = auto()  # belongs to what follows it
    OPEN = auto()  # begins a range of words, as do the brackets that end it
    CLOSE = auto()
    BREAK = auto()  # ends a segment
    SPACE = auto()  # joins two words, between which the model reads a space


_POINTS: Final = frozenset((AsideKind.POINT, AsideKind.LEAD))


@dataclass(frozen=True, slots=True)
class Aside:
    """A part of a text that is taken out.

    Attributes:
        kind: How it stands in the text.
        start: Offset of its first character.
        end: Offset behind its last character.
        partner: Offset of the other one of a pair.
    """

    kind: AsideKind
    start: int
    end: int
    partner: int | None = None


def find_asides(text: str, rules: TextRules, is_markup: bool = False) -> list[Aside]:
    """Returns what is taken out of a text, in order.

    Args:
        text: A text without tags.
        rules: Find the placeholders, and tell what the model can read.
        is_markup: Whether the text stands between tags, so that the partner of a bracket may stand in another text.
    """
    treated = _pair_tags(text, rules.finder.find_treated(text)) if rules.masking else []
    if rules.masking and rules.terms is not None:
        treated = _keep_terms(text, treated, rules.terms)
    legibility = rules.legibility
    quiet, signs = (None, _ONLY_EMOJIS) if legibility is None else (legibility.quiet, legibility.signs)
    if not treated and ((quiet is not None and quiet.fullmatch(text)) or not signs.search(text)):
        return []
    return _Search(text, rules, is_markup).run(treated, signs)


def _keep_terms(text: str, treated: list[tuple[int, int, Treatment]], terms: Terms) -> list[tuple[int, int, Treatment]]:
    """Lets nothing be taken out of a term."""
    treatments = {(start, end): treatment for start, end, treatment in treated}
    ranges = add_terms(list(treatments), list(terms.find(text)))
    return [(start, end, treatments.get((start, end), Treatment.WORD)) for start, end in ranges]


def _pair_tags(text: str, treated: list[tuple[int, int, Treatment]]) -> list[tuple[int, int, Treatment]]:
    """Lets tags of any name be taken out where both tags of an element stand in a text; one alone may be a field."""
    opened: dict[str, list[int]] = {}
    paired = set()
    for number, (start, end, treatment) in enumerate(treated):
        if treatment is not Treatment.SYNTAX or text[start] != "<":
            continue
        tag = _NAMED_TAG.fullmatch(text, start, end)
        if tag is None:
            continue
        others = opened.setdefault(tag[2], [])
        if not tag[1]:
            others.append(number)
        elif others:
            paired |= {others.pop(), number}
    if not paired:
        return treated
    return [
        (start, end, Treatment.POINT if number in paired else treatment)
        for number, (start, end, treatment) in enumerate(treated)
    ]


def _join_points(found: list[Aside], make_point: Callable[[int, int], Aside]) -> list[Aside]:
    """Joins points that touch, such as "★★☆", so that none of them goes to another word."""
    joined: list[Aside] = []
    for aside in found:
        is_point = aside.kind in _POINTS and aside.partner is None
        if is_point and joined and joined[-1].end == aside.start and joined[-1].kind in _POINTS:
            aside = make_point(joined.pop().start, aside.end)
        joined.append(aside)
    return joined


class _Search:
    """Searches one text."""

    def __init__(self, text: str, rules: TextRules, is_markup: bool) -> None:
        self._text = text
        self._rules = rules
        self._is_markup = is_markup
        self._found: list[Aside | None] = []
        self._opened: list[tuple[str, int]] = []  # what opens a pair, and its number in ``_found``
        self._readable: set[int] = set()  # numbers of signs that stay if they have a partner
        self._scanned = 0
        self._has_word = False  # in the line, up to ``_scanned``

    def run(self, treated: list[tuple[int, int, Treatment]], signs: "regex.Pattern[str]") -> list[Aside]:
        """Returns what is taken out."""
        offset = 0
        is_behind_word = False
        for start, end, treatment in [*treated, (len(self._text), len(self._text), Treatment.BREAK)]:
            is_word = treatment in (Treatment.SYNTAX, Treatment.WORD)
            for sign in signs.finditer(self._text, offset, start):
                # One stand-in is read for two placeholders and the sign that joins them.
                if not (is_behind_word and is_word and sign.span() == (offset, start)):
                    self._add_sign(sign)
            if start < end:
                self._add_placeholder(start, end, treatment)
            offset, is_behind_word = end, is_word
        if self._is_markup:
            for number in self._readable:
                self._found[number] = None
        return _join_points([aside for aside in self._found if aside is not None], self._make_point)

    def _add_placeholder(self, start: int, end: int, treatment: Treatment) -> None:
        if treatment is Treatment.BREAK:
            self._found.append(Aside(AsideKind.BREAK, start, end))
        elif treatment is Treatment.STAMP and not self._find_word_before(start):
            self._found.append(Aside(AsideKind.POINT, start, end))
            self._scanned = end
        elif treatment is Treatment.POINT:
            tag = _TAG_NAME.fullmatch(self._text, start, end)
            if tag is not None and not tag[3]:
                self._add_pair(start, end, opens=None if tag[1] else tag[2], closes=tag[2] if tag[1] else None)
            else:
                self._found.append(self._make_point(start, end))

    def _find_word_before(self, start: int) -> bool:
        between = self._text[self._scanned : start]
        line = between.rfind("\n")
        self._has_word = _LETTER.search(between, line + 1) is not None or (self._has_word and line < 0)
        self._scanned = start
        return self._has_word

    def _add_sign(self, sign: "regex.Match[str]") -> None:
        start, end = sign.span()
        written = sign.group()
        if sign.lastgroup == "emoji":
            self._found.append(Aside(AsideKind.POINT, start, end))
        elif sign.lastgroup == "pair":
            self._add_bracket(written, start, end)
        elif sign.lastgroup == "free" and self._is_cut(sign):
            return
        elif self._is_separator(written, start, end):
            self._found.append(Aside(AsideKind.BREAK, start, end))
        elif written in _JOINTS and self._is_joint(start, end):
            self._add_joint(start, end, is_read=sign.lastgroup == "free")
        elif written[0] in _EMPHASIS and len(set(written)) == 1:
            self._add_emphasis(written, start, end)
        else:
            self._found.append(self._make_point(start, end))

    def _is_separator(self, written: str, start: int, end: int) -> bool:
        if written[0] in _SEPARATES_UNSPACED:
            return start > 0 and end < len(self._text) and (written[0] != "…" or self._text[end].isspace())
        return self._is_free(start, end) and written[0] not in _JOINS and _SEPARATORS.fullmatch(written) is not None

    def _is_cut(self, sign: "regex.Match[str]") -> bool:
        """Tells whether it is not white space that a sign stands alone by, but a tag or a placeholder."""
        start, end = sign.span()
        if self._is_markup and (start == 0 or end == len(self._text)):
            return True
        return end == sign.endpos < len(self._text) and not self._text[end].isspace()

    def _is_free(self, start: int, end: int) -> bool:
        return self._text[start - 1 : start].isspace() and self._text[end : end + 1].isspace()

    def _is_step(self, written: str, start: int, end: int) -> bool:
        """Tells whether a sign parts the steps of a path ("Datei»Öffnen"), and begins no quotation as in German."""
        return self._is_within_word(start, end) and self._text.find(_OPENED_BY[written], end, end + _MAX_QUOTATION) < 0

    def _is_within_word(self, start: int, end: int) -> bool:
        return self._text[max(0, start - 1) : start].isalnum() and self._text[end : end + 1].isalnum()

    def _is_joint(self, start: int, end: int) -> bool:
        """Tells whether a sign joins two words, or two elements."""
        return self._is_within_word(start, end) or (self._is_markup and self._text[start:end] == self._text)

    def _add_joint(self, start: int, end: int, is_read: bool) -> None:
        """Adds what joins two words; between nothing but words ("Enable/Disable") it separates them."""
        if not self._is_markup and _WHITE_SPACE.search(self._text) is None:
            self._found.append(Aside(AsideKind.BREAK, start, end))
        elif not is_read:
            self._found.append(Aside(AsideKind.SPACE, start, end))

    def _make_point(self, start: int, end: int) -> Aside:
        is_free_before = start == 0 or self._text[start - 1].isspace()
        is_free_behind = _FREE_BEHIND.match(self._text, end) is not None and not _FRACTION.match(self._text, start)
        kind = AsideKind.LEAD if is_free_before and not is_free_behind else AsideKind.POINT
        return Aside(kind, start, end)

    def _add_bracket(self, written: str, start: int, end: int) -> None:
        legibility = self._rules.legibility
        if legibility is not None and legibility.is_readable(written):
            self._readable.add(len(self._found))
        quote = _QUOTES.get(written, "")
        if any(name == quote for name, _ in self._opened[-_MAX_NESTED:]):
            self._add_pair(start, end, closes=quote)
        elif written in "»›" and (self._is_free(start, end) or self._is_step(written, start, end)):
            self._readable.discard(len(self._found))
            self._found.append(Aside(AsideKind.BREAK, start, end))
        elif quote:
            self._add_pair(start, end, opens=quote)
        elif written in _CLOSING:
            self._add_pair(start, end, closes=_CLOSING[written])
        else:
            self._add_pair(start, end, opens=written)

    def _add_emphasis(self, written: str, start: int, end: int) -> None:
        point = self._make_point(start, end)
        if point.kind is AsideKind.LEAD:
            self._add_pair(start, end, opens=written)
        elif start and not self._text[start - 1].isspace():
            self._add_pair(start, end, closes=written)
        else:
            self._found.append(point)

    def _add_pair(self, start: int, end: int, opens: str | None = None, closes: str | None = None) -> None:
        """Adds one of a pair; until its partner is found it is a point."""
        number = len(self._found)
        self._found.append(self._make_point(start, end))
        if opens is not None:
            self._opened.append((opens, number))
            return
        for depth in range(len(self._opened) - 1, max(-1, len(self._opened) - 1 - _MAX_NESTED), -1):
            name, opening = self._opened[depth]
            if name == closes:
                break
        else:
            return
        del self._opened[depth:]
        other = self._found[opening]
        assert other is not None
        if opening in self._readable and number in self._readable:
            self._found[opening] = self._found[number] = None
            self._readable -= {opening, number}
            return
        # French guillemets have a space inside.
        first_end = other.end + (closes in _GUILLEMETS and self._text[other.end].isspace() and other.end < start)
        start -= closes in _GUILLEMETS and self._text[start - 1].isspace() and first_end < start
        self._found[opening] = replace(other, kind=AsideKind.OPEN, end=first_end, partner=start)
        self._found[number] = Aside(AsideKind.CLOSE, start, end, partner=other.start)
        self._readable -= {opening, number}
