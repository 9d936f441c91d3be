"""How the workers of one service answer for all of them: each can ask the others over Unix sockets."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from app.server.shared_memory import SharedCounts, WorkerBoard

_LOG: Final = logging.getLogger(__name__)
# The answer to a question, as JSON can hold it.
Handler = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes that serve one port together.

    Attributes:
        number: Its number, from 1. The process that takes the place of a dead worker has the number of that worker.
        is_successor: Whether another process had the number before.
        folder: A folder of all workers, which no other user can read and which is deleted at the end.
        board: What the workers tell each other.
        counts: Where they count requests and characters together.
    """

    number: int
    is_successor: bool
    folder: Path
    board: WorkerBoard
    counts: SharedCounts


@dataclass(frozen=True, slots=True)
class Answers:
    """What the other workers said.

    Attributes:
        found: The answers, by the numbers of the workers.
        silent: The workers that serve, but did not answer in time.
    """

    found: dict[int, Any] = field(default_factory=dict)
    silent: list[int] = field(default_factory=list)


class Peers:
    """The other workers of the service. Only the event loop's thread uses it.

    A question is one line with its name; the answer is JSON up to the end of the connection. The sockets are in the
    folder of the workers, where no other user can reach them.
    """

    def __init__(self, worker: Worker | None) -> None:
        """Set up the questions.

        Args:
            worker: This process; None if it serves alone, and there is no other to ask.
        """
        self.worker = worker
        self._handlers: Mapping[str, Handler] = {}
        self._server: asyncio.Server | None = None
        self._folder = -1

    async def start(self, handlers: Mapping[str, Handler]) -> None:
        """Answer the questions of others from now on.

        Args:
            handlers: What answers each question.
        """
        if self.worker is None:
            return
        self._handlers = handlers
        # The path of a socket has 107 bytes at most. This one is short, wherever the folder is.
        self._folder = os.open(self.worker.folder, os.O_RDONLY | os.O_DIRECTORY)
        self._server = await asyncio.start_unix_server(self._answer, self._path_of(self.worker.number))

    async def close(self) -> None:
        """Answer no more."""
        if self._server is None or self.worker is None:
            return
        self._server.close()
        with suppress(OSError):
            os.unlink(self._path_of(self.worker.number))
        os.close(self._folder)
        self._server = None

    async def ask(self, question: str, timeout_seconds: float) -> Answers:
        """Ask every other worker that serves, all at the same time.

        Args:
            question: The name of the question.
            timeout_seconds: How long to wait for the answers.
        """
        answers = Answers()
        if self.worker is None or self._server is None:
            return answers
        numbers = [one for one in self.worker.board.serving if one != self.worker.number]
        await asyncio.gather(*(self._ask_one(number, question, timeout_seconds, answers) for number in numbers))
        return answers

    def hang_up_starting(self) -> None:
        """Tell the workers that are starting to reload once they serve: they may have read what was there before."""
        if self.worker is not None:
            for number in self.worker.board.starting:
                with suppress(ProcessLookupError):
                    os.kill(self.worker.board.process_of(number), signal.SIGHUP)

    async def _ask_one(self, number: int, question: str, timeout_seconds: float, answers: Answers) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                reader, writer = await asyncio.open_unix_connection(self._path_of(number))
                try:
                    writer.write(question.encode() + b"\n")
                    answers.found[number] = json.loads(await reader.read())
                finally:
                    writer.close()
        except (TimeoutError, ValueError):
            answers.silent.append(number)
        except OSError:
            _LOG.debug("worker %d has just ended", number)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = (await reader.readline()).decode().strip()
            answer = await self._handlers[question]()
            writer.write(json.dumps(answer).encode())
            await writer.drain()
        except OSError:
            pass  # the other worker waits no more
        except Exception:
            _LOG.exception("a question of another worker")
        finally:
            writer.close()

    def _path_of(self, number: int) -> str:
        return f"/proc/self/fd/{self._folder}/{number}.socket"
