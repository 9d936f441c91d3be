"""Plots of the comparison, as PNG."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from training.compare.projection import Projection
from training.compare.results import Result
from training.compare.tasks import TaskResult
from training.evaluate.plots import png

AXES = {
    "characters": "characters of the question",
    "nesting": "operations composed x digits of the numbers",
    "lag": "symbols between",
}


def bleu_by_length(results: Mapping[str, Result], names: Sequence[str]) -> bytes:
    """Plots BLEU over source length, one line per system: solid with attention, dashed without."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name in names:
        if name not in results:
            continue
        # A bucket that overlaps others (15 words and more) is shown in the table only.
        parts, last = [], 0
        for part in results[name].main.by_length:
            if part.from_words > last and part.segments:
                parts.append(part)
                last = part.to_words or part.from_words
        ticks = [_range(part.from_words, part.to_words) for part in parts]
        style = "-" if name.startswith("attention") else "--"
        axes.plot(ticks, [part.bleu for part in parts], style, marker="o", label=name)
    axes.set(xlabel="source words", ylabel="BLEU", title="BLEU by source length, equal training", ylim=(0, None))
    axes.legend()
    return png(figure)


def learning_curves(results: Mapping[str, Sequence[Mapping[str, float]]], names: Sequence[str]) -> bytes:
    """Plots dev loss over the spent share of the budget, one line per system.

    Args:
        results: The history of each run by the name of its system.
        names: Systems to plot.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name in names:
        history = results.get(name, ())
        if history:
            last = history[-1]["step"]
            steps = [point["step"] / last for point in history]
            axes.plot(steps, [point["dev_loss"] for point in history], marker=".", label=name)
    axes.set(xlabel="share of the budget", ylabel="dev loss, nats per token", title="Learning curves")
    axes.legend()
    return png(figure)


def encoder_map(projection: Projection) -> bytes:
    """Plots the encoder's vectors of sentences in two dimensions, by PCA and by t-SNE, one colour per group."""
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    groups = list(dict.fromkeys(projection.groups))
    for axes, points, title in zip(
        figure.subplots(1, 2),
        (projection.pca, projection.tsne),
        (f"PCA ({projection.explained:.0%} of the variance)", "t-SNE"),
        strict=True,
    ):
        for number, group in enumerate(groups):
            rows = [row for row, name in enumerate(projection.groups) if name == group]
            axes.scatter(points[rows, 0], points[rows, 1], color=f"C{number}", label=group)
        for row, sentence in enumerate(projection.sentences):
            axes.annotate(sentence, points[row], fontsize=6, xytext=(3, 2), textcoords="offset points")
        axes.set(title=title, xticks=[], yticks=[])
    figure.axes[0].legend(fontsize=7)
    return png(figure)


def accuracy(results: Sequence[TaskResult]) -> bytes:
    """Plots the share of right answers over the difficulty of the questions, one line per system."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for result in results:
        groups = [group for group in result.groups if group.total]
        ticks = [str(group.group) for group in groups]
        axes.plot(ticks, [100 * group.right / group.total for group in groups], marker="o", label=result.system)
    axes.set(xlabel=AXES.get(results[0].axis, results[0].axis), ylabel="right answers, %")
    axes.set(title="Unseen questions", ylim=(0, 103))
    axes.tick_params(axis="x", labelrotation=60 if len(axes.get_xticks()) > 12 else 0)
    axes.legend()
    return png(figure)


def _range(low: int, high: int | None) -> str:
    return f"{low}+" if high is None else f"{low}-{high}"
