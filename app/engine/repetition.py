"""Translations that go round in circles: noticing that one does, and forbidding it beforehand."""

from collections.abc import Sequence
from typing import Final

import regex

# The same 1 to 4 tokens again and again: so many times at least, and so many tokens together, since a short block
# comes back more easily (the zeros of "1000000", a row of dots).
_LONGEST_BLOCK: Final = 4
_FEWEST_TIMES: Final = 4
_FEWEST_TOKENS: Final = 8
# A phrase of up to so many words never stands three times in a row; looked for in so many characters.
_MOST_WORDS: Final = 4
_REACH_CHARACTERS: Final = 120
_PROBE: Final = 3
_THRICE: Final = regex.compile(rf"((?: [^ ]+){{1,{_MOST_WORDS}}})\1\1(?= |$)")
_SPACES: Final = regex.compile(" {2,}")
_NOTHING: Final[frozenset[int]] = frozenset()


class TokenWords:
    """What the tokens of a vocabulary write, as far as it makes words: in small letters, without marks, so that
    "Non, non" says twice the same however it is cut into tokens.
    """

    def __init__(self, written: Sequence[bytes]) -> None:
        """:param written: in UTF-8, with the space before a word."""
        self.of = [_folded(one) for one in written]
        by_text: dict[str, set[int]] = {}
        for token_id, text in enumerate(self.of):
            by_text.setdefault(text, set()).add(token_id)
        self._by_text = {text: frozenset(token_ids) for text, token_ids in by_text.items() if text.strip()}

    def text(self, token_ids: Sequence[int]) -> str:
        """The words of some tokens."""
        text = " " + "".join(map(self.of.__getitem__, token_ids))
        return _SPACES.sub(" ", text) if "  " in text else text

    def longer(self, text: str, token_id: int) -> str:
        """Words with one more token."""
        more = self.of[token_id]
        return text + (more[1:] if more[:1] == " " and text[-1:] == " " else more)

    def closing(self, text: str) -> frozenset[int]:
        """The tokens that, behind such words, would make a phrase stand three times in a row. One of numbers may: a
        million is written with six zeros.
        """
        found = _NOTHING
        if len(text) <= _PROBE:
            return found
        probe, end, first = text[-_PROBE:], len(text) - 1, max(0, len(text) - _REACH_CHARACTERS)
        # Where the last letters stood before, there a phrase may have ended that has come again.
        while (place := text.rfind(probe, first, end)) >= 0:
            length = len(text) - _PROBE - place
            if text[-length:] == text[-2 * length : -length]:
                rest = _rest(text, length)
                found |= self._by_text.get(rest, _NOTHING)
                if text[-1] == " ":  # of a mark: a token with a space of its own goes on as well
                    found |= self._by_text.get(" " + rest, _NOTHING)
            end = place + _PROBE - 1
        return found


class LoopGuard:
    """Knows a loop in the translations of one source. A source that repeats itself may be followed, twice as far.

    :param words: of the vocabulary; None where nothing is forbidden beforehand.
    """

    def __init__(self, source_ids: Sequence[int], words: TokenWords | None = None) -> None:
        self._source_ids = source_ids
        self.words = words
        self._times: int | None = None
        self._is_repetitive: bool | None = None

    def closing(self, text: str) -> frozenset[int]:
        """The tokens that must not come next: with them a phrase would stand three times in a row, as none does in the
        source.

        :param text: the words of the translation so far, of its end at least.
        """
        found = _NOTHING if self.words is None else self.words.closing(text)
        return _NOTHING if found and self._source_repeats() else found

    def closing_after(self, token_ids: Sequence[int]) -> frozenset[int]:
        """The same, of tokens."""
        return _NOTHING if self.words is None else self.closing(self.words.text(token_ids[-_REACH_CHARACTERS:]))

    def _source_repeats(self) -> bool:
        if self._is_repetitive is None:
            assert self.words is not None
            self._is_repetitive = _THRICE.search(self.words.text(self._source_ids)) is not None
        return self._is_repetitive

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


def _folded(written: bytes) -> str:
    try:
        text = written.decode("utf-8")
    except UnicodeDecodeError:  # a part of a character: no mark, and itself alone
        return "".join(chr(0xE000 + byte) for byte in written)
    letters = "".join(filter(str.isalnum, text)).lower()
    return " " + letters if text[:1] == " " else letters


def _rest(text: str, length: int) -> str:
    """What a text that ends with the same ``length`` characters twice lacks so that a phrase stands there three times;
    nothing if that is no phrase, or still far.
    """
    run = length
    while run < 2 * length and run + length < len(text) and text[-1 - run] == text[-1 - run - length]:
        run += 1
    repeated = text[-run - length :]
    start = repeated.find(" ")
    missing = 2 * length - run + start
    phrase = repeated[start : start + length].split()
    if start < 0 or not 0 < missing <= length or len(phrase) > _MOST_WORDS or all(map(str.isdigit, phrase)):
        return ""
    return text[-length:][:missing]


def _ends_with_block(token_ids: Sequence[int], block: int, times: int) -> bool:
    """Are the last ``block * times`` tokens the same ``block`` tokens again and again?"""
    length = block * times
    if len(token_ids) < length:
        return False
    return token_ids[-length:-block] == token_ids[len(token_ids) - length + block :]
