"""Translations that repeat themselves: detecting loops, and forbidding the tokens that would close one."""

from collections.abc import Sequence
from typing import Final

import regex

from app.engine.sequence import LiveHypothesis

# A loop is a block of 1 to 4 tokens that occurs at least ``_FEWEST_TIMES`` times in a row, and at least
# ``_FEWEST_TOKENS`` tokens together, since a short block repeats more easily (the zeros of "1000000", a row of dots).
_LONGEST_BLOCK: Final = 4
_FEWEST_TIMES: Final = 4
_FEWEST_TOKENS: Final = 8
# A phrase of up to ``_MOST_WORDS`` words never occurs three times in a row; the last ``_REACH_CHARACTERS`` characters
# are searched for it.
_MOST_WORDS: Final = 4
_REACH_CHARACTERS: Final = 120
_PROBE: Final = 3
_THRICE: Final = regex.compile(rf"((?: [^ ]+){{1,{_MOST_WORDS}}})\1\1(?= |$)")
_SPACES: Final = regex.compile(" {2,}")
_NOTHING: Final[frozenset[int]] = frozenset()


class TokenWords:
    """The words that the tokens of a vocabulary write: in lower case, without punctuation, so that "Non, non" is the
    same word twice however it is split into tokens.
    """

    def __init__(self, written: Sequence[bytes]) -> None:
        """Fold what the tokens write.

        Args:
            written: by token id, what the token writes in UTF-8, with the space before a word.
        """
        self.of = [_fold(one) for one in written]
        by_text: dict[str, set[int]] = {}
        for token_id, text in enumerate(self.of):
            by_text.setdefault(text, set()).add(token_id)
        self._by_text = {text: frozenset(token_ids) for text, token_ids in by_text.items() if text.strip()}

    def text(self, token_ids: Sequence[int]) -> str:
        """The words of a sequence of tokens."""
        text = " " + "".join(map(self.of.__getitem__, token_ids))
        return _SPACES.sub(" ", text) if "  " in text else text

    def append(self, text: str, token_id: int) -> str:
        """The words of a text and one more token."""
        more = self.of[token_id]
        return text + (more[1:] if more[:1] == " " and text[-1:] == " " else more)

    def closing_tokens(self, text: str) -> frozenset[int]:
        """The tokens that, behind these words, would close the third occurrence of a phrase in a row. A phrase of
        numbers may: a million is written with six zeros.
        """
        found = _NOTHING
        if len(text) <= _PROBE:
            return found
        probe, end, first = text[-_PROBE:], len(text) - 1, max(0, len(text) - _REACH_CHARACTERS)
        # Where the last letters occurred before, a phrase may have ended that has just occurred again.
        while (offset := text.rfind(probe, first, end)) >= 0:
            length = len(text) - _PROBE - offset
            if text[-length:] == text[-2 * length : -length]:
                rest = _rest(text, length)
                found |= self._by_text.get(rest, _NOTHING)
                if text[-1] == " ":  # of punctuation: a token with a space of its own goes on as well
                    found |= self._by_text.get(" " + rest, _NOTHING)
            end = offset + _PROBE - 1
        return found


