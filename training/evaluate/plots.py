"""Plots of a run, as PNG: learning curves, score by length, attention."""

import io
from collections.abc import Mapping, Sequence

import matplotlib

matplotlib.use("Agg")  # files only, no window

from matplotlib.figure import Figure

from app.bundle.manifest import Quality
from app.bundle.store import Bundle
from app.bundle.tokenizers import EOS_ID
from app.engine.model import Graphs
from training.evaluate.forced_decoding import forced_attention


def learning_curves(history: Sequence[Mapping[str, float]], name: str) -> bytes:
    """Plots training and dev loss over the steps.

    Args:
        history: Points with ``step``, ``loss`` and ``dev_loss``.
        name: Of the run.
    """
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    steps = [point["step"] for point in history]
    axes.plot(steps, [point["loss"] for point in history], label="training (smoothed labels)", alpha=0.5)
    axes.plot(steps, [point["dev_loss"] for point in history], label="dev")
    axes.set(xlabel="step", ylabel="cross-entropy, nats per token", title=f"{name}: learning curves")
    axes.legend()
    return png(figure)


def score_by_length(qualities: Sequence[Quality], name: str) -> bytes:
    """Plots BLEU by source length for each set."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    labels: dict[str, None] = {}
    for quality in qualities:
        if quality.metric != "BLEU":
            continue
        ticks = [f"{point.from_words}-{point.to_words or ''}" for point in quality.by_length]
        labels |= dict.fromkeys(ticks)
        axes.plot(ticks, [point.score for point in quality.by_length], marker="o", label=quality.set)
    axes.set(xlabel="source words", ylabel="BLEU", title=f"{name}: BLEU by source length", ylim=(0, None))
    axes.legend()
    return png(figure)


def attention_map(bundle: Bundle, graphs: Graphs, source: str, translation: str) -> bytes:
    """Plots the attention to the source tokens while the decoder writes ``translation``."""
    tokenizer = bundle.tokenizer
    source_ids = tokenizer.encode_source(source)
    target_ids = [*tokenizer.encode(translation), EOS_ID]
    (weights,) = forced_attention(graphs, source_ids, [target_ids])
    figure = Figure(figsize=(1.5 + 0.45 * len(source_ids), 1.2 + 0.32 * len(target_ids)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(source_ids)), _labels(tokenizer.pieces(source_ids)), rotation=60, ha="right")
    axes.set_yticks(range(len(target_ids)), _labels(tokenizer.pieces(target_ids)))
    axes.set(xlabel="source", ylabel="written")
    return png(figure)


def _labels(pieces: Sequence[str]) -> list[str]:
    return [piece.replace("▁", "·").replace("$", r"\$") for piece in pieces]


def png(figure: Figure) -> bytes:
    """Renders a figure as PNG. The bytes are the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    return buffer.getvalue()
