"""How a translation that a user is typing may go on, from the middle of a word if need be."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.bundle.store import Bundle
from app.engine.sequence import FinishReason, Hypothesis, Priority, SearchOptions
from app.errors import DeadlineExceeded
from app.text.masking import Masked
from app.text.segmentation import split
from app.translation.pending import Detokenizer, Pending
from app.translation.translator import Submitter, TranslationOptions, Translator
from app.translation.unmasking import Restored, restore

# A half-typed word that takes more tokens is forced as it is, and the completion begins behind it.
_MAX_OPEN_TOKENS: Final = 8
# No token writes the typed bytes and then this byte, so it sorts behind all tokens that begin with them.
_BEHIND: Final = b"\xff"


@dataclass(frozen=True, slots=True)
class Completion:
    """A completed translation.

    Attributes:
        text: Begins with exactly what was typed.
        score: That of the sentence that is being typed.
        finish_reason: Why it ended.
    """

    text: str
    score: float
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed, and what the engine gets for it.

    Attributes:
        typed: What was typed.
        opening: The beginning of the sentence that is being typed, as the model writes it.
        source_ids: The token ids of its source; empty where the engine has nothing to do.
        options: How to decode it.
        count: How many completions are wanted, at most.
        masked: The segment with stand-ins for its placeholders, None if it has none.
        rest: What a half-typed placeholder lacks.
        ready: Completions that need no engine.
    """

    typed: str
    opening: str
    source_ids: tuple[int, ...]
    options: SearchOptions
    count: int
    masked: Masked | None = None
    rest: str = ""
    ready: tuple[Completion, ...] = ()


class ByteVocabulary:
    """Finds tokens by what they write, in UTF-8.

    Args:
        written: What each token writes, by its id.
    """

    def __init__(self, written: Sequence[bytes]) -> None:
        self.written = tuple(written)
        self._ids: dict[bytes, list[int]] = {}
        for token_id, text in enumerate(written):
            if text:
                self._ids.setdefault(text, []).append(token_id)
        self._texts = sorted(self._ids)
        self._longest = max(map(len, self._texts), default=0)

    def find_covering(self, rest: bytes) -> list[int]:
        """Returns the tokens that write all of ``rest``, and perhaps more."""
        first, behind = bisect_left(self._texts, rest), bisect_left(self._texts, rest + _BEHIND)
        return [token_id for text in self._texts[first:behind] for token_id in self._ids[text]]

    def find_beginnings(self, rest: bytes) -> list[tuple[int, list[int]]]:
        """Returns for each shorter beginning of ``rest`` its length and the tokens that write it."""
        lengths = range(1, min(self._longest + 1, len(rest)))
        return [(length, self._ids[rest[:length]]) for length in lengths if rest[:length] in self._ids]


class PrefixConstraint:
    """Says which tokens may follow, so that together the tokens begin with what was typed.

    It allows every way to cut the bytes into tokens, and none that leads to a dead end.

    Args:
        vocabulary: That of the target.
        rest: What the tokens must write.
    """

    def __init__(self, vocabulary: ByteVocabulary, rest: bytes) -> None:
        self._written = vocabulary.written
        self._rest = rest
        self._following: list[frozenset[int]] = [frozenset()] * len(rest)  # by the number of bytes written
        for start in reversed(range(len(rest))):
            found = vocabulary.find_covering(rest[start:])
            for length, token_ids in vocabulary.find_beginnings(rest[start:]):
                if self._following[start + length]:
                    found = [*found, *token_ids]
            self._following[start] = frozenset(found)

    @property
    def is_possible(self) -> bool:
        """False where no tokens write the rest, or there is nothing to write."""
        return bool(self._following and self._following[0])

    def __call__(self, token_ids: tuple[int, ...]) -> frozenset[int] | None:
        """Returns the tokens that may follow ``token_ids``, None if the rest is written."""
        # Every token writes a byte at least until the rest is written, so no more tokens than its bytes count.
        bytes_written = sum(len(self._written[token_id]) for token_id in token_ids[: len(self._rest)])
        return self._following[bytes_written] if bytes_written < len(self._rest) else None


