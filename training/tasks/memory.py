"""The long time lag problem (Hochreiter & Schmidhuber 1997, "Long short-term memory", section 5): a key, then symbols
that mean nothing, then the key again.

With distractors that count this is the demonstration of 3 0 1 2 3 against 4 0 1 2 4: all that tells the last symbol is
the first one. There is no source: a decoder alone reads the sequence, one symbol a step, and carries the key along.
"""

import random
from collections.abc import Iterator, Sequence

from training.data.corpus import Pair
from training.errors import ConfigError
from training.tasks.question import Question


def memory(lags: Sequence[int], alphabet: int, count: int, seed: int, counting: bool = False) -> Iterator[str]:
    """``count`` sequences, each once, of the symbols 0 to ``alphabet - 1``, spaces between: a key, as many distractors
    as one of ``lags`` says, the key.

    :param counting: the distractors are 0, 1, 2, ... and the keys the symbols that do not stand among them; else both
        are drawn from the whole alphabet.
    :raises ConfigError: there are not so many different sequences.
    """
    if alphabet < 1 or min(lags) < 1:
        raise ConfigError(f"the alphabet has {alphabet} symbols and the lags are {list(lags)}, all must be 1 or more")
    lags = sorted(set(lags))
    known = sum(max(0, alphabet - lag) if counting else alphabet ** (lag + 1) // 2 for lag in lags)
    if count > known:
        raise ConfigError(
            f"{count:,} sequences of {alphabet} symbols with lags {list(lags)} are asked for, at most {known:,} can be "
            f"drawn"
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


def ask(pair: Pair) -> Question:
    """All but the last symbol is given; by the lag."""
    _, sequence = pair
    given, _, key = sequence.rpartition(" ")
    return Question("", given, key, (given.count(" "),))
