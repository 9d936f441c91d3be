"""The generated section of ``training/results/quality.md``: scores and faults of the shipped bundles."""

from collections.abc import Sequence
from pathlib import Path

from training.evaluate.error_analysis import FAULTS
from training.evaluate.markdown_section import write_section
from training.evaluate.model_card import FAULTS_EXPLAINED, INTERVALS_EXPLAINED, with_interval, words_of
from training.evaluate.quality_results import SetResult
from training.evaluate.score import LENGTH_BUCKETS

BEGIN, END = "<!-- quality: written by `python -m training quality` -->", "<!-- end of quality -->"


def write_page(results: Sequence[SetResult], page: Path) -> None:
    """Writes the tables between the two comments of ``page``.

    Raises:
        ConfigError: The page has no such comments.
    """
    write_section(page, BEGIN, END, "\n".join(_section(results)))


def _section(results: Sequence[SetResult]) -> list[str]:
    signatures = dict.fromkeys(f"{q.metric}: `{q.signature}`" for result in results for q in result.quality)
    machines = ", ".join(dict.fromkeys(result.machine for result in results))
    return [
        "",
        f"Dev sets only, through the serving engine, each bundle with its own beam. {INTERVALS_EXPLAINED} {machines}; "
        f"{max(result.made_on for result in results)}.",
        "",
        *_scores(results),
        "",
        *(f"- {signature}" for signature in signatures),
        "",
        "BLEU by the number of source words (in brackets: segments):",
        "",
        *_by_length(results),
        "",
        FAULTS_EXPLAINED,
        "",
        *_faults(results),
        "",
    ]


def _scores(results: Sequence[SetResult]) -> list[str]:
    lines = ["| bundle | languages | set | segments | beam | BLEU | chrF | cut at the length cap |", "|---" * 8 + "|"]
    for one in results:
        bleu, chrf = one.quality
        lines.append(
            f"{_named(one)} {one.segments:,} | {bleu.beam_size} | {with_interval(bleu)} | {with_interval(chrf)} | "
            f"{one.cut} |"
        )
    return lines


def _by_length(results: Sequence[SetResult]) -> list[str]:
    titles = [words_of(low, high) for low, high in LENGTH_BUCKETS]
    lines = [
        f"| bundle | languages | set | {' | '.join(titles)} |",
        "|---" * (3 + len(titles)) + "|",
    ]
    for one in results:
        points = {point.from_words: point for point in one.quality[0].by_length}
        cells = (
            f"{with_interval(points[low])} ({points[low].segments:,})" if low in points else ""
            for low, _ in LENGTH_BUCKETS
        )
        lines.append(f"{_named(one)} {' | '.join(cells)} |")
    return lines


def _faults(results: Sequence[SetResult]) -> list[str]:
    lines = [f"| bundle | languages | set | {' | '.join(FAULTS)} |", "|---" * (3 + len(FAULTS)) + "|"]
    for one in results:
        shares = (f"{100 * one.faults[name] / one.segments:.2f}" for name in FAULTS)
        lines.append(f"{_named(one)} {' | '.join(shares)} |")
    return lines


def _named(one: SetResult) -> str:
    return f"| {one.bundle} | {one.source} to {one.target} | {one.set} |"
