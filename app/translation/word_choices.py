"""Other words at an offset of a translation, each with the translation that goes on from it."""

import codecs
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from app.bundle.store import Bundle
from app.engine.sequence import FinishReason, Hypothesis, Priority, SearchOptions
from app.errors import InvalidRequest
from app.translation.assembly import Part, TranslatedSegment, Translation
from app.translation.pending import Detokenizer, Pending
from app.translation.translator import Plan, Submitter


@dataclass(frozen=True, slots=True)
class Choice:
    """A word that could stand there.

    Attributes:
        word: Empty for the end of the sentence.
        score: The log probability of its first token.
        text: The whole translation with it, continued greedily.
        finish_reason: Why the continuation ended.
    """

    word: str
    score: float
    text: str
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Choices:
    """The words for the characters from ``start`` to ``end`` of a translation, likeliest first, its own among them."""

    start: int
    end: int
    words: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class ChoiceRequest:
    """A token of a translation, and what the engine gets for it.

    Attributes:
        source_ids: The token ids of the segment.
        options: How to decode it.
        translation: That of the whole text.
        part: The part of the text with the segment.
        source: The segment.
        start: Offset in the translation of the word's first character from the token on, as ``end`` behind the word.
        segment_start: Offset of the segment, as ``segment_end`` behind it.
        before: The segment's translation up to the token.
    """

    source_ids: tuple[int, ...]
    options: SearchOptions
    translation: Translation
    part: Part
    source: str
    start: int
    end: int
    segment_start: int
    segment_end: int
    before: str


class Chooser:
    """Finds other words with one bundle's engine."""

    def __init__(self, bundle: Bundle, engine: Submitter) -> None:
        self._engine = engine
        self._tokenizer = bundle.tokenizer
        self._detokenizer = Detokenizer(bundle.tokenizer)
        self._written = bundle.tokenizer.token_bytes()
        self._length_penalty = bundle.manifest.search.length_penalty

    def prepare(self, plan: Plan, translation: Translation, offset: int, count: int) -> ChoiceRequest:
        """Finds the token at an offset, and how its alternatives are decoded.

        Args:
            plan: A plan of a single text.
            translation: That of the text.
            offset: Of a character of the translation; the one behind a sentence asks what may follow instead of its
                end.
            count: How many words are wanted, at most.

        Raises:
            InvalidRequest: No sentence was translated there.
        """
        part, translated, position = _find_segment(plan.texts[0], translation, offset)
        assert part.segment is not None
        offsets = part.map_offsets(translated, position)
        character = max(0, bisect_right(offsets.starts, offset) - 1)
        if not offsets.ends or offset >= offsets.ends[-1]:
            character = len(translated.text)
        prefix_length, token_start = self._find_token(translated, character)
        start = token_start + _count_spaces(translated.text[token_start:])
        behind = start + len(_get_first_word(translated.text[start:]))
        segment_end = offsets.ends[-1] if offsets.ends else position
        return ChoiceRequest(
            source_ids=plan.sources[part.segment],
            options=SearchOptions(
                count,
                count,
                self._length_penalty,
                prefix=translated.token_ids[:prefix_length],
                branching=True,
                align=part.has_tags and translated.alignment is not None,
            ),
            translation=translation,
            part=part,
            source=translated.source,
            start=offsets.starts[start] if start < len(translated.text) else segment_end,
            end=offsets.ends[behind - 1] if behind > start else segment_end,
            segment_start=position,
            segment_end=position + len(part.write(translated)),
            before=translated.text[:token_start],
        )

    def _find_token(self, translated: TranslatedSegment, character: int) -> tuple[int, int]:
        """Returns the number of the token with a character, and the offset at which the token begins.

        Tokens that begin within a character are skipped backwards: the prefix must end with a whole one.
        """
        decoded = self._tokenizer.decode(translated.token_ids)
        lead = len(decoded) - len(decoded.lstrip())
        ends = [end - lead for _, end in self._tokenizer.decode_ranges(translated.token_ids)]
        number = bisect_right(ends, character)
        start = max(0, ends[number - 1]) if number else 0
        while number and (ends[number - 1] > start or self._ends_within_character(translated.token_ids[:number])):
            number -= 1
        return number, min(start, max(0, ends[number - 1]) if number else 0)

    def _ends_within_character(self, token_ids: Sequence[int]) -> bool:
        """Tells whether tokens end with bytes of a character that the next token may complete."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(b"".join(self._written[token_id] for token_id in token_ids))
        return bool(decoder.getstate()[0])

    def submit(
        self, request: ChoiceRequest, deadline: float | None = None, priority: Priority = Priority.INTERACTIVE
    ) -> Pending:
        """Queues the request, as ``Translator.submit`` does a plan."""
        futures = self._engine.submit_many([request.source_ids], [request.options], deadline, priority)
        return Pending(futures, self._engine.answer_late)

    def finish(self, request: ChoiceRequest, pending: Pending) -> Choices:
        """Returns the words; only after ``pending.done`` has a result."""
        (hypotheses,) = pending.collect_hypotheses()
        first = len(request.options.prefix)
        found: dict[str, Choice] = {}
        continued = [hypothesis for hypothesis in hypotheses if len(hypothesis.token_scores) > first]
        for hypothesis in sorted(continued, key=lambda one: (-one.token_scores[first], one.token_ids)):
            choice = self._read(request, hypothesis, hypothesis.token_scores[first])
            found.setdefault(choice.text, choice)
        return Choices(request.start, request.end, tuple(found.values()))

    def _read(self, request: ChoiceRequest, hypothesis: Hypothesis, score: float) -> Choice:
        translated, whole = self._detokenizer.detokenize(request.source, hypothesis), request.translation.text
        word = _get_first_word(translated.text[len(request.before) :].lstrip())
        written = request.part.write(translated)
        changed = whole[: request.segment_start] + written + whole[request.segment_end :]
        return Choice(word, score, changed, hypothesis.finish_reason)


def _find_segment(parts: Sequence[Part], translation: Translation, offset: int) -> tuple[Part, TranslatedSegment, int]:
    """Returns the part with a character of the translation, the part's translated segment, and its offset.

    Raises:
        InvalidRequest: Nothing was translated there, or placeholders were restored there.
    """
    found: tuple[Part, TranslatedSegment, int] | None = None
    segments, end = iter(translation.segments), 0
    for part in parts:
        if part.segment is None:
            end += len(part.kept)
            continue
        translated = next(segments)
        start, end = end, end + len(part.write(translated))
        if start <= offset <= end and not (translated.is_source or translated.is_restored):
            found = part, translated, start
    if found is None:
        raise InvalidRequest(
            f"alternatives_at is {offset}, where the translation ({len(translation.text)} characters) has nothing "
            "that was translated, or a sentence with placeholders"
        )
    return found


def _get_first_word(text: str) -> str:
    return text.split(maxsplit=1)[0] if text.strip() else ""


def _count_spaces(text: str) -> int:
    """Counts the white space at the beginning of a text."""
    return len(text) - len(text.lstrip())
