"""``evaluate``: measures a bundle through the serving engine and writes scores, plots and a card into the bundle."""

from pathlib import Path

from app.bundle.store import load_bundle, update_bundle
from app.engine.sessions import OnnxGraphs
from training.config import RunConfig
from training.data.clean import normalise
from training.data.config import CorpusFile
from training.data.prepare import read_dev, read_entry
from training.evaluate.model_card import render
from training.evaluate.plots import attention_map, learning_curves, score_by_length
from training.evaluate.score import ScoredSet, TestSet, score_sets
from training.export.export import opens
from training.learn.checkpoint import read_state
from training.learn.train import CHECKPOINT_FILE

CARD_FILE = "MODEL_CARD.md"
ATTENTION_SENTENCES = 3


def evaluate(config: RunConfig, data: Path, run: Path, folder: Path, beam_size: int | None = None) -> list[ScoredSet]:
    """Scores the bundle in ``folder`` on dev and on ``corpus.test`` and writes the results into it.

    Args:
        config: The run's configuration.
        data: Folder that the corpus paths start from.
        run: The run's folder.
        folder: Of the bundle.
        beam_size: Width of the beam; None for the bundle's own.

    Returns:
        The scored sets, dev first.

    Raises:
        CorpusError: A test file is missing or malformed.
    """
    bundle = load_bundle(folder)
    beam = beam_size or bundle.manifest.search.beam_size
    dev_sets = _dev_sets(config, data, run)
    scored = list(score_sets(folder, [*dev_sets, *_test_sets(config, data, run)], beam))
    float32_bleu = None
    if bundle.manifest.precision != "float32" and (run / "float32").is_dir():
        (float32,) = score_sets(run / "float32", dev_sets[:1], beam)
        float32_bleu = float32.bleu
    qualities = tuple(quality for one in scored for quality in one.quality)
    plots = {
        "learning_curves.png": learning_curves(read_state(run / CHECKPOINT_FILE).history, config.name),
        "bleu_by_length.png": score_by_length(qualities, config.name),
    }
    if bundle.manifest.signature.memory_names:
        graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
        for number, index in enumerate(_select_sentences(scored[0]), start=1):
            directed = bundle.between(dev_sets[0].source, dev_sets[0].target)
            picture = attention_map(directed, graphs, scored[0].sources[index], scored[0].translations[index])
            plots[f"attention_{number}.png"] = picture
    manifest = bundle.manifest.model_copy(update={"quality": qualities})
    card = render(manifest, config, scored, float32_bleu, list(plots))
    update_bundle(folder, manifest, {CARD_FILE: card.encode("utf-8"), **plots}, opens)
    return scored


def _dev_sets(config: RunConfig, data: Path, run: Path) -> list[TestSet]:
    """Returns the run's dev set; if it consists of several files, each of them as a set, without cleaning."""
    if len(config.corpus.dev) < 2:
        first = (*config.corpus.dev, *config.corpus.train)[0]
        return [TestSet("dev", read_dev(run), first.source, first.target)]
    return [_set(f"dev {entry.name}", entry, config, data, run) for entry in config.corpus.dev]


def _test_sets(config: RunConfig, data: Path, run: Path) -> list[TestSet]:
    return [_set(entry.name, entry, config, data, run) for entry in config.corpus.test]


def _set(name: str, entry: CorpusFile, config: RunConfig, data: Path, run: Path) -> TestSet:
    pairs = [(normalise(source), normalise(target)) for source, target in read_entry(entry, config, data, run)]
    return TestSet(name, pairs, entry.source, entry.target)


def _select_sentences(dev: ScoredSet) -> list[int]:
    """Returns indices of sentences for attention maps, of 7 to 11 words if there are any, spread over the set."""
    fitting = [index for index, source in enumerate(dev.sources) if 7 <= len(source.split()) <= 11]
    fitting = fitting or list(range(len(dev.sources)))
    step = max(1, len(fitting) // ATTENTION_SENTENCES)
    return fitting[::step][:ATTENTION_SENTENCES]
