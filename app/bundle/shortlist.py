"""A lexical shortlist: for each source token, the target tokens that its translations are likely to contain.

Devlin 2017, "Sharp Models on Dull Hardware", section 3; the rule is that of Marian, for one sentence instead of a
batch. File, little-endian: 8 bytes ``MAGIC``, uint32 source tokens, uint32 ids in all, a uint16 count for each source
token, and the ids of each, ascending: uint16, or uint32 for a target vocabulary of more than 65,536 tokens.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.bundle.manifest import Manifest
from app.errors import BundleFormatError
from app.settings import ShortlistMode

MAGIC: Final = b"PSHORT\0\1"
_HEAD_BYTES: Final = len(MAGIC) + 8
_MULTIPLE: Final = 8

Ids = NDArray[np.int32]


class Shortlist:
    """Chooses the candidates of a sentence.

    Args:
        starts: int64 ``[source tokens + 1]``, where the ids of each source token start.
        ids: the target tokens of all source tokens.
        first: this many first tokens of the vocabulary are always candidates.
        tokens: the number of target tokens that may be candidates.
        adds_source_ids: whether the tokens of the source are candidates too, as in a shared vocabulary.
        eos_id: is always a candidate.
    """

    def __init__(
        self,
        starts: NDArray[np.int64],
        ids: NDArray[np.unsignedinteger],
        first: int,
        tokens: int,
        adds_source_ids: bool,
        eos_id: int,
    ) -> None:
        self._starts = starts
        self._ids = ids
        self._first = min(first, tokens)
        self._tokens = tokens
        self._adds_source_ids = adds_source_ids
        self._eos_id = eos_id

    def candidates(self, source_ids: Iterable[int]) -> Ids:
        """The tokens ``[candidates]`` that a translation may have, ascending.

        Those of all source tokens, filled up to a multiple of 8 with the smallest other ids, as Marian does for its
        matrix kernels: these are candidates like the others.
        """
        is_candidate = np.zeros(self._tokens, np.bool_)
        is_candidate[: self._first] = True
        is_candidate[self._eos_id] = True
        for one in set(source_ids):
            is_candidate[self._ids[self._starts[one] : self._starts[one + 1]]] = True
            if self._adds_source_ids and one < self._tokens:
                is_candidate[one] = True
        found = np.flatnonzero(is_candidate)
        missing = -len(found) % _MULTIPLE
        if missing:
            reach = self._first + len(found) + missing
            others = np.flatnonzero(~is_candidate[self._first : reach])[:missing] + self._first
            found = np.sort(np.concatenate((found, others)))
        return found.astype(np.int32)

    def everything(self) -> Ids:
        """All tokens, for a sentence to which the shortlist does not apply."""
        return np.arange(self._tokens, dtype=np.int32)


def write_shortlist(lists: Sequence[NDArray[np.integer]], tokens: int) -> bytes:
    """The content of the file.

    Args:
        lists: the ids of each source token, ascending.
        tokens: the size of the target vocabulary.
    """
    counts = np.array([len(one) for one in lists], np.int64)
    ids = np.concatenate((np.empty(0, np.int64), *lists))
    head = np.array((len(lists), len(ids)), "<u4").tobytes()
    return MAGIC + head + counts.astype("<u2").tobytes() + ids.astype(_id_type(tokens)).tobytes()


def load_shortlist(folder: Path, manifest: Manifest, mode: ShortlistMode = "auto") -> Shortlist | None:
    """The shortlist of a bundle; None if it has none, or if the mode (``auto``: as the bundle says) does not use it.

    Raises:
        BundleFormatError: the file is damaged, or belongs to other vocabularies.
    """
    entry, target = manifest.shortlist, manifest.tokenizer
    if entry is None:
        return None
    # Marian's start token, the last one, is never written.
    tokens = target.bos_id if target.kind == "marian" else target.vocabulary_size
    try:
        starts, ids = parse_shortlist((folder / entry.file).read_bytes(), manifest.source_vocabulary_size, tokens)
    except ValueError as error:
        raise BundleFormatError(f"{folder / entry.file}: {error}") from error
    found = Shortlist(starts, ids, entry.first, tokens, entry.adds_source_ids, target.eos_id)
    return found if mode == "on" or (mode == "auto" and entry.is_default) else None


def parse_shortlist(
    content: bytes, source_tokens: int, tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.unsignedinteger]]:
    """Read the content of the file; no number in it is believed before it agrees with the file's length.

    Args:
        content: of the file.
        source_tokens: the size of the source vocabulary.
        tokens: the number of target tokens that may be candidates.

    Returns:
        ``starts`` and ``ids`` of a ``Shortlist``.

    Raises:
        ValueError: the content is damaged, or belongs to other vocabularies.
    """
    if content[: len(MAGIC)] != MAGIC or len(content) < _HEAD_BYTES:
        raise ValueError(f"is no shortlist of {len(MAGIC)} bytes {MAGIC!r} and a length")
    found, total = np.frombuffer(content, "<u4", 2, len(MAGIC)).tolist()
    if found != source_tokens:
        raise ValueError(f"has lists of {found} source tokens, the vocabulary has {source_tokens}")
    kind = np.dtype(_id_type(tokens))
    expected = _HEAD_BYTES + 2 * found + kind.itemsize * total
    if len(content) != expected:
        raise ValueError(f"has {len(content)} bytes, its header says {expected}")
    counts = np.frombuffer(content, "<u2", found, _HEAD_BYTES)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
    if starts[-1] != total:
        raise ValueError(f"has {total} ids, its counts sum up to {starts[-1]}")
    ids = np.frombuffer(content, kind, total, _HEAD_BYTES + 2 * found)
    check_ids(ids, starts, tokens)
    return starts, ids


def check_ids(ids: NDArray[np.integer], starts: NDArray[np.integer], tokens: int) -> None:
    """Check that all ids are below ``tokens``, and ascend between two starts.

    Raises:
        ValueError: one does not.
    """
    if len(ids) and ids.max() >= tokens:
        raise ValueError(f"has the id {ids.max()}, the target vocabulary has {tokens} tokens")
    ascends = ids[1:] > ids[:-1]
    within = starts[(starts > 0) & (starts < len(ids))]
    ascends[within - 1] = True  # the last id of a list, and the first one of the next
    if not ascends.all():
        raise ValueError(f"has ids that do not ascend, at number {int(np.argmin(ascends))}")


def _id_type(tokens: int) -> str:
    return "<u2" if tokens <= 65_536 else "<u4"
