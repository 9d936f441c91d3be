"""``prepare``: reads the corpus files, cleans, splits and tokenises them, and writes arrays into the run's folder."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.bundle.tokenizers import SentencePieceTokenizer, Tokenizer, load_tokenizer
from training.config import RunConfig
from training.data.clean import Cleaner, CorpusReport, split_by_source, without_held_out
from training.data.config import CorpusFile
from training.data.corpus import Pair, read_moses, read_pairs, read_texts
from training.data.dataset import TokenPairs
from training.data.download import fetch
from training.data.language_check import LanguageCheck
from training.data.noise import noisy_pairs
from training.data.tokenizer import learn_tokenizer, tag_piece
from training.errors import ConfigError, CorpusError
from training.files import write_atomically

# In corpus.json: what the folder was prepared with.
CONFIGURATION_KEY = "configuration"
TOKENIZER_FILES = {"sentencepiece": "tokenizer.model", "characters": "tokenizer.json", "words": "tokenizer.json"}

ByTarget = dict[str, list[Pair]]  # pairs by target language, one task of the model each
# (pairs, language of their sources, of their targets, share) -> the best ``share`` of them; ``PairScorer.best``.
KeepBest = Callable[[Sequence[Pair], str, str, float], list[Pair]]


def prepare(
    config: RunConfig, data: Path, run: Path, tokenizer_file: Path | None = None, keep_best: KeepBest | None = None
) -> CorpusReport:
    """Writes ``tokenizer.*``, ``train.npz``, ``dev.npz``, ``dev.tsv`` and ``corpus.json`` into the run's folder.

    Args:
        config: The run's configuration.
        data: Folder that the corpus paths start from.
        run: The run's folder.
        tokenizer_file: The vocabulary of a model that is trained further; None learns one.
        keep_best: Chooses the share ``corpus.keep_best`` of each training file.

    Returns:
        Counts of the pairs.

    Raises:
        ConfigError: One of ``keep_best`` and ``corpus.keep_best`` is given without the other.
        CorpusError: A file is unreadable, or no pair is left.
    """
    share = config.corpus.keep_best
    if (share < 1) != (keep_best is not None):
        raise ConfigError(
            f"corpus.keep_best is {share}: a value below 1 needs --scored-by BUNDLE, and only such a value uses it"
        )
    run.mkdir(parents=True, exist_ok=True)
    report = CorpusReport()
    train, dev, noise = _Reader(config, data, run, report).read(keep_best)
    if not _all(train) or not dev[config.target]:
        raise CorpusError(
            f"nothing to learn from: {len(_all(train))} training and {len(dev[config.target])} dev pairs are left"
        )
    if tokenizer_file is not None:
        tokenizer = load_tokenizer(tokenizer_file, config.tokenizer.kind)
    else:
        texts = (text for pair in _all(train) for text in pair if text)
        tokenizer = learn_tokenizer(texts, config.tokenizer, config.seed, config.tagged)
    write_atomically(run / TOKENIZER_FILES[tokenizer.kind], tokenizer.to_bytes())
    # Noisy pairs are added after the vocabulary was learned from the clean pairs alone.
    for target, some in noise.items():
        train[target].extend(some)
    _encode(train, config, tokenizer).save(run / "train.npz")
    _encode(dev, config, tokenizer).save(run / "dev.npz")
    written = "".join(f"{source}\t{target}\n" for source, target in dev[config.target])
    write_atomically(run / "dev.tsv", written.encode())
    counts = {
        "train": len(_all(train)),
        "dev": len(_all(dev)),
        "read": report.read,
        "kept": report.kept,
        "dropped": report.dropped,
        "noise": report.noise,
        CONFIGURATION_KEY: prepared_configuration(config),
    }
    write_atomically(run / "corpus.json", json.dumps(counts, indent=1, ensure_ascii=False).encode())
    return report


def prepared_configuration(config: RunConfig) -> str:
    """SHA-256 of the parts of a configuration that decide what ``prepare`` writes."""
    parts = config.model_dump(mode="json", include={"source", "target", "seed", "corpus", "tokenizer"})
    for entries in (parts["corpus"][name] for name in ("train", "dev", "test")):
        for entry in entries:
            for name in ("licence", "attribution", "homepage"):
                entry.pop(name, None)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class _Reader:
    """Reads the corpus of a run, cleaned and counted.

    Args:
        config: The run's configuration.
        data: Folder that the corpus paths start from.
        run: The run's folder, into which files are downloaded.
        report: Where pairs are counted.
    """

    def __init__(self, config: RunConfig, data: Path, run: Path, report: CorpusReport) -> None:
        self._config, self._data, self._run, self._report = config, data, run, report
        self._cleaner = Cleaner(config.corpus, report)

    def read(self, keep_best: KeepBest | None) -> tuple[ByTarget, ByTarget, ByTarget]:
        """Training pairs, dev pairs, and the noisy pairs that are added to training."""
        config, report = self._config, self._report
        train, dev, noise = _by_target(config), _by_target(config), _by_target(config)
        for entry in config.corpus.dev:
            dev[entry.target or config.target].extend(self._clean(entry, "dev/"))
        held_out = [*_all(dev), *self._tests()]
        for entry in config.corpus.train:
            pairs, target = list(self._clean(entry, "")), entry.target or config.target
            if config.corpus.dev_fraction:
                pairs, chosen = split_by_source(pairs, config.corpus.dev_fraction, config.seed)
                report.move_to_dev(entry.name, len(chosen))
                dev[target].extend(chosen)
            else:
                pairs = without_held_out(pairs, held_out, report, entry.name)
            if keep_best is not None:
                scored = len(pairs)
                pairs = keep_best(pairs, entry.source or config.source, target, config.corpus.keep_best)
                report.drop_kept(entry.name, "score", scored - len(pairs))
            train[target].extend(pairs * entry.repeat)
            noise[target].extend(self._noise(pairs * entry.repeat, entry, held_out))
        return train, dev, noise

    def _noise(self, pairs: list[Pair], entry: CorpusFile, held_out: list[Pair]) -> list[Pair]:
        """Returns copies of the pairs of a training file with noise, except those that became a pair of dev or test."""
        config, name = self._config, entry.name
        if not config.corpus.noise:
            return []
        noisy = noisy_pairs(pairs, config.corpus.noise, entry.source or config.source, f"{config.seed} {name}")
        if config.corpus.dev_fraction:
            noisy, _ = split_by_source(noisy, config.corpus.dev_fraction, config.seed)
        else:
            noisy = without_held_out(noisy, held_out, CorpusReport(), name)
        self._report.noise[name] += len(noisy)
        return noisy

    def _tests(self) -> Iterator[Pair]:
        """Yields the pairs of the test sets, to keep them out of training. A missing set is noted in the report."""
        for entry in self._config.corpus.test:
            try:
                yield from read_entry(entry, self._config, self._data, self._run)
            except CorpusError as error:
                if (self._data / entry.path).exists():
                    raise
                note = f"{entry.name} is missing, so it is not kept out of training: {error}"
                self._report.notes.append(note)

    def _clean(self, entry: CorpusFile, prefix: str) -> Iterator[Pair]:
        config, objection = self._config, None
        pairs = read_entry(entry, config, self._data, self._run)
        # A dev set keeps all its pairs, so that scores stay comparable.
        if config.corpus.check_language and entry in config.corpus.train:
            objection = LanguageCheck(entry.source or config.source, entry.target or config.target).objection
        yield from self._cleaner.clean(pairs, prefix + entry.name, entry, objection)


def _by_target(config: RunConfig) -> ByTarget:
    return {target: [] for target in config.tagged or (config.target,)}


def _all(pairs: ByTarget) -> list[Pair]:
    return [pair for some in pairs.values() for pair in some]


def _encode(pairs: ByTarget, config: RunConfig, tokenizer: Tokenizer) -> TokenPairs:
    """Encodes all pairs, each source after the tag of its target if there are several targets."""
    tags = source_tags(config, tokenizer)
    return TokenPairs.encode(_all(pairs), tokenizer, [tags.get(target) for target, some in pairs.items() for _ in some])


def source_tags(config: RunConfig, tokenizer: Tokenizer) -> dict[str, int]:
    """Returns the ids of the tags by target language; empty for a single task."""
    if not isinstance(tokenizer, SentencePieceTokenizer):
        return {}
    return {target: tokenizer.id_of(tag_piece(target)) for target in config.tagged}


def load_run_tokenizer(config: RunConfig, run: Path) -> Tokenizer:
    """Loads the tokenizer that ``prepare`` wrote into the run's folder."""
    return load_tokenizer(run / TOKENIZER_FILES[config.tokenizer.kind], config.tokenizer.kind)


