"""``MODEL_CARD.md``: architecture, training data, quality, faults and limits of a bundle."""

from collections.abc import Sequence

from app.bundle.manifest import LengthScore, Manifest, Quality
from training.config import RunConfig, TrainingConfig
from training.evaluate.error_analysis import FAULTS, SHORT_SHARE, count_faults
from training.evaluate.score import BOOTSTRAP_DRAWS, ScoredSet, sentence_scores
from training.model.config import CellKind, ModelConfig

EXAMPLES_OF_EACH = 10
INTERVALS_EXPLAINED = f"With their 95 % confidence intervals (bootstrap over the segments, {BOOTSTRAP_DRAWS:,} draws)."
FAULTS_EXPLAINED = (
    "Faults that can be counted, in % of the segments: nothing written; a phrase several times in a row; the source "
    f"itself; under {SHORT_SHARE:.0%} of the reference's length; digits that neither source nor reference has; a name "
    "gone that both have."
)


def render(
    manifest: Manifest, config: RunConfig, scored: Sequence[ScoredSet], float32_bleu: float | None, plots: Sequence[str]
) -> str:
    """Returns the card as Markdown.

    Args:
        manifest: Of the bundle, with its quality.
        config: Of the run.
        scored: The dev set first, then the test sets.
        float32_bleu: BLEU of the float32 bundle on dev; None if it was not measured.
        plots: Names of the pictures.
    """
    sections = [
        _head(manifest, config.model),
        "## Quality\n",
        _scores(scored),
        _precision(manifest, scored[0], float32_bleu),
        _by_length(scored),
        _faults(scored),
        _pictures(plots),
        _examples(scored[0]),
        _limits(manifest),
        _recipe(manifest, config),
        _data(manifest),
    ]
    return "\n".join(section for section in sections if section)


def _head(manifest: Manifest, model: ModelConfig) -> str:
    producer = manifest.producer
    attention = "without attention" if model.attention == "none" else "with attention"
    return (
        f"# {manifest.name}: {', '.join(manifest.sources)} to {', '.join(manifest.targets)}\n\n"
        f"A recurrent encoder-decoder {attention}, {manifest.precision}, made on {producer.created} by Passerelle "
        f"{producer.passerelle} (Keras {producer.keras}, TensorFlow {producer.tensorflow}, tf2onnx {producer.tf2onnx}, "
        f"opset {producer.opset}). Every number below was measured on this very bundle through the serving engine.\n"
    )


def _scores(scored: Sequence[ScoredSet]) -> str:
    lines = ["| set | segments | beam | BLEU | chrF | cut at the length cap |", "|---|---|---|---|---|---|"]
    for one in scored:
        bleu, chrf = one.quality
        lines.append(
            f"| {one.name} | {bleu.segments:,} | {bleu.beam_size} | {with_interval(bleu)} | {with_interval(chrf)} | "
            f"{one.cut} |"
        )
    signatures = "\n".join(f"- {quality.metric}: `{quality.signature}`" for quality in scored[0].quality)
    return (
        "\n".join(lines) + f"\n\n{INTERVALS_EXPLAINED} "
        f"SacreBLEU signatures, one reference, detokenised text:\n\n{signatures}\n"
    )


def with_interval(scored: Quality | LengthScore) -> str:
    """Formats a score with its confidence interval: ``45.0 ± 1.2``."""
    return f"{scored.score:.1f}" + ("" if scored.interval is None else f" ± {scored.interval:.1f}")


def _precision(manifest: Manifest, dev: ScoredSet, float32_bleu: float | None) -> str:
    if float32_bleu is None or manifest.precision == "float32":
        return ""
    return f"On {dev.name}, {manifest.precision} has BLEU {dev.bleu:.2f} and float32 {float32_bleu:.2f}.\n"


def _by_length(scored: Sequence[ScoredSet]) -> str:
    lines = ["BLEU by the number of source words:\n", "| set | words | segments | BLEU |", "|---|---|---|---|"]
    for one in scored:
        for point in one.quality[0].by_length:
            words = words_of(point.from_words, point.to_words)
            lines.append(f"| {one.name} | {words} | {point.segments:,} | {with_interval(point)} |")
    return "\n".join(lines) + "\n"


def words_of(low: int, high: int | None) -> str:
    """Formats the bounds of a length bucket, in words."""
    return f"{low} to {high}" if high else f"{low} and more"


def _faults(scored: Sequence[ScoredSet]) -> str:
    lines = [
        f"{FAULTS_EXPLAINED}\n",
        f"| set | {' | '.join(FAULTS)} |",
        "|---" * (len(FAULTS) + 1) + "|",
    ]
    for one in scored:
        counted = count_faults(one.sources, one.translations, one.references)
        shares = (f"{100 * count / len(one.sources):.2f}" for count in counted.values())
        lines.append(f"| {one.name} | {' | '.join(shares)} |")
    return "\n".join(lines) + "\n"


def _pictures(plots: Sequence[str]) -> str:
    return "\n".join(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in plots) + "\n"


