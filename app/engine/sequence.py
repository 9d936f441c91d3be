"""One segment in the engine: its ids, search options, limits, deadline and future, and the hypotheses it ends with."""

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from app.errors import InvalidRequest, StepFailed

MAX_NGRAM: Final = 16
MAX_TEMPERATURE: Final = 10.0
MAX_TOP_K: Final = 1000
MAX_SEED: Final = 2**63 - 1


# Maps the tokens behind the prefix to the tokens of which one must follow, or to None where any token may follow.
Allowed = Callable[[tuple[int, ...]], frozenset[int] | None]


class FinishReason(StrEnum):
    """Why a hypothesis ended."""

    STOP = "stop"  # the model wrote eos
    LENGTH = "length"  # it was cut at the cap
    DEADLINE = "deadline"  # its deadline passed
    CANCELLED = "cancelled"  # the client left
    REPETITION = "repetition"  # it was cut where it began to repeat itself


class Priority(StrEnum):
    """Which waiting sequences are admitted first. Bulk work gets a share in any case, so it never stops."""

    INTERACTIVE = "interactive"  # a person waits for the answer
    BULK = "bulk"  # documents, corpora: a later answer is acceptable


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search.

    Attributes:
        beam_size: rows of the sequence; 1 is greedy.
        hypotheses: how many hypotheses to return, best first.
        length_penalty: the alpha of ``normalise_score``.
        max_target_tokens: lowers the model's own cap; it cannot raise it.
        align: asks for ``Hypothesis.alignment``.
        loop_guard: cuts a hypothesis that repeats itself without end, see ``app.engine.repetition``.
        no_repeat_ngram: the length of token n-grams that may occur only once; 0 allows all.
        prefix: the tokens that every hypothesis begins with; their score is 0.
        temperature: above 0, each token is drawn among the ``top_k`` best instead of taking the best.
        seed: of the draws: the same seed draws the same tokens.
        branching: goes ``beam_size`` ways on from the end of the prefix, see ``app.engine.search.greedy``.
        allowed: which tokens may follow those written behind the prefix; only with ``branching``.
        spares: whether to return finished hypotheses beyond ``hypotheses`` that the search has anyway, at no step more.

    Raises:
        InvalidRequest: an option is out of bounds; the message names the option and its value.
    """

    beam_size: int = 1
    hypotheses: int = 1
    length_penalty: float = 1.0
    max_target_tokens: int | None = None
    align: bool = False
    loop_guard: bool = True
    no_repeat_ngram: int = 0
    prefix: tuple[int, ...] = ()
    temperature: float = 0.0
    top_k: int = 50
    seed: int = 0
    branching: bool = False
    allowed: Allowed | None = None
    spares: bool = False

    @property
    def is_plain(self) -> bool:
        """True where each step takes the best token unconditionally: greedy search."""
        conditions = self.no_repeat_ngram or self.prefix or self.temperature or self.branching
        return self.beam_size == 1 and not conditions

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise InvalidRequest(f"beam_size is {self.beam_size}, at least 1 is needed")
        if not 1 <= self.hypotheses <= self.beam_size:
            raise InvalidRequest(f"hypotheses is {self.hypotheses}, must be 1 to beam_size ({self.beam_size})")
        if not 0.0 <= self.length_penalty <= 10.0:  # also refuses NaN
            raise InvalidRequest(f"length_penalty is {self.length_penalty}, must be 0 to 10")
        if self.max_target_tokens is not None and self.max_target_tokens < 1:
            raise InvalidRequest(f"max_target_tokens is {self.max_target_tokens}, at least 1 is needed")
        if not 0 <= self.no_repeat_ngram <= MAX_NGRAM:
            raise InvalidRequest(f"no_repeat_ngram is {self.no_repeat_ngram}, must be 0 to {MAX_NGRAM}")
        self._check_sampling()

    def _check_sampling(self) -> None:
        if not 0.0 <= self.temperature <= MAX_TEMPERATURE:
            raise InvalidRequest(f"temperature is {self.temperature}, must be 0 to {MAX_TEMPERATURE:g}")
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise InvalidRequest(f"top_k is {self.top_k}, must be 1 to {MAX_TOP_K}")
        if not 0 <= self.seed <= MAX_SEED:
            raise InvalidRequest(f"seed is {self.seed}, must be 0 to {MAX_SEED}")
        if self.branching and (self.temperature or self.no_repeat_ngram or self.hypotheses != self.beam_size):
            raise InvalidRequest("branching has neither temperature nor no_repeat_ngram, and beam_size hypotheses")
        if self.allowed is not None and not self.branching:
            raise InvalidRequest("allowed goes with branching alone")
        if self.temperature and self.beam_size > 1:
            raise InvalidRequest(
                f"temperature is {self.temperature} and beam_size {self.beam_size}: a beam never draws"
            )


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one sequence went.

    Attributes:
        queue_seconds: until it got its rows.
        encode_seconds: duration of the call that encoded it, perhaps with others.
        decode_seconds: from then to its end.
        steps: decoder steps in that time.
        step_rows: the rows of all these steps together; ``step_rows / steps`` is the mean batch size.
    """

    queue_seconds: float = 0.0
    encode_seconds: float = 0.0
    decode_seconds: float = 0.0
    steps: int = 0
    step_rows: int = 0


