"""A translated text, and how it is put together from its segments and the text between them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from app.engine.sequence import FinishReason, Timing
from app.text.inline import Flow, InlineTag
from app.text.markup import escape, escape_open_tag
from app.text.masking import TextRules
from app.text.punctuation import space_sentences
from app.text.segmentation import Piece
from app.translation.alignment import AlignedGroup, AlignedText, OffsetMap, SegmentAlignment
from app.translation.tag_projection import Insertion, project_tags


class Repair(StrEnum):
    """What was wrong with a translation that the model wrote."""

    CHARACTER = "character"  # one that stands for broken bytes
    STAND_IN = "stand-in"  # a placeholder's word was changed, lost or written twice
    NUMBER = "number"  # changed, lost or invented, with its sign and unit
    LETTERS = "letters"  # none, though the source has some
    WORD = "word"  # an invented word for a word
    BRACKET = "bracket"  # without its other half
    QUOTE = "quote"  # without its other half, or with one of another style
    REPETITION = "repetition"
    END = "end"  # not the punctuation of the source


@dataclass(frozen=True, slots=True)
class TranslatedSegment:
    """One segment and its translation.

    Attributes:
        source: The segment.
        text: Its translation.
        score: The log probability of the translation, normalised by length.
        finish_reason: Any reason but ``stop`` says that the translation was cut, and why.
        is_source: Whether there is no translation, so that ``text`` is the source.
        is_restored: Whether ``text`` differs from what the token ids write, because placeholders or numbers were
            restored.
        repairs: What was wrong with what the model wrote first.
        unaligned_terms: Terms of the glossary whose offset in the text was guessed, or that the text lacks.
        token_ids: What the model wrote, without the end token.
        tokens: The written form of each token, the end token too where there is one.
        token_scores: The log probability of each of ``tokens``.
        alignment: Only if it was requested, or needed to project tags.
        timing: Of the engine's work.
    """

    source: str
    text: str
    score: float
    finish_reason: FinishReason
    is_source: bool = False
    is_restored: bool = False
    repairs: tuple[Repair, ...] = ()
    unaligned_terms: tuple[str, ...] = ()
    token_ids: tuple[int, ...] = ()
    tokens: tuple[str, ...] = ()
    token_scores: tuple[float, ...] = ()
    alignment: SegmentAlignment | None = None
    timing: Timing | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated text.

    Attributes:
        text: The best translation.
        alternatives: Other translations of the whole text, best first, unique, none of them ``text``.
        segments: Those of ``text``, in its order.
        alignment: That of ``text``; empty if it was not requested.
        pivot: The language through which two models translated it; None for one model.
    """

    text: str
    alternatives: tuple[str, ...]
    segments: tuple[TranslatedSegment, ...]
    alignment: tuple[AlignedGroup, ...] = ()
    pivot: str | None = None

    @property
    def is_complete(self) -> bool:
        """False if any segment was cut."""
        return not self.cut_reasons

    @property
    def cut_reasons(self) -> frozenset[FinishReason]:
        """Why segments were cut, each reason once."""
        return frozenset(segment.finish_reason for segment in self.segments) - {FinishReason.STOP}


_NO_OFFSETS: Final = OffsetMap()
_LAST_CHARACTERS: Final = 8  # of a segment, to see how it ends


