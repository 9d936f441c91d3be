"""Tasks that need no text from anywhere: pairs of source and target, made up, the same for the same seed."""

import random
from collections.abc import Iterator

from training.corpus import Pair
from training.errors import ConfigError


def addition(digits: int, count: int, seed: int) -> Iterator[Pair]:
    """``count`` sums of two numbers of up to ``digits`` digits, ``535+61 -> 596``, each sum once.

    The number of digits is drawn first, so that short numbers come up too.

    :raises ConfigError: there are not so many different sums.
    """
    known = 100**digits
    if count > known // 2:
        raise ConfigError(
            f"{count:,} sums of numbers of up to {digits} digits are asked for, at most {known // 2:,} can be drawn"
        )
    generator = random.Random(seed)
    seen: set[str] = set()
    while len(seen) < count:
        left, right = (generator.randrange(10 ** generator.randint(1, digits)) for _ in range(2))
        question = f"{left}+{right}"
        if question not in seen:
            seen.add(question)
            yield question, str(left + right)
