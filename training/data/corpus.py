"""Readers of parallel text: tab-separated files, Moses pairs, plain or compressed."""

import gzip
import zipfile
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import IO

from training.data.config import CorpusFile
from training.errors import CorpusError

Pair = tuple[str, str]
TEXT_SUFFIXES = (".tsv", ".txt")


def read_pairs(path: Path, entry: CorpusFile, source: str, target: str) -> Iterator[Pair]:
    """Reads the pairs ``(source, target)`` of one file without cleaning them.

    Raises:
        CorpusError: The file is missing, has a wrong number of columns or invalid UTF-8; the message names the line.
    """
    if entry.target_path is not None:
        raise ValueError("a Moses pair is read by read_moses")
    return ((cells[0], cells[1]) for cells in _columns(path, entry, (source, target)))


def read_texts(path: Path, entry: CorpusFile, target: str) -> Iterator[Pair]:
    """Reads the target column of a file, as pairs with an empty source.

    Raises:
        CorpusError: As ``read_pairs``.
    """
    return (("", cells[0]) for cells in _columns(path, entry, (target,)))


def _columns(path: Path, entry: CorpusFile, languages: Sequence[str]) -> Iterator[list[str]]:
    for language in languages:
        if language not in entry.columns:
            raise CorpusError(f"{entry.name}: columns {list(entry.columns)} hold no {language!r}")
    columns = [entry.columns.index(language) for language in languages]
    for number, line in _lines(path):
        cells = line.split("\t")
        if len(cells) != len(entry.columns):
            raise CorpusError(
                f"{path}:{number}: {len(cells)} tab-separated columns, expected {len(entry.columns)} "
                f"({', '.join(entry.columns)}): {line[:80]!r}"
            )
        yield [cells[column] for column in columns]


def read_moses(source_path: Path, target_path: Path) -> Iterator[Pair]:
    """Reads the pairs of two files with one sentence per line.

    Raises:
        CorpusError: One file is longer than the other; the message names the shorter one and its first missing line.
    """
    sources, targets = _lines(source_path), _lines(target_path)
    number = 0
    while True:
        source, target = next(sources, None), next(targets, None)
        if source is None and target is None:
            return
        number += 1
        if source is None or target is None:
            shorter = source_path if source is None else target_path
            raise CorpusError(
                f"{shorter}:{number}: no line here, but its partner goes on: the files have unequal lengths"
            )
        yield source[1], target[1]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the numbered lines of a plain, ``.gz`` or ``.zip`` text file, without line ends; empty lines are kept."""
    try:
        with _open(path) as stream:
            for number, raw in enumerate(stream, start=1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise CorpusError(f"{path}:{number}: not UTF-8 (byte {error.start}: {error.reason})") from error
                yield number, line.rstrip("\r\n")
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path}: {error}") from error


def _open(path: Path) -> IO[bytes] | BufferedReader | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".zip":
        return _open_zip(path)
    return path.open("rb")


def _open_zip(path: Path) -> IO[bytes]:
    """Opens the only text file of a zip archive; a readme beside it (as in archives of manythings.org) is ignored."""
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if name.lower().endswith(TEXT_SUFFIXES)]
    texts = [name for name in names if not Path(name).name.lower().startswith(("_about", "readme", "license"))]
    if len(texts) != 1:
        raise CorpusError(f"{path}: expected one text file in the archive, found {texts}")
    return archive.open(texts[0])
