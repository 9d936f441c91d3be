"""One segment in flight: its ids, options, limits, deadline and future; and what comes out, the hypotheses."""

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from app.engine.pace import Stopwatch, Timing
from app.errors import InvalidRequest

MAX_NGRAM: Final = 16
MAX_TEMPERATURE: Final = 10.0
MAX_TOP_K: Final = 1000
MAX_SEED: Final = 2**63 - 1


# The tokens written so far -> those of which one must follow, None where any may.
Allowed = Callable[[tuple[int, ...]], frozenset[int] | None]


class FinishReason(StrEnum):
    """Why a hypothesis ended."""

    STOP = "stop"  # the model wrote its end token
    LENGTH = "length"  # it was cut at the cap
    DEADLINE = "deadline"  # its time was over
    CANCELLED = "cancelled"  # the caller left
    REPETITION = "repetition"  # it was cut where it began to go round in circles


class Priority(StrEnum):
    """Who goes first where several wait. Bulk work gets a share all the same, so it goes on whatever else comes."""

    INTERACTIVE = "interactive"  # somebody looks at the screen
    BULK = "bulk"  # documents, corpora: later is fine


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search. ``beam_size`` 1 is greedy. ``hypotheses`` is how many to return, best first.

    ``length_penalty`` is the alpha of ``app.engine.search.beam.normalised``. ``max_target_tokens`` can only lower the
    model's own cap. ``exhaustive`` makes a beam go on until no longer hypothesis can possibly win, at the price of many
    steps; see ``app.engine.search.beam.is_settled``. ``align`` asks for ``Hypothesis.alignment``.
    ``loop_guard`` cuts what repeats itself without end, see ``app.engine.repetition``; ``no_repeat_ngram`` forbids that
    so many tokens in a row ever come twice, 0 does not. ``prefix`` are the tokens that every hypothesis begins with;
    they cost nothing. ``temperature`` above 0 draws each token among the ``top_k`` best instead of taking the best: the
    same ``seed`` draws the same. ``branching`` goes ``beam_size`` ways on from the end of the prefix, see
    ``app.engine.search.branching``; there ``allowed`` says which tokens may follow those written behind the prefix,
    None for any: then the way is taken.

    :raises InvalidRequest: names the option and its value.
    """

    beam_size: int = 1
    hypotheses: int = 1
    length_penalty: float = 1.0
    max_target_tokens: int | None = None
    exhaustive: bool = False
    align: bool = False
    loop_guard: bool = True
    no_repeat_ngram: int = 0
    prefix: tuple[int, ...] = ()
    temperature: float = 0.0
    top_k: int = 50
    seed: int = 0
    branching: bool = False
    allowed: Allowed | None = None

    @property
    def is_plain(self) -> bool:
        """Nothing but the best token at every step: greedy without conditions."""
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
class Hypothesis:
    """One translation as token ids, without bos and eos.

    ``token_scores`` are log probabilities, one for each token and, where the reason is ``stop``, one more for the eos.
    ``score`` is their sum normalised by length. ``alignment``, if it was asked for and the model has attention: for
    each token the place in the source (its eos aside) that was attended to most while the token was chosen. ``timing``
    is that of the whole sequence.
    """

    token_ids: tuple[int, ...]
    score: float
    token_scores: tuple[float, ...]
    finish_reason: FinishReason
    alignment: tuple[int, ...] | None = None
    timing: Timing | None = field(default=None, compare=False)


Listener = Callable[[tuple[int, ...]], None]


@dataclass(eq=False, slots=True)
class Sequence:
    """A segment in the engine. ``deadline`` is a ``time.monotonic`` time. ``listener`` hears of every token that will
    not change any more, on the engine's thread.

    The future is never marked as running, so ``future.cancel()`` works at any time until there is a result; the engine
    drops the rows of a cancelled sequence at its next step.
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
    _told: int = field(default=0, init=False)

    @property
    def rows(self) -> int:
        """Rows of the running batch that this sequence holds from admission to its end: one for each hypothesis."""
        return self.options.beam_size

    @property
    def source_tokens(self) -> int:
        return len(self.source_ids)

    def unstarted(self, reason: FinishReason) -> list[Hypothesis]:
        """The outcome of a sequence that never got a row: a hypothesis without tokens."""
        return [Hypothesis((), 0.0, (), reason, () if self.options.align else None)]

    def is_late(self, now: float) -> bool:
        return self.deadline is not None and now >= self.deadline

    def tell(self, settled: tuple[int, ...]) -> None:
        """Tell whoever listens the tokens that will not change any more, if there are new ones."""
        if self.listener is not None and len(settled) > self._told:
            self._told = len(settled)
            self.listener(settled)

    def resolve(self, hypotheses: list[Hypothesis], timing: Timing) -> None:
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
        """Tell ``concurrent.futures.wait`` and ``as_completed``: they go on only once a cancelled future is dropped."""
        if self.future.cancelled() and not self._acknowledged:
            self._acknowledged = True
            with suppress(RuntimeError):  # the other thread, the one that stops the engine, was faster
                self.future.set_running_or_notify_cancel()
