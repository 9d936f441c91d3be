"""A cache of finished segments, bounded in bytes; it evicts the least recently used.

It holds the engine's answers to token ids and search options, not the answers to requests. Format, tags, placeholders,
glossary, alternatives and alignment all end in those two, so a key cannot omit a part of a request; a sentence is found
whichever text contains it; and all dialects, files and editors share the entries.
"""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from threading import Lock
from typing import Final

from cachetools import LRUCache

from app.engine.sequence import FinishReason, Hypothesis, SearchOptions

# Of one entry beside its value: the key, the object headers, and its entries in three tables. Measured: 260 to 340.
_ENTRY_BYTES: Final = 400
_CUT: Final = (FinishReason.DEADLINE, FinishReason.CANCELLED)

Key = bytes


def key_of(version: str, source_ids: Sequence[int], options: SearchOptions) -> Key | None:
    """The key of a segment; None where the answer differs each time, or depends on a function.

    Args:
        version: of the bundle.
        source_ids: of the segment.
        options: all of them are part of the key, also those added later; no text can be read out of it.
    """
    if options.temperature or options.allowed is not None:
        return None
    return sha256(f"{version} {tuple(source_ids)} {options!r}".encode()).digest()


class Cache:
    """Any thread may use it. It outlives the bundles, whose versions are part of the keys."""

    def __init__(self, max_bytes: int) -> None:
        self._kept: LRUCache[Key, bytes] = LRUCache(max_bytes, getsizeof=lambda value: len(value) + _ENTRY_BYTES)
        self._lock = Lock()

    def find(self, key: Key) -> list[Hypothesis] | None:
        """The engine's answer without its timing, or None."""
        with self._lock:
            value = self._kept.get(key)
        if value is None:
            return None
        return [
            Hypothesis(token_ids, score, token_scores, FinishReason(reason), alignment)
            for token_ids, score, token_scores, reason, alignment in pickle.loads(value)
        ]

    def keep(self, key: Key, hypotheses: Sequence[Hypothesis]) -> None:
        """Keep an answer, unless a part of it was cut by a deadline, or it is too large."""
        if not is_whole(hypotheses):
            return
        # Plain tuples, which only this class unpickles.
        plain = [
            (one.token_ids, one.score, one.token_scores, one.finish_reason.value, one.alignment) for one in hypotheses
        ]
        value = pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)
        with self._lock:
            if len(value) + _ENTRY_BYTES <= self._kept.maxsize:
                self._kept[key] = value

    @property
    def bytes(self) -> int:
        """The size of all entries."""
        with self._lock:
            return int(self._kept.currsize)

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)


def is_whole(hypotheses: Sequence[Hypothesis]) -> bool:
    """True if no deadline cut it, so that the same segment gets the same answer again."""
    return all(one.finish_reason not in _CUT for one in hypotheses)


def drop_timing(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """The answer for a caller that shares it: the timing is that of another request."""
    return [replace(one, timing=None) for one in hypotheses]
