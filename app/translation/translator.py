"""Text -> segments -> ids -> engine -> text: one direction of translation, from beginning to end.

``prepare`` and ``finish`` use the CPU and belong on a thread that is neither the engine's nor the event loop's;
``submit`` returns at once. ``translate`` is all three, for callers without an event loop.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from typing import Protocol

from app.bundle.store import Bundle
from app.engine.search.greedy import derive_seed
from app.engine.sequence import Hypothesis, Listener, Priority, SearchOptions
from app.errors import InvalidRequest
from app.text.glossary_terms import Terms
from app.text.inline import Splitting, TextFormat, flows_of
from app.text.markup import escape
from app.text.masking import Masked
from app.text.placeholder_patterns import BUILT_IN, PlaceholderFinder
from app.text.tag_roles import NO_RULES, TagRules
from app.translation.assembly import Part, TranslatedSegment, Translation, WholeParts, assemble, parts_of
from app.translation.detokenize import Reader
from app.translation.pending import GRACE_SECONDS, Pending
from app.translation.postedit import mended
from app.translation.preparation import SegmentList
from app.translation.unmasking import restore, unmasked

__all__ = ["Plan", "Submitter", "TextFormat", "Translation", "TranslationOptions", "Translator"]


class Submitter(Protocol):
    """What a translator asks of the engine."""

    def submit_many(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions | Sequence[SearchOptions] | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        listeners: "Sequence[Listener | None] | None" = None,
    ) -> "list[Future[list[Hypothesis]]]": ...

    def answer_late(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TranslationOptions:
    """What a request may choose.

    ``beam_size`` None is the bundle's own; ``alternatives`` may widen the beam, or draw so many times more.
    ``alignment`` asks for ``Translation.alignment``. ``target_prefix`` is how the translation of the first segment
    begins, of a single text; ``typed`` is so much of it as somebody has typed, which only keeps stand-ins from being
    taken for its words. ``placeholders``: they are kept out of the model, and so are the ``terms`` of a glossary.
    ``tags`` of HTML and XML. ``splitting`` None: as the format has it. ``keeps_form``: a translation begins and ends as
    its segment does. The others are those of ``SearchOptions``.
    """

    beam_size: int | None = None
    alternatives: int = 0
    text_format: TextFormat = "text"
    tags: TagRules = NO_RULES
    splitting: Splitting | None = None
    keeps_form: bool = False
    alignment: bool = False
    target_prefix: str = ""
    typed: str = ""
    placeholders: bool = True
    terms: Terms | None = None
    no_repeat_ngram: int = 0
    temperature: float = 0.0
    top_k: int = 50
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A request made ready: each text as parts, and every segment once, however often it stands in the texts.

    ``masked``: of each segment with placeholders or in capitals what the model reads instead. ``options`` are those of
    each segment. ``is_aligned``: somebody asked for the alignment. ``draws``: how often each segment is decoded, each
    time with another seed.
    """

    texts: tuple[tuple[Part, ...], ...]
    segments: tuple[str, ...]
    masked: tuple[Masked | None, ...]
    sources: tuple[tuple[int, ...], ...]
    options: tuple[SearchOptions, ...]
    alternatives: int
    is_aligned: bool
    keeps_form: bool = False
    draws: int = 1


