"""Cleaning of parallel text: normalisation, filters, the split, and removal of held-out sentences from training."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from training.data.config import CorpusConfig, CorpusFile
from training.data.corpus import Pair

# (source, target) -> the reason to drop the pair, or None.
Objection = Callable[[str, str], str | None]


@dataclass
class CorpusReport:
    """Counts of a corpus, by file.

    Attributes:
        read: Pairs read.
        kept: Pairs kept.
        dropped: Pairs dropped, by reason.
        noise: Pairs added with noise.
        notes: Sentences for the operator.
    """

    read: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    noise: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def drop(self, name: str, reason: str) -> None:
        self.dropped.setdefault(name, Counter())[reason] += 1

    def drop_kept(self, name: str, reason: str, count: int) -> None:
        """Drops ``count`` pairs that were counted as kept."""
        self.kept[name] -= count
        if count:
            self.dropped.setdefault(name, Counter())[reason] += count

    def move_to_dev(self, name: str, count: int) -> None:
        """Counts ``count`` kept pairs as held out of training."""
        self.drop_kept(name, "held out for dev", count)

    def lines(self) -> list[str]:
        """Returns a summary, one line per file."""
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


class Cleaner:
    """Normalises pairs and drops unusable ones. One cleaner reads all files of a corpus, so that it finds duplicates.

    Args:
        config: Limits of length and ratio.
        report: Where pairs are counted.
    """

    def __init__(self, config: CorpusConfig, report: CorpusReport) -> None:
        self._config = config
        self._report = report
        self._seen = set[bytes]()

    def clean(
        self, pairs: Iterable[Pair], name: str, entry: CorpusFile, objection: Objection | None = None
    ) -> Iterator[Pair]:
        """Yields the pairs that are kept, at most ``entry.max_pairs``.

        Args:
            pairs: As they were read.
            name: The name under which they are counted.
            entry: Limits of the file.
            objection: Returns a reason to drop a pair. It is called last, for a pair that passed all other checks.
        """
        report = self._report
        report.read[name] += 0
        for pair in pairs:
            report.read[name] += 1
            source, target = normalise(pair[0]), normalise(pair[1])
            reason = _reason_to_drop(source, target, self._config, entry.max_words)
            if reason is None and self._is_duplicate(source, target):
                reason = "duplicate"
            if reason is None and objection is not None:
                reason = objection(source, target)
            if reason is not None:
                report.drop(name, reason)
                continue
            report.kept[name] += 1
            yield source, target
            if entry.max_pairs is not None and report.kept[name] >= entry.max_pairs:
                return

    def _is_duplicate(self, source: str, target: str) -> bool:
        digest = hashlib.blake2b(f"{source}\t{target}".encode(), digest_size=12).digest()
        if digest in self._seen:
            return True
        self._seen.add(digest)
        return False


def normalise(text: str) -> str:
    """Converts to Unicode NFC, replaces each run of white space by one space, and strips it at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def split_by_source(pairs: Iterable[Pair], fraction: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Splits pairs into ``(train, dev)``.

    All pairs of one source sentence go to the same side, so that no sentence is in both. Pairs without a source are
    split by their targets.
    """
    train: list[Pair] = []
    dev: list[Pair] = []
    for pair in pairs:
        digest = hashlib.blake2b(f"{seed}\t{_identity(pair)}".encode(), digest_size=8).digest()
        (dev if int.from_bytes(digest, "big") < fraction * 2**64 else train).append(pair)
    return train, dev


def without_held_out(pairs: Iterable[Pair], held_out: Iterable[Pair], report: CorpusReport, name: str) -> list[Pair]:
    """Drops the training pairs that share a side with a held-out pair."""
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
    """Reduces a text to its letters and digits, case folded. Sentences with equal results count as the same."""
    return "".join(character for character in text.casefold() if character.isalnum()) or text


def _identity(pair: Pair) -> str:
    source, target = pair
    return fold(source or target)


def _reason_to_drop(source: str, target: str, config: CorpusConfig, max_words: int | None) -> str | None:
    if not target or not (source or config.sides == "target"):
        return "empty side"
    if max(len(source), len(target)) > config.max_characters:
        return f"over {config.max_characters} characters"
    source_words, target_words = source.count(" ") + 1, target.count(" ") + 1
    limit = min(config.max_words, max_words or config.max_words)
    if max(source_words, target_words) > limit:
        return f"over {limit} words"
    # Ten characters are always tolerated, because short sentences vary: "Go!" may be "Allez-y maintenant !".
    if source and max(len(source), len(target)) > 10 + config.max_ratio * min(len(source), len(target)):
        return f"length ratio over {config.max_ratio}"
    return None
