"""``finetune``: adapts a finished bundle to a user's own text without losing general quality.

Training continues from the bundle's weights with the user's pairs and a sample of the bundle's former training pairs
(mixed fine tuning: Chu et al. 2017, "An empirical comparison of domain adaptation methods for neural machine
translation").
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.bundle.store import load_bundle
from training.config import RunConfig
from training.data.clean import Cleaner, CorpusReport, split_by_source
from training.data.config import CorpusConfig, CorpusFile
from training.data.corpus import Pair, read_pairs
from training.data.dataset import BatchPlan, TokenPairs
from training.data.prepare import TOKENIZER_FILES, load_run_tokenizer, source_tags
from training.errors import CorpusError
from training.evaluate.evaluate import evaluate
from training.evaluate.score import ScoredSet, open_translator, score_set
from training.export.export import export
from training.files import write_atomically
from training.learn.starting_point import StartingPoint, load_starting_point, weights_of
from training.learn.train import Trainer

OWN = "own text"


@dataclass(frozen=True)
class FinetuneSettings:
    """Options of ``finetune``.

    Attributes:
        name: Of the run and of the new bundle.
        columns: Languages of the columns of the data.
        licence: Of the user's text, for the manifest.
        epochs: Number of times that the user's pairs are read.
        learning_rate: At its peak.
        general_share: Share of an epoch's pairs that comes from the sample of the bundle's training text.
        held_out: Share of the user's pairs that is held out for measuring.
        max_held_out: Largest number of held-out pairs.
    """

    name: str
    columns: tuple[str, ...]
    licence: str
    epochs: int = 3
    learning_rate: float = 5e-4
    general_share: float = 0.5
    held_out: float = 0.05
    max_held_out: int = 500


@dataclass(frozen=True)
class Finetuned:
    """The result, measured with the int8 bundles through the serving engine.

    Attributes:
        folder: The new bundle.
        own: Scores on the held-out pairs of the user, before and after.
        general: Scores on the bundle's own dev pairs, before and after.
        minutes: Training time.
    """

    folder: Path
    own: tuple[ScoredSet, ScoredSet]
    general: tuple[ScoredSet, ScoredSet]
    minutes: float

    @property
    def gain(self) -> float:
        """BLEU gained on the user's held-out pairs; negative if the new bundle is worse."""
        before, after = (scored.quality[0].score for scored in self.own)
        return after - before


@dataclass(frozen=True)
class _Own:
    """A prepared run.

    Attributes:
        config: Its configuration.
        dev: The user's held-out pairs.
        source: Language of the sources; None for the bundle's main one.
        target: Language of the targets; None for the bundle's main one.
    """

    config: RunConfig
    dev: list[Pair]
    source: str | None
    target: str | None


def finetune(
    bundle: Path, data: Path, runs: Path, settings: FinetuneSettings, say: Callable[[str], None] = print
) -> Finetuned:
    """Adapts ``bundle`` to the pairs in ``data`` and writes the new bundle to ``<runs>/<name>/int8``.

    A call after an interruption continues from the last checkpoint.

    Args:
        bundle: Folder of the bundle, with its ``.training.npz`` beside it.
        data: Tab-separated pairs.
        runs: Folder in which runs keep their files.
        settings: Options.
        say: Prints progress.

    Raises:
        CorpusError: ``data`` holds too few usable pairs.
        CheckpointError: The bundle's ``.training.npz`` is missing or damaged.
    """
    start = load_starting_point(bundle)
    run = runs / settings.name
    run.mkdir(parents=True, exist_ok=True)
    own = _Preparation(start, bundle, run, settings, say).prepare(data)
    config = own.config
    trainer = Trainer(config, run, weights_of(bundle, run, load_run_tokenizer(config, run)))
    say(f"{trainer.plan.batches_per_epoch:,} batches an epoch, {config.training.max_steps:,} steps")
    minutes = trainer.fit().training_seconds / 60
    folder = export(config, run)[0]["int8"]
    beam = config.export.beam_size
    with open_translator(bundle, source=own.source, target=own.target) as translator:
        before = score_set(translator, OWN, own.dev, beam)
    general = []
    for one in (bundle, folder):
        with open_translator(one) as translator:
            general.append(score_set(translator, "general", start.dev, beam))
    after = evaluate(config, data.parent, run, folder)[0]
    return Finetuned(folder, (before, after), (general[0], general[1]), minutes)


