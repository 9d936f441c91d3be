"""``evaluate``: measure a bundle through the serving engine; scores, plots and card go into the bundle."""

from pathlib import Path

from app.bundle.store import load_bundle, update_bundle
from app.engine.sessions import OnnxGraphs
from training.checkpoint import read_place
from training.config import RunConfig
from training.corpus import Pair, normalise
from training.export import opens
from training.model_card import render
from training.plots import attention_map, learning_curves, score_by_length
from training.prepare import read_dev, read_entry
from training.scoring import ScoredSet, opened, score_set
from training.train import CHECKPOINT_FILE

CARD_FILE = "MODEL_CARD.md"
ATTENTION_SENTENCES = 3


def evaluate(config: RunConfig, data: Path, run: Path, folder: Path, beam_size: int | None = None) -> list[ScoredSet]:
    """Score the bundle in ``folder`` on dev and on ``corpus.test``, and write what was found into it.

    :raises CorpusError: a test file is missing or malformed.
    """
    bundle = load_bundle(folder)
    beam = beam_size or bundle.manifest.search.beam_size
    dev_sets = _dev_sets(config, data, run)
    with opened(folder) as translator:
        scored = [score_set(translator, name, pairs, beam) for name, pairs in dev_sets]
    for entry in config.corpus.test:
        pairs = read_entry(entry, config, data, run)
        clean = [(normalise(source), normalise(target)) for source, target in pairs]
        with opened(folder, target=entry.target) as translator:
            scored.append(score_set(translator, entry.name, clean, beam))
    float32_bleu = None
    if bundle.manifest.precision != "float32" and (run / "float32").is_dir():
        with opened(run / "float32") as translator:
            float32_bleu = score_set(translator, *dev_sets[0], beam).bleu
    qualities = tuple(quality for one in scored for quality in one.quality)
    plots = {
        "learning_curves.png": learning_curves(read_place(run / CHECKPOINT_FILE).history, config.name),
        "bleu_by_length.png": score_by_length(qualities, config.name),
    }
    if bundle.manifest.signature.memory_names:
        graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
        for number, index in enumerate(_telling(scored[0]), start=1):
            picture = attention_map(bundle, graphs, scored[0].sources[index], scored[0].translations[index])
            plots[f"attention_{number}.png"] = picture
    manifest = bundle.manifest.model_copy(update={"quality": qualities})
    card = render(manifest, config, scored, float32_bleu, list(plots))
    update_bundle(folder, manifest, {CARD_FILE: card.encode("utf-8"), **plots}, opens)
    return scored


def _dev_sets(config: RunConfig, data: Path, run: Path) -> list[tuple[str, list[Pair]]]:
    """What the run measures itself on; where that is of several files, each of them whole."""
    if len(config.corpus.dev) < 2 or config.tagged:
        return [("dev", read_dev(run))]
    return [
        (f"dev {entry.name}", [(normalise(source), normalise(target)) for source, target in pairs])
        for entry in config.corpus.dev
        for pairs in [read_entry(entry, config, data, run)]
    ]


def _telling(dev: ScoredSet) -> list[int]:
    """Sentences long enough to show something and short enough to draw, spread over the set."""
    fitting = [index for index, source in enumerate(dev.sources) if 7 <= len(source.split()) <= 11]
    fitting = fitting or list(range(len(dev.sources)))
    step = max(1, len(fitting) // ATTENTION_SENTENCES)
    return fitting[::step][:ATTENTION_SENTENCES]
