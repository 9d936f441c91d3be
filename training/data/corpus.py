"""Read parallel text, clean it, split it; say what was dropped and why."""

import gzip
import hashlib
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import IO

from training.data.config import CorpusConfig, CorpusFile
from training.errors import CorpusError

Pair = tuple[str, str]
Objection = Callable[[str, str], str | None]
TEXT_SUFFIXES = (".tsv", ".txt")


@dataclass
class CorpusReport:
    """How many pairs of each file were read, kept, and dropped for which reason; how many more have noise; and
    what else is to be known."""

    read: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    noise: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def drop(self, name: str, reason: str) -> None:
        self.dropped.setdefault(name, Counter())[reason] += 1

    def drop_kept(self, name: str, reason: str, count: int) -> None:
        """``count`` pairs that were kept so far are dropped after all."""
        self.kept[name] -= count
        if count:
            self.dropped.setdefault(name, Counter())[reason] += count

    def move_to_dev(self, name: str, count: int) -> None:
        """``count`` kept pairs are held out of training."""
        self.drop_kept(name, "held out for dev", count)

    def lines(self) -> list[str]:
        """One line a file, for a person."""
        text = []
        for name, read in self.read.items():
            reasons = ", ".join(
                f"{reason} {count:,}" for reason, count in self.dropped.get(name, Counter()).most_common()
            )
            text.append(
                f"{name}: read {read:,}, kept {self.kept[name]:,}"
                + (f", again with noise {self.noise[name]:,}" if self.noise[name] else "")
                + (f", dropped: {reasons}" if reasons else "")
            )
        return [*text, *self.notes]


def read_pairs(path: Path, entry: CorpusFile, source: str, target: str) -> Iterator[Pair]:
    """The pairs of one file as they stand, ``(source, target)``.

    :raises CorpusError: missing file, wrong number of columns, unequal Moses sides, or invalid UTF-8; names the line.
    """
    if entry.target_path is not None:
        raise ValueError("a Moses pair is read by read_moses")
    return ((found[0], found[1]) for found in _columns(path, entry, (source, target)))


def read_texts(path: Path, entry: CorpusFile, target: str) -> Iterator[Pair]:
    """The one column of a file that is learned from, as pairs with an empty source.

    :raises CorpusError: as ``read_pairs``.
    """
    return (("", found[0]) for found in _columns(path, entry, (target,)))


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
    """Two files, one sentence a line each, line by line.

    :raises CorpusError: one file is longer than the other; names both and the first line without a partner.
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


def clean_pairs(
    pairs: Iterable[Pair],
    name: str,
    config: CorpusConfig,
    report: CorpusReport,
    seen: set[bytes],
    entry: CorpusFile,
    objection: Objection | None = None,
) -> Iterator[Pair]:
    """Normalise each pair and drop what would teach nothing. ``seen`` carries the digests of pairs across files.

    :param objection: asked last, of a pair that is good in all else: the reason to drop it, or None.
    """
    report.read[name] += 0
    for pair in pairs:
        report.read[name] += 1
        source, target = normalise(pair[0]), normalise(pair[1])
        reason = _objection(source, target, config, entry.max_words)
        if reason is None:
            digest = hashlib.blake2b(f"{source}\t{target}".encode(), digest_size=12).digest()
            if digest in seen:
                reason = "duplicate"
            seen.add(digest)
        if reason is None and objection is not None:
            reason = objection(source, target)
        if reason is not None:
            report.drop(name, reason)
            continue
        report.kept[name] += 1
        yield source, target
        if entry.max_pairs is not None and report.kept[name] >= entry.max_pairs:
            return


def normalise(text: str) -> str:
    """Unicode NFC, runs of white space as one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def split_by_source(pairs: Iterable[Pair], fraction: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """``(train, dev)``: every pair of one source sentence goes the same way, so no sentence stands in both. Where there
    is no source, the same for targets."""
    train: list[Pair] = []
    dev: list[Pair] = []
    for pair in pairs:
        digest = hashlib.blake2b(f"{seed}\t{_known_by(pair)}".encode(), digest_size=8).digest()
        (dev if int.from_bytes(digest, "big") < fraction * 2**64 else train).append(pair)
    return train, dev


def without_held_out(pairs: Iterable[Pair], held_out: Iterable[Pair], report: CorpusReport, name: str) -> list[Pair]:
    """Drop the training pairs of which either side stands on the same side of a pair that is held out."""
    sources, targets = (set(map(fold, filter(None, side))) for side in zip(*held_out, ("", ""), strict=True))
    kept = []
    for pair in pairs:
        if fold(pair[0]) in sources or fold(pair[1]) in targets:
            report.drop(name, "in dev or test")
            report.kept[name] -= 1
        else:
            kept.append(pair)
    return kept


def fold(text: str) -> str:
    """Letters and digits only, case folded: what counts as the same sentence."""
    return "".join(character for character in text.casefold() if character.isalnum()) or text


def _known_by(pair: Pair) -> str:
    source, target = pair
    return fold(source or target)


def _objection(source: str, target: str, config: CorpusConfig, max_words: int | None) -> str | None:
    if not target or not (source or config.sides == "target"):
        return "empty side"
    if max(len(source), len(target)) > config.max_characters:
        return f"over {config.max_characters} characters"
    source_words, target_words = source.count(" ") + 1, target.count(" ") + 1
    limit = min(config.max_words, max_words or config.max_words)
    if max(source_words, target_words) > limit:
        return f"over {limit} words"
    # A few characters more or less say nothing: "Go!" may well be "Allez-y maintenant !".
    if source and max(len(source), len(target)) > 10 + config.max_ratio * min(len(source), len(target)):
        return f"length ratio over {config.max_ratio}"
    return None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a plain, ``.gz`` or ``.zip`` text file, without their ends; empty lines are kept."""
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
    """The one text file of a zip; a readme beside it (as in the manythings.org archives) is passed over."""
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if name.lower().endswith(TEXT_SUFFIXES)]
    texts = [name for name in names if not Path(name).name.lower().startswith(("_about", "readme", "license"))]
    if len(texts) != 1:
        raise CorpusError(f"{path}: expected one text file in the archive, found {texts}")
    return archive.open(texts[0])
