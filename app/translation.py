"""A translated text, and how it is put together again from its segments and all that stands between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.alignment import AlignedGroup, AlignedText, SegmentAlignment
from app.engine.pace import Timing
from app.engine.sequence import FinishReason
from app.text.markup import escape, escape_places
from app.text.segmentation import Piece


@dataclass(frozen=True, slots=True)
class TranslatedSegment:
    """One segment as it came back. Any ``finish_reason`` but ``stop`` says that the translation was cut, and why.

    ``is_source``: there is no translation, so the source stands for it. ``token_ids`` are without the end token;
    ``tokens`` and ``token_scores`` are the written form and the log probability of each, the end token too where there
    is one. ``alignment`` only if asked for. ``is_restored``: the text has placeholders for which others stood in, so it
    is not what the token ids write.
    """

    source: str
    text: str
    score: float
    finish_reason: FinishReason
    is_source: bool = False
    is_restored: bool = False
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


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the answer: text that stays as it is, or the number of a segment of the plan."""

    kept: str = ""
    segment: int | None = None
    is_markup: bool = False  # what is put here must be escaped
    places: Sequence[int] = ()  # where each character of the segment lies in the text, and where the last one ends


@dataclass(slots=True)
class WholeParts:
    """The first ``count`` parts of an answer on its way, which are whole, and their text."""

    count: int = 0
    text: str = ""

    def add(self, text: str) -> None:
        self.count += 1
        self.text += text


def parts_of(
    pieces: Sequence[Piece], places: Sequence[int], number: Callable[[str], int], is_markup: bool
) -> list[Part]:
    """:param places: where each character of the joined pieces lies in the text, and where the last one ends."""
    parts: list[Part] = []
    start = 0
    for piece in pieces:
        end = start + len(piece.text)
        if piece.is_segment:
            parts.append(Part(segment=number(piece.text), is_markup=is_markup, places=places[start : end + 1]))
        else:
            parts.append(Part(kept=piece.text))
        start = end
    return parts


def assemble(parts: Sequence[Part], ranked: Sequence[list[TranslatedSegment]], alternatives: int) -> Translation:
    """Put the segments back among the parts; the i-th alternative takes the i-th reading of each, or else its best."""

    def whole(rank: int) -> str:
        written = []
        for part in parts:
            if part.segment is None:
                written.append(part.kept)
                continue
            readings = ranked[part.segment]
            text = readings[rank if rank < len(readings) else 0].text
            written.append(escape(text) if part.is_markup else text)
        return "".join(written)

    best = whole(0)
    others = dict.fromkeys(whole(rank) for rank in range(1, alternatives + 1))
    others.pop(best, None)
    used = tuple(ranked[part.segment][0] for part in parts if part.segment is not None)
    return Translation(best, tuple(others), used, _align(parts, ranked))


def _align(parts: Sequence[Part], ranked: Sequence[list[TranslatedSegment]]) -> tuple[AlignedGroup, ...]:
    """Of the best readings, segment after segment; what stands for itself has none."""
    aligned = AlignedText()
    position = 0
    for part in parts:
        if part.segment is None:
            position += len(part.kept)
            continue
        reading = ranked[part.segment][0]
        places: Sequence[int] = range(position, position + len(reading.text) + 1)
        if part.is_markup:
            places = escape_places(reading.text, position)
        position = places[-1]
        if reading.alignment is not None:
            aligned.add(reading.alignment, part.places, places)
    return tuple(aligned.groups)
