"""``finetune``: a finished bundle learns somebody's own text and keeps what it could do.

Training goes on from the bundle's weights in batches that mix the own pairs with a sample of what it learned from
before (Chu et al. 2017, "An empirical comparison of domain adaptation methods for neural machine translation").
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
from training.evaluate.score import ScoredSet, opened, score_set
from training.export.export import export
from training.files import write_atomically
from training.learn.starting_point import StartingPoint, load_starting_point, weights_of
from training.learn.train import Trainer

OWN = "own text"


@dataclass(frozen=True)
class FinetuneSettings:
    """``general_share``: of the pairs of an epoch, so many are from the sample of the bundle's own training text.
    ``held_out``: of the own pairs, so many only measure."""

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
    """``own`` and ``general``: each measured before and after, int8, through the serving engine."""

    folder: Path
    own: tuple[ScoredSet, ScoredSet]
    general: tuple[ScoredSet, ScoredSet]
    minutes: float


@dataclass(frozen=True)
class _Own:
    """The run's configuration, its own pairs that were held out, and their languages where the bundle has several."""

    config: RunConfig
    dev: list[Pair]
    source: str | None
    target: str | None


def finetune(
    bundle: Path, data: Path, runs: Path, settings: FinetuneSettings, say: Callable[[str], None] = print
) -> Finetuned:
    """Adapt ``bundle`` to the pairs in ``data``; the new bundle is ``<runs>/<name>/int8``. Killed and started again, it
    goes on.

    :param data: tab-separated pairs, as a corpus file.
    :raises CorpusError: nothing usable in ``data``.
    :raises CheckpointError: the bundle has no training file beside it, or that is damaged.
    """
    start = load_starting_point(bundle)
    run = runs / settings.name
    run.mkdir(parents=True, exist_ok=True)
    own = _prepare(start, bundle, data, run, settings, say)
    config = own.config
    trainer = Trainer(config, run, weights_of(bundle, run, load_run_tokenizer(config, run)))
    say(f"{trainer.plan.batches_per_epoch:,} batches an epoch, {config.training.max_steps:,} steps")
    minutes = trainer.fit().training_seconds / 60
    folder = export(config, run)[0]["int8"]
    beam = config.export.beam_size
    with opened(bundle, source=own.source, target=own.target) as translator:
        before = score_set(translator, OWN, own.dev, beam)
    general = []
    for one in (bundle, folder):
        with opened(one) as translator:
            general.append(score_set(translator, "general", start.dev, beam))
    after = evaluate(config, data.parent, run, folder)[0]
    return Finetuned(folder, (before, after), (general[0], general[1]), minutes)


def _prepare(
    start: StartingPoint,
    bundle: Path,
    data: Path,
    run: Path,
    settings: FinetuneSettings,
    say: Callable[[str], None],
) -> _Own:
    """The run's files, as ``prepare`` would leave them."""
    base, manifest = start.config, load_bundle(bundle).manifest
    shutil.copyfile(bundle / manifest.tokenizer.file, run / TOKENIZER_FILES[base.tokenizer.kind])
    tokenizer = load_run_tokenizer(base, run)
    source, target = languages_of(base, settings.columns)
    entry = CorpusFile(
        name=OWN, path=data.name, columns=settings.columns, licence=settings.licence, source=source, target=target
    )
    cleaning = CorpusConfig(train=(entry,), dev_fraction=settings.held_out)
    report = CorpusReport()
    read = read_pairs(data, entry, source or base.source, target or base.target)
    pairs = Cleaner(cleaning, report).clean(read, OWN, entry)
    train, dev = split_by_source(pairs, settings.held_out, base.seed)
    # What is not asked is learned from.
    train, dev = [*train, *dev[settings.max_held_out :]], dev[: settings.max_held_out]
    for line in report.lines():
        say(line)
    if not train or not dev:
        raise CorpusError(f"{data}: {len(train)} pairs to learn from and {len(dev)} to measure with are left: too few")
    tags = source_tags(base, tokenizer)
    tag, main_tag = tags.get(target or base.target), tags.get(base.target)
    own = TokenPairs.encode(train, tokenizer, [tag] * len(train))
    wanted = round(len(own) * settings.general_share / (1 - settings.general_share))
    chosen = np.random.default_rng(base.seed).permutation(len(start.sample))[:wanted]
    (own + start.sample.some(chosen)).save(run / "train.npz")
    # Both weigh the same when the best weights are chosen.
    general = start.dev[: len(dev)]
    measured = TokenPairs.encode([*dev, *general], tokenizer, [tag] * len(dev) + [main_tag] * len(general))
    measured.save(run / "dev.npz")
    write_atomically(run / "dev.tsv", "".join(f"{source}\t{target}\n" for source, target in dev).encode())
    kept = {OWN: len(train), **{one.name: one.pairs for one in manifest.training_data}}
    write_atomically(run / "corpus.json", json.dumps({"kept": kept}, ensure_ascii=False).encode())
    before = tuple(one for one in base.corpus.train if one.name != OWN)
    say(f"{len(own):,} own pairs and {min(wanted, len(start.sample)):,} general ones; {len(dev)} held out")
    corpus = CorpusConfig(train=(entry, *before), dev_fraction=settings.held_out)
    return _Own(_config(base, corpus, run, settings), dev, source, target)


def languages_of(base: RunConfig, columns: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Which of the bundle's languages the columns hold; None for its main one.

    :raises CorpusError: they hold none that it reads, or none that it writes.
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
