"""The engine: step() is admit -> encode newcomers -> decode_step -> advance -> finish; and the thread that calls it."""

import time
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from concurrent.futures import Future
from dataclasses import dataclass

from app.engine.facts import ModelFacts
from app.engine.sequence import Hypothesis, SearchOptions
from app.engine.sessions import Graphs


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of the engine.

    ``max_rows``: hypotheses decoded together in one step. ``max_padded_tokens``: those rows times the longest source
    among them. ``max_waiting``: a request is refused while so many sequences wait already. ``max_request_sequences``:
    the most sequences of one ``submit_many``; so at most ``max_waiting - 1 + max_request_sequences`` ever wait.
    """

    max_rows: int = 64
    max_padded_tokens: int = 8192
    max_waiting: int = 256
    max_request_sequences: int = 4096


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """``healthy`` is False from a failed step until a later sequence succeeds; ``failure`` says what happened."""

    started: bool
    healthy: bool
    failure: str | None
    rows_running: int
    sequences_running: int
    sequences_waiting: int
    steps_done: int
    last_step_seconds: float | None
    last_step_at: float | None


class Engine:
    """Decodes many sequences together, one token a step, on a thread of its own."""

    def __init__(
        self,
        graphs: Graphs,
        facts: ModelFacts,
        limits: EngineLimits | None = None,
        name: str = "engine",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        raise NotImplementedError

    def stop(self, drain: bool = True, timeout_seconds: float | None = 30.0) -> None:
        raise NotImplementedError

    def submit(
        self, source_ids: SequenceOf[int], options: SearchOptions | None = None, deadline: float | None = None
    ) -> "Future[list[Hypothesis]]":
        raise NotImplementedError

    def submit_many(
        self,
        sources: SequenceOf[SequenceOf[int]],
        options: SearchOptions | None = None,
        deadline: float | None = None,
    ) -> "list[Future[list[Hypothesis]]]":
        raise NotImplementedError

    def status(self) -> EngineStatus:
        raise NotImplementedError
