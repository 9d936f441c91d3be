"""``prepare``: corpus files -> clean, split, tokenised arrays in the run's folder."""

import json
from collections.abc import Iterator
from pathlib import Path

from app.bundle.tokenizer import Tokenizer, load_tokenizer
from training.config import CorpusFile, RunConfig
from training.corpus import (
    CorpusReport,
    Pair,
    clean_pairs,
    read_moses,
    read_pairs,
    read_texts,
    split_by_source,
    without_sources,
)
from training.dataset import TokenPairs
from training.download import fetch
from training.errors import CorpusError
from training.files import write_atomically
from training.tokenizer import learn_tokenizer

TOKENIZER_FILES = {"sentencepiece": "tokenizer.model", "characters": "tokenizer.json", "words": "tokenizer.json"}


def prepare(config: RunConfig, data: Path, run: Path) -> CorpusReport:
    """Write ``tokenizer.*``, ``train.npz``, ``dev.npz``, ``dev.tsv`` and ``corpus.json`` into the run's folder.

    :raises CorpusError: a file is unreadable, or nothing is left of it.
    """
    run.mkdir(parents=True, exist_ok=True)
    report, seen = CorpusReport(), set[bytes]()
    dev = [pair for entry in config.corpus.dev for pair in _clean_file(entry, config, data, run, report, seen, "dev/")]
    train: list[Pair] = []
    for entry in config.corpus.train:
        pairs = list(_clean_file(entry, config, data, run, report, seen, ""))
        if config.corpus.dev_fraction:
            pairs, held_out = split_by_source(pairs, config.corpus.dev_fraction, config.seed)
            report.move_to_dev(entry.name, len(held_out))
            dev.extend(held_out)
        else:
            pairs = without_sources(pairs, dev, report, entry.name)
        train.extend(pairs)
    if not train or not dev:
        raise CorpusError(f"nothing to learn from: {len(train)} training and {len(dev)} dev pairs are left")
    tokenizer = learn_tokenizer((text for pair in train for text in pair if text), config.tokenizer, config.seed)
    write_atomically(run / TOKENIZER_FILES[tokenizer.kind], tokenizer.to_bytes())
    TokenPairs.encode(train, tokenizer).save(run / "train.npz")
    TokenPairs.encode(dev, tokenizer).save(run / "dev.npz")
    write_atomically(run / "dev.tsv", "".join(f"{source}\t{target}\n" for source, target in dev).encode())
    counts = {"train": len(train), "dev": len(dev), "read": report.read, "kept": report.kept, "dropped": report.dropped}
    write_atomically(run / "corpus.json", json.dumps(counts, indent=1, ensure_ascii=False).encode())
    return report


def load_run_tokenizer(config: RunConfig, run: Path) -> Tokenizer:
    """The tokenizer that ``prepare`` left in the run's folder."""
    return load_tokenizer(run / TOKENIZER_FILES[config.tokenizer.kind], config.tokenizer.kind)


def read_entry(entry: CorpusFile, config: RunConfig, data: Path, run: Path) -> Iterator[Pair]:
    """The pairs of an entry as they stand: tab-separated or Moses, from ``data`` or fetched into the run's folder.

    :raises CorpusError: a file is missing or malformed.
    :raises DownloadError: it could not be fetched.
    """
    path = _local(entry.path, entry, data, run)
    if config.corpus.sides == "target":
        return read_texts(path, entry, config.target)
    if entry.target_path is None:
        return read_pairs(path, entry, config.source, config.target)
    return read_moses(path, _local(entry.target_path, entry, data, run))


def _clean_file(
    entry: CorpusFile, config: RunConfig, data: Path, run: Path, report: CorpusReport, seen: set[bytes], prefix: str
) -> Iterator[Pair]:
    pairs = read_entry(entry, config, data, run)
    yield from clean_pairs(pairs, prefix + entry.name, config.corpus, report, seen, entry)


def _local(location: str, entry: CorpusFile, data: Path, run: Path) -> Path:
    if location.startswith(("http://", "https://")):
        return fetch(location, run / "downloads", entry.sha256)
    return data / location
