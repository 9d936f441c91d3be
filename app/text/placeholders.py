"""What no translation may change: format fields, tags, addresses, paths, versions; found, and kept out of the model.

A small model that never saw ``{name}`` in training breaks it into pieces and writes something else. So it reads an
ordinary word in its place, one that it copies; ``app.restoring`` puts the placeholder back. Until then, while a text is
split into segments, each placeholder is one character of the private use area, a *mark*, which no cut divides.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import Final

import regex

from app.text.casing import in_ordinary_letters, is_in_capitals
from app.text.segmentation import TERM_MARK, Piece
from app.text.terms import Terms

NAME_MARK: Final = "\ue000"  # a name may stand in for it
COUNT_MARK: Final = "\ue001"  # only a number does

# What comes back most often, measured on both bundles of models/ over sentences in which it took the place of any word:
# a number, 97 of 100 times in the best hypothesis that has it, two numbers 97 to 100; "Tom" 96 from English and 81 from
# French, and with another name or number beside it 66 to 83. From English "Tom" alone makes the better sentence.
_NUMBERS: Final = ("37", "250", "15", "12", "73", "30")
_NAMES: Final = {"en": "Tom"}

_FILE_ENDING: Final = (
    r"(?:bat|bmp|bz2|cfg|conf|cpp|css|csv|dll|docx?|epub|exe|gif|gz|html?|ico|ini|iso|jar|java|jpe?g|js|json|log|md|mkv"
    r"|mp[34]|od[pst]|ogg|onnx|pdf|php|png|pot?|pptx?|py|rar|rs|rst|rtf|sh|sql|srt|svg|tar|tiff?|toml|ts|tsv|txt|wav"
    r"|webp|xlsx?|xml|ya?ml|zip)"
)
_DOMAIN_ENDING: Final = r"(?:com|org|net|edu|gov|io|dev|app|info|eu|fr|co\.uk)"
# What an address may hold, and may end with: a full stop behind it is the sentence's, a bracket only if it opened one.
_IN_BRACKETS: Final = r"\([^\s()<>\p{Co}]{0,200}\)"
_ADDRESS: Final = (
    rf"(?:{_IN_BRACKETS}|[^\s<>\"«»“”()\p{{Co}}]){{0,2000}}"
    rf"(?:{_IN_BRACKETS}|[^\s<>\"«»“”()\p{{Co}}.,;:!?…'’\]}}|*])"
)
# Of two that begin at the same place, the first is taken. Every repetition has an end, so that hostile text takes no
# longer than its length.
_PATTERNS: Final = (
    r"`[^`\n\r\t\p{Co}]{1,200}`",
    rf"(?<![\w])(?:[A-Za-z][A-Za-z0-9+.-]{{0,20}}://|www\.|mailto:){_ADDRESS}",
    r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}",
    r"</?[A-Za-z](?:[^<>\"'\p{Cc}\p{Co}]|\"[^\"\p{Cc}\p{Co}]{0,200}\"|'[^'\p{Cc}\p{Co}]{0,200}'){0,200}+>",
    r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});",
    r"\{\{[^{}\p{Cc}\p{Co}]{1,100}\}\}|[%$#]\{[^{}\p{Cc}\p{Co}]{1,100}\}|\{ ?[\w.:,$#@|!%-]{0,100} ?\}",
    r"(?<![\d%])%(?:\(\w{1,60}\)|\d{1,3}\$)?[-+0#]{0,3}(?:\d{1,3}|\*)?(?:\.(?:\d{1,3}|\*))?(?:hh?|ll?|[Lqjzt])?"
    r"[diouxXeEfFgGcrsa@](?!\p{Ll}{2})",
    r"(?<!\w)%[A-Z_]{2,40}%|%%",
    r"(?<![\w:]):[a-z][a-z0-9_+-]{0,60}:(?![\w:])",
    r"(?<![\w@#&./])@\w[\w-]{0,60}(?:\.[\w-]{1,60}){0,4}(?:@[\w-]{1,60}(?:\.[\w-]{1,60}){1,4})?",
    r"(?<![\w@#&./])#\w[\w-]{0,100}",
    r"(?<![\w/\\])(?:[A-Za-z]:|\\)\\[^\s\"<>|*?\p{Co}]{0,250}[\w$]",
    r"(?<![\w/.~€$£%)*])(?:~|\.{1,2})?/(?:[\w.@+-]{1,100}/){0,30}[\w.@+-]{0,99}\w",
    rf"(?<![\w/.])\w[\w.+-]{{0,100}}(?:/[\w.+-]{{1,100}}){{0,30}}\.{_FILE_ENDING}(?![\w/])",
    rf"(?<![\w.@-])(?:[a-z0-9-]{{1,63}}\.){{1,4}}{_DOMAIN_ENDING}(?![\w-])(?:/{_ADDRESS})?",
    r"(?<![\w.])v?\d{1,9}(?:\.\d{1,9}){2,6}(?:[-+][\w.]{0,30}\w)?(?!\w)|(?<![\w.])v\d{1,9}(?:\.\d{1,9})?(?!\w)",
    r"\p{Co}",  # so that a mark in a text is not taken for one of these
)
_PLACEHOLDER: Final = regex.compile("|".join(_PATTERNS))
# Without any of these there is no placeholder: most texts are looked through once, quickly.
_SIGN: Final = regex.compile(r"[`@<&{%#\\/\p{Co}]|:[\w/]|[.](?:\p{L}|\d+[.]\d)|v\d")
# What is glued to a placeholder goes with it ("{size}MB"), but no clitic ("l'{thing}", "{owner}'s"); and those with
# nothing between them that could be translated are one ("{first} {last}").
_GLUED: Final = regex.compile(r"(?:[\p{Latin}\p{N}_]|[.](?=\p{Ll}|\p{N})){1,40}+")
_GLUED_BEFORE: Final = regex.compile(r"(?r)[\p{Latin}\p{N}_]{1,40}")
_BETWEEN: Final = frozenset(("", " ", "/", "-", "–", "_", "=", "|", " / ", " | "))
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

    ``in_capitals``: the segment is, and what the model reads is not.
    """

    source: str
    read: str
    spots: tuple[Spot, ...]
    in_capitals: bool = False

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


