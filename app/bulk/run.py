"""Bulk translation on this machine: chunks of lines through several engines at once, written in their order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Final, Protocol

from tqdm import tqdm

from app.bulk.files import Sink
from app.bundle.folders import find_bundles
from app.bundle.store import Bundle, load_bundle
from app.engine.factory import run_engine
from app.engine.loop import Engine, EngineLimits
from app.engine.sequence import Priority
from app.engine.sessions import OnnxGraphs
from app.errors import BulkError, BundleError
from app.serving.chain import ChainLimits
from app.serving.routes import Hop, Joining, find_pivots
from app.serving.snapshot import Installed, serving_bundles
from app.text.codes import find_served
from app.text.placeholder_finder import PlaceholderFinder
from app.translation.pending import Pending
from app.translation.translator import Plan, TranslationOptions, Translator

_LIMITS: Final = EngineLimits(max_waiting=10**6, max_request_sequences=10**6)
_VERSION_DIGITS: Final = 12
_CHAIN_LIMITS: Final = ChainLimits(running=10**6, held=10**6)
# Of each engine: while one chunk's last sentences are decoded the next one's begin, so the batch stays full.
_CHUNKS_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Route:
    """What translates a pair of languages: one bundle, or two through a pivot language."""

    bundles: tuple[Bundle, ...]

    @property
    def version(self) -> str:
        """Of the bundles."""
        return "+".join(bundle.version for bundle in self.bundles)

    @property
    def short_version(self) -> str:
        """The first digits of it, as the checkpoint holds them."""
        return "+".join(bundle.version[:_VERSION_DIGITS] for bundle in self.bundles)

    @contextmanager
    def open(self, name: str, patterns: Sequence[str] = ()) -> Iterator[Translator]:
        """A translator with an engine on one thread for each bundle, until the block ends; as ``open_translator``."""
        if len(self.bundles) == 1:
            with open_translator(self.bundles[0], name, patterns) as translator:
                yield translator
            return
        with ExitStack() as opened:
            hops = [
                Hop(bundle, opened.enter_context(_run(bundle, f"{name}-{number}")))
                for number, bundle in enumerate(self.bundles, start=1)
            ]
            joining = Joining(opened.enter_context(ThreadPoolExecutor(1)), _CHAIN_LIMITS, PlaceholderFinder(patterns))
            yield joining.serve(hops[0], hops[1]).translator


def find_route(models: Path, source: str, target: str) -> Route:
    """What a folder has to translate a pair of languages, whose codes may have any common spelling.

    Raises:
        BulkError: no bundle translates it, nor do two.
        BundleError: a bundle cannot be used.
    """
    found: list[Installed] = []
    problems = ""
    for folder in find_bundles(models):
        try:
            found.append(Installed.read(folder))
        except BundleError as error:  # others may do
            problems += f"; {error}"
    by_pair = serving_bundles(found)
    source = find_served(source, {one for one, _ in by_pair}) or source
    target = find_served(target, {other for _, other in by_pair}) or target
    pairs = [(source, target)]
    if (source, target) not in by_pair:
        pivot = find_pivots(by_pair).get((source, target))
        if pivot is None:
            raise BulkError(f"no bundle in {models} translates from {source} to {target}, nor do two{problems}")
        pairs = [(source, pivot), (pivot, target)]
    chosen = [(by_pair[pair], pair) for pair in pairs]
    return Route(tuple(load_bundle(one.folder).between(*one.pairs[pair]) for one, pair in chosen))


@contextmanager
def open_translator(bundle: Bundle, name: str, patterns: Sequence[str] = ()) -> Iterator[Translator]:
    """A translator with an engine on one thread, until the block ends.

    Several such engines use several CPUs better than one engine with several threads.

    Args:
        bundle: that translates.
        name: of the engine.
        patterns: of placeholders, in addition to the built-in ones.

    Raises:
        ConfigurationError: a pattern cannot be used.
    """
    finder = PlaceholderFinder(patterns)
    with _run(bundle, name) as engine:
        yield Translator(bundle, engine, finder)


def _run(bundle: Bundle, name: str) -> AbstractContextManager[Engine]:
    return run_engine(bundle, OnnxGraphs(bundle, provider="auto", threads=1), _LIMITS, name)


@contextmanager
def show_progress(total: int, done: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with lines a second and the time left, on a terminal or not.

    Args:
        total: lines.
        done: how many of them an earlier run wrote.

    Yields:
        A function to call with each further number of lines.
    """
    with tqdm(total=total, initial=done, unit=" lines", unit_scale=False, smoothing=0.05, mininterval=0.5) as bar:
        yield lambda count: (bar.update(count), None)[1]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines that an engine is decoding."""

    translator: Translator
    texts: Sequence[str | None]
    plan: Plan
    pending: Pending

    @classmethod
    def submit(cls, translator: Translator, texts: Sequence[str | None], options: TranslationOptions) -> "Chunk":
        """Submit lines to the engine of a translator."""
        plan = translator.prepare([text or "" for text in texts], options)
        return cls(translator, texts, plan, translator.submit(plan, priority=Priority.BULK))

    def wait(self) -> list[str | None]:
        """Wait for the translations; None stays None."""
        self.pending.done.result()
        found = self.translator.finish(self.plan, self.pending)
        return [None if text is None else one.text for text, one in zip(self.texts, found, strict=True)]

    def cancel(self) -> None:
        """Give the rows of the lines back."""
        self.pending.cancel()


class Submitted(Protocol):
    """Lines that an engine is decoding, in this process or in another."""

    def wait(self) -> list[str | None]:
        """Wait for the translations; None stays None."""
        ...

    def cancel(self) -> None:
        """Give up waiting."""
        ...


Submit = Callable[[list[str | None]], Submitted]


def translate_lines(
    translators: Sequence[Translator],
    lines: Iterable[str | None],
    sink: Sink,
    options: TranslationOptions,
    chunk_lines: int,
    report: Callable[[int], None] = lambda _: None,
) -> None:
    """Translate each line as one text by engines of this process, as ``write_in_order``.

    Args:
        translators: of the same model, each with a running engine of its own.
        lines: to translate.
        sink: of the translations.
        options: for all lines.
        chunk_lines: how many lines to write together.
        report: is called with each further number of lines on disk.

    Raises:
        EngineError: a step failed; what is written stays.
    """
    engines: list[Submit] = [partial(Chunk.submit, translator, options=options) for translator in translators]
    write_in_order(engines, lines, sink, chunk_lines, report)


def write_in_order(
    engines: Sequence[Submit],
    lines: Iterable[str | None],
    sink: Sink,
    chunk_lines: int,
    report: Callable[[int], None],
) -> None:
    """Hand chunks of lines to engines in turn, and write what comes back in the order of the lines.

    At no time are more than a few chunks in memory.

    Args:
        engines: each takes lines.
        lines: to translate.
        sink: of the translations.
        chunk_lines: how many lines to write together.
        report: is called with each further number of lines on disk.
    """
    ahead: deque[Submitted] = deque()
    try:
        for submit, texts in zip(cycle(engines), split_chunks(lines, chunk_lines), strict=False):
            ahead.append(submit(texts))
            if len(ahead) >= _CHUNKS_AHEAD * len(engines):
                _write(ahead.popleft(), sink, report)
        while ahead:
            _write(ahead.popleft(), sink, report)
    finally:
        for chunk in ahead:
            chunk.cancel()


def split_chunks(lines: Iterable[str | None], size: int) -> Iterator[list[str | None]]:
    """``size`` lines at a time; the last chunk may have fewer."""
    iterator = iter(lines)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _write(chunk: Submitted, sink: Sink, report: Callable[[int], None]) -> None:
    texts = chunk.wait()
    sink.write(texts)
    report(len(texts))
