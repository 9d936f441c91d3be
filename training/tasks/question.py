"""What a made-up task asks of a model, and by what its answers are told apart."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from training.data.corpus import Pair

Axis = Literal["characters", "nesting", "lag"]
# How hard a question is, by what the task varies: numbers, so that groups have an order.
Group = tuple[int, ...]


@dataclass(frozen=True)
class Question:
    """The encoder reads ``source``, the decoder is given ``prefix``, and what it writes next should be ``answer``."""

    source: str
    prefix: str
    answer: str
    group: Group


@dataclass(frozen=True)
class Task:
    """``axis`` names what the groups of ``ask`` are."""

    axis: Axis
    ask: Callable[[Pair], Question]


def label(group: Group) -> str:
    """``(2, 3)`` -> ``2x3``: of programs, nesting 2 and length 3."""
    return "x".join(map(str, group))