def read_dev(run: Path) -> list[Pair]:
    """Reads the dev pairs that ``prepare`` wrote into the run's folder.

    Raises:
        CorpusError: The file is missing.
    """
    path = run / "dev.tsv"
    if not path.exists():
        raise CorpusError(f"{path}: missing; run prepare first")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(source, target) for source, _, target in (line.partition("\t") for line in lines)]


def read_entry(entry: CorpusFile, config: RunConfig, data: Path, run: Path) -> Iterator[Pair]:
    """Reads the pairs of an entry without cleaning them.

    Args:
        entry: A tab-separated file or a Moses pair.
        config: The run's configuration.
        data: Folder that paths start from.
        run: The run's folder, into which URLs are downloaded.

    Raises:
        CorpusError: A file is missing or malformed.
        DownloadError: A file could not be downloaded.
    """
    path = _local(entry.path, entry, data, run)
    if config.corpus.sides == "target":
        return read_texts(path, entry, config.target)
    if entry.target_path is None:
        return read_pairs(path, entry, entry.source or config.source, entry.target or config.target)
    return read_moses(path, _local(entry.target_path, entry, data, run))


def _local(location: str, entry: CorpusFile, data: Path, run: Path) -> Path:
    if location.startswith(("http://", "https://")):
        return fetch(location, run / "downloads", entry.sha256)
    return data / location