def _examples(dev: ScoredSet) -> str:
    """Returns tables of examples from dev, ranked by chrF: at even distances from worst to best, and the worst.

    Sentences below five words are left out, because their scores depend much on chance.
    """
    ranked = sorted(
        (score, index) for index, score in enumerate(sentence_scores(dev)) if len(dev.sources[index].split()) >= 5
    )
    last, count = len(ranked) - 1, EXAMPLES_OF_EACH
    spread = sorted({round(last * number / (count - 1)) for number in range(count)}) if ranked else []
    lines = [f"## Examples from {dev.name} (development set)\n"]
    for title, chosen in (
        ("As they come, from the worst to the best at even distances", [ranked[rank] for rank in spread]),
        ("The worst", ranked[:count]),
    ):
        lines += [f"{title} (chrF of each):\n", "| chrF | source | translation | reference |", "|---|---|---|---|"]
        for score, index in chosen:
            cells = (dev.sources[index], dev.translations[index], dev.references[index])
            lines.append(f"| {score:.0f} | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _limits(manifest: Manifest) -> str:
    return (
        "## Limits\n\n"
        "- It learned mostly from short everyday sentences: on news, law or technical text it is much weaker, as the "
        "scores show.\n"
        "- It sees one sentence at a time: it cannot know from the sentence before who *it* or *you* is, and it "
        "chooses gender and politeness freely.\n"
        "- Names, numbers and rare words may come out wrong. Do not rely on it where a mistake does harm.\n"
        f"- A segment has at most {manifest.limits.max_source_tokens} tokens; a longer one is split, never cut.\n"
    )


def _recipe(manifest: Manifest, config: RunConfig) -> str:
    model, training = config.model, config.training
    return (
        "## Recipe\n\n"
        f"`training/configs/{config.name}.toml`, commit `{manifest.producer.commit}`{_starting_weights(config)}. "
        f"{manifest.tokenizer.kind} vocabulary of {manifest.tokenizer.vocabulary_size:,} for both sides; "
        f"{describe_model(model)}; dropout {model.dropout}, label smoothing {training.label_smoothing}, "
        f"{_OPTIMIZERS[training.optimizer]} to {training.learning_rate:g} with warm-up and cosine decay, "
        f"{_fed_back(training)}{training.tokens_per_batch:,} tokens a batch, at most {training.max_steps:,} steps in "
        f"{training.precision}{_budget(training)}.\n"
    )


def _budget(training: TrainingConfig) -> str:
    budget, part = training.budget_seconds, training.shortlist
    spent = f", {budget:,.0f} seconds of processor time" if budget is not None else ""
    return spent + (f", {part:,} tokens of the vocabulary in each loss but the last ones" if part else "")


def _starting_weights(config: RunConfig) -> str:
    return f"; it began with the weights of {config.begins_with}" if config.begins_with else ""


def describe_model(model: ModelConfig) -> str:
    """Describes the parts of a model in words."""
    cell = _CELLS[model.cell]
    token = "tokens as unit vectors" if model.input == "one-hot" else f"embedding {model.embedding}"
    ways = "bidirectional " if model.bidirectional else ""
    each = f"{model.encoder_units} units{' each way' if model.bidirectional else ''}"
    parts = [
        f"{token}{', tied with the output' if model.tied else ''}",
        f"encoder of {_layers(model.encoder_layers, ways + cell)} of {each}",
        *(["the source read from its end"] if model.reversed_source else []),
        f"decoder of {_order(model, cell)} of {model.units} units",
        _BRIDGES[model.bridge],
        *([f"{_CONTEXTS[model.context]} at every step"] if model.context != "none" else []),
        *([] if model.reads_tokens else ["no token read by the decoder"]),
        *(["the last readout fed back"] if model.input_feeding else []),
        *(["residual connections"] if model.residual else []),
    ]
    return "; ".join(parts)


def _order(model: ModelConfig, cell: str) -> str:
    below = _layers(model.layers_below, cell)
    found = "" if model.attention == "none" else f", {model.attention} attention"
    return below + found + (f", {_layers(model.layers_above, cell)}" if model.layers_above else "")


def _layers(count: int, what: str) -> str:
    return f"{count} {what} {'layer' if count == 1 else 'layers'}"


def _fed_back(training: TrainingConfig) -> str:
    return f"its own predictions read in {training.sampling:.0%} of the steps, " if training.sampling else ""


_CELLS: dict[CellKind, str] = {
    "lstm": "LSTM",
    "gru": "GRU",
    "peephole": "peephole LSTM",
    "coupled": "coupled-gate LSTM",
}
_BRIDGES = {
    "dense": "started by the encoder's last state through a layer",
    "copy": "started by the encoder's last states as they are",
    "zero": "started at zero",
    "start": "started by learned states",
}
_CONTEXTS = {
    "last": "the encoder's last state",
    "mean": "the mean of the encoder's outputs",
    "max": "the maximum of the encoder's outputs",
}
_OPTIMIZERS = {"adam": "Adam", "rmsprop": "RMSprop"}


def _data(manifest: Manifest) -> str:
    lines = ["## Training data\n", "| name | pairs | licence | attribution |", "|---|---|---|---|"]
    for data in manifest.training_data:
        attribution = f"[{data.attribution}]({data.url})" if data.url else data.attribution
        lines.append(f"| {data.name} | {data.pairs:,} | {data.licence} | {attribution} |")
    return "\n".join(lines) + "\n"
