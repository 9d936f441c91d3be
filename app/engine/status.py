"""A picture of an engine at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """``healthy`` is False from a failed step until a later sequence succeeds; ``failure`` says what happened.

    ``step_age_seconds`` is how long the step now running has taken so far, None between steps: a graph that hangs shows
    here and nowhere else.
    """

    started: bool
    healthy: bool
    failure: str | None
    rows_running: int
    sequences_running: int
    sequences_waiting: int
    steps_done: int
    sequences_done: int
    last_step_seconds: float | None
    step_age_seconds: float | None