@dataclass(frozen=True, slots=True)
class SegmentMarkup:
    """What a segment has in the document beside its text.

    Attributes:
        raw: The segment as it stands in the document, None where that would make other tags of what follows it.
        tags: Those within the segment, with offsets in it.
        elements: The elements that were kept from the model, by the codes of their private-use characters.
        rules: Give the placeholders, which no tag may cut.
    """

    raw: str | None
    tags: tuple[InlineTag, ...]
    elements: Mapping[int, str]
    rules: TextRules


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an answer: text that stays as it is, or a segment.

    Attributes:
        kept: Text that stays as it is.
        segment: The number of a segment of the plan, None for kept text.
        is_markup: Whether the segment's translation must be escaped.
        offsets: Where each character of the segment lies in the document.
        markup: What the segment has beside its text, None if it stands as plain text.
    """

    kept: str = ""
    segment: int | None = None
    is_markup: bool = False
    offsets: OffsetMap = _NO_OFFSETS
    markup: SegmentMarkup | None = None

    @property
    def has_tags(self) -> bool:
        """Whether tags stand within the segment."""
        return self.markup is not None and bool(self.markup.tags)

    def needs_whole(self, segment: str) -> bool:
        """Tells whether nothing can be written before the segment is translated to its end.

        Only then the offsets of its tags are settled, and whether it stays as it stands in the document.
        """
        raw = None if self.markup is None else self.markup.raw
        return self.has_tags or (raw is not None and raw != (escape(segment) if self.is_markup else segment))

    def write(self, translated: TranslatedSegment) -> str:
        """Returns a translation of the segment as it stands in the answer."""
        if self.markup is None:
            return escape(translated.text) if self.is_markup else translated.text
        if translated.text == translated.source and self.markup.raw is not None:
            return self.markup.raw
        return "".join(
            self._write_characters(text) if replaced is None else text
            for text, replaced in self._split_chunks(translated)
        )

    def map_offsets(self, translated: TranslatedSegment, start: int) -> OffsetMap:
        """Returns where each character of a translation lies in the answer, if it is written from ``start`` on."""
        if self.markup is None and not self.is_markup:
            return OffsetMap.consecutive(start, len(translated.text))
        if self.markup is not None and self.markup.raw is not None and translated.text == translated.source:
            return self.offsets.shift(start - self.offsets.starts[0])
        starts, ends = [], []
        for text, replaced in self._split_chunks(translated):
            if replaced is None:
                lengths = [len(self._write_characters(character)) for character in text]
            elif replaced > 0:  # the first character that the insertion replaces stands for all of it
                lengths = [len(text), *[0] * (replaced - 1)]
            else:
                start += len(text)
                continue
            for length in lengths:
                starts.append(start)
                start += length
                ends.append(start)
        return OffsetMap(starts, ends)

    def _split_chunks(self, translated: TranslatedSegment) -> Iterator[tuple[str, int | None]]:
        """Yields stretches of a translation, and between them each insertion with how many characters it replaces."""
        done = 0
        for insertion in self._project_tags(translated):
            yield translated.text[done : insertion.start], None
            yield insertion.written, insertion.end - max(insertion.start, done)
            done = max(done, insertion.end)
        yield translated.text[done:], None

    def _project_tags(self, translated: TranslatedSegment) -> list[Insertion]:
        if self.markup is None or not self.markup.tags:
            return []
        return project_tags(
            self.markup.tags, translated.source, translated.text, translated.alignment, self.markup.rules
        )

    def _write_characters(self, text: str) -> str:
        escaped = escape(text) if self.is_markup else text
        return escaped.translate(self.markup.elements) if self.markup is not None else escaped


@dataclass(slots=True)
class WholeParts:
    """The first ``count`` parts of an answer in progress, which are complete, and their text."""

    count: int = 0
    text: str = ""

    def add(self, text: str) -> None:
        """Adds the text of the next part."""
        self.count += 1
        self.text += text


def build_parts(
    document: str, flow: Flow, pieces: Sequence[Piece], number: Callable[[str], int], start: int, rules: TextRules
) -> list[Part]:
    """Makes parts of a flow: its segments, and before each the text between it and the one before.

    Args:
        document: The text that was sent.
        flow: A flow of it.
        pieces: Those of the flow's text.
        number: Returns the number of a segment in the plan.
        start: Offset in the document behind the part before.
        rules: Give the placeholders.
    """
    parts: list[Part] = []
    elements = {ord(character): element for character, element in flow.elements.items()}
    end = gap = 0
    for piece in pieces:
        first, end = end, end + len(piece.text)
        if not piece.is_segment:
            continue
        offsets = OffsetMap(flow.starts[first:end], flow.ends[first:end])
        before, behind = offsets.find_range(0, len(piece.text))
        last = flow.text[max(0, gap - _LAST_CHARACTERS) : gap]
        kept = space_sentences(document[start:before], flow.text[gap:first], last, rules.languages)
        gap = end
        if kept:
            parts.append(Part(kept=escape_open_tag(kept) if flow.is_markup else kept))
        raw = document[before:behind]
        tags = tuple(replace(tag, offset=tag.offset - first) for tag in flow.find_tags(first, end))
        markup = None
        if raw != piece.text or flow.is_markup:
            is_safe = not flow.is_markup or raw == escape_open_tag(raw)
            markup = SegmentMarkup(raw if is_safe else None, tags, elements, rules)
        parts.append(Part(segment=number(piece.text), is_markup=flow.is_markup, offsets=offsets, markup=markup))
        start = behind
    return parts


def assemble(
    parts: Sequence[Part], ranked: Sequence[list[TranslatedSegment]], alternatives: int, is_aligned: bool
) -> Translation:
    """Puts the translated segments back among the parts.

    Args:
        parts: Those of the text.
        ranked: The translations of each segment of the plan, best first.
        alternatives: How many other translations of the whole text are wanted; the i-th takes the i-th translation of
            each segment, or its best.
        is_aligned: Whether the alignment was requested.
    """

    def write_all(rank: int) -> str:
        written = []
        for part in parts:
            if part.segment is None:
                written.append(part.kept)
                continue
            candidates = ranked[part.segment]
            written.append(part.write(candidates[rank if rank < len(candidates) else 0]))
        return "".join(written)

    best = write_all(0)
    others = dict.fromkeys(write_all(rank) for rank in range(1, alternatives + 1))
    others.pop(best, None)
    used = []
    for part in parts:
        if part.segment is not None:
            translated = ranked[part.segment][0]
            is_hidden = translated.alignment is not None and not (is_aligned or part.has_tags)
            used.append(replace(translated, alignment=None) if is_hidden else translated)
    return Translation(best, tuple(others), tuple(used), _align(parts, ranked) if is_aligned else ())


def _align(parts: Sequence[Part], ranked: Sequence[list[TranslatedSegment]]) -> tuple[AlignedGroup, ...]:
    """Aligns the best translation, segment after segment; a segment that stands for itself has no alignment."""
    aligned = AlignedText()
    offset = 0
    for part in parts:
        if part.segment is None:
            offset += len(part.kept)
            continue
        translated = ranked[part.segment][0]
        if translated.alignment is not None:
            aligned.add(translated.alignment, part.offsets, part.map_offsets(translated, offset))
        offset += len(part.write(translated))
    return tuple(aligned.groups)
