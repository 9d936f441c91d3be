"""A translated text, and how it is put together again from its segments and all that stands between them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.engine.sequence import FinishReason, Timing
from app.text.inline import Flow, Mark
from app.text.markup import escape, without_open_tag
from app.text.placeholder_patterns import BUILT_IN, PlaceholderFinder
from app.text.segmentation import Piece
from app.translation.alignment import AlignedGroup, AlignedText, Places, SegmentAlignment
from app.translation.tag_projection import Insert, place_marks


@dataclass(frozen=True, slots=True)
class TranslatedSegment:
    """One segment as it came back. Any ``finish_reason`` but ``stop`` says that the translation was cut, and why.

    ``is_source``: there is no translation, so the source stands for it. ``token_ids`` are without the end token;
    ``tokens`` and ``token_scores`` are the written form and the log probability of each, the end token too where there
    is one. ``alignment`` only if asked for, or needed to place marks. ``is_restored``: the text has placeholders for
    which others stood in, so it is not what the token ids write. ``unplaced``: terms of the glossary whose place in the
    text was guessed, or that it lacks.
    """

    source: str
    text: str
    score: float
    finish_reason: FinishReason
    is_source: bool = False
    is_restored: bool = False
    unplaced: tuple[str, ...] = ()
    token_ids: tuple[int, ...] = ()
    tokens: tuple[str, ...] = ()
    token_scores: tuple[float, ...] = ()
    alignment: SegmentAlignment | None = None
    timing: Timing | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """``alternatives``: other translations of the whole text, best first, unique, none of them ``text``.

    ``segments`` and ``alignment`` are those of ``text``, in its order; ``alignment`` is empty if not asked for.
    """

    text: str
    alternatives: tuple[str, ...]
    segments: tuple[TranslatedSegment, ...]
    alignment: tuple[AlignedGroup, ...] = ()

    @property
    def is_complete(self) -> bool:
        """False if any segment was cut."""
        return not self.cut_reasons

    @property
    def cut_reasons(self) -> frozenset[FinishReason]:
        """Why segments were cut, each reason once."""
        return frozenset(segment.finish_reason for segment in self.segments) - {FinishReason.STOP}


_NOWHERE: Final = Places()


@dataclass(frozen=True, slots=True)
class Inside:
    """What a segment has in it beside its text. ``raw``: how it stands in the document, None where that would make
    other tags of what comes behind it. ``marks``: with places in the
    segment. ``whole_words``: by the code of the character that stands for it, what was kept from
    the model. ``finder``: of what no mark may cut.
    """

    raw: str | None
    marks: tuple[Mark, ...]
    whole_words: Mapping[int, str]
    finder: PlaceholderFinder = BUILT_IN


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the answer: text that stays as it is, or the number of a segment of the plan.

    ``is_markup``: what is put here must be escaped. ``places``: where each character of the segment lies in the text.
    """

    kept: str = ""
    segment: int | None = None
    is_markup: bool = False
    places: Places = _NOWHERE
    inside: Inside | None = None

    @property
    def has_marks(self) -> bool:
        return self.inside is not None and bool(self.inside.marks)

    def is_told_late(self, segment: str) -> bool:
        """Only at its end it is known how its translation is written: where its marks go, or as in the source."""
        raw = None if self.inside is None else self.inside.raw
        return self.has_marks or (raw is not None and raw != (escape(segment) if self.is_markup else segment))

    def written(self, reading: TranslatedSegment) -> str:
        """A reading of its segment as it stands in the answer."""
        if self.inside is None:
            return escape(reading.text) if self.is_markup else reading.text
        if reading.text == reading.source and self.inside.raw is not None:
            return self.inside.raw
        written, position = [], 0
        for insert in self._inserts(reading):
            text = reading.text[position : insert.start]
            written.append((escape(text) if self.is_markup else text).translate(self.inside.whole_words))
            written.append(insert.written)
            position = max(position, insert.end)
        return "".join(written)

    def written_places(self, reading: TranslatedSegment, start: int) -> Places:
        """Where each character of a reading lies, once it is written from ``start`` on."""
        if self.inside is None and not self.is_markup:
            return Places.straight(start, len(reading.text))
        if self.inside is not None and self.inside.raw is not None and reading.text == reading.source:
            return self.places.moved(start - self.places.starts[0])
        starts, ends = [], []
        for text, is_character in self._strokes(reading):
            if is_character:
                starts.append(start)
                ends.append(start + len(text))
            start += len(text)
        return Places(starts, ends)

    def _strokes(self, reading: TranslatedSegment) -> Iterator[tuple[str, bool]]:
        """Each character of a reading as it is written, and what stands between them."""
        words = self.inside.whole_words if self.inside else {}
        position = 0
        for insert in self._inserts(reading):
            for character in reading.text[position : insert.start]:
                yield (escape(character) if self.is_markup else character).translate(words), True
            replaced = insert.end - max(insert.start, position)
            yield insert.written, replaced > 0
            for _ in range(replaced - 1):
                yield "", True
            position = max(position, insert.end)

    def _inserts(self, reading: TranslatedSegment) -> list[Insert]:
        """What is put into a reading, and at last nothing at its end."""
        inserts: list[Insert] = []
        if self.inside is not None and self.inside.marks:
            inserts = place_marks(
                self.inside.marks, reading.source, reading.text, reading.alignment, self.inside.finder
            )
        return [*inserts, Insert(len(reading.text), len(reading.text), "")]


