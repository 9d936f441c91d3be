"""Measurement of one trained system: scores, sizes and speeds of its bundle."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sacrebleu.metrics.bleu import BLEU

from app.bundle.store import load_bundle
from app.engine.factory import run_engine
from app.engine.sequence import SearchOptions
from training.compare.results import LengthScore, Result, Score
from training.config import RunConfig
from training.data.clean import normalise
from training.data.config import CorpusFile
from training.data.corpus import Pair
from training.data.dataset import TokenPairs
from training.data.prepare import read_entry
from training.evaluate.error_analysis import count_faults
from training.evaluate.markdown_section import machine
from training.evaluate.score import ScoredSet, open_translator, score_set
from training.learn.checkpoint import read_state, read_weights
from training.learn.train import BEST_WEIGHTS_FILE, CHECKPOINT_FILE

# Bounds of the length buckets in source words, both included. The last one, where attention matters most, overlaps the
# two before it.
LENGTHS: tuple[tuple[int, int | None], ...] = (
    (1, 4),
    (5, 6),
    (7, 8),
    (9, 11),
    (12, 14),
    (15, 19),
    (20, None),
    (15, None),
)
SPEED_SENTENCES = 400


@dataclass(frozen=True)
class Selection:
    """What a bundle is measured on.

    Attributes:
        entries: The sets; those of ``corpus.test`` if empty.
        limit: Sentences of each set; all if None.
        beam_size: Hypotheses of the search.
    """

    entries: Sequence[CorpusFile] = ()
    limit: int | None = None
    beam_size: int = 1


def measure(
    config: RunConfig,
    data: Path,
    run: Path,
    selection: Selection,
) -> Result:
    """Scores a run's int8 bundle on each set and measures its speed with greedy search.

    Args:
        config: The run's configuration.
        data: Folder that the corpus paths start from.
        run: The run's folder.
        selection: Sets, sentences and beam.
    """
    entries, limit = selection.entries or config.corpus.test, selection.limit
    folder = run / "int8"
    bundle = load_bundle(folder)
    state = read_state(run / CHECKPOINT_FILE)
    scores, signatures = [], dict[str, None]()
    for entry in entries:
        pairs = [(normalise(source), normalise(target)) for source, target in read_entry(entry, config, data, run)]
        with open_translator(folder, threads=1, source=entry.source, target=entry.target) as translator:
            scored = score_set(translator, entry.name, pairs[:limit], selection.beam_size)
        signatures |= dict.fromkeys(quality.signature for quality in scored.quality)
        scores.append(_score(scored))
        if entry is entries[0]:
            tokens, characters = _speed(folder, pairs[: limit or SPEED_SENTENCES][:SPEED_SENTENCES])
    return Result(
        system=config.name,
        budget_seconds=config.training.budget_seconds or state.processor_seconds,
        steps=state.step,
        epochs=round(state.target_tokens / max(1, _target_tokens(run)), 2),
        target_tokens=state.target_tokens,
        training_tokens_per_second=round(state.target_tokens / state.processor_seconds, 1),
        parameters=sum(int(array.size) for array in read_weights(run / BEST_WEIGHTS_FILE).values()),
        dev_loss=round(state.best_dev_loss, 4),
        bundle_bytes=sum((folder / name).stat().st_size for name in bundle.manifest.required_files),
        engine_tokens_per_second=round(tokens, 1),
        engine_characters_per_second=round(characters, 1),
        scores=tuple(scores),
        signatures=tuple(signatures),
        machine=machine(),
        made_on=datetime.now(UTC).date(),
    )


def _target_tokens(run: Path) -> int:
    target = TokenPairs.load(run / "train.npz").target
    return len(target.ids) + len(target.offsets) - 1


def _score(scored: ScoredSet) -> Score:
    bleu, chrf = scored.quality
    return Score(
        set=scored.name,
        segments=bleu.segments,
        bleu=bleu.score,
        chrf=chrf.score,
        cut=scored.cut,
        interval=bleu.interval,
        faults=count_faults(scored.sources, scored.translations, scored.references),
        by_length=tuple(_of_length(scored, low, high) for low, high in LENGTHS),
    )


def _of_length(scored: ScoredSet, low: int, high: int | None) -> LengthScore:
    chosen = [i for i, source in enumerate(scored.sources) if low <= len(source.split()) <= (high or 10**9)]
    score = 0.0
    if chosen:
        references = [[scored.references[i] for i in chosen]]
        score = BLEU().corpus_score([scored.translations[i] for i in chosen], references).score
    return LengthScore(from_words=low, to_words=high, segments=len(chosen), bleu=round(score, 2))


def _speed(folder: Path, pairs: Sequence[Pair]) -> tuple[float, float]:
    """Returns tokens and characters per second of processor time, with one thread, greedy search and full batches."""
    bundle = load_bundle(folder)
    with run_engine(bundle) as engine:
        limit = bundle.manifest.limits.max_source_tokens
        sources = [ids for ids in (bundle.tokenizer.encode_source(source) for source, _ in pairs) if len(ids) <= limit]
        engine.submit(sources[0], SearchOptions()).result()  # the first run of a graph is slower
        started = time.process_time()
        found = [future.result()[0] for future in engine.submit_many(sources, SearchOptions())]
        seconds = time.process_time() - started
    tokens = sum(len(hypothesis.token_scores) for hypothesis in found)
    characters = sum(len(bundle.tokenizer.decode(hypothesis.token_ids)) for hypothesis in found)
    return tokens / seconds, characters / seconds
