"""``python -m app.bulk INPUT OUTPUT --source en --target fr``: every line of a file, translated.

Killed and started again with the same words, it goes on where it was.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.bulk.lines import LineSink, count_lines, read_lines
from app.bulk.progress import progress
from app.bulk.run import translate_lines
from app.bundle.manifest import MANIFEST_FILE
from app.bundle.store import Bundle, find_bundles, load_bundle
from app.cpus import usable_cpus
from app.engine.facts import ModelFacts
from app.engine.loop import Engine, EngineLimits
from app.engine.sessions import OnnxGraphs
from app.errors import BulkError, PasserelleError
from app.text.flow import TextFormat
from app.translator import TranslationOptions, Translator


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
    bundle = _bundle(options.models, options.source, options.target)
    chosen = TranslationOptions(beam_size=options.beam_size, text_format=options.format)
    with LineSink(options.output, _work(options, bundle), options.anew) as sink, ExitStack() as engines:
        total = count_lines(options.input)
        limits = EngineLimits(max_waiting=10**6, max_request_sequences=10**6)
        translators = [
            engines.enter_context(_running(bundle, limits, f"bulk-{number}")) for number in range(options.engines)
        ]
        with progress(total, sink.lines) as wrote:
            lines = read_lines(options.input, skip=sink.lines)
            translate_lines(translators, lines, sink, chosen, options.chunk_lines, wrote)
        sink.finish()


def _bundle(models: Path, source: str, target: str) -> Bundle:
    for folder in find_bundles(models):
        bundle = load_bundle(folder)
        if bundle.manifest.source == source and target in bundle.manifest.targets:
            return bundle.for_target(target)
    raise BulkError(f"no bundle in {models} translates from {source} to {target}")


@contextmanager
def _running(bundle: Bundle, limits: EngineLimits, name: str) -> Iterator[Translator]:
    """An engine on one thread; several of them use several CPUs better than one engine with several threads."""
    engine = Engine(OnnxGraphs(bundle, provider="auto", threads=1), ModelFacts.of(bundle.manifest), limits, name)
    engine.start()
    try:
        yield Translator(bundle, engine)
    finally:
        engine.stop(drain=False)


def _work(options: argparse.Namespace, bundle: Bundle) -> str:
    """What is being done: another input, model or option is other work."""
    try:
        found = options.input.stat()
    except OSError as error:
        raise BulkError(f"{options.input} cannot be read: {error}") from error
    model = hashlib.sha256((bundle.folder / MANIFEST_FILE).read_bytes()).hexdigest()[:12]
    text = f"{options.input.name}, {found.st_size} bytes of {found.st_mtime_ns}"
    return f"{text}; {options.source} to {options.target} with {model}; beam {options.beam_size}; {options.format}"


def _parser() -> argparse.ArgumentParser:
    formats: tuple[TextFormat, ...] = ("text", "html")
    parser = argparse.ArgumentParser(prog="python -m app.bulk", description=__doc__)
    parser.add_argument("input", type=Path, help="UTF-8 lines, .gz too")
    parser.add_argument("output", type=Path, help="as many lines, in the same order; gzipped if the name ends so")
    parser.add_argument("--source", required=True, metavar="CODE", help="language of the lines")
    parser.add_argument("--target", required=True, metavar="CODE", help="language wanted")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the bundles (default: models)")
    parser.add_argument("--beam-size", type=_positive, help="1 is fastest (default: the bundle's own)")
    parser.add_argument("--format", choices=formats, default="text", help="what the lines are (default: text)")
    cpus = max(1, usable_cpus())
    parser.add_argument("--engines", type=_positive, default=cpus, help="at once, a thread each (default: the CPUs)")
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