@dataclass(slots=True)
class WholeParts:
    """The first ``count`` parts of an answer on its way, which are whole, and their text."""

    count: int = 0
    text: str = ""

    def add(self, text: str) -> None:
        self.count += 1
        self.text += text


def parts_of(
    document: str,
    flow: Flow,
    pieces: Sequence[Piece],
    number: Callable[[str], int],
    start: int,
    finder: PlaceholderFinder = BUILT_IN,
) -> list[Part]:
    """The segments of a flow, and before each what stands between it and the one before, from ``start`` on."""
    parts: list[Part] = []
    words = {ord(character): word for character, word in flow.words.items()}
    position = 0
    for piece in pieces:
        begin, position = position, position + len(piece.text)
        if not piece.is_segment:
            continue
        places = Places(flow.starts[begin:position], flow.ends[begin:position])
        first, behind = places.of(0, len(piece.text))
        if first > start:
            kept = document[start:first]
            parts.append(Part(kept=without_open_tag(kept) if flow.is_markup else kept))
        raw = document[first:behind]
        marks = tuple(replace(mark, place=mark.place - begin) for mark in flow.marks_within(begin, position))
        inside = None
        if raw != piece.text or flow.is_markup:
            is_safe = not flow.is_markup or raw == without_open_tag(raw)
            inside = Inside(raw if is_safe else None, marks, words, finder)
        parts.append(Part(segment=number(piece.text), is_markup=flow.is_markup, places=places, inside=inside))
        start = behind
    return parts


def assemble(
    parts: Sequence[Part], ranked: Sequence[list[TranslatedSegment]], alternatives: int, is_aligned: bool
) -> Translation:
    """Put the segments back among the parts; the i-th alternative takes the i-th reading of each, or else its best."""

    def whole(rank: int) -> str:
        written = []
        for part in parts:
            if part.segment is None:
                written.append(part.kept)
                continue
            readings = ranked[part.segment]
            written.append(part.written(readings[rank if rank < len(readings) else 0]))
        return "".join(written)

    best = whole(0)
    others = dict.fromkeys(whole(rank) for rank in range(1, alternatives + 1))
    others.pop(best, None)
    used = []
    for part in parts:
        if part.segment is not None:
            reading = ranked[part.segment][0]
            is_hidden = reading.alignment is not None and not (is_aligned or part.has_marks)
            used.append(replace(reading, alignment=None) if is_hidden else reading)
    return Translation(best, tuple(others), tuple(used), _align(parts, ranked) if is_aligned else ())


def _align(parts: Sequence[Part], ranked: Sequence[list[TranslatedSegment]]) -> tuple[AlignedGroup, ...]:
    """Of the best readings, segment after segment; what stands for itself has none."""
    aligned = AlignedText()
    position = 0
    for part in parts:
        if part.segment is None:
            position += len(part.kept)
            continue
        reading = ranked[part.segment][0]
        if reading.alignment is not None:
            aligned.add(reading.alignment, part.places, part.written_places(reading, position))
        position += len(part.written(reading))
    return tuple(aligned.groups)
