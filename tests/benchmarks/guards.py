"""What the two guards cost: the processor time of a request with them and without, in turns.

    python -m tests.benchmarks.guards [--requests 600] [--rounds 5] [--clients 8] [--beam-size 0] [--models models]

One service is as it is. In the other nothing is kept from the model (signs, placeholders, line starts, headings),
nothing is aligned for the sake of repairs, and no answer is judged or corrected. Both get the same requests, first
short ordinary sentences, then texts in which half the sentences have numbers, signs, placeholders, quotation marks or
brackets. The ratio of a round counts, so that other work on the machine does not.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.engine.sequence import SearchOptions
from app.text.masking import Masked
from app.translation.answer_guard import Judged
from app.translation.assembly import TranslatedSegment
from tests.benchmarks.http import ROOT, Server, free_port, run_load, sentences, service, serving

_MARKED = (
    "It costs 5 € in 2024, and {name} paid 12.50 € for it.",
    'He said "good night" to the children (all three of them).',
    "Open the file report.pdf → then write to tom@example.com.",
    "The room has 20 m² and 3 windows; 40 % of it is glass ✓",
)


def run_unguarded() -> None:
    """Serves without the guards, by the same command line and environment."""
    from app.commands.command_line import main as run
    from app.text import inline
    from app.translation import preparation, translator

    def keep(segment: TranslatedSegment, *_: object) -> TranslatedSegment:
        return segment

    def judge(segment: TranslatedSegment, *_: object) -> Judged:
        return Judged(segment)

    def watch(_: object, search: SearchOptions, segment: str, masked: Masked | None) -> SearchOptions:
        return search

    replacements: tuple[tuple[object, str, Any], ...] = (
        (inline, "find_asides", lambda *_: []),
        (inline, "find_message_syntax", lambda *_: []),
        (preparation, "hide_placeholders", lambda text, _: (text, [])),
        (preparation, "read_plainly", lambda hidden, _: hidden),
        (preparation.Planner, "_watch", watch),
        (translator, "postedit", keep),
        (translator, "judge", judge),
        (translator, "may_change", lambda _: False),
    )
    for owner, name, replacement in replacements:
        assert hasattr(owner, name), name
        setattr(owner, name, replacement)
    sys.exit(run(["serve"]))


def marked() -> Iterator[str]:
    """Ordinary sentences, every second of which has something that the guards look at."""
    for number, sentence in enumerate(sentences()):
        yield sentence if number % 2 else f"{sentence} {_MARKED[number // 2 % len(_MARKED)]}"


def measure_round(servers: list[Server], texts: list[str], options: argparse.Namespace) -> list[float]:
    """Returns the milliseconds of processor time that a request took on each server."""
    fields: dict[str, object] = {"beam_size": options.beam_size} if options.beam_size else {}
    found = []
    for server in servers:
        began = server.cpu_seconds()
        run_load(server, iter(texts), len(texts), options.clients, fields)
        found.append(1000 * (server.cpu_seconds() - began) / len(texts))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--beam-size", type=int, default=0, help="0: the bundle's own")
    options = parser.parse_args()
    port = free_port()
    environment = {
        "MODELS_DIR": str(options.models.absolute()),
        "PASSERELLE_PORT": str(port),
        "PASSERELLE_LOG_LEVEL": "warning",
    }
    arguments = ["tests.benchmarks.guards", "--unguarded"]
    with service(options.models) as guarded, serving(arguments, port, environment) as unguarded:
        for name, source in (("ordinary sentences", sentences()), ("half of them marked", marked())):
            ratios, times = [], []
            for number in range(options.rounds + 1):
                texts = [next(source) for _ in range(options.requests)]
                servers = [guarded, unguarded] if number % 2 else [unguarded, guarded]
                found = measure_round(servers, texts, options)
                with_guards, without = found if number % 2 else found[::-1]
                if number:  # the first warms up
                    ratios.append(with_guards / without)
                    times.append(with_guards)
            print(
                f"{name:<20} {statistics.median(times):.2f} ms of processor time a request, "
                f"{statistics.median(ratios):.3f} times that without guards ({min(ratios):.3f} to {max(ratios):.3f})",
                flush=True,
            )


if __name__ == "__main__":
    if "--unguarded" in sys.argv:
        run_unguarded()
    else:
        main()
