"""Masking: keeps from the model what no translation may change: format fields, tags, addresses, versions, terms.

A small model that never saw ``{name}`` in training breaks it into tokens and writes something else. It reads an
ordinary word instead, a *stand-in*, which models copy; ``app.translation.unmasking`` restores the
placeholder. Until a segment is masked, each placeholder is hidden behind one private-use character, so that no cut
divides it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import regex

from app.text.placeholder_finder import BUILT_IN, PlaceholderFinder, Terms, add_terms
from app.text.placeholder_kinds import COUNT_CHARACTER, NAME_CHARACTER, PLACEHOLDER_CHARACTERS, TERM_CHARACTER
from app.text.segmentation import Piece
from app.text.stand_ins import CLUSTER, choose_stand_ins
from app.text.words import Legibility, double_quotes, is_in_capitals, lower_capitals

_COUNT: Final = regex.compile(
    r"%(?:\(\w+\)|\d+\$)?[-+0#\d.]*(?:hh?|ll?)?[diufFgG]"
    r"|[%$#]?\{{1,2} ?(?:n|\w*(?:count|num|number|total|size|quantity|nombre|seconds|minutes|hours|days)\w*)"
    r"(?:[:,!][^{}]*)? ?\}{1,2}"
    r"|[-+−±]?(?:\p{Lu}{0,3}\p{Sc}\s?)?[-−]?\d[\d.,\u00a0\u202f ]*(?:(?:[-–—:→]|->)[\d.,]+)?"
    r"(?:\s?(?:\p{L}{1,4}(?:/\p{L})?[²³]?|°\s?\p{L}?|\p{Sc}|\p{No}+))?",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TextRules:
    """What all text work of one request follows, from its preparation to the last correction of its translation.

    Attributes:
        languages: Codes of source and target.
        finder: Finds the placeholders.
        terms: Of a glossary; their translations are given, so they are kept from the model as placeholders are.
        prefix: The given beginning of the translation. No stand-in is a word of it, and a text in capitals that has one
            is read as it is, because the case of the answer is given too.
        masking: Whether placeholders and terms are kept from the model.
        legibility: Tells what the model can read; None if it reads everything.
    """

    languages: tuple[str, str]
    finder: PlaceholderFinder = BUILT_IN
    terms: Terms | None = None
    prefix: str = ""
    masking: bool = True
    legibility: Legibility | None = None

    @property
    def source(self) -> str:
        """The code of the source language."""
        return self.languages[0]

    def translate_term(self, placeholder: str) -> str | None:
        """Returns a term's translation, None for any other placeholder."""
        return None if self.terms is None else self.terms.translate(placeholder)


@dataclass(frozen=True, slots=True)
class StandIn:
    """A word that the model reads instead of a placeholder.

    Attributes:
        start: Offset of the word in what the model reads.
        end: Offset behind it.
        placeholder: As it stands in the source; several with what joins them.
        written: What the translation has for it: the placeholder itself, or a term's translation.
        terms: Those of a glossary that it stands for.
    """

    start: int
    end: int
    placeholder: str
    written: str
    terms: tuple[str, ...] = ()

    @property
    def is_term(self) -> bool:
        """Whether it stands for a term of a glossary."""
        return bool(self.terms)


@dataclass(frozen=True, slots=True)
class Masked:
    """A segment as the model reads it.

    Attributes:
        source: The segment itself.
        read: What the model reads.
        stand_ins: The words for its placeholders, in order.
        rules: Those that it was masked by.
        in_capitals: Whether the segment is in capitals and the model reads it in ordinary letters.
    """

    source: str
    read: str
    stand_ins: tuple[StandIn, ...]
    rules: TextRules
    in_capitals: bool = False

    def get_word(self, stand_in: StandIn) -> str:
        """Returns the word itself."""
        return self.read[stand_in.start : stand_in.end]

    def get_own_text(self) -> str:
        """Returns what the model reads without the stand-ins."""
        parts: list[str] = []
        end = 0
        for stand_in in self.stand_ins:
            parts.append(self.read[end : stand_in.start])
            end = stand_in.end
        return "\n".join((*parts, self.read[end:]))

    def spell_out(self) -> str | None:
        """Returns the translation of a segment that is nothing but placeholders and terms; None for any other.

        A model answers a lone stand-in with a sentence around it.
        """
        if not self.stand_ins:
            return None
        parts: list[str] = []
        end = 0
        for stand_in in self.stand_ins:
            parts += [self.read[end : stand_in.start], stand_in.written]
            end = stand_in.end
        parts.append(self.read[end:])
        return None if any(map(str.isalnum, "".join(parts[::2]))) else "".join(parts)

    def mask_prefix(self, text: str) -> str:
        """Replaces placeholders by their stand-ins in the given beginning of a translation of this segment."""
        for stand_in in self.stand_ins:
            text = text.replace(stand_in.written, self.get_word(stand_in), 1)
        return text

    def map_offsets(self) -> tuple[int, ...]:
        """Returns the offset in ``source`` of each character of ``read``, and last the length of ``source``.

        The characters of a stand-in have the offset at which its placeholder begins.
        """
        offsets: list[int] = []
        source_end = 0
        read_end = 0
        for stand_in in self.stand_ins:
            between = stand_in.start - read_end
            offsets.extend(range(source_end, source_end + between))
            source_end += between
            offsets.extend([source_end] * (stand_in.end - stand_in.start))
            source_end, read_end = source_end + len(stand_in.placeholder), stand_in.end
        return (*offsets, *range(source_end, len(self.source) + 1))