class LoopGuard:
    """Detects loops in the translations of one source. If the source repeats itself, a translation may repeat itself
    twice as often.

    Args:
        source_ids: without eos.
        words: of the vocabulary; None where no token is forbidden.
        source_words: of the sources' vocabulary, if that is another.
    """

    def __init__(
        self, source_ids: Sequence[int], words: TokenWords | None = None, source_words: TokenWords | None = None
    ) -> None:
        self._source_ids = source_ids
        self.words = words
        self._source_words = source_words or words
        self._times: int | None = None
        self._is_repetitive: bool | None = None

    def closing_tokens(self, text: str) -> frozenset[int]:
        """The tokens that must not come next: with them a phrase would occur three times in a row, as none does in the
        source.

        Args:
            text: the words of the translation so far, at least of its end.
        """
        found = _NOTHING if self.words is None else self.words.closing_tokens(text)
        return _NOTHING if found and self._source_repeats() else found

    def closing_tokens_after(self, token_ids: Sequence[int]) -> frozenset[int]:
        """``closing_tokens`` of the words of tokens."""
        return _NOTHING if self.words is None else self.closing_tokens(self.words.text(token_ids[-_REACH_CHARACTERS:]))

    def _source_repeats(self) -> bool:
        if self._is_repetitive is None:
            assert self._source_words is not None
            self._is_repetitive = _THRICE.search(self._source_words.text(self._source_ids)) is not None
        return self._is_repetitive

    def excess(self, token_ids: Sequence[int]) -> int:
        """How many tokens at the end of a translation repeat those before; 0 where that is no loop.

        Call it after every token, so that a loop is detected when it closes.
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
        # Computed only where there may be a loop, which is rare.
        if self._times is None:
            self._times = 2 * count_repeats(self._source_ids)
        return self._times


class LiveWords:
    """The words of the live hypotheses of a beam: they grow with each token instead of being joined at every step."""

    def __init__(self, guard: LoopGuard | None) -> None:
        """Follow a beam; without a guard there is nothing to know."""
        self._guard = guard
        self._live: Sequence[LiveHypothesis] = ()
        self._texts: list[str] = []

    def closing_tokens(self, live: Sequence[LiveHypothesis], index: int) -> frozenset[int]:
        """``LoopGuard.closing_tokens`` behind a live hypothesis."""
        if self._guard is None or self._guard.words is None:
            return _NOTHING
        token_ids = live[index].token_ids
        if self._live is live and len(token_ids) <= _REACH_CHARACTERS:
            return self._guard.closing_tokens(self._texts[index])
        return self._guard.closing_tokens_after(token_ids)

    def follow(self, before: Sequence[LiveHypothesis], live: Sequence[LiveHypothesis], parents: Sequence[int]) -> None:
        """Take over the live hypotheses after a step.

        Args:
            before: those before it.
            live: each one of ``before`` with one token more.
            parents: for each of ``live``, the index of that one in ``before``.
        """
        if self._guard is None or (words := self._guard.words) is None:
            return
        texts = self._texts if self._live is before else [words.text(one.token_ids) for one in before]
        grown = zip(parents, live, strict=True)
        self._texts = [words.append(texts[parent], one.token_ids[-1]) for parent, one in grown]
        self._live = live


def count_settled_tokens(token_ids: Sequence[int]) -> int:
    """How many tokens will stay, whatever follows: those that may turn out to be a repetition do not count."""
    repeating = 0
    for block in range(1, _LONGEST_BLOCK + 1):
        run = 0
        while run + block < len(token_ids) and token_ids[-1 - run] == token_ids[-1 - run - block]:
            run += 1
        repeating = max(repeating, run)
    return len(token_ids) - repeating


def count_repeats(token_ids: Sequence[int]) -> int:
    """The most times that the same 1 to 4 tokens occur in a row; 1 if nothing repeats."""
    most = 1
    for block in range(1, _LONGEST_BLOCK + 1):
        run = 0  # tokens in a row that equal the one a block before
        for one, other in zip(token_ids, token_ids[block:], strict=False):
            run = run + 1 if one == other else 0
            most = max(most, 1 + run // block)
    return most


def common_prefix(sequences: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The tokens that all sequences begin with; there is at least one sequence."""
    first, last = min(sequences), max(sequences)  # in lexicographic order: what these two share, all share
    for length, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return first[:length]
    return first[: len(last)]


def find_blocked_tokens(token_ids: Sequence[int], size: int) -> set[int]:
    """The tokens that would make the last ``size`` tokens a repetition of earlier ones.

    Paulus et al. 2017, "A Deep Reinforced Model for Abstractive Summarization", section 2.5, there with size 3.
    """
    if len(token_ids) < size:
        return set()
    last = tuple(token_ids[len(token_ids) - size + 1 :])
    return {
        token_ids[start + size - 1]
        for start in range(len(token_ids) - size + 1)
        if tuple(token_ids[start : start + size - 1]) == last
    }


def _fold(written: bytes) -> str:
    try:
        text = written.decode("utf-8")
    except UnicodeDecodeError:  # a part of a character: not punctuation, and equal only to itself
        return "".join(chr(0xE000 + byte) for byte in written)
    word = text.removeprefix(" ")
    letters = (word if word.isalnum() else "".join(filter(str.isalnum, text))).lower()
    return " " + letters if text[:1] == " " else letters


def _rest(text: str, length: int) -> str:
    """What a text that ends with the same ``length`` characters twice lacks to end with a phrase three times; empty if
    these characters are no phrase, or if more than a phrase is missing.
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
    """True if the last ``block * times`` tokens are the same ``block`` tokens, ``times`` times."""
    length = block * times
    if len(token_ids) < length:
        return False
    return token_ids[-length:-block] == token_ids[len(token_ids) - length + block :]
