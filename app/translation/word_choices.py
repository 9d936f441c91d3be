"""What else could stand at a place of a translation: other words, each with the translation that goes on from it."""

import codecs
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from app.bundle.store import Bundle
from app.engine.sequence import FinishReason, Hypothesis, Priority, SearchOptions
from app.errors import InvalidRequest
from app.translation.assembly import Part, TranslatedSegment, Translation
from app.translation.detokenize import Reader
from app.translation.pending import Pending
from app.translation.translator import Plan, Submitter


@dataclass(frozen=True, slots=True)
class Choice:
    """``word`` could stand there, empty for the end. ``score``: the log probability of its first token. ``text``: the
    whole translation with it, gone on with greedily.
    """

    word: str
    score: float
    text: str
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Choices:
    """``start`` up to ``end``: the characters in question. ``words``: likeliest first, what stands there among them."""

    start: int
    end: int
    words: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A token of a translation, and what the engine is asked about it."""

    source_ids: tuple[int, ...]
    options: SearchOptions
    translation: Translation
    part: Part
    source: str
    start: int  # of the word, from the token on
    end: int
    segment_start: int
    segment_end: int
    before: str  # of the segment's text, what stands before the token


class Chooser:
    """Asks one bundle's engine."""

    def __init__(self, bundle: Bundle, engine: Submitter) -> None:
        self._engine = engine
        self._tokenizer = bundle.tokenizer
        self._reader = Reader(bundle.tokenizer)
        self._written = bundle.tokenizer.token_bytes()
        self._length_penalty = bundle.manifest.search.length_penalty

    def prepare(self, plan: Plan, translation: Translation, offset: int, count: int) -> Question:
        """:param translation: of the only text of the plan.
        :param offset: of a character of it. The one behind a sentence asks what else could come there than its end.
        :param count: how many words, at most.
        :raises InvalidRequest: no sentence was translated there.
        """
        part, reading, position = _segment_at(plan.texts[0], translation, offset)
        assert part.segment is not None
        places = part.written_places(reading, position)
        inside = max(0, bisect_right(places.starts, offset) - 1)
        if not places.ends or offset >= places.ends[-1]:
            inside = len(reading.text)
        decoded = self._tokenizer.decode(reading.token_ids)
        lead = len(decoded) - len(decoded.lstrip())
        ends = [end - lead for _, end in self._tokenizer.decode_ranges(reading.token_ids)]
        number = bisect_right(ends, inside)  # of the token with this character
        begin = max(0, ends[number - 1]) if number else 0
        count_before = number
        while count_before and (
            ends[count_before - 1] > begin or self._within_character(reading.token_ids[:count_before])
        ):
            count_before -= 1
        begin = min(begin, max(0, ends[count_before - 1]) if count_before else 0)
        start = begin + _blank(reading.text[begin:])
        behind = start + len(_first_word(reading.text[start:]))
        whole_end = places.ends[-1] if places.ends else position
        return Question(
            source_ids=plan.sources[part.segment],
            options=SearchOptions(
                count,
                count,
                self._length_penalty,
                prefix=reading.token_ids[:count_before],
                branching=True,
                align=part.has_marks and reading.alignment is not None,
            ),
            translation=translation,
            part=part,
            source=reading.source,
            start=places.starts[start] if start < len(reading.text) else whole_end,
            end=places.ends[behind - 1] if behind > start else whole_end,
            segment_start=position,
            segment_end=position + len(part.written(reading)),
            before=reading.text[:begin],
        )

    def _within_character(self, token_ids: Sequence[int]) -> bool:
        """Do these tokens end with bytes of a character that others may still complete?"""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(b"".join(self._written[token_id] for token_id in token_ids))
        return bool(decoder.getstate()[0])

    def submit(
        self, question: Question, deadline: float | None = None, priority: Priority = Priority.INTERACTIVE
    ) -> Pending:
        """As ``Translator.submit``."""
        futures = self._engine.submit_many([question.source_ids], [question.options], deadline, priority)
        return Pending(futures, self._engine.answer_late)

    def finish(self, question: Question, pending: Pending) -> Choices:
        """Once ``pending.done`` is."""
        (hypotheses,) = pending.hypotheses()
        place = len(question.options.prefix)
        found: dict[str, Choice] = {}
        begun = [hypothesis for hypothesis in hypotheses if len(hypothesis.token_scores) > place]
        for hypothesis in sorted(begun, key=lambda one: (-one.token_scores[place], one.token_ids)):
            choice = self._choice(question, hypothesis, hypothesis.token_scores[place])
            found.setdefault(choice.text, choice)
        return Choices(question.start, question.end, tuple(found.values()))

    def _choice(self, question: Question, hypothesis: Hypothesis, score: float) -> Choice:
        reading, whole = self._reader.read(question.source, hypothesis), question.translation.text
        word = _first_word(reading.text[len(question.before) :].lstrip())
        written = question.part.written(reading)
        changed = whole[: question.segment_start] + written + whole[question.segment_end :]
        return Choice(word, score, changed, hypothesis.finish_reason)


def _segment_at(parts: Sequence[Part], translation: Translation, offset: int) -> tuple[Part, TranslatedSegment, int]:
    """The part with this character, its reading, and where that begins in the text."""
    found: tuple[Part, TranslatedSegment, int] | None = None
    readings, position = iter(translation.segments), 0
    for part in parts:
        if part.segment is None:
            position += len(part.kept)
            continue
        reading = next(readings)
        start, position = position, position + len(part.written(reading))
        if start <= offset <= position and not (reading.is_source or reading.is_restored):
            found = part, reading, start
    if found is None:
        raise InvalidRequest(
            f"alternatives_at is {offset}, where the translation ({len(translation.text)} characters) has nothing "
            "that was translated, or a sentence with placeholders"
        )
    return found


def _first_word(text: str) -> str:
    return text.split(maxsplit=1)[0] if text.strip() else ""


def _blank(text: str) -> int:
    """How many spaces it begins with."""
    return len(text) - len(text.lstrip())
