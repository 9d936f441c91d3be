"""``MODEL_CARD.md``: what a bundle is, what it learned from, how good it is and where it fails."""

from collections.abc import Sequence

from app.bundle.manifest import Manifest
from training.config import RunConfig
from training.scoring import ScoredSet, sentence_scores

EXAMPLES = 6


def render(
    manifest: Manifest, config: RunConfig, scored: Sequence[ScoredSet], float32_bleu: float | None, plots: Sequence[str]
) -> str:
    """The card as Markdown. ``scored`` holds the dev set first, then the test sets."""
    sections = [
        _head(manifest),
        "## Quality\n",
        _scores(scored),
        _precision(manifest, scored[0], float32_bleu),
        _by_length(scored),
        _pictures(plots),
        _examples(scored[0]),
        _limits(manifest),
        _recipe(manifest, config),
        _data(manifest),
    ]
    return "\n".join(section for section in sections if section)


def _head(manifest: Manifest) -> str:
    producer = manifest.producer
    return (
        f"# {manifest.name}: {manifest.source} to {manifest.target}\n\n"
        f"A recurrent encoder-decoder with attention, {manifest.precision}, made on {producer.created} by Passerelle "
        f"{producer.passerelle} (Keras {producer.keras}, TensorFlow {producer.tensorflow}, tf2onnx {producer.tf2onnx}, "
        f"opset {producer.opset}). Every number below was measured on this very bundle through the serving engine.\n"
    )


def _scores(scored: Sequence[ScoredSet]) -> str:
    lines = ["| set | segments | beam | BLEU | chrF | cut at the length cap |", "|---|---|---|---|---|---|"]
    for one in scored:
        bleu, chrf = one.quality
        lines.append(
            f"| {one.name} | {bleu.segments:,} | {bleu.beam_size} | {bleu.score:.1f} | {chrf.score:.1f} | {one.cut} |"
        )
    signatures = "\n".join(f"- {quality.metric}: `{quality.signature}`" for quality in scored[0].quality)
    return "\n".join(lines) + f"\n\nSacreBLEU signatures, one reference, detokenised text:\n\n{signatures}\n"


def _precision(manifest: Manifest, dev: ScoredSet, float32_bleu: float | None) -> str:
    if float32_bleu is None or manifest.precision == "float32":
        return ""
    return f"On {dev.name}, {manifest.precision} has BLEU {dev.bleu:.2f} and float32 {float32_bleu:.2f}.\n"


def _by_length(scored: Sequence[ScoredSet]) -> str:
    lines = ["BLEU by the number of source words:\n", "| set | words | segments | BLEU |", "|---|---|---|---|"]
    for one in scored:
        for point in one.quality[0].by_length:
            words = f"{point.from_words} to {point.to_words}" if point.to_words else f"{point.from_words} and more"
            lines.append(f"| {one.name} | {words} | {point.segments:,} | {point.score:.1f} |")
    return "\n".join(lines) + "\n"


def _pictures(plots: Sequence[str]) -> str:
    return "\n".join(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in plots) + "\n"


def _examples(dev: ScoredSet) -> str:
    """Some of the best and the worst on dev by chrF, of five words and more, so that luck on two words counts less."""
    ranked = sorted(
        (score, index) for index, score in enumerate(sentence_scores(dev)) if len(dev.sources[index].split()) >= 5
    )
    lines = [f"## Examples from {dev.name} (development set)\n"]
    for title, chosen in (("Good", ranked[::-1][:EXAMPLES]), ("Bad", ranked[:EXAMPLES])):
        lines += [f"{title}:\n", "| source | translation | reference |", "|---|---|---|"]
        for _, index in chosen:
            cells = (dev.sources[index], dev.translations[index], dev.references[index])
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
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
        f"`training/configs/{config.name}.toml`, commit `{manifest.producer.commit}`. "
        f"{manifest.tokenizer.kind} vocabulary of {manifest.tokenizer.vocabulary_size:,} for both sides; embedding "
        f"{model.embedding}, tied with the output; encoder of {model.encoder_layers} bidirectional LSTM layers of "
        f"{model.encoder_units} units each way; decoder LSTM, attention, LSTM of {model.units} units; dropout "
        f"{model.dropout}, label smoothing {training.label_smoothing}, Adam to {training.learning_rate:g} with warm-up "
        f"and cosine decay, {training.tokens_per_batch:,} tokens a batch, at most {training.max_steps:,} steps in "
        f"{training.precision}.\n"
    )


def _data(manifest: Manifest) -> str:
    lines = ["## Training data\n", "| name | pairs | licence | attribution |", "|---|---|---|---|"]
    for data in manifest.training_data:
        attribution = f"[{data.attribution}]({data.url})" if data.url else data.attribution
        lines.append(f"| {data.name} | {data.pairs:,} | {data.licence} | {attribution} |")
    return "\n".join(lines) + "\n"
