"""What no translation may change: format fields, tags, addresses, paths, versions; found, and kept out of the model.

A small model that never saw ``{name}`` in training breaks it into pieces and writes something else. So it reads an
ordinary word in its place, one that it copies; ``app.translation.unmasking`` puts the placeholder back. Until then,
while a text is split into segments, each placeholder is one character of the private use area, a *mark*, which no cut
divides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import Final

import regex

from app.text.casing import in_ordinary_letters, is_in_capitals
from app.text.glossary_terms import Terms
from app.text.placeholder_patterns import BUILT_IN, PlaceholderFinder
from app.text.segmentation import TERM_MARK, Piece

NAME_MARK: Final = "\ue000"  # a name may stand in for it
COUNT_MARK: Final = "\ue001"  # only a number does

# What comes back most often, measured on both bundles of models/ over sentences in which it took the place of any word:
# a number, 97 of 100 times in the best hypothesis that has it, two numbers 97 to 100; "Tom" 96 from English and 81 from
# French, and with another name or number beside it 66 to 83. From English "Tom" alone makes the better sentence.
_NUMBERS: Final = ("37", "250", "15", "12", "73", "30")
_NAMES: Final = {"en": "Tom"}

_COUNT: Final = regex.compile(
    r"%(?:\(\w+\)|\d+\$)?[-+0#\d.]*(?:hh?|ll?)?[diufFgG]"
    r"|[%$#]?\{{1,2} ?(?:n|\w*(?:count|num|number|total|size|quantity|nombre|seconds|minutes|hours|days)\w*)"
    r"(?:[:,!][^{}]*)? ?\}{1,2}",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Spot:
    """``start`` up to ``end`` of what the model reads stand for ``placeholder``. In the translation ``written`` is to
    stand for it: itself, or of a term of a glossary its translation.
    """

    start: int
    end: int
    placeholder: str
    written: str

    @property
    def is_term(self) -> bool:
        return self.written != self.placeholder


@dataclass(frozen=True, slots=True)
class Masked:
    """A segment as the model reads it, with stand-ins; ``source`` is the segment itself.

    ``in_capitals``: the segment is, and what the model reads is not. ``finder``: of its placeholders.
    """

    source: str
    read: str
    spots: tuple[Spot, ...]
    in_capitals: bool = False
    finder: PlaceholderFinder = BUILT_IN

    def stand_in(self, spot: Spot) -> str:
        return self.read[spot.start : spot.end]

    def masked(self, text: str) -> str:
        """A text of the caller's with stand-ins for placeholders: how it begins a translation of this segment."""
        for spot in self.spots:
            text = text.replace(spot.written, self.stand_in(spot), 1)
        return text

    def places(self) -> tuple[int, ...]:
        """Where each character of ``read`` lies in ``source``, and where the last one ends; a stand-in at the beginning
        of its placeholder.
        """
        places: list[int] = []
        behind = 0  # of the source, what is accounted for
        before = 0  # the same of what is read
        for spot in self.spots:
            places.extend(range(behind, behind + spot.start - before))
            behind += spot.start - before
            places.extend([behind] * (spot.end - spot.start))
            behind, before = behind + len(spot.placeholder), spot.end
        return (*places, *range(behind, len(self.source) + 1))


def shade(text: str, terms: Terms | None = None, finder: PlaceholderFinder = BUILT_IN) -> tuple[str, list[str]]:
    """The text with a mark for each placeholder, and the placeholders in their order.

    :param terms: these too; what is in a placeholder is none.
    """
    groups = finder.groups(text)
    if terms is not None:
        groups = _with_terms(text, groups, terms)
    if not groups:
        return text, []
    shaded: list[str] = []
    kept: list[str] = []
    position = 0
    for start, end in groups:
        placeholder = text[start:end]
        is_term = terms is not None and terms.translation(placeholder) is not None
        mark = TERM_MARK if is_term else COUNT_MARK if _COUNT.fullmatch(placeholder) else NAME_MARK
        shaded += text[position:start], mark
        kept.append(placeholder)
        position = end
    return "".join((*shaded, text[position:])), kept


def unshade(pieces: Sequence[Piece], placeholders: Sequence[str]) -> Iterator[tuple[Piece, list[str], str]]:
    """Each piece of a shaded text as it stood in the text, with its placeholders, and its text with their marks."""
    position = 0
    for piece in pieces:
        marks = sum(map(is_mark, piece.text))
        own = list(placeholders[position : position + marks])
        position += marks
        left = iter(own)
        text = "".join(next(left) if is_mark(one) else one for one in piece.text) if own else piece.text
        yield Piece(text, piece.is_segment), own, piece.text


def is_mark(character: str) -> bool:
    return character in (NAME_MARK, COUNT_MARK, TERM_MARK)


def stand_ins(shaded: str, language: str, avoided: str = "") -> list[str]:
    """For each mark of a segment the word that the model reads in its place: all different, none of the segment's, nor
    of another text to be ``avoided``.
    """
    marks = [character for character in shaded if is_mark(character)]
    supply = chain(_NUMBERS, (str(number) for number in count(41, 2)))
    if len(marks) == 1 and marks != [COUNT_MARK] and language in _NAMES:
        supply = chain((_NAMES[language],), supply)
    free = (word for word in supply if word not in shaded and word not in avoided)
    return list(islice(free, len(marks)))


def read_as(shaded: str, language: str, avoided: str = "", calming: bool = True) -> str:
    """What the model reads for a segment with marks; ``calming``: no capitals."""
    return mask(shaded, shaded, [""] * sum(map(is_mark, shaded)), language, avoided, calming).read


def mask(
    source: str,
    shaded: str,
    placeholders: Sequence[str],
    language: str,
    avoided: str = "",
    calming: bool = True,
    terms: Terms | None = None,
    finder: PlaceholderFinder = BUILT_IN,
) -> Masked:
    """:param source: the segment.
    :param shaded: the same with marks, one for each of its ``placeholders``.
    :param terms: those among the placeholders, with their translations.
    """
    in_capitals = calming and is_in_capitals(shaded)
    if in_capitals:
        shaded = in_ordinary_letters(shaded, language)
    if not placeholders:
        return Masked(source, shaded, (), in_capitals, finder)
    words = iter(zip(stand_ins(shaded, language, avoided), placeholders, strict=True))
    read: list[str] = []
    spots: list[Spot] = []
    position = 0
    for character in shaded:
        if is_mark(character):
            word, placeholder = next(words)
            translation = terms.translation(placeholder) if terms is not None else None
            written = placeholder if translation is None else translation
            spots.append(Spot(position, position + len(word), placeholder, written))
            character = word
        read.append(character)
        position += len(character)
    return Masked(source, "".join(read), tuple(spots), in_capitals, finder)


def _with_terms(text: str, groups: list[tuple[int, int]], terms: Terms) -> list[tuple[int, int]]:
    """Looked for in the whole text, so that a word that goes on in a placeholder is none; what lies in one goes."""
    found = list(groups)
    ahead = 0
    for start, end in terms.ranges(text):
        while ahead < len(groups) and groups[ahead][1] <= start:
            ahead += 1
        if ahead == len(groups) or end <= groups[ahead][0]:
            found.append((start, end))
    return sorted(found)