@dataclass(frozen=True)
class _Preparation:
    """Writes the files of a run as the command ``prepare`` does.

    Attributes:
        start: Weights, configuration and sample of the bundle.
        bundle: Folder of the bundle.
        run: The run's folder.
        settings: Options.
        say: Prints progress.
    """

    start: StartingPoint
    bundle: Path
    run: Path
    settings: FinetuneSettings
    say: Callable[[str], None]

    def prepare(self, data: Path) -> _Own:
        """Cleans and splits the user's pairs, and writes them with the general sample into the run's folder.

        Raises:
            CorpusError: Too few pairs are left.
        """
        base, run, settings = self.start.config, self.run, self.settings
        manifest = load_bundle(self.bundle).manifest
        shutil.copyfile(self.bundle / manifest.tokenizer.file, run / TOKENIZER_FILES[base.tokenizer.kind])
        source, target = languages_of(base, settings.columns)
        entry = CorpusFile(
            name=OWN, path=data.name, columns=settings.columns, licence=settings.licence, source=source, target=target
        )
        train, dev = self._split(data, entry)
        self._save_pairs(train, dev, target)
        kept = {OWN: len(train), **{one.name: one.pairs for one in manifest.training_data}}
        write_atomically(run / "corpus.json", json.dumps({"kept": kept}, ensure_ascii=False).encode())
        before = tuple(one for one in base.corpus.train if one.name != OWN)
        corpus = CorpusConfig(train=(entry, *before), dev_fraction=settings.held_out)
        return _Own(_config(base, corpus, run, settings), dev, source, target)

    def _split(self, data: Path, entry: CorpusFile) -> tuple[list[Pair], list[Pair]]:
        """Returns the user's training pairs and held-out pairs."""
        base, settings = self.start.config, self.settings
        report = CorpusReport()
        read = read_pairs(data, entry, entry.source or base.source, entry.target or base.target)
        pairs = Cleaner(CorpusConfig(train=(entry,), dev_fraction=settings.held_out), report).clean(read, OWN, entry)
        train, dev = split_by_source(pairs, settings.held_out, base.seed)
        # Pairs beyond the limit of held-out ones are trained on.
        train, dev = [*train, *dev[settings.max_held_out :]], dev[: settings.max_held_out]
        for line in report.lines():
            self.say(line)
        if not train or not dev:
            raise CorpusError(f"{data}: {len(train)} training and {len(dev)} held-out pairs are left: too few")
        return train, dev

    def _save_pairs(self, train: list[Pair], dev: list[Pair], target: str | None) -> None:
        """Writes ``train.npz``, ``dev.npz`` and ``dev.tsv``. The best weights are those that are best on own pairs."""
        start, base, run = self.start, self.start.config, self.run
        tokenizer = load_run_tokenizer(base, run)
        tag = source_tags(base, tokenizer).get(target or base.target)
        own = TokenPairs.encode(train, tokenizer, [tag] * len(train))
        share = self.settings.general_share
        wanted = round(len(own) * share / (1 - share))
        chosen = np.random.default_rng(base.seed).permutation(len(start.sample))[:wanted]
        (own + start.sample.some(chosen)).save(run / "train.npz")
        TokenPairs.encode(dev, tokenizer, [tag] * len(dev)).save(run / "dev.npz")
        write_atomically(run / "dev.tsv", "".join(f"{source}\t{target}\n" for source, target in dev).encode())
        self.say(f"{len(own):,} own pairs and {min(wanted, len(start.sample)):,} general ones; {len(dev)} held out")


def languages_of(base: RunConfig, columns: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Finds the bundle's languages among the columns.

    Returns:
        Source and target, each None for the bundle's main one.

    Raises:
        CorpusError: The columns hold no language that the bundle reads, or none that it writes.
    """
    targets = base.tagged or (base.target,)
    source = next((code for code in base.sources if code in columns), None)
    target = next((code for code in targets if code in columns and code != source), None)
    if source is None or target is None:
        raise CorpusError(
            f"columns {', '.join(columns)}: the bundle translates from {', '.join(base.sources)} into "
            f"{', '.join(targets)}"
        )
    return None if source == base.source else source, None if target == base.target else target


def _config(base: RunConfig, corpus: CorpusConfig, run: Path, settings: FinetuneSettings) -> RunConfig:
    training = base.training
    plan = BatchPlan(TokenPairs.load(run / "train.npz"), training.bucket_widths, training.tokens_per_batch)
    steps = max(1, settings.epochs * plan.batches_per_epoch)
    changed = {
        "learning_rate": settings.learning_rate,
        "max_steps": steps,
        "budget_seconds": None,
        "warmup_steps": max(1, steps // 20),
        "evaluate_every_steps": max(1, steps // (2 * settings.epochs)),
        "checkpoint_every_steps": max(1, steps // (4 * settings.epochs)),
    }
    return base.model_copy(
        update={"name": settings.name, "corpus": corpus, "training": training.model_copy(update=changed)}
    )
