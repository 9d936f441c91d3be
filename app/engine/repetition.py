"""Translations that go round in circles: noticing that one does, and forbidding it beforehand."""

from collections.abc import Sequence
from typing import Final

# The same 1 to 4 tokens again and again: so many times at least, and so many tokens together, since a short block
# comes back more easily (the zeros of "1000000", a row of dots).
_LONGEST_BLOCK: Final = 4
_FEWEST_TIMES: Final = 4
_FEWEST_TOKENS: Final = 8


class LoopGuard:
    """Knows a loop in the translations of one source. A source that repeats itself may be followed, twice as far."""

    def __init__(self, source_ids: Sequence[int]) -> None:
        self._source_ids = source_ids
        self._times: int | None = None

    def excess(self, token_ids: Sequence[int]) -> int:
        """How many tokens at the end of a translation repeat those before; 0 where that is no loop.

        To be asked after every token, so that a loop is seen when it closes.
        """
        length, last = len(token_ids), token_ids[-1]
        for block in range(1, _LONGEST_BLOCK + 1):
            if length < block * _FEWEST_TIMES or token_ids[-1 - block] != last:
                continue
            times = max(_FEWEST_TIMES, -(-_FEWEST_TOKENS // block))
            if _ends_with_block(token_ids, block, times):
                times = max(times, self._allowed_times())
                if _ends_with_block(token_ids, block, times):
                    return block * (times - 1)
        return 0

    def _allowed_times(self) -> int:
        # Only asked for when a loop seems to be there, which hardly ever happens.
        if self._times is None:
            self._times = 2 * most_repeats(self._source_ids)
        return self._times


def tokens_before_repeats(token_ids: Sequence[int]) -> int:
    """How many tokens stay whatever comes: those that might yet turn out to repeat the ones before do not count."""
    repeating = 0
    for block in range(1, _LONGEST_BLOCK + 1):
        run = 0
        while run + block < len(token_ids) and token_ids[-1 - run] == token_ids[-1 - run - block]:
            run += 1
        repeating = max(repeating, run)
    return len(token_ids) - repeating


def most_repeats(token_ids: Sequence[int]) -> int:
    """How many times the same 1 to 4 tokens stand one after the other, at most; 1 if nothing repeats."""
    most = 1
    for block in range(1, _LONGEST_BLOCK + 1):
        run = 0  # tokens in a row that equal the one a block before
        for one, other in zip(token_ids, token_ids[block:], strict=False):
            run = run + 1 if one == other else 0
            most = max(most, 1 + run // block)
    return most


def blocked_tokens(token_ids: Sequence[int], size: int) -> set[int]:
    """The tokens that would make the last ``size`` tokens a repetition of earlier ones.

    Paulus et al. 2017, "A Deep Reinforced Model for Abstractive Summarization", section 2.5, there with size 3.
    """
    if len(token_ids) < size:
        return set()
    begun = tuple(token_ids[len(token_ids) - size + 1 :])
    return {
        token_ids[start + size - 1]
        for start in range(len(token_ids) - size + 1)
        if tuple(token_ids[start : start + size - 1]) == begun
    }


def _ends_with_block(token_ids: Sequence[int], block: int, times: int) -> bool:
    """Are the last ``block * times`` tokens the same ``block`` tokens again and again?"""
    length = block * times
    if len(token_ids) < length:
        return False
    return token_ids[-length:-block] == token_ids[len(token_ids) - length + block :]
