"""A word half typed: which tokens may write it to its end."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

# No token begins with what was typed and then this, so it stands behind all that begin with what was typed.
_BEHIND: Final = b"\xff"


class Lettering:
    """A vocabulary by what its tokens write, in UTF-8."""

    def __init__(self, written: Sequence[bytes]) -> None:
        self.written = tuple(written)
        self._ids: dict[bytes, list[int]] = {}
        for token_id, text in enumerate(written):
            if text:
                self._ids.setdefault(text, []).append(token_id)
        self._texts = sorted(self._ids)
        self._longest = max(map(len, self._texts), default=0)

    def writing_all(self, rest: bytes) -> list[int]:
        """The tokens that write all of it, and perhaps more."""
        first, behind = bisect_left(self._texts, rest), bisect_left(self._texts, rest + _BEHIND)
        return [token_id for text in self._texts[first:behind] for token_id in self._ids[text]]

    def writing_some(self, rest: bytes) -> list[tuple[int, list[int]]]:
        """For each length that a beginning of it can have, the tokens that write that beginning."""
        lengths = range(1, min(self._longest + 1, len(rest)))
        return [(length, self._ids[rest[:length]]) for length in lengths if rest[:length] in self._ids]


class Typed:
    """Says after any tokens which may follow, so that together they begin with what was typed; None once they do.

    Whatever way the tokens are cut, and never into a dead end. ``is_possible`` is False where no tokens can write it,
    or there is nothing to write.
    """

    def __init__(self, lettering: Lettering, rest: bytes) -> None:
        self._written = lettering.written
        self._rest = rest
        self._following: list[frozenset[int]] = [frozenset()] * len(rest)  # by the number of bytes written
        for start in reversed(range(len(rest))):
            found = lettering.writing_all(rest[start:])
            for length, token_ids in lettering.writing_some(rest[start:]):
                if self._following[start + length]:
                    found = [*found, *token_ids]
            self._following[start] = frozenset(found)

    @property
    def is_possible(self) -> bool:
        return bool(self._following and self._following[0])

    def __call__(self, token_ids: tuple[int, ...]) -> frozenset[int] | None:
        # Every token writes something until the rest is written, so this is never asked about many.
        bytes_written = sum(len(self._written[token_id]) for token_id in token_ids[: len(self._rest)])
        return self._following[bytes_written] if bytes_written < len(self._rest) else None
