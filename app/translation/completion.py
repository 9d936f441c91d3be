"""How a translation that somebody is writing may go on, from the middle of a word if need be."""

from dataclasses import dataclass
from typing import Final

from app.bundle.store import Bundle
from app.engine.sequence import FinishReason, Hypothesis, Priority, SearchOptions
from app.errors import DeadlineExceeded
from app.text.masking import Masked
from app.text.segmentation import split
from app.translation.detokenize import Reader
from app.translation.pending import Pending
from app.translation.translator import Submitter, TranslationOptions, Translator
from app.translation.typed import Lettering, Typed
from app.translation.unmasking import Restored, restore

# A word half typed that takes more tokens is taken as it is, and what follows begins behind it.
_MOST_OPEN_TOKENS: Final = 8


@dataclass(frozen=True, slots=True)
class Completion:
    """``text`` begins with what was typed, to the letter. ``score`` is that of the sentence being typed."""

    text: str
    score: float
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed, and what the engine is asked about it. ``source_ids`` is empty where there is nothing to ask.

    ``begun``: how the sentence being typed begins, as the model writes it. ``masked``: the segment with stand-ins for
    its placeholders. ``rest``: of a placeholder half typed, what is missing.
    """

    typed: str
    begun: str
    source_ids: tuple[int, ...]
    options: SearchOptions
    count: int
    masked: Masked | None = None
    rest: str = ""
    unasked: tuple[Completion, ...] = ()


class Completer:
    """Completes with one bundle."""

    def __init__(self, bundle: Bundle, engine: Submitter, translator: Translator) -> None:
        self._engine = engine
        self._translator = translator
        self._language = bundle.manifest.target
        self._tokenizer = bundle.tokenizer
        self._reader = Reader(bundle.tokenizer)
        self._has_attention = bool(bundle.manifest.signature.memory_names)
        self._length_penalty = bundle.manifest.search.length_penalty
        self._lettering = Lettering(bundle.tokenizer.token_bytes())

    def prepare(self, text: str, typed: str, count: int, rows: int) -> Draft:
        """:param text: to be translated.
        :param typed: the beginning of its translation. So many sentences as are typed whole are taken to be done.
        :param count: how many completions, at most.
        :param rows: how many hypotheses to look for them with; some turn out to be the same text.
        """
        plan = self._translator.prepare([text], TranslationOptions(typed=typed))
        numbers = [part.segment for part in plan.texts[0] if part.segment is not None]
        if not numbers:  # no language changes this text
            unasked = (Completion(text, 0.0, FinishReason.STOP),) if text.startswith(typed) else ()
            return Draft(typed, "", (), SearchOptions(), count, unasked=unasked)
        starts = self._sentence_starts(typed)
        place = min(len(starts), len(numbers)) - 1
        sentence, missing = typed[starts[place] :], ""
        masked = plan.masked[numbers[place]]
        if masked is not None:
            sentence, missing = _as_read(masked, sentence)
        ids, rest = self._tokenizer.encode_prefix(sentence)
        whole = self._tokenizer.encode(sentence)
        allowed = Typed(self._lettering, rest if len(whole) - len(ids) <= _MOST_OPEN_TOKENS else b"")
        if not allowed.is_possible:
            ids, rest = whole, b""
        begun = self._tokenizer.decode(ids) + rest.decode("utf-8")
        options = SearchOptions(
            rows,
            rows,
            self._length_penalty,
            prefix=tuple(ids),
            branching=True,
            allowed=allowed if rest else None,
            align=self._has_attention and masked is not None and bool(masked.spots),
        )
        return Draft(typed, begun.lstrip(), plan.sources[numbers[place]], options, count, masked, missing)

    def submit(self, draft: Draft, deadline: float | None = None, priority: Priority = Priority.INTERACTIVE) -> Pending:
        """As ``Translator.submit``."""
        if not draft.source_ids:
            return Pending([])
        futures = self._engine.submit_many([draft.source_ids], [draft.options], deadline, priority)
        return Pending(futures, self._engine.answer_late)

    def finish(self, draft: Draft, pending: Pending) -> list[Completion]:
        """Different texts, best first; once ``pending.done`` is.

        :raises DeadlineExceeded: the time was over before anything was written.
        """
        found = {completion.text: completion for completion in draft.unasked}
        is_late = False
        for hypotheses in pending.hypotheses():
            for hypothesis in hypotheses:
                completion = self._completion(draft, hypothesis)
                if completion is not None:
                    found.setdefault(completion.text, completion)
                is_late = is_late or hypothesis.finish_reason is FinishReason.DEADLINE
        if is_late and not found:
            raise DeadlineExceeded("nothing was written behind what is typed")
        return list(found.values())[: draft.count]

    def _completion(self, draft: Draft, hypothesis: Hypothesis) -> Completion | None:
        """None where the time was over before what was typed was written again, or a placeholder is lost."""
        text = self._tokenizer.decode(hypothesis.token_ids).lstrip()
        if not text.startswith(draft.begun):
            return None
        # What was typed stays as it was typed, also where the model writes it otherwise (curly quotes).
        added = text[len(draft.begun) :].rstrip()
        if draft.masked is not None:
            reading = self._reader.read(draft.masked.read, hypothesis)
            fixed = min(len(draft.begun), len(reading.text))
            restored = restore(draft.masked, reading.text, reading.alignment, fixed)
            if restored is None:
                return None
            added = draft.rest + restored.text[_end_of(restored, fixed) :]
        return Completion(draft.typed + added, hypothesis.score, hypothesis.finish_reason)

    def _sentence_starts(self, typed: str) -> list[int]:
        """Where each sentence begins; the last is the one being typed, perhaps without a letter yet."""
        # A word that would come next shows whether the sentence before is at its end.
        is_word_next = not typed or typed[-1].isspace()
        starts, position = [], 0
        for piece in split(typed + "A" if is_word_next else typed, self._language):
            if piece.is_segment:
                starts.append(position)
            position += len(piece.text)
        return starts or [0]


def _as_read(masked: Masked, typed: str) -> tuple[str, str]:
    """What was typed with stand-ins for its placeholders; of one half typed at its end, what is missing."""
    end, rest = typed, ""
    for spot in masked.spots:
        length = _half_typed(typed, spot.placeholder)
        if length and typed.count(spot.placeholder) == 0:
            end, rest = typed[:-length] + spot.placeholder, spot.placeholder[length:]
            break
    return masked.masked(end), rest


def _end_of(restored: Restored, length: int) -> int:
    """Where so many characters of the model's text end, before what was put behind them."""
    for (start, end), placeholder in restored.placed:
        if start < length <= end:
            return restored.places[start] + len(placeholder)
    return restored.places[length - 1] + 1 if length else 0


def _half_typed(typed: str, placeholder: str) -> int:
    """How many characters of a placeholder stand at the end; letters alone may as well begin a word."""
    for length in range(len(placeholder) - 1, 0, -1):
        begun = placeholder[:length]
        if typed.endswith(begun) and not begun.isalnum():
            return length
    return 0
