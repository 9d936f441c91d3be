"""``python -m app.bulk INPUT OUTPUT --source en --target fr``: every line of a file, translated.

Killed and started again with the same words, it goes on where it was.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from app.bulk.files import Sink, count_texts, is_parquet, open_sink, read_texts
from app.bulk.model import bundle_for, running, version_of
from app.bulk.progress import progress
from app.bulk.run import translate_lines
from app.bundle.store import Bundle
from app.errors import BulkError, PasserelleError
from app.server.cpus import usable_cpus
from app.text.inline import TextFormat
from app.text.placeholder_patterns import PlaceholderFinder, split_patterns
from app.translation.translator import TranslationOptions


def main(arguments: Sequence[str] | None = None) -> int:
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


def _translate(options: argparse.Namespace) -> None:
    bundle = bundle_for(options.models, options.source, options.target)
    chosen = TranslationOptions(beam_size=options.beam_size, text_format=options.format)
    patterns = _patterns(options.placeholder_patterns)
    work = _work(options, bundle, patterns)
    with open_sink(options.output, work, options.anew, options.input, options.output_column) as sink:
        with progress(count_texts(options.input), sink.lines) as wrote:
            (_on_cluster if options.ray else _here)(options, bundle, chosen, patterns, sink, wrote)
        sink.finish()


def _here(
    options: argparse.Namespace,
    bundle: Bundle,
    chosen: TranslationOptions,
    patterns: tuple[str, ...],
    sink: Sink,
    wrote: Callable[[int], None],
) -> None:
    lines = read_texts(options.input, options.column, skip=sink.lines)
    with ExitStack() as engines:
        count = options.engines or usable_cpus()
        translators = [engines.enter_context(running(bundle, f"bulk-{number}", patterns)) for number in range(count)]
        translate_lines(translators, lines, sink, chosen, options.chunk_lines, wrote)


def _on_cluster(
    options: argparse.Namespace,
    bundle: Bundle,
    chosen: TranslationOptions,
    patterns: tuple[str, ...],
    sink: Sink,
    wrote: Callable[[int], None],
) -> None:
    if find_spec("ray") is None:
        raise BulkError("--ray needs Ray, which is in the extra 'ray': pip install '.[ray]'")
    from app.bulk.cluster import ClusterWork, Input, cluster, translate_on_cluster

    there = ClusterWork(options.models.absolute(), options.source, options.target, version_of(bundle), chosen, patterns)
    source = Input(options.input.absolute(), options.column, sink.lines, options.chunk_lines)
    with cluster(options.ray) as cpus:
        translate_on_cluster(there, source, sink, options.engines or cpus, wrote)


def _patterns(path: Path | None) -> tuple[str, ...]:
    """Those in a file, tried before anything is begun."""
    if path is None:
        return ()
    try:
        found = split_patterns(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BulkError(f"{path} cannot be read: {error}") from error
    PlaceholderFinder(found)
    return found


def _work(options: argparse.Namespace, bundle: Bundle, patterns: tuple[str, ...]) -> str:
    """What is being done: another input, model or option is other work."""
    try:
        found = options.input.stat()
    except OSError as error:
        raise BulkError(f"{options.input} cannot be read: {error}") from error
    text = f"{options.input.name}, {found.st_size} bytes of {found.st_mtime_ns}"
    if is_parquet(options.input):
        text += f", column {options.column}"
    model = version_of(bundle)
    text += f"; {options.source} to {options.target} with {model}; beam {options.beam_size}; {options.format}"
    if patterns:
        digest = hashlib.sha256("\n".join(patterns).encode()).hexdigest()[:12]
        text += f"; {len(patterns)} placeholder patterns ({digest})"
    return text


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
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the bundles (default: models)")
    parser.add_argument("--beam-size", type=_positive, help="1 is fastest (default: the bundle's own)")
    parser.add_argument("--format", choices=formats, default="text", help="what the lines are (default: text)")
    parser.add_argument(
        "--placeholder-patterns", type=Path, metavar="FILE", help="of more to keep: regular expressions, one a line"
    )
    parser.add_argument("--engines", type=_positive, help="at once, a thread each (default: the CPUs)")
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
