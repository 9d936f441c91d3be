"""Chunks of lines through several engines at once, written in their order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

from app.bulk.files import Sink
from app.engine.sequence import Priority
from app.translation.pending import Pending
from app.translation.translator import Plan, TranslationOptions, Translator

# Of each engine: while one chunk's last sentences are decoded the next one's begin, so the batch stays full.
_CHUNKS_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines on their way through an engine."""

    translator: Translator
    texts: Sequence[str | None]
    plan: Plan
    pending: Pending

    @classmethod
    def begin(cls, translator: Translator, texts: Sequence[str | None], options: TranslationOptions) -> "Chunk":
        plan = translator.prepare([text or "" for text in texts], options)
        return cls(translator, texts, plan, translator.submit(plan, priority=Priority.BULK))

    def translated(self) -> list[str | None]:
        """Waits until it is. What was None stays so."""
        self.pending.done.result()
        found = self.translator.finish(self.plan, self.pending)
        return [None if text is None else one.text for text, one in zip(self.texts, found, strict=True)]


def translate_lines(
    translators: Sequence[Translator],
    lines: Iterable[str | None],
    sink: Sink,
    options: TranslationOptions,
    chunk_lines: int,
    wrote: Callable[[int], None] = lambda _: None,
) -> None:
    """Each line as one text, in order; at no time more than a few chunks are held.

    :param translators: of the same model, each with an engine of its own that runs.
    :param wrote: told how many more lines are on disk.
    :raises EngineError: a step failed; what is written stays.
    """
    ahead: deque[Chunk] = deque()
    try:
        for translator, texts in zip(cycle(translators), chunks(lines, chunk_lines), strict=False):
            ahead.append(Chunk.begin(translator, texts, options))
            if len(ahead) >= _CHUNKS_AHEAD * len(translators):
                _write(ahead.popleft(), sink, wrote)
        while ahead:
            _write(ahead.popleft(), sink, wrote)
    finally:
        for chunk in ahead:
            chunk.pending.cancel()


def chunks(lines: Iterable[str | None], size: int) -> Iterator[list[str | None]]:
    """So many lines at a time; the last one may have fewer."""
    iterator = iter(lines)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _write(chunk: Chunk, sink: Sink, wrote: Callable[[int], None]) -> None:
    texts = chunk.translated()
    sink.write(texts)
    wrote(len(texts))