@dataclass(slots=True)
class Stopwatch:
    """The times at which a sequence is submitted, gets its rows and is encoded; None before that moment."""

    submitted: float
    admitted: float | None = None
    encoded: float | None = None
    steps_before: int = 0
    rows_before: int = 0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One finished translation as token ids.

    Attributes:
        token_ids: without bos and eos.
        score: the sum of ``token_scores``, normalised by length.
        token_scores: log probabilities, one for each token and, where the reason is ``stop``, one more for the eos.
        alignment: for each token the offset of the source token (its eos aside) with the largest attention while the
            token was chosen; None if the options do not ask for it or the model has no attention.
        timing: of the whole sequence.
    """

    token_ids: tuple[int, ...]
    score: float
    token_scores: tuple[float, ...]
    finish_reason: FinishReason
    alignment: tuple[int, ...] | None = None
    timing: Timing | None = field(default=None, compare=False)


# What a sequence ends with: its hypotheses, best first, or the reason why it cannot be decoded.
Outcome = list[Hypothesis] | StepFailed


def normalise_score(total: float, length: int, length_penalty: float) -> float:
    """Normalise a sum of log probabilities by length.

    ``total / ((5 + length) / 6) ** length_penalty``: Wu et al. 2016, "Google's Neural Machine Translation System",
    equation 14, without its coverage term. A penalty of 0 compares plain sums, which favours short translations.

    Args:
        total: sum of log probabilities.
        length: number of scored tokens, eos included.
        length_penalty: the paper's alpha.
    """
    return float(total / ((5.0 + length) / 6.0) ** length_penalty)


def keep_best(finished: tuple[Hypothesis, ...], count: int) -> tuple[Hypothesis, ...]:
    """The ``count`` best hypotheses of different tokens, best first; of equal ones the first found stays."""
    unique: dict[tuple[int, ...], Hypothesis] = {}
    for hypothesis in finished:
        unique.setdefault(hypothesis.token_ids, hypothesis)
    return tuple(sorted(unique.values(), key=lambda hypothesis: -hypothesis.score)[:count])


class LiveHypothesis(NamedTuple):
    """A hypothesis that is still being written.

    Attributes:
        token_ids: the tokens so far.
        token_scores: the log probability of each.
        total: their sum.
        alignment: as in ``Hypothesis``.
    """

    token_ids: tuple[int, ...]
    token_scores: tuple[float, ...]
    total: float
    alignment: tuple[int, ...] | None = None

    def finish(self, reason: FinishReason, length_penalty: float) -> Hypothesis:
        """End it as it is."""
        score = normalise_score(self.total, len(self.token_scores), length_penalty)
        return Hypothesis(self.token_ids, score, self.token_scores, reason, self.alignment)

    def stop(self, score: float, length_penalty: float) -> Hypothesis:
        """End it with an eos of this score."""
        whole = LiveHypothesis(self.token_ids, (*self.token_scores, score), self.total + score, self.alignment)
        return whole.finish(FinishReason.STOP, length_penalty)

    def extend(self, token_id: int, score: float, source_offset: int) -> "LiveHypothesis":
        """Append one token; ``source_offset``, the source token it is aligned to, is kept only with an alignment."""
        alignment = None if self.alignment is None else (*self.alignment, source_offset)
        return LiveHypothesis((*self.token_ids, token_id), (*self.token_scores, score), self.total + score, alignment)

    def shorten(self, tokens: int) -> "LiveHypothesis":
        """Drop the last ``tokens`` tokens."""
        left, scores = len(self.token_ids) - tokens, self.token_scores[: len(self.token_scores) - tokens]
        alignment = None if self.alignment is None else self.alignment[:left]
        return LiveHypothesis(self.token_ids[:left], scores, sum(scores), alignment)


Listener = Callable[[tuple[int, ...]], None]


@dataclass(eq=False, slots=True)
class Sequence:
    """A segment in the engine.

    The future is never set to running, so ``future.cancel()`` works at any time until there is a result; the engine
    drops the rows of a cancelled sequence at its next step.

    Attributes:
        source_ids: eos included.
        cap: the most target tokens, eos not counted.
        deadline: a time of ``time.monotonic``, or None.
        listener: is called with the tokens that will not change any more, on the engine's thread.
    """

    source_ids: tuple[int, ...]
    options: SearchOptions
    cap: int
    deadline: float | None
    watch: Stopwatch = field(default_factory=lambda: Stopwatch(0.0))
    priority: Priority = Priority.INTERACTIVE
    listener: Listener | None = None
    future: "Future[list[Hypothesis]]" = field(default_factory=Future)
    _acknowledged: bool = field(default=False, init=False)
    _reported: int = field(default=0, init=False)

    @property
    def rows(self) -> int:
        """Rows of the running batch that this sequence holds from admission to its end: one for each hypothesis."""
        return self.options.beam_size

    @property
    def source_tokens(self) -> int:
        """Length of the source, eos included."""
        return len(self.source_ids)

    def finish_empty(self, reason: FinishReason) -> list[Hypothesis]:
        """The outcome of a sequence that never got a row: one hypothesis without tokens."""
        return [Hypothesis((), 0.0, (), reason, () if self.options.align else None)]

    def is_late(self, now: float) -> bool:
        """True if the deadline has passed."""
        return self.deadline is not None and now >= self.deadline

    def report(self, settled: tuple[int, ...]) -> None:
        """Call the listener with the tokens that will not change any more, if there are new ones."""
        if self.listener is not None and len(settled) > self._reported:
            self._reported = len(settled)
            self.listener(settled)

    def resolve(self, hypotheses: list[Hypothesis], timing: Timing) -> None:
        """End the future with hypotheses, unless it ended already."""
        try:
            self.future.set_result([replace(hypothesis, timing=timing) for hypothesis in hypotheses])
        except InvalidStateError:
            self._acknowledge_cancel()

    def fail(self, error: Exception) -> None:
        """End the future with an error, unless it ended already."""
        try:
            self.future.set_exception(error)
        except InvalidStateError:
            self._acknowledge_cancel()

    def _acknowledge_cancel(self) -> None:
        """Notify ``concurrent.futures.wait`` and ``as_completed``: they return only once a cancelled future is
        acknowledged."""
        if self.future.cancelled() and not self._acknowledged:
            self._acknowledged = True
            with suppress(RuntimeError):  # the other thread, the one that stops the engine, did it first
                self.future.set_running_or_notify_cancel()
