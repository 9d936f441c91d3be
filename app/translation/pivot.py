"""What happens to a segment between two models: the text of the first is read by the second.

``join_bundles`` makes one bundle of two, for all that works with text at the ends of the chain; its tokenizer reads
with the first model's tokens and writes with the second's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import regex

from app.bundle.phrases import PhraseChain
from app.bundle.store import Bundle
from app.bundle.tokenizers import PairedTokenizer, Tokenizer
from app.engine.sequence import FinishReason, Hypothesis, SearchOptions, Timing, normalise_score
from app.text.masking import TextRules
from app.text.segmentation import Piece, shorten
from app.text.stand_ins import is_stand_in
from app.translation.alignment import SegmentAlignment, strip_ranges
from app.translation.pending import Detokenizer
from app.translation.postedit import postedit, write_phrase

_WORD: Final = regex.compile(r"[\p{L}\p{N}]+")


def join_bundles(first: Bundle, second: Bundle) -> Bundle:
    """The bundle that two stand for, whose first target is the source of the second.

    Its manifest has the languages, limits and default search that apply at both ends; it has attention if both have.
    """
    opening, closing = first.manifest, second.manifest
    manifest = closing.model_copy(
        update={
            "name": f"{opening.name} + {closing.name}",
            "source": opening.source,
            "other_sources": (),
            "source_tags": {},
            "target": closing.target,
            "signature": closing.signature if opening.signature.memory_names else opening.signature,
            "limits": closing.limits.model_copy(
                update={"max_source_tokens": min(opening.limits.max_source_tokens, closing.limits.max_source_tokens)}
            ),
        }
    )
    tokenizer = PairedTokenizer(first.tokenizer, second.tokenizer)
    phrases = {(opening.source, closing.target): PhraseChain(first.phrases, second.phrases)}
    return Bundle(first.folder, manifest, tokenizer, f"{first.version}+{second.version}", phrases)


@dataclass(frozen=True, slots=True)
class Intermediate:
    """A segment in the pivot language.

    Attributes:
        text: Its words.
        hypothesis: What the first model wrote.
        sources: The second model's tokens; several parts if it is too long for that.
        links: For each token of ``sources`` that number of a token of the first source that it comes from; empty
            without attention.
        unlinked: The number that stands for no token of the first source.
    """

    text: str
    hypothesis: Hypothesis
    sources: tuple[tuple[int, ...], ...]
    links: tuple[tuple[int, ...], ...]
    unlinked: int

    @property
    def is_translatable(self) -> bool:
        """False where there is nothing to translate further: no word was written, or no time is left."""
        return bool(self.sources) and self.reason not in (FinishReason.DEADLINE, FinishReason.CANCELLED)

    @property
    def reason(self) -> FinishReason:
        """Why the first model ended."""
        return self.hypothesis.finish_reason

    def searches(self, options: SearchOptions) -> list[SearchOptions]:
        """How each part is decoded: only the first goes on from the prefix."""
        others = replace(options, prefix=(), allowed=None, branching=False)
        return [options, *[others] * (len(self.sources) - 1)]


class PivotText:
    """The text work between two models.

    Args:
        first: The bundle that writes the pivot language.
        second: The one that reads it.
    """

    def __init__(self, first: Bundle, second: Bundle) -> None:
        self._first, self._second = first, second
        self._detokenizer = Detokenizer(first.tokenizer)
        self._rules = TextRules((first.manifest.source, first.manifest.target))
        self._phrases = first.phrases
        self._has_attention = bool(first.manifest.signature.memory_names)
        self._max_source_tokens = second.manifest.limits.max_source_tokens
        self._joint = tuple(second.tokenizer.encode(" "))

    def first_search(self, options: SearchOptions) -> SearchOptions:
        """How the first model decodes a segment whose translation the second decodes with ``options``.

        It makes one translation: samples and alternatives are the second's. Where the caller wants every hypothesis, it
        too returns all, so that one with every stand-in can be chosen.
        """
        default = self._first.manifest.search
        is_own = options.branching or options.temperature or options.beam_size == self._second.manifest.search.beam_size
        beam_size = default.beam_size if is_own else options.beam_size
        return SearchOptions(
            beam_size,
            beam_size if options.hypotheses > 1 else 1,
            default.length_penalty,
            align=options.align and self._has_attention,
            no_repeat_ngram=options.no_repeat_ngram,
            spares=options.spares or bool(options.temperature),
        )

    def read(self, source_ids: Sequence[int], hypotheses: Sequence[Hypothesis]) -> Intermediate:
        """Makes the second model's source of what the first wrote.

        Args:
            source_ids: What the first model read.
            hypotheses: What it wrote, best first.
        """
        source = self._first.tokenizer.decode_source(source_ids)
        hypothesis = max(hypotheses, key=lambda one: self._count_stand_ins(source, one))  # the first of equal ones
        if (phrase := self._phrases.find(source)) is not None:
            translated = write_phrase(source, phrase, hypothesis, self._rules.languages)
        else:
            translated = postedit(self._detokenizer.detokenize(source, hypothesis), self._rules)
        text, tokenizer = translated.text, self._second.tokenizer
        pieces = shorten(Piece(text, is_segment=True), self._fits) if text else []
        parts = [piece.text.strip() for piece in pieces if any(map(str.isalnum, piece.text))]
        sources = tuple(tuple(tokenizer.encode_source(part)) for part in parts)
        links: tuple[tuple[int, ...], ...] = ()
        if translated.alignment is not None:
            links = _link(text, parts, translated.alignment, tokenizer, len(source_ids))
        return Intermediate(text, hypothesis, sources, links, len(source_ids))

    def compose(
        self, intermediate: Intermediate, options: SearchOptions, parts: Sequence[Sequence[Hypothesis]]
    ) -> list[Hypothesis]:
        """Makes hypotheses of the chain: one for each that the second model has of the first part."""
        return [
            self._compose(intermediate, options, [part[min(rank, len(part) - 1)] for part in parts])
            for rank in range(len(parts[0]))
        ]

    def _compose(self, intermediate: Intermediate, options: SearchOptions, parts: Sequence[Hypothesis]) -> Hypothesis:
        first = intermediate.hypothesis
        token_ids, token_scores = parts[0].token_ids, parts[0].token_scores
        alignment = self._align(intermediate, 0, parts[0])
        for number, part in enumerate(parts[1:], start=1):
            token_scores = (*token_scores[: len(token_ids)], *[0.0] * len(self._joint), *part.token_scores)
            token_ids = (*token_ids, *self._joint, *part.token_ids)
            following = self._align(intermediate, number, part)
            if alignment is not None and following is not None:
                alignment = (*alignment, *[intermediate.unlinked] * len(self._joint), *following)
        reasons = [one.finish_reason for one in (*parts, first) if one.finish_reason is not FinishReason.STOP]
        score = parts[0].score
        if len(parts) > 1:
            score = normalise_score(sum(token_scores), len(token_scores), options.length_penalty)
        timings = [one.timing for one in (first, *parts) if one.timing is not None]
        return Hypothesis(
            token_ids,
            first.score + score,
            token_scores,
            reasons[0] if reasons else FinishReason.STOP,
            alignment,
            _add_timings(timings) if timings else None,
        )

    def _align(self, intermediate: Intermediate, part: int, hypothesis: Hypothesis) -> tuple[int, ...] | None:
        if hypothesis.alignment is None or not intermediate.links:
            return None
        links = intermediate.links[part]
        return tuple(links[one] if one < len(links) else intermediate.unlinked for one in hypothesis.alignment)

    def _count_stand_ins(self, source: str, hypothesis: Hypothesis) -> int:
        """Counts the words that are in both texts and of a kind that stands for placeholders."""
        wanted = Counter(word for word in _WORD.findall(source) if is_stand_in(word))
        if not wanted:
            return 0
        return (wanted & Counter(_WORD.findall(self._first.tokenizer.decode(hypothesis.token_ids)))).total()

    def _fits(self, text: str) -> bool:
        return len(self._second.tokenizer.encode_source(text)) <= self._max_source_tokens


def _link(
    text: str, parts: Sequence[str], alignment: SegmentAlignment, tokenizer: Tokenizer, unlinked: int
) -> tuple[tuple[int, ...], ...]:
    """For each part the links of its tokens: that of the first character with a link."""
    of_characters = [unlinked] * len(text)
    for source, (start, end) in zip(alignment.sources, alignment.target_ranges, strict=True):
        of_characters[start:end] = [source] * (end - start)
    links: list[tuple[int, ...]] = []
    offset = 0
    for part in parts:
        offset = text.index(part, offset)
        ranges = strip_ranges(part, tokenizer.encode_ranges(part))
        found = (of_characters[offset + start : offset + end] for start, end in ranges)
        links.append(tuple(next((one for one in characters if one != unlinked), unlinked) for characters in found))
        offset += len(part)
    return tuple(links)


def _add_timings(timings: Sequence[Timing]) -> Timing:
    return Timing(
        queue_seconds=sum(one.queue_seconds for one in timings),
        encode_seconds=sum(one.encode_seconds for one in timings),
        decode_seconds=sum(one.decode_seconds for one in timings),
        steps=sum(one.steps for one in timings),
        step_rows=sum(one.step_rows for one in timings),
    )