def placeholders_in(text: str) -> "Counter[str]":
    """Every placeholder of a text and how often it stands there."""
    if not _SIGN.search(text):
        return Counter()
    return Counter(found.group() for found in _PLACEHOLDER.finditer(text))


def ranges_of_placeholders(text: str) -> list[tuple[int, int]]:
    """Where they stand."""
    return [found.span() for found in _PLACEHOLDER.finditer(text)] if _SIGN.search(text) else []


def shade(text: str, terms: Terms | None = None) -> tuple[str, list[str]]:
    """The text with a mark for each placeholder, and the placeholders in their order.

    :param terms: these too; what is in a placeholder is none.
    """
    groups = _groups(text) if _SIGN.search(text) else []
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
) -> Masked:
    """:param source: the segment.
    :param shaded: the same with marks, one for each of its ``placeholders``.
    :param terms: those among the placeholders, with their translations.
    """
    in_capitals = calming and is_in_capitals(shaded)
    if in_capitals:
        shaded = in_ordinary_letters(shaded, language)
    if not placeholders:
        return Masked(source, shaded, (), in_capitals)
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
    return Masked(source, "".join(read), tuple(spots), in_capitals)


def _groups(text: str) -> list[tuple[int, int]]:
    groups: list[tuple[int, int]] = []
    for found in _PLACEHOLDER.finditer(text):
        start, end = found.span()
        if groups and (start <= groups[-1][1] or text[groups[-1][1] : start] in _BETWEEN):
            start = groups.pop()[0]
        elif before := _GLUED_BEFORE.match(text, groups[-1][1] if groups else 0, start):
            start = before.start()
        behind = _GLUED.match(text, end)
        groups.append((start, behind.end() if behind else end))
    return groups


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
