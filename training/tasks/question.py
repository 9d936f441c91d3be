"""Questions of synthetic tasks, and the groups by which their answers are counted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from training.data.corpus import Pair

Axis = Literal["characters", "nesting", "lag"]
# The difficulty of a question, by what the task varies. Numbers give the groups an order.
Group = tuple[int, ...]


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        source: Read by the encoder.
        prefix: The decoder must start with it.
        answer: The expected continuation.
        group: The difficulty.
    """

    source: str
    prefix: str
    answer: str
    group: Group


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        axis: What its groups differ in.
        build_question: Builds a question from a pair of the corpus.
    """

    axis: Axis
    build_question: Callable[[Pair], Question]


def label(group: Group) -> str:
    """Formats a group: ``(2, 3)`` -> ``2x3``, for programs nesting 2 and length 3."""
    return "x".join(map(str, group))
