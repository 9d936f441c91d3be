"""``python -m app.bulk INPUT OUTPUT --source en --target fr``: every line of a file, translated.

A run that was killed continues where it was when it is started again with the same arguments.
"""

import argparse
import hashlib
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from stat import S_ISREG

from app.bulk.files import Sink, count_texts, is_parquet, open_sink, read_texts
from app.bulk.processes import EngineWork, fitting_processes, translate_in_processes
from app.bulk.run import Route, find_route, show_progress, translate_lines
from app.bundle.folders import absolute_models
from app.errors import BulkError, PasserelleError
from app.server.environment import load_settings
from app.text.inline import TextFormat
from app.text.placeholder_finder import PlaceholderFinder, split_patterns
from app.translation.translator import TranslationOptions


@dataclass(frozen=True, slots=True)
class _Job:
    """What one run is to do.

    Attributes:
        arguments: of the command line.
        route: that translates.
        options: for every line.
        patterns: of placeholders, in addition to the built-in ones.
    """

    arguments: argparse.Namespace
    route: Route
    options: TranslationOptions
    patterns: tuple[str, ...]

    def describe(self) -> str:
        """The work as the checkpoint holds it: another input, model or option is other work."""
        arguments = self.arguments
        try:
            found = arguments.input.stat()
        except OSError as error:
            raise BulkError(f"{arguments.input} cannot be read: {error}") from error
        if not S_ISREG(found.st_mode):
            # The input is read twice, to count its lines and to translate them, and again after a kill.
            raise BulkError(f"{arguments.input} is not a file but a pipe, device or folder: write it to a file first")
        text = f"{arguments.input.name}, {found.st_size} bytes of {found.st_mtime_ns}"
        if is_parquet(arguments.input):
            text += f", column {arguments.column}"
        text += f"; {arguments.source} to {arguments.target} with {self.route.short_version}"
        text += f"; beam {arguments.beam_size}; {arguments.format}"
        if self.patterns:
            digest = hashlib.sha256("\n".join(self.patterns).encode()).hexdigest()[:12]
            text += f"; {len(self.patterns)} placeholder patterns ({digest})"
        return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        _translate(options)
    except PasserelleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


def _translate(arguments: argparse.Namespace) -> None:
    arguments.models = load_settings(models_dir=arguments.models).models_dir
    job = _Job(
        arguments,
        find_route(arguments.models, arguments.source, arguments.target),
        TranslationOptions(beam_size=arguments.beam_size, text_format=arguments.format),
        _read_patterns(arguments.placeholder_patterns),
    )
    work = job.describe()
    with open_sink(arguments.output, work, arguments.anew, arguments.input, arguments.output_column) as sink:
        total = count_texts(arguments.input)
        with show_progress(total, sink.lines) as report:
            if arguments.ray:
                _translate_on_cluster(job, sink, report)
            else:
                _translate_here(job, sink, math.ceil((total - sink.lines) / arguments.chunk_lines), report)
        if sink.lines != total:
            raise BulkError(
                f"{arguments.input} changed while it was read: it had {total} lines at the start, "
                f"{sink.lines} were read"
            )
        sink.finish()


def _translate_here(job: _Job, sink: Sink, chunks: int, report: Callable[[int], None]) -> None:
    arguments = job.arguments
    lines = read_texts(arguments.input, arguments.column, skip=sink.lines)
    count = arguments.engines or fitting_processes(job.route, chunks)
    if count == 1:
        with job.route.open("bulk", job.patterns) as translator:
            translate_lines([translator], lines, sink, job.options, arguments.chunk_lines, report)
        return
    models = absolute_models(arguments.models)
    work = EngineWork(models, arguments.source, arguments.target, job.options, job.patterns)
    translate_in_processes(work, lines, sink, count, arguments.chunk_lines, report)


def _translate_on_cluster(job: _Job, sink: Sink, report: Callable[[int], None]) -> None:
    if find_spec("ray") is None:
        raise BulkError("--ray needs Ray, which is in the extra 'ray': pip install '.[ray]'")
    from app.bulk.cluster import ClusterWork, Input, connect, translate_on_cluster

    arguments = job.arguments
    work = ClusterWork(
        absolute_models(arguments.models),
        arguments.source,
        arguments.target,
        job.route.version,
        job.options,
        job.patterns,
    )
    source = Input(arguments.input.absolute(), arguments.column, sink.lines, arguments.chunk_lines)
    with connect(arguments.ray) as cpus:
        translate_on_cluster(work, source, sink, arguments.engines or cpus, report)


def _read_patterns(path: Path | None) -> tuple[str, ...]:
    """The patterns in a file, checked before any other work."""
    if path is None:
        return ()
    try:
        found = split_patterns(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BulkError(f"{path} cannot be read: {error}") from error
    PlaceholderFinder(found)
    return found


def _parser() -> argparse.ArgumentParser:
    formats: tuple[TextFormat, ...] = ("text", "html")
    parser = argparse.ArgumentParser(prog="python -m app.bulk", description=__doc__)
    parser.add_argument("input", type=Path, help="UTF-8 lines, .gz too; or .parquet")
    parser.add_argument("output", type=Path, help="as many, in the same order; .gz and .parquet too")
    parser.add_argument("--source", required=True, metavar="CODE", help="language of the lines")
    parser.add_argument("--target", required=True, metavar="CODE", help="language wanted")
    parser.add_argument("--column", default="text", metavar="NAME", help="of a Parquet file: the texts (default: text)")
    parser.add_argument(
        "--output-column", default="translation", metavar="NAME", help="the translations (default: translation)"
    )
    parser.add_argument("--models", type=Path, help="folder of the bundles (default: MODELS_DIR, else models)")
    parser.add_argument("--beam-size", type=_positive, help="1 is fastest (default: the bundle's own)")
    parser.add_argument("--format", choices=formats, default="text", help="what the lines are (default: text)")
    parser.add_argument(
        "--placeholder-patterns", type=Path, metavar="FILE", help="of more to keep: regular expressions, one a line"
    )
    parser.add_argument("--engines", type=_positive, help="at once, a process each (default: the CPUs)")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="on a Ray cluster: 'auto', its address, or 'local' to start one"
    )
    parser.add_argument("--chunk-lines", type=_positive, default=256, help="written together (default: 256)")
    parser.add_argument("--anew", action="store_true", help="throw away what an earlier run left of this output")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"it must be 1 or more, not {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