def hide_placeholders(text: str, rules: TextRules) -> tuple[str, list[str]]:
    """Replaces each placeholder and each term of a text by one private-use character.

    Args:
        text: A text with its placeholders.
        rules: Find the placeholders and give the terms; a term within a placeholder is part of it.

    Returns:
        The text with private-use characters, and the placeholders in their order.
    """
    groups = rules.finder.find_groups(text)
    if rules.terms is not None:
        groups = add_terms(groups, list(rules.terms.find(text)))
    if not groups:
        return text, []
    hidden: list[str] = []
    placeholders: list[str] = []
    done = 0
    for start, end in groups:
        placeholder = text[start:end]
        if rules.translate_term(placeholder) is not None:
            character = TERM_CHARACTER
        else:
            character = COUNT_CHARACTER if _COUNT.fullmatch(placeholder) else NAME_CHARACTER
        hidden += text[done:start], character
        placeholders.append(placeholder)
        done = end
    return "".join((*hidden, text[done:])), placeholders


def reveal_placeholders(pieces: Sequence[Piece], placeholders: Sequence[str]) -> Iterator[tuple[Piece, list[str], str]]:
    """Restores the placeholders in the pieces of a text in which they were hidden.

    Yields:
        Each piece as it stood in the text, its placeholders, and its text with private-use characters.
    """
    done = 0
    for piece in pieces:
        number = count_hidden(piece.text)
        own = list(placeholders[done : done + number])
        done += number
        left = iter(own)
        text = "".join(next(left) if is_hidden(one) else one for one in piece.text) if own else piece.text
        yield Piece(text, piece.is_segment), own, piece.text


def is_hidden(character: str) -> bool:
    """Tells whether a character stands for a placeholder."""
    return character in PLACEHOLDER_CHARACTERS


def count_hidden(text: str) -> int:
    """Counts the private-use characters that stand for placeholders."""
    return 0 if text.isprintable() else sum(map(is_hidden, text))


def read_plainly(hidden: str, rules: TextRules) -> str:
    """Writes a segment with private-use characters as a model reads it best, in as many characters.

    A heading in Title Case is written as a sentence, and single quotation marks, which models take for apostrophes, as
    double ones.
    """
    if rules.prefix or not rules.masking:
        return hidden
    return double_quotes(hidden if rules.legibility is None else rules.legibility.lower_heading(hidden))


def mask_text(hidden: str, rules: TextRules) -> str:
    """Returns what the model reads for a segment with private-use characters."""
    return mask(hidden, hidden, [""] * count_hidden(hidden), rules).read


def mask(source: str, hidden: str, placeholders: Sequence[str], rules: TextRules) -> Masked:
    """Replaces the placeholders of a segment by stand-ins, and capitals and Title Case by ordinary letters.

    Args:
        source: The segment.
        hidden: The segment with private-use characters, one for each of its placeholders.
        placeholders: In their order.
        rules: Give the terms with their translations, the language and the prefix.
    """
    in_capitals = not rules.prefix and is_in_capitals(hidden)
    as_written = hidden
    hidden = double_quotes(lower_capitals(hidden, rules.source)) if in_capitals else read_plainly(hidden, rules)
    if not placeholders:
        return Masked(source, hidden, (), rules, in_capitals)
    words = iter(choose_stand_ins(hidden, rules.source, rules.prefix))
    left = iter(placeholders)
    read: list[str] = []
    stand_ins: list[StandIn] = []
    done = offset = 0
    for cluster in CLUSTER.finditer(hidden):
        between, word = hidden[done : cluster.start()], next(words)
        offset += len(between)
        own = [next(left) if is_hidden(one) else one for one in as_written[slice(*cluster.span())]]
        translated = [rules.translate_term(one) for one in own]
        written = "".join(one if other is None else other for one, other in zip(own, translated, strict=True))
        terms = tuple(one for one, other in zip(own, translated, strict=True) if other not in (None, one))
        stand_ins.append(StandIn(offset, offset + len(word), "".join(own), written, terms))
        read += between, word
        offset += len(word)
        done = cluster.end()
    return Masked(source, "".join((*read, hidden[done:])), tuple(stand_ins), rules, in_capitals)
