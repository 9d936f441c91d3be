"""Sums as text, ``535+61`` -> ``596``, one character after the other (Zaremba & Sutskever 2014, arXiv:1410.4615; the
Keras example "addition_rnn")."""

import random
from collections.abc import Iterator

from training.data.corpus import Pair
from training.errors import ConfigError
from training.tasks.question import Question


def addition(digits: int, count: int, seed: int) -> Iterator[Pair]:
    """``count`` sums of two numbers of up to ``digits`` digits, each once: where ``535+61`` is, ``61+535`` is not, so
    that a sum held out of training is new in either order.

    The number of digits is drawn first, so that short numbers come up too.

    :raises ConfigError: there are not so many different sums.
    """
    known = 10**digits * (10**digits + 1) // 2
    if count > known // 2:
        raise ConfigError(
            f"{count:,} sums of numbers of up to {digits} digits are asked for, at most {known // 2:,} can be drawn"
        )
    generator = random.Random(seed)
    seen: set[tuple[int, int]] = set()
    while len(seen) < count:
        left, right = (generator.randrange(10 ** generator.randint(1, digits)) for _ in range(2))
        numbers = min(left, right), max(left, right)
        if numbers not in seen:
            seen.add(numbers)
            yield f"{left}+{right}", str(left + right)


def ask(pair: Pair) -> Question:
    """By the characters of the question."""
    source, target = pair
    return Question(source, "", target, (len(source),))
