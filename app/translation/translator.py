"""Text -> segments -> ids -> engine -> text: one direction of translation, from beginning to end.

``prepare`` and ``finish`` use the CPU and belong on a thread that is neither the engine's nor the event loop's;
``submit`` returns at once. ``translate`` is all three, for callers without an event loop.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Protocol

from app.bundle.store import Bundle
from app.engine.search.greedy import derive_seed
from app.engine.sequence import FinishReason, Hypothesis, Listener, Priority, SearchOptions
from app.text.inline import TextFormat
from app.text.markup import escape
from app.text.masking import Masked, TextRules
from app.text.placeholder_finder import BUILT_IN, PlaceholderFinder
from app.text.words import Legibility
from app.translation.answer_guard import Judged, judge, may_change
from app.translation.assembly import Repair, TranslatedSegment, Translation, WholeParts, assemble
from app.translation.pending import Detokenizer, Pending, block_until_done
from app.translation.postedit import postedit, write_phrase
from app.translation.preparation import Plan, Planner, TranslationOptions
from app.translation.unmasking import restore, unmask

__all__ = ["Plan", "Submitter", "TextFormat", "Translation", "TranslationOptions", "Translator"]


class Submitter(Protocol):
    """What a translator needs of the engine."""

    def submit_many(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions | Sequence[SearchOptions] | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        listeners: "Sequence[Listener | None] | None" = None,
    ) -> "list[Future[list[Hypothesis]]]": ...

    def answer_late(self) -> None: ...


class Translator:
    """Translates with one bundle.

    Args:
        bundle: Its model's manifest and tokenizer.
        engine: Runs the model.
        finder: Finds the placeholders, which no translation may change.
    """

    def __init__(self, bundle: Bundle, engine: Submitter, finder: PlaceholderFinder = BUILT_IN) -> None:
        self._engine = engine
        languages = bundle.manifest.source, bundle.manifest.target
        legibility = Legibility(bundle.tokenizer, *languages)
        self._rules = TextRules(languages, finder.with_words(legibility.words), legibility=legibility)
        self._planner = Planner(bundle, self._rules)
        self._phrases = bundle.phrases
        self._tokenizer = bundle.tokenizer
        self._detokenizer = Detokenizer(bundle.tokenizer)

    def through(self, engine: Submitter) -> "Translator":
        """Returns the same translator with another way to the model."""
        translator = copy.copy(self)
        translator._engine = engine
        return translator

    def prepare(
        self,
        texts: Sequence[str],
        options: TranslationOptions | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Plan:
        """Splits, masks and tokenizes.

        Args:
            texts: Those of the request.
            options: None for the defaults.
            check: Called again and again; what it raises ends the work on a request that is late or not wanted.

        Raises:
            InvalidRequest: An option cannot be honoured.
        """
        return self._planner.prepare(texts, options or TranslationOptions(), check)

    def submit(
        self,
        plan: Plan,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        listeners: Sequence[Listener] | None = None,
    ) -> Pending:
        """Queues every segment of the plan, or none.

        Args:
            plan: What ``prepare`` returned.
            deadline: A ``time.monotonic`` time; what is not finished then comes back as far as it is.
            priority: Which requests go first.
            listeners: One for each segment, called with the tokens that are settled.

        Raises:
            LimitExceeded: The plan has more segments than a request may have.
            EngineOverloaded: The queue is full for now.
            EngineStopped: The engine does not run.
        """
        if not plan.sources:
            return Pending([])
        # All segments as they are, then all of them with the next seed, and so on.
        options = [
            replace(search, seed=derive_seed(search.seed, draw)) if draw else search
            for draw in range(plan.draws)
            for search in plan.options
        ]
        of_all = None if listeners is None else [*listeners, *[None] * (len(options) - len(listeners))]
        futures = self._engine.submit_many(plan.sources * plan.draws, options, deadline, priority, of_all)
        return Pending(futures, self._engine.answer_late, listeners is not None)

    def read_settled(
        self, plan: Plan, index: int, pending: Pending, settled: Mapping[int, tuple[int, ...]], whole: WholeParts
    ) -> str:
        """Returns the beginning of a translation that will not change any more, up to a whole word.

        Args:
            plan: That of the request.
            index: The number of the text in the plan.
            pending: What ``submit`` returned.
            settled: By the numbers of segments, the tokens that will not change.
            whole: The parts that were complete at the last call; updated here.
        """
        for part in plan.texts[index][whole.count :]:
            text = part.kept
            if part.segment is not None:
                outcome = pending.get_outcome(part.segment)
                segment = plan.segments[part.segment]
                is_masked = plan.masked[part.segment] is not None
                may_differ = may_change(segment) or self._phrases.find(segment) is not None
                if outcome is None and (is_masked or part.needs_whole(segment) or may_differ):
                    return whole.text
                if outcome is None:
                    words = self._decode_words(settled.get(part.segment, ()))
                    return whole.text + (escape(words) if part.is_markup else words)
                text = part.write(self._rank(plan, part.segment, [outcome], is_shown=True)[0])
            whole.add(text)
        return whole.text

    def _decode_words(self, token_ids: tuple[int, ...]) -> str:
        """Decodes up to the last space: behind it a word may go on, or a character may lack its last byte."""
        text = self._tokenizer.decode(token_ids).lstrip()
        return text[: text.rfind(" ")].rstrip() if " " in text else ""

    def finish(self, plan: Plan, pending: Pending) -> list[Translation]:
        """Returns the texts translated; only after ``pending.done`` has a result."""
        found = pending.collect_hypotheses()
        count = len(plan.segments)
        ranked = [self._rank(plan, number, found[number::count], pending.is_shown) for number in range(count)]
        return [assemble(parts, ranked, plan.alternatives, plan.is_aligned) for parts in plan.texts]

    def translate(
        self, texts: Sequence[str], options: TranslationOptions | None = None, timeout_seconds: float | None = None
    ) -> list[Translation]:
        """Translates and waits.

        Args:
            texts: In the bundle's source language.
            options: None for the defaults.
            timeout_seconds: What is not translated by then comes back as far as it is, with the reason ``deadline``.

        Raises:
            EngineError: The engine could not answer.
        """
        plan = self.prepare(texts, options)
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        pending = self.submit(plan, deadline)
        try:
            block_until_done(pending, deadline)
        finally:
            pending.cancel()
        return self.finish(plan, pending)

    def _rank(
        self, plan: Plan, number: int, draws: Sequence[list[Hypothesis]], is_shown: bool = False
    ) -> list[TranslatedSegment]:
        """Returns the different translations of a segment, best first, with those of later draws behind.

        Those that lack a placeholder, or that the guard finds wrong, are left out. If nothing remains, the source
        stands for the segment.
        """
        segment, masked = plan.segments[number], plan.masked[number]
        written = None if masked is None or plan.is_aligned else masked.spell_out()
        if written is not None and number not in plan.tagged:
            best = draws[0][0]
            return [TranslatedSegment(segment, written, best.score, FinishReason.STOP, timing=best.timing)]
        ranked: dict[str, TranslatedSegment] = {}
        phrase = self._find_phrase(plan, number, draws[0][0])
        if phrase is not None:
            ranked[phrase.text] = phrase
        for hypotheses in draws:
            candidates, doubtful, faults = self._read(plan, number, hypotheses, is_shown)
            for translated in candidates:
                ranked.setdefault(translated.text, translated)
            if not ranked:
                best = hypotheses[0]
                stand_ins = () if masked is None else masked.stand_ins
                ranked[segment] = TranslatedSegment(
                    segment,
                    segment,
                    best.score,
                    best.finish_reason,
                    is_source=True,
                    repairs=faults,
                    unaligned_terms=tuple(term for one in stand_ins for term in one.terms),
                    timing=best.timing,
                )
            for translated in doubtful:
                ranked.setdefault(translated.text, translated)
        return list(ranked.values())

    def _find_phrase(self, plan: Plan, number: int, best: Hypothesis) -> TranslatedSegment | None:
        """Returns the translation that the phrase table has for a segment without tags, placeholders or a prefix."""
        segment, masked = plan.segments[number], plan.masked[number]
        if plan.options[number].prefix or number in plan.tagged or (masked is not None and masked.stand_ins):
            return None
        phrase = self._phrases.find(segment)
        return None if phrase is None else write_phrase(segment, phrase, best, self._rules.languages)

    def _read(
        self, plan: Plan, number: int, hypotheses: list[Hypothesis], is_shown: bool
    ) -> tuple[list[TranslatedSegment], list[TranslatedSegment], tuple[Repair, ...]]:
        """Returns the translations that hypotheses give, those in which nothing was guessed first.

        Behind them stand words that may be invented, which only alternatives show, and what is wrong with those that
        are left out; it is named among the repairs of the first.
        """
        masked = plan.masked[number]
        prefix = plan.options[number].prefix
        fixed = len(self._tokenizer.decode(prefix).strip()) if prefix else 0
        faithful: list[TranslatedSegment] = []
        guessed: list[TranslatedSegment] = []
        doubtful: list[TranslatedSegment] = []
        faults: list[Repair] = []
        for hypothesis in hypotheses:
            read = plan.segments[number] if masked is None else masked.read
            translated = self._detokenizer.detokenize(read, hypothesis)
            is_faithful = True
            if masked is not None:
                restored = restore(masked, translated.text, translated.alignment, fixed)
                if restored is None:
                    faults.append(Repair.STAND_IN if translated.text else Repair.LETTERS)
                    continue
                translated, is_faithful = unmask(masked, translated, restored), restored.is_faithful
            unmasked = translated
            translated = postedit(translated, self._rules, plan.keeps_form, fixed)
            judged = Judged(translated) if fixed else judge(translated, self._rules, masked is not None, is_shown)
            if masked is not None and not self._keeps_placeholders(masked, unmasked.text, judged.translated.text):
                judged = Judged(unmasked)
            if judged.faults:
                faults += judged.faults
                if judged.faults == (Repair.WORD,):
                    doubtful.append(judged.translated)
                continue
            is_faithful = is_faithful and not judged.is_guessed
            (faithful if is_faithful else guessed).append(judged.translated)
            if is_faithful and not plan.alternatives:
                break
        found = [*faithful, *guessed]
        if found and faults:
            found[0] = replace(found[0], repairs=tuple(dict.fromkeys((*faults, *found[0].repairs))))
        return found, doubtful, tuple(dict.fromkeys(faults))

    def _keeps_placeholders(self, masked: Masked, before: str, after: str) -> bool:
        """Tells whether a repair joined nothing to a placeholder and made none."""
        if before == after:
            return True
        syntax = [[text[start:end] for start, end in self._rules.finder.find_syntax(text)] for text in (before, after)]
        return syntax[0] == syntax[1] and all(
            before.count(one.written) == after.count(one.written) for one in masked.stand_ins
        )
