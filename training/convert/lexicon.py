"""Reads Marian's lexical shortlists: the binary ``lex.*.s2t.bin`` and the text lexicon ``lex.s2t.gz``.

Every length in a binary file is compared with the bytes that are there before anything is allocated. A text lexicon is
read line by line up to a limit, since a small gzip file can unpack to any size.
"""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.bundle.shortlist import check_ids
from training.errors import ConversionError

MAGIC: Final = 0xF11A48D5013417F5
MAX_SHORTLIST_BYTES: Final = 256 * 1024**2
MAX_LEXICON_BYTES: Final = 512 * 1024**2
MAX_BEST: Final = 1000
# What the published shortlists were made with: their names say 50.50.
FIRST: Final = 50
BEST: Final = 50
_HEAD_WORDS: Final = 6
_NOTHING: Final = "NULL"
_MASK: Final = 2**64 - 1
_GOLDEN: Final = 0x9E3779B9
_GZIP: Final = b"\x1f\x8b"
_LONGEST_LINE: Final = 4096
_MOST_KEPT: Final = 4 * BEST


@dataclass(frozen=True)
class Lexicon:
    """The shortlist of a published model.

    Attributes:
        lists: For each source token the ids of target tokens, ascending.
        first: This many first tokens of the vocabulary are candidates of every sentence.
    """

    lists: tuple[NDArray[np.uint32], ...]
    first: int


@dataclass(frozen=True)
class Pieces:
    """How a text lexicon's pieces become ids.

    Attributes:
        source: The id of a source piece; ``source_unknown`` if there is none.
        target: As source.
        source_unknown: The id of ``<unk>``.
        target_unknown: As source.
    """

    source: Callable[[str], int]
    target: Callable[[str], int]
    source_unknown: int
    target_unknown: int


def read_lexicon(path: Path, source_tokens: int, target_tokens: int, pieces: Pieces) -> Lexicon:
    """Reads a shortlist of either kind; its first bytes say which.

    Args:
        path: The file.
        source_tokens: Of the model.
        target_tokens: Of the model.
        pieces: For a text lexicon.

    Raises:
        ConversionError: The file is unreadable, too large, damaged, or belongs to another model.
    """
    try:
        size = path.stat().st_size
        if size > MAX_SHORTLIST_BYTES:
            raise ConversionError(f"{path}: has {size} bytes, the limit is {MAX_SHORTLIST_BYTES}")
        with path.open("rb") as stream:
            if stream.read(2) != _GZIP:
                stream.seek(0)
                return parse_binary(stream.read(), source_tokens, target_tokens)
            stream.seek(0)
            with gzip.open(stream, "rb") as lines:
                return parse_text(lines, source_tokens, pieces)
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise ConversionError(f"{path}: cannot be read: {error}") from error


def parse_binary(content: bytes, source_tokens: int, target_tokens: int) -> Lexicon:
    """Reads the content of a ``lex.*.s2t.bin``.

    Raises:
        ConversionError: A length or the checksum does not agree with the file, or it belongs to another model.
    """
    if len(content) < 8 * _HEAD_WORDS:
        raise ConversionError(f"has {len(content)} bytes, a shortlist has at least {8 * _HEAD_WORDS}")
    magic, checksum, first, best, count, total = np.frombuffer(content, "<u8", _HEAD_WORDS).tolist()
    if magic != MAGIC:
        raise ConversionError(f"is no shortlist of Marian: it starts with {magic:#x}, {MAGIC:#x} is expected")
    expected = 8 * _HEAD_WORDS + 8 * count + 4 * total
    if len(content) != expected:
        raise ConversionError(f"has {len(content)} bytes, its header says {expected}")
    if count != source_tokens + 1:
        raise ConversionError(f"has lists of {count - 1} source tokens, the model has {source_tokens}")
    if first > target_tokens or best > MAX_BEST:
        raise ConversionError(f"takes the first {first} tokens and {best} of a list, which are too many")
    found = _checksum(np.frombuffer(content, "<u8", (len(content) - 16) // 8, 16).tolist())
    if found != checksum:
        raise ConversionError(f"is damaged: its checksum is {found:#x}, its header says {checksum:#x}")
    starts = np.frombuffer(content, "<u8", count, 8 * _HEAD_WORDS)
    if starts[0] != 0 or starts[-1] != total or (starts[1:] < starts[:-1]).any():
        raise ConversionError(f"has lists whose starts do not go from 0 to {total} ids")
    if (np.diff(starts) > best).any():
        raise ConversionError(f"has a list of {int(np.diff(starts).max())} ids, its header says at most {best}")
    ids = np.frombuffer(content, "<u4", total, 8 * _HEAD_WORDS + 8 * count)
    try:
        check_ids(ids, starts, target_tokens)
    except ValueError as error:
        raise ConversionError(str(error)) from error
    return Lexicon(tuple(np.split(ids, starts[1:-1].astype(np.int64))), first)


def parse_text(lines: gzip.GzipFile, source_tokens: int, pieces: Pieces) -> Lexicon:
    """Reads a text lexicon, ``target source probability`` a line, and keeps the likeliest of each source token.

    Raises:
        ConversionError: A line is another, the text is over the limit, or most pieces are of other vocabularies.
    """
    found: dict[int, dict[int, float]] = defaultdict(dict)
    read = unknown = 0
    for number, (target, source, probability) in enumerate(_entries(lines), start=1):
        if _NOTHING in (target, source):
            continue
        read = number
        source_id, target_id = pieces.source(source), pieces.target(target)
        if source_id == pieces.source_unknown or target_id == pieces.target_unknown:
            unknown += 1
        else:
            likely = found[source_id]
            likely[target_id] = probability
            if len(likely) > _MOST_KEPT:
                found[source_id] = {one: likely[one] for one in _best(likely)}
    if not found or 2 * unknown > read:
        raise ConversionError(f"{unknown} of its {read} entries have no piece of these vocabularies")
    empty = np.empty(0, np.uint32)
    lists = {one: np.sort(np.array(_best(likely), np.uint32)) for one, likely in found.items()}
    return Lexicon(tuple(lists.get(one, empty) for one in range(source_tokens)), FIRST)


def _entries(lines: gzip.GzipFile) -> Iterator[tuple[str, str, float]]:
    left, number = MAX_LEXICON_BYTES, 0
    while line := lines.readline(_LONGEST_LINE):
        number += 1
        left -= len(line)
        if left < 0:
            raise ConversionError(f"unpacks to more than {MAX_LEXICON_BYTES} bytes")
        try:
            target, source, probability = line.decode("utf-8").split()
            yield target, source, float(probability)
        except ValueError:
            raise ConversionError(
                f"line {number} is {line[:60]!r}, a target piece, a source piece and a probability are expected"
            ) from None


def _best(likely: dict[int, float]) -> list[int]:
    return sorted(likely, key=lambda target_id: (-likely[target_id], target_id))[:BEST]


def _checksum(words: Iterable[int]) -> int:
    """Marian's hash over 64-bit words; the last four bytes of an odd length are left out."""
    found = 0
    for word in words:
        found ^= (word + _GOLDEN + (found << 6) + (found >> 2)) & _MASK
    return found
