"""Chunks of lines through several engines at once, written in their order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

from app.bulk.lines import LineSink
from app.engine.sequence import Priority
from app.pending import Pending
from app.translator import Plan, TranslationOptions, Translator

# Of each engine: while one chunk's last sentences are decoded the next one's begin, so the batch stays full.
_CHUNKS_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class _Chunk:
    translator: Translator
    plan: Plan
    pending: Pending

    def translated(self) -> list[str]:
        """Waits until it is. One line each, whatever the model wrote."""
        self.pending.done.result()
        found = self.translator.finish(self.plan, self.pending)
        return [one.text.replace("\n", " ") for one in found]


def translate_lines(
    translators: Sequence[Translator],
    lines: Iterable[str],
    sink: LineSink,
    options: TranslationOptions,
    chunk_lines: int,
    wrote: Callable[[int], None] = lambda _: None,
) -> None:
    """Each line as one text, in order; at no time more than a few chunks are held.

    :param translators: of the same model, each with an engine of its own that runs.
    :param wrote: told how many more lines are on disk.
    :raises EngineError: a step failed; what is written stays.
    """
    ahead: deque[_Chunk] = deque()
    try:
        for translator, texts in zip(cycle(translators), _chunks(lines, chunk_lines), strict=False):
            plan = translator.prepare(texts, options)
            ahead.append(_Chunk(translator, plan, translator.submit(plan, priority=Priority.BULK)))
            if len(ahead) >= _CHUNKS_AHEAD * len(translators):
                _write(ahead.popleft(), sink, wrote)
        while ahead:
            _write(ahead.popleft(), sink, wrote)
    finally:
        for chunk in ahead:
            chunk.pending.cancel()


def _chunks(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(lines)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _write(chunk: _Chunk, sink: LineSink, wrote: Callable[[int], None]) -> None:
    texts = chunk.translated()
    sink.write(texts)
    wrote(len(texts))
