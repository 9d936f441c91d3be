"""The long time lag problem (Hochreiter & Schmidhuber 1997, "Long short-term memory", section 5).

A sequence consists of a key, distractors without meaning, and the key again. With counting distractors this is the
demonstration of 3 0 1 2 3 against 4 0 1 2 4: only the first symbol determines the last one. There is no source: a
decoder alone reads the sequence, one symbol per step, and must keep the key in its states.
"""

import random
from collections.abc import Iterator, Sequence

from training.data.corpus import Pair
from training.errors import ConfigError
from training.tasks.question import Question


def memory(lags: Sequence[int], alphabet: int, count: int, seed: int, counting: bool = False) -> Iterator[str]:
    """Yields different sequences of the symbols 0 to ``alphabet - 1``, separated by spaces.

    Args:
        lags: Numbers of distractors, one of which is drawn for each sequence.
        alphabet: Number of symbols.
        count: Number of sequences.
        seed: Of the draws.
        counting: Whether the distractors are 0, 1, 2, ... and the keys the other symbols. Otherwise both are drawn
            from the whole alphabet.

    Raises:
        ConfigError: A limit is below 1, or ``count`` is more than the number of sequences that can be drawn.
    """
    if alphabet < 1 or min(lags) < 1:
        raise ConfigError(f"the alphabet has {alphabet} symbols and the lags are {list(lags)}, all must be 1 or more")
    lags = sorted(set(lags))
    different = sum(max(0, alphabet - lag) if counting else alphabet ** (lag + 1) // 2 for lag in lags)
    if count > different:
        raise ConfigError(
            f"cannot draw {count:,} sequences of {alphabet} symbols with lags {list(lags)}: there can be at most "
            f"{different:,}"
        )
    generator = random.Random(seed)
    possible = [lag for lag in lags if not counting or lag < alphabet]
    seen: set[tuple[int, ...]] = set()
    while len(seen) < count:
        lag = generator.choice(possible)
        key = generator.randrange(lag if counting else 0, alphabet)
        between = range(lag) if counting else generator.choices(range(alphabet), k=lag)
        sequence = (key, *between, key)
        if sequence not in seen:
            seen.add(sequence)
            yield " ".join(map(str, sequence))


def build_question(pair: Pair) -> Question:
    """Returns the question of a sequence: its prefix is all but the last symbol. It is grouped by the lag."""
    _, sequence = pair
    given, _, key = sequence.rpartition(" ")
    return Question("", given, key, (given.count(" "),))
