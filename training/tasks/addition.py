"""Addition as text, character by character: ``535+61`` -> ``596``.

See Zaremba & Sutskever 2014 (arXiv:1410.4615) and the Keras example "addition_rnn".
"""

import random
from collections.abc import Iterator

from training.data.corpus import Pair
from training.errors import ConfigError
from training.tasks.question import Question


def addition(digits: int, count: int, seed: int) -> Iterator[Pair]:
    """Yields different sums of two numbers.

    A sum comes in one order only: if ``535+61`` is drawn, ``61+535`` is not. So a sum that is held out of training is
    unseen in both orders. The number of digits is drawn before the number, so that short numbers are frequent too.

    Args:
        digits: Digits of the longest number.
        count: Number of sums.
        seed: Of the draws.

    Raises:
        ConfigError: ``count`` is more than half of all different sums.
    """
    different = 10**digits * (10**digits + 1) // 2
    if count > different // 2:
        raise ConfigError(
            f"cannot draw {count:,} sums of numbers of up to {digits} digits: there can be at most {different // 2:,}"
        )
    generator = random.Random(seed)
    seen: set[tuple[int, int]] = set()
    while len(seen) < count:
        left, right = (generator.randrange(10 ** generator.randint(1, digits)) for _ in range(2))
        numbers = min(left, right), max(left, right)
        if numbers not in seen:
            seen.add(numbers)
            yield f"{left}+{right}", str(left + right)


def build_question(pair: Pair) -> Question:
    """Returns the question of a sum, grouped by its characters."""
    source, target = pair
    return Question(source, "", target, (len(source),))
