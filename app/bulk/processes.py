"""Bulk translation by several processes of one engine each.

The engines of one process share one interpreter, of which only one thread runs Python at a time; those of several
processes do not. The first process reads the lines, hands chunks of them to the others, and writes what comes back in
the order of the lines.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from app.bulk.files import Sink
from app.bulk.run import Chunk, Route, find_route, write_in_order
from app.errors import BulkError, PasserelleError
from app.server.resources import WORKER_MIB, fitting_workers, has_gpu_runtime, usable_cpus, usable_memory_mib
from app.serving.snapshot import estimate_mib
from app.translation.translator import TranslationOptions

_END_SECONDS: Final = 10.0
_CHUNKS_WORTH: Final = 8  # a process starts in the time in which another translates some six chunks

Texts = list[str | None]


@dataclass(frozen=True, slots=True)
class EngineWork:
    """What every process does.

    Attributes:
        models: folders of the bundles, by absolute paths.
        source: language of the lines.
        target: language wanted.
        options: for every line.
        patterns: of placeholders, in addition to the built-in ones.
    """

    models: Path
    source: str
    target: str
    options: TranslationOptions
    patterns: tuple[str, ...]


def fitting_processes(route: Route, chunks: int) -> int:
    """Returns how many processes are of use: one for each CPU, as far as memory holds them and there is work.

    Args:
        route: What each process loads.
        chunks: Of lines that are left.
    """
    if has_gpu_runtime():
        return 1
    mib = WORKER_MIB + sum(estimate_mib(bundle.manifest) for bundle in route.bundles)
    return max(1, min(fitting_workers(usable_cpus(), usable_memory_mib(), mib, mib), chunks // _CHUNKS_WORTH))


def translate_in_processes(
    work: EngineWork,
    lines: Iterable[str | None],
    sink: Sink,
    count: int,
    chunk_lines: int,
    report: Callable[[int], None] = lambda _: None,
) -> None:
    """Translate each line as one text and write them in order. At no time are more than a few chunks in memory.

    Args:
        work: of every process.
        lines: to translate.
        sink: of the translations.
        count: of the processes.
        chunk_lines: how many lines to write together.
        report: is called with each further number of lines on disk.

    Raises:
        BulkError: a process failed or was killed; what is written stays.
    """
    with _started(work, count) as connections:
        write_in_order([_Engine(one).submit for one in connections], lines, sink, chunk_lines, report)


@dataclass(frozen=True, slots=True)
class _Engine:
    """An engine in another process, which answers in the order in which it was asked."""

    connection: Connection

    def submit(self, texts: Texts) -> "_Engine":
        """Send lines to the process."""
        try:
            self.connection.send(texts)
        except OSError:  # it has ended; why is in what it sent before
            self.wait()
        return self

    def wait(self) -> Texts:
        """The translations of the lines that were sent first.

        Raises:
            BulkError: the process says what is wrong, or has ended.
        """
        try:
            found: Texts | str = self.connection.recv()
        except (EOFError, OSError):
            raise BulkError("a process of the translation was killed, perhaps for want of memory") from None
        if isinstance(found, str):
            raise BulkError(found)
        return found

    def cancel(self) -> None:
        """Nothing: the process ends with all that it does."""


@contextmanager
def _started(work: EngineWork, count: int) -> Iterator[list[Connection]]:
    """Connections to processes, which end with the block, and by themselves if this process is killed."""
    # A forked process would inherit the connections of the others, and keep them open.
    context = multiprocessing.get_context("spawn")
    engines, processes = list[Connection](), []
    try:
        for number in range(count):
            mine, its = context.Pipe()
            process = context.Process(target=_serve, args=(its, work, f"bulk-{number}"), daemon=True)
            process.start()
            its.close()
            engines.append(mine)
            processes.append(process)
        yield engines
    finally:
        for engine in engines:
            engine.close()
        for process in processes:
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def _serve(connection: Connection, work: EngineWork, name: str) -> None:
    """Translate the chunks that come, until the other side closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it, and closes the connection
    try:
        route = find_route(work.models, work.source, work.target)
        with route.open(name, work.patterns) as translator:
            # While one chunk's last sentences are decoded the next one's begin, so it is submitted as soon as it comes.
            submitted: SimpleQueue[Chunk | Exception | None] = SimpleQueue()

            def receive() -> None:
                try:
                    while True:
                        submitted.put(Chunk.submit(translator, connection.recv(), work.options))
                except (EOFError, OSError):
                    submitted.put(None)
                except Exception as error:
                    submitted.put(error)

            Thread(target=receive, daemon=True).start()
            while (chunk := submitted.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                connection.send(chunk.wait())
    except BrokenPipeError:  # the first process has ended
        pass
    except Exception as error:
        said = str(error) if isinstance(error, PasserelleError) else f"{type(error).__name__}: {error}"
        with suppress(OSError):
            connection.send(said)