class Completer:
    """Completes with one bundle."""

    def __init__(self, bundle: Bundle, engine: Submitter, translator: Translator) -> None:
        self._engine = engine
        self._translator = translator
        self._language = bundle.manifest.target
        self._tokenizer = bundle.tokenizer
        self._detokenizer = Detokenizer(bundle.tokenizer)
        self._has_attention = bool(bundle.manifest.signature.memory_names)
        self._length_penalty = bundle.manifest.search.length_penalty
        self._vocabulary = ByteVocabulary(bundle.tokenizer.token_bytes())

    def prepare(self, text: str, typed: str, count: int, rows: int) -> Draft:
        """Finds the sentence that is being typed, and how its translation is decoded.

        Args:
            text: The source.
            typed: The beginning of its translation; each sentence that is typed whole counts as a translated one.
            count: How many completions are wanted, at most.
            rows: How many hypotheses to decode; some turn out to be the same text.
        """
        plan = self._translator.prepare([text], TranslationOptions(typed=typed))
        numbers = [part.segment for part in plan.texts[0] if part.segment is not None]
        if not numbers:  # no language changes this text
            ready = (Completion(text, 0.0, FinishReason.STOP),) if text.startswith(typed) else ()
            return Draft(typed, "", (), SearchOptions(), count, ready=ready)
        starts = self._find_sentence_starts(typed)
        current = min(len(starts), len(numbers)) - 1
        sentence, missing = typed[starts[current] :], ""
        masked = plan.masked[numbers[current]]
        if masked is not None:
            sentence, missing = _mask_typed(masked, sentence)
        ids, rest = self._tokenizer.encode_prefix(sentence)
        whole = self._tokenizer.encode(sentence)
        allowed = PrefixConstraint(self._vocabulary, rest if len(whole) - len(ids) <= _MAX_OPEN_TOKENS else b"")
        if not allowed.is_possible:
            ids, rest = whole, b""
        opening = self._tokenizer.decode(ids) + rest.decode("utf-8")
        options = SearchOptions(
            rows,
            rows,
            self._length_penalty,
            prefix=tuple(ids),
            branching=True,
            allowed=allowed if rest else None,
            align=self._has_attention and masked is not None and bool(masked.stand_ins),
        )
        return Draft(typed, opening.lstrip(), plan.sources[numbers[current]], options, count, masked, missing)

    def submit(self, draft: Draft, deadline: float | None = None, priority: Priority = Priority.INTERACTIVE) -> Pending:
        """Queues the draft, as ``Translator.submit`` does a plan."""
        if not draft.source_ids:
            return Pending([])
        futures = self._engine.submit_many([draft.source_ids], [draft.options], deadline, priority)
        return Pending(futures, self._engine.answer_late)

    def finish(self, draft: Draft, pending: Pending) -> list[Completion]:
        """Returns different texts, best first; only after ``pending.done`` has a result.

        Raises:
            DeadlineExceeded: The deadline passed before anything was written.
        """
        found = {completion.text: completion for completion in draft.ready}
        is_late = False
        for hypotheses in pending.collect_hypotheses():
            for hypothesis in hypotheses:
                completion = self._complete(draft, hypothesis)
                if completion is not None:
                    found.setdefault(completion.text, completion)
                is_late = is_late or hypothesis.finish_reason is FinishReason.DEADLINE
        if is_late and not found:
            raise DeadlineExceeded("nothing was written behind what is typed")
        return list(found.values())[: draft.count]

    def _complete(self, draft: Draft, hypothesis: Hypothesis) -> Completion | None:
        """Returns None where the hypothesis ends within what was typed, or lacks a placeholder."""
        text = self._tokenizer.decode(hypothesis.token_ids).lstrip()
        if not text.startswith(draft.opening):
            return None
        # The typed text stays as it was typed, also where the model writes it otherwise (curly quotes).
        added = text[len(draft.opening) :].rstrip()
        if draft.masked is not None:
            translated = self._detokenizer.detokenize(draft.masked.read, hypothesis)
            fixed = min(len(draft.opening), len(translated.text))
            restored = restore(draft.masked, translated.text, translated.alignment, fixed)
            if restored is None:
                return None
            added = draft.rest + restored.text[_find_end(restored, fixed) :]
        return Completion(draft.typed + added, hypothesis.score, hypothesis.finish_reason)

    def _find_sentence_starts(self, typed: str) -> list[int]:
        """Returns the offset of each sentence; the last is being typed, perhaps without a letter yet."""
        # A word behind a space shows whether the sentence before it is at its end.
        is_word_next = not typed or typed[-1].isspace()
        starts, offset = [], 0
        for piece in split(typed + "A" if is_word_next else typed, self._language):
            if piece.is_segment:
                starts.append(offset)
            offset += len(piece.text)
        return starts or [0]


def _mask_typed(masked: Masked, typed: str) -> tuple[str, str]:
    """Returns what was typed with stand-ins, and what a placeholder lacks that is half typed at its end."""
    completed, rest = typed, ""
    for stand_in in masked.stand_ins:
        length = _count_typed(typed, stand_in.placeholder)
        if length and typed.count(stand_in.placeholder) == 0:
            completed, rest = typed[:-length] + stand_in.placeholder, stand_in.placeholder[length:]
            break
    return masked.mask_prefix(completed), rest


def _find_end(restored: Restored, length: int) -> int:
    """Returns where the first ``length`` characters of the model's text end, before what was inserted behind them."""
    for (start, end), placeholder in restored.replaced:
        if start < length <= end:
            return restored.offsets[start] + len(placeholder)
    return restored.offsets[length - 1] + 1 if length else 0


def _count_typed(typed: str, placeholder: str) -> int:
    """Counts the characters of a placeholder at the end of what was typed; letters alone may as well begin a word."""
    for length in range(len(placeholder) - 1, 0, -1):
        beginning = placeholder[:length]
        if typed.endswith(beginning) and not beginning.isalnum():
            return length
    return 0
