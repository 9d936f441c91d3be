"""The generated section of ``training/results/ladders.md``: one table per ladder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from training.compare.ladder import LADDERS, Ladder, results_of
from training.compare.results import Result, Score
from training.evaluate.markdown_section import write_section

BEGIN: Final = "<!-- ladders: written by `python -m training ladder` -->"
END: Final = "<!-- end of ladders -->"
_FAULTS: Final = ("words missing", "number wrong", "name wrong")


def write_ladders(runs: Path, page: Path) -> None:
    """Writes the tables of all ladders between the two comments of ``page``.

    Raises:
        ConfigError: The page has no such comments.
    """
    found = [(ladder, results_of(ladder, runs)) for ladder in LADDERS.values()]
    lines = [line for ladder, results in found if results for line in _section(ladder, results)]
    write_section(page, BEGIN, END, "\n".join(lines))


def _section(ladder: Ladder, results: dict[str, Result]) -> list[str]:
    some = next(iter(results.values()))
    interval = some.main.interval
    sets = [f"{score.set} ({score.segments:,})" for score in some.scores]
    return [
        "",
        f"**{ladder.name.capitalize()}: {ladder.what}.** {some.budget_seconds:,.0f} seconds of processor time each, "
        f"int8, beam 4, dev: {', '.join(sets)}. "
        + (f"BLEU's 95 % confidence interval is ±{interval:.1f}. " if interval is not None else "")
        + f"Faults ({', '.join(_FAULTS)}) in % of the sentences. {some.machine}.",
        "",
        f"| rung | what it does otherwise | steps | training tokens/s | dev loss | {_heads(some.scores)} | parameters "
        "| engine tokens/s |",
        "|---|---|---|---|---|" + "---|" * (2 * len(some.scores)) + "---|---|",
        *(
            f"| `{rung.name}` | {rung.shows} | {result.steps:,} | {result.training_tokens_per_second:,.0f} | "
            f"{result.dev_loss:.3f} | {' | '.join(_cells(score) for score in result.scores)} | "
            f"{result.parameters / 1e6:.2f} M | {result.engine_tokens_per_second:,.0f} |"
            for rung in ladder.rungs
            if (result := results.get(rung.name)) is not None
        ),
        "",
    ]


def _heads(scores: Sequence[Score]) -> str:
    return " | ".join(f"{score.set}: BLEU / chrF | faults" for score in scores)


def _cells(score: Score) -> str:
    shares = ", ".join(f"{100 * score.faults.get(name, 0) / score.segments:.1f}" for name in _FAULTS)
    return f"{score.bleu:.2f} / {score.chrf:.2f} | {shares}"
