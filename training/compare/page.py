"""The generated section of ``training/results/family.md``, with its plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.bundle.store import load_bundle
from app.engine.sessions import OnnxGraphs
from training.compare.figures import accuracy, bleu_by_length, encoder_map, learning_curves
from training.compare.projection import Projection, project
from training.compare.results import Result
from training.compare.systems import (
    ATTENTION_MAPS,
    BY_LENGTH,
    LEARNING,
    MAPPED_SENTENCE,
    PROJECTED,
    SYSTEMS,
    TASKS,
    WITH_ATTENTION,
    WITHOUT_ATTENTION,
)
from training.compare.tasks import TaskResult, load_tasks
from training.evaluate.markdown_section import check_comments, write_section
from training.evaluate.plots import attention_map
from training.evaluate.score import open_translator, translate_greedily
from training.files import write_atomically
from training.learn.checkpoint import read_state
from training.learn.train import CHECKPOINT_FILE

BEGIN, END = "<!-- compare: written by `python -m training compare` -->", "<!-- end of compare -->"
PICTURES = "pictures"


def write_page(results: Sequence[Result], runs: Path, page: Path) -> list[Path]:
    """Writes the table between the two comments of ``page``, and the plots into a folder beside it.

    Args:
        results: Of the measured systems.
        runs: Folder of the systems' runs.
        page: The Markdown file.

    Returns:
        The written files.

    Raises:
        ConfigError: The page has no such comments.
    """
    check_comments(page, BEGIN, END)
    by_name = {result.system: result for result in results}
    pictures = _pictures(by_name, runs)
    projection = _projection(by_name, runs)
    tasks = load_tasks(runs, TASKS)
    if projection is not None:
        pictures["encoder_vectors.png"] = encoder_map(projection)
    for axis in dict.fromkeys(task.axis for task in tasks):
        pictures[f"accuracy_by_{axis}.png"] = accuracy([task for task in tasks if task.axis == axis])
    folder = page.parent / PICTURES
    folder.mkdir(exist_ok=True)
    for name, content in pictures.items():
        write_atomically(folder / name, content)
    write_section(page, BEGIN, END, "\n".join(_section(by_name, projection, tasks, list(pictures))))
    return [page, *(folder / name for name in pictures)]


def _pictures(results: Mapping[str, Result], runs: Path) -> dict[str, bytes]:
    histories = {name: read_state(runs / name / CHECKPOINT_FILE).history for name in results}
    pictures = {
        "bleu_by_length.png": bleu_by_length(results, BY_LENGTH),
        "learning_curves.png": learning_curves(histories, LEARNING),
    }
    for name in ATTENTION_MAPS:
        if name in results:
            folder = runs / name / "int8"
            with open_translator(folder, threads=1) as translator:
                translation = translate_greedily(translator, [MAPPED_SENTENCE])[0]
            bundle = load_bundle(folder)
            graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
            pictures[f"{name}.png"] = attention_map(bundle, graphs, MAPPED_SENTENCE, translation)
    return pictures


def _projection(results: Mapping[str, Result], runs: Path) -> Projection | None:
    if PROJECTED not in results:
        return None
    bundle = load_bundle(runs / PROJECTED / "float32")
    return project(bundle, OnnxGraphs(bundle, provider="cpu", threads=1))


def _section(
    results: Mapping[str, Result], projection: Projection | None, tasks: Sequence[TaskResult], pictures: Sequence[str]
) -> list[str]:
    some = next(iter(results.values()))
    main = some.main
    lines = [
        "",
        f"Each system had {some.budget_seconds:,.0f} seconds of processor time for training on the Tatoeba pairs, and "
        f"was measured as the int8 bundle that it exports to, greedily, through the serving engine, on {main.set} "
        f"({main.segments:,} sentences). Speeds are per second of processor time, the engine's with one thread and "
        f"full batches; a piece, a word or a character is a token. {some.machine}; "
        f"{max(result.made_on for result in results.values())}.",
        "",
        *_table(results),
        "",
        *(f"`{signature}`  " for signature in some.signatures),
        "",
        *_multitask(results),
        *_attention(results),
        *(
            line
            for name in pictures
            if not name.startswith("accuracy") and name != "encoder_vectors.png"
            for line in (f"![{name.removesuffix('.png').replace('_', ' ')}]({PICTURES}/{name})", "")
        ),
    ]
    if projection is not None:
        lines += [
            f"What the encoder of `{PROJECTED}` makes of {len(projection.sentences)} sentences: all that its decoder "
            f"ever learns of them. In full width, {projection.neighbours:.0%} have a sentence of their own group as "
            f"nearest neighbour; chance would be "
            f"{_chance(projection):.0%}.",
            "",
            f"![encoder vectors]({PICTURES}/encoder_vectors.png)",
            "",
        ]
    if tasks:
        lines += ["| task | unseen questions | right |", "|---|---|---|"]
        for task in tasks:
            total = sum(group.total for group in task.groups)
            lines.append(f"| `{task.system}` | {total:,} | {task.share:.2%} |")
        lines.append("")
        for name in pictures:
            if name.startswith("accuracy"):
                lines += [f"![{name.removesuffix('.png').replace('_', ' ')}]({PICTURES}/{name})", ""]
    return lines


def _chance(projection: Projection) -> float:
    size = len(projection.sentences)
    return sum(projection.groups.count(group) - 1 for group in projection.groups) / size / (size - 1)


def _table(results: Mapping[str, Result]) -> list[str]:
    lines = [
        "| system | what it is | BLEU | chrF | BLEU, 15 words and more | parameters | bundle | training tokens/s "
        "| steps | epochs | engine tokens/s | engine characters/s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for system in SYSTEMS:
        result = results.get(system.name)
        if result is None:
            continue
        long = result.bleu_from(15)
        lines.append(
            f"| `{system.name}` | {system.shows} | {result.main.bleu:.1f} | {result.main.chrf:.1f} | "
            f"{'' if long is None else f'{long.bleu:.1f}'} | {result.parameters / 1e6:.2f} M | "
            f"{result.bundle_bytes / 1e6:.1f} MB | {result.training_tokens_per_second:,.0f} | {result.steps:,} | "
            f"{result.epochs:.1f} | {result.engine_tokens_per_second:,.0f} | "
            f"{result.engine_characters_per_second:,.0f} |"
        )
    return lines


def _multitask(results: Mapping[str, Result]) -> list[str]:
    found = [result for result in results.values() if len(result.scores) > 1]
    lines = []
    for result in found:
        others = ", ".join(f"{score.set} BLEU {score.bleu:.1f}, chrF {score.chrf:.1f}" for score in result.scores[1:])
        lines += [f"The same bundle of `{result.system}` on its other targets: {others}.", ""]
    return lines


def _attention(results: Mapping[str, Result]) -> list[str]:
    pair = [results.get(name) for name in (WITHOUT_ATTENTION, WITH_ATTENTION)]
    without, with_it = (None if result is None else result.bleu_from(15) for result in pair)
    if without is None or with_it is None:
        return []
    return [
        f"On the {with_it.segments} sentences of 15 words and more, attention is worth "
        f"{with_it.bleu - without.bleu:+.1f} BLEU: {without.bleu:.1f} without, {with_it.bleu:.1f} with it.",
        "",
    ]