class Translator:
    """Translates with one bundle."""

    def __init__(self, bundle: Bundle, engine: Submitter, finder: PlaceholderFinder = BUILT_IN) -> None:
        """:param finder: of what no translation may change."""
        self._engine, self._finder = engine, finder
        self._languages = (bundle.manifest.source, bundle.manifest.target)
        self._tokenizer = bundle.tokenizer
        self._reader = Reader(bundle.tokenizer)
        self._max_source_tokens = bundle.manifest.limits.max_source_tokens
        self._search = bundle.manifest.search
        self._has_attention = bool(bundle.manifest.signature.memory_names)

    def prepare(self, texts: Sequence[str], options: TranslationOptions | None = None) -> Plan:
        """Split and tokenise.

        :raises InvalidRequest: an option that cannot be honoured.
        """
        chosen = options or TranslationOptions()
        found = SegmentList(
            self._tokenizer,
            self._languages[0],
            self._max_source_tokens,
            masking=chosen.placeholders,
            prefix=chosen.target_prefix or chosen.typed,
            terms=chosen.terms,
            finder=self._finder,
        )
        parts = tuple(tuple(self._parts(text, chosen, found)) for text in texts)
        masked = found.masked
        search = self._options(chosen)
        searches = [self._watched(search) if one is not None and one.spots else search for one in masked]
        for number in {part.segment for of_text in parts for part in of_text if part.has_marks}:
            assert number is not None
            searches[number] = replace(searches[number], align=self._has_attention)
        if chosen.target_prefix and searches:
            prefix = self._prefix(texts, chosen.target_prefix, masked[0])
            searches[0] = replace(searches[0], prefix=prefix)
        return Plan(
            texts=parts,
            segments=tuple(found.segments),
            masked=masked,
            sources=found.sources,
            options=tuple(searches),
            alternatives=chosen.alternatives,
            is_aligned=chosen.alignment,
            keeps_form=chosen.keeps_form,
            draws=1 + chosen.alternatives if chosen.temperature else 1,
        )

    def submit(
        self,
        plan: Plan,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        listeners: Sequence[Listener] | None = None,
    ) -> Pending:
        """Queue every segment of the plan, or none.

        :param deadline: a ``time.monotonic`` time; what is not finished then comes back as far as it is.
        :raises LimitExceeded: more segments than a request may have.
        :raises EngineOverloaded: the queue is full for now.
        :raises EngineStopped: the engine does not run.
        """
        if not plan.sources:
            return Pending([])
        # All segments as they are, then all of them drawn anew, and again.
        options = [
            replace(search, seed=derive_seed(search.seed, draw)) if draw else search
            for draw in range(plan.draws)
            for search in plan.options
        ]
        heard = None if listeners is None else [*listeners, *[None] * (len(options) - len(listeners))]
        futures = self._engine.submit_many(plan.sources * plan.draws, options, deadline, priority, heard)
        return Pending(futures, self._engine.answer_late)

    def known(
        self, plan: Plan, index: int, pending: Pending, heard: Mapping[int, tuple[int, ...]], whole: WholeParts
    ) -> str:
        """The beginning of a translation that will not change any more, up to a whole word.

        :param index: of the text in the plan.
        :param heard: of segments by their number, the tokens that will not change.
        :param whole: what was whole at the last call; brought up to date here.
        """
        for part in plan.texts[index][whole.count :]:
            text = part.kept
            if part.segment is not None:
                outcome = pending.outcome(part.segment)
                segment = plan.segments[part.segment]
                if outcome is None and (plan.masked[part.segment] is not None or part.is_told_late(segment)):
                    return whole.text  # it is only known at its end what the text will be
                if outcome is None:
                    begun = self._whole_words(heard.get(part.segment, ()))
                    return whole.text + (escape(begun) if part.is_markup else begun)
                text = part.written(self._readings(plan, part.segment, outcome)[0])
            whole.add(text)
        return whole.text

    def _whole_words(self, token_ids: tuple[int, ...]) -> str:
        """Behind the last space a word may go on, or a character may lack its last byte."""
        begun = self._tokenizer.decode(token_ids).lstrip()
        return begun[: begun.rfind(" ")].rstrip() if " " in begun else ""

    def finish(self, plan: Plan, pending: Pending) -> list[Translation]:
        """The texts again, translated; once ``pending.done`` is."""
        found = pending.hypotheses()
        ranked = [
            self._readings(plan, number, *found[number :: len(plan.segments)]) for number in range(len(plan.segments))
        ]
        return [assemble(parts, ranked, plan.alternatives, plan.is_aligned) for parts in plan.texts]

    def translate(
        self, texts: Sequence[str], options: TranslationOptions | None = None, timeout_seconds: float | None = None
    ) -> list[Translation]:
        """Translate and wait.

        :param timeout_seconds: what is not translated by then comes back as far as it is, with the reason ``deadline``.
        :raises EngineError: the engine could not answer.
        """
        plan = self.prepare(texts, options)
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        pending = self.submit(plan, deadline)
        try:
            # The engine keeps the deadline; a little later it is taken to hang.
            wait([pending.done], None if timeout_seconds is None else timeout_seconds + GRACE_SECONDS)
            if not pending.done.done():
                pending.answer_late()
            pending.done.result(GRACE_SECONDS)
        finally:
            pending.cancel()
        return self.finish(plan, pending)

    def _parts(self, text: str, chosen: TranslationOptions, found: SegmentList) -> list[Part]:
        parts: list[Part] = []
        position = 0
        flows = flows_of(
            text, chosen.text_format, chosen.tags, chosen.splitting, chosen.placeholders, finder=self._finder
        )
        for flow in flows:
            pieces = found.pieces(flow.text, flow.is_whole)
            of_flow = parts_of(text, flow, pieces, found.number, position, self._finder)
            if of_flow:
                parts += of_flow
                position = of_flow[-1].places.ends[-1]
        return [*parts, Part(kept=text[position:])] if position < len(text) else parts

    def _options(self, chosen: TranslationOptions) -> SearchOptions:
        beam_size = self._search.beam_size if chosen.beam_size is None else chosen.beam_size
        if beam_size >= 1:  # else it is refused as it came
            beam_size = max(beam_size, chosen.alternatives + 1)
        if chosen.temperature:
            if (chosen.beam_size or 1) > 1:
                raise InvalidRequest(f"with a temperature there is no beam: beam_size is {chosen.beam_size}")
            beam_size = 1
        # All of the beam for alternatives: some of its hypotheses differ in their tokens and not in their text.
        hypotheses = max(1, beam_size) if chosen.alternatives and not chosen.temperature else 1
        if chosen.alignment and not self._has_attention:
            raise InvalidRequest("alignment is not possible here: the model of these languages has no attention")
        return SearchOptions(
            beam_size,
            hypotheses,
            self._search.length_penalty,
            align=chosen.alignment,
            no_repeat_ngram=chosen.no_repeat_ngram,
            temperature=chosen.temperature,
            top_k=chosen.top_k,
            seed=chosen.seed,
        )

    def _watched(self, search: SearchOptions) -> SearchOptions:
        """For a segment with stand-ins: where the model looked, and all it found, of which the best may lack one."""
        return replace(search, align=self._has_attention, hypotheses=search.beam_size)

    def _prefix(self, texts: Sequence[str], prefix: str, masked: Masked | None) -> tuple[int, ...]:
        if len(texts) > 1:
            raise InvalidRequest(f"target_prefix goes with a single text, not with {len(texts)}")
        if len(prefix.splitlines()) > 1:
            raise InvalidRequest("target_prefix has a line break; it is the beginning of one sentence")
        begun = prefix.strip()
        return tuple(self._tokenizer.encode(begun if masked is None else masked.masked(begun)))

    def _readings(self, plan: Plan, number: int, *draws: list[Hypothesis]) -> list[TranslatedSegment]:
        """The different texts of the hypotheses, best first, and of other draws behind.

        An empty text would drop the segment, and one without a placeholder would drop that: if there is no other, the
        source stands for it.
        """
        segment = plan.segments[number]
        readings: dict[str, TranslatedSegment] = {}
        for hypotheses in draws:
            for reading in self._written(plan, number, hypotheses):
                if reading.text:
                    readings.setdefault(reading.text, reading)
            if not readings:
                best, masked = hypotheses[0], plan.masked[number]
                terms = () if masked is None else tuple(spot.placeholder for spot in masked.spots if spot.is_term)
                readings[segment] = TranslatedSegment(
                    segment,
                    segment,
                    best.score,
                    best.finish_reason,
                    is_source=True,
                    unplaced=terms,
                    timing=best.timing,
                )
        return list(readings.values())

    def _written(self, plan: Plan, number: int, hypotheses: list[Hypothesis]) -> list[TranslatedSegment]:
        masked = plan.masked[number]
        fixed = len(self._tokenizer.decode(plan.options[number].prefix).strip())
        whole: list[TranslatedSegment] = []
        guessed: list[TranslatedSegment] = []
        for hypothesis in hypotheses:
            reading = self._reader.read(plan.segments[number] if masked is None else masked.read, hypothesis)
            is_faithful = True
            if masked is not None:
                restored = restore(masked, reading.text, reading.alignment, fixed)
                if restored is None:
                    continue
                reading, is_faithful = unmasked(masked, reading, restored), restored.is_faithful
            reading = mended(reading, self._languages, plan.keeps_form, fixed, self._finder)
            (whole if is_faithful else guessed).append(reading)
        return [*whole, *guessed]
