"""``evaluate``: measure a bundle through the serving engine; scores, plots and card go into the bundle."""

from dataclasses import dataclass
from pathlib import Path

from app.bundle.store import load_bundle, update_bundle
from app.engine.sessions import OnnxGraphs
from training.checkpoint import read_place
from training.config import CorpusFile, RunConfig
from training.corpus import Pair, normalise
from training.export import opens
from training.model_card import render
from training.plots import attention_map, learning_curves, score_by_length
from training.prepare import read_dev, read_entry
from training.scoring import ScoredSet, opened, score_set
from training.train import CHECKPOINT_FILE

CARD_FILE = "MODEL_CARD.md"
ATTENTION_SENTENCES = 3


@dataclass(frozen=True)
class _Set:
    """Sentences with their translations; ``source`` and ``target``: their languages, None for the run's own."""

    name: str
    pairs: list[Pair]
    source: str | None
    target: str | None


def evaluate(config: RunConfig, data: Path, run: Path, folder: Path, beam_size: int | None = None) -> list[ScoredSet]:
    """Score the bundle in ``folder`` on dev and on ``corpus.test``, and write what was found into it.

    :raises CorpusError: a test file is missing or malformed.
    """
    bundle = load_bundle(folder)
    beam = beam_size or bundle.manifest.search.beam_size
    dev_sets = _dev_sets(config, data, run)
    scored = [_scored(folder, asked, beam) for asked in (*dev_sets, *_test_sets(config, data, run))]
    float32_bleu = None
    if bundle.manifest.precision != "float32" and (run / "float32").is_dir():
        float32_bleu = _scored(run / "float32", dev_sets[0], beam).bleu
    qualities = tuple(quality for one in scored for quality in one.quality)
    plots = {
        "learning_curves.png": learning_curves(read_place(run / CHECKPOINT_FILE).history, config.name),
        "bleu_by_length.png": score_by_length(qualities, config.name),
    }
    if bundle.manifest.signature.memory_names:
        graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
        for number, index in enumerate(_telling(scored[0]), start=1):
            asked = bundle.between(dev_sets[0].source, dev_sets[0].target)
            picture = attention_map(asked, graphs, scored[0].sources[index], scored[0].translations[index])
            plots[f"attention_{number}.png"] = picture
    manifest = bundle.manifest.model_copy(update={"quality": qualities})
    card = render(manifest, config, scored, float32_bleu, list(plots))
    update_bundle(folder, manifest, {CARD_FILE: card.encode("utf-8"), **plots}, opens)
    return scored


def _scored(folder: Path, asked: _Set, beam: int) -> ScoredSet:
    with opened(folder, source=asked.source, target=asked.target) as translator:
        return score_set(translator, asked.name, asked.pairs, beam)


def _dev_sets(config: RunConfig, data: Path, run: Path) -> list[_Set]:
    """What the run measures itself on; where that is of several files, each of them whole."""
    if len(config.corpus.dev) < 2:
        first = (*config.corpus.dev, *config.corpus.train)[0]
        return [_Set("dev", read_dev(run), first.source, first.target)]
    return [_set(f"dev {entry.name}", entry, config, data, run) for entry in config.corpus.dev]


def _test_sets(config: RunConfig, data: Path, run: Path) -> list[_Set]:
    return [_set(entry.name, entry, config, data, run) for entry in config.corpus.test]


def _set(name: str, entry: CorpusFile, config: RunConfig, data: Path, run: Path) -> _Set:
    pairs = read_entry(entry, config, data, run)
    return _Set(name, [(normalise(source), normalise(target)) for source, target in pairs], entry.source, entry.target)


def _telling(dev: ScoredSet) -> list[int]:
    """Sentences long enough to show something and short enough to draw, spread over the set."""
    fitting = [index for index, source in enumerate(dev.sources) if 7 <= len(source.split()) <= 11]
    fitting = fitting or list(range(len(dev.sources)))
    step = max(1, len(fitting) // ATTENTION_SENTENCES)
    return fitting[::step][:ATTENTION_SENTENCES]
