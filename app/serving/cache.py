"""Finished translations of segments, kept for whoever asks the same again: so many bytes, the least recently used go.

What is kept is what the engine answered to token ids and search options, not what a request was answered: format, tags,
placeholders, glossary, alternatives and alignment all end in those two, so that nothing of a request can be forgotten
in a key; a sentence is found whatever text it stands in; and all dialects, files and editors share what is kept.
"""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from threading import Lock
from typing import Final

from cachetools import LRUCache

from app.engine.sequence import FinishReason, Hypothesis, SearchOptions

# Of one entry beside its value: the key, the objects' heads, and its places in three tables. Measured: 260 to 340.
_ENTRY_BYTES: Final = 400
_CUT: Final = (FinishReason.DEADLINE, FinishReason.CANCELLED)

Key = bytes


def key_of(version: str, source_ids: Sequence[int], options: SearchOptions) -> Key | None:
    """What was asked of which bundle; None where the answer is not the same each time, or depends on a function.

    Every option is in it, those of the future too; and no text can be read out of it.
    """
    if options.temperature or options.allowed is not None:
        return None
    return sha256(f"{version} {tuple(source_ids)} {options!r}".encode()).digest()


class Cache:
    """Any thread may ask. Survives the bundles: their versions are in the keys."""

    def __init__(self, max_bytes: int) -> None:
        self._kept: LRUCache[Key, bytes] = LRUCache(max_bytes, getsizeof=lambda value: len(value) + _ENTRY_BYTES)
        self._lock = Lock()

    def find(self, key: Key) -> list[Hypothesis] | None:
        """As the engine answered, without its timing."""
        with self._lock:
            value = self._kept.get(key)
        if value is None:
            return None
        return [
            Hypothesis(token_ids, score, token_scores, FinishReason(reason), alignment)
            for token_ids, score, token_scores, reason, alignment in pickle.loads(value)
        ]

    def keep(self, key: Key, hypotheses: Sequence[Hypothesis]) -> None:
        """Unless something of it was cut by a deadline, or it is too large."""
        if not is_whole(hypotheses):
            return
        # Plain tuples, and never read from anywhere but here.
        plain = [
            (one.token_ids, one.score, one.token_scores, one.finish_reason.value, one.alignment) for one in hypotheses
        ]
        value = pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)
        with self._lock:
            if len(value) + _ENTRY_BYTES <= self._kept.maxsize:
                self._kept[key] = value

    @property
    def bytes(self) -> int:
        with self._lock:
            return int(self._kept.currsize)

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)


def is_whole(hypotheses: Sequence[Hypothesis]) -> bool:
    """Nothing of it was cut by a deadline: whoever asks the same gets the same."""
    return all(one.finish_reason not in _CUT for one in hypotheses)


def without_timing(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """For whoever did not have it decoded."""
    return [replace(one, timing=None) for one in hypotheses]
