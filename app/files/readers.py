"""Reads and writes files: in processes that can be killed, or on threads of the service.

A parser that holds the interpreter's lock stops all threads, and memory that it takes is the service's. In a process of
its own a bad file, of whatever unknown kind, costs that process, which the next file replaces.
"""

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

import app
from app.errors import FileTooLarge, UnusableFile
from app.files.document import Passage
from app.files.formats.registry import read_document
from app.files.worker import HEAD, pack
from app.settings import Settings

# After a larger file a process ends, because it would keep much of the memory that the file took.
_REUSED_BYTES: Final = 1024 * 1024
_LOG: Final = logging.getLogger(__name__)


class FileReader(Protocol):
    """Reads one file after another; its translation is written before the next one is read."""

    async def read(self, name: str, content: bytes, languages: Sequence[str]) -> tuple[Passage, ...]:
        """Return the passages of a file; arguments and errors as ``registry.read_document``."""
        ...

    async def write(self, translations: Sequence[str], target: str) -> bytes:
        """Return the translated file that was read last."""
        ...


class FileReaders:
    """The readers that are free, and those that are at work. Used by the event loop's thread alone."""

    def __init__(self, settings: Settings, threads: ThreadPoolExecutor) -> None:
        """Set up; nothing is started before the first file.

        Args:
            settings: The limits of a file.
            threads: Where files are read if there are to be no processes.
        """
        self._settings = settings
        self._threads = threads
        self._free: list[_ProcessReader] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[FileReader]:
        """Take a reader for one file. If the block raises within a call of it, its process is killed."""
        if not self._settings.file_processes:
            yield _ThreadReader(self._settings, self._threads)
            return
        reader = self._free.pop() if self._free else _ProcessReader(self._settings)
        try:
            yield reader
        finally:
            if reader.is_usable:
                self._free.append(reader)
            else:
                await reader.kill()

    async def close(self) -> None:
        """Kill the processes that are free; those at work are killed when their block ends."""
        while self._free:
            await self._free.pop().kill()


class _ThreadReader:
    def __init__(self, settings: Settings, threads: ThreadPoolExecutor) -> None:
        self._limit = settings.max_unpacked_bytes
        self._threads = threads
        self._write: Callable[[Iterator[str], str], bytes] | None = None

    async def read(self, name: str, content: bytes, languages: Sequence[str]) -> tuple[Passage, ...]:
        loop = asyncio.get_running_loop()
        document = await loop.run_in_executor(self._threads, read_document, name, content, self._limit, languages)
        self._write = document.write
        return document.passages

    async def write(self, translations: Sequence[str], target: str) -> bytes:
        assert self._write is not None
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._write, iter(translations), target)


class _ProcessReader:
    """A process that reads files.

    Attributes:
        is_usable: Whether it waits for a request.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: Process | None = None
        self._is_large = False
        self.is_usable = False

    async def read(self, name: str, content: bytes, languages: Sequence[str]) -> tuple[Passage, ...]:
        if self._process is None:
            self._process = await _start(self._settings.file_process_mib)
        request = {"do": "read", "name": name, "limit": self._settings.max_unpacked_bytes, "languages": list(languages)}
        fields, _ = await self._ask(pack(request, content))
        self._is_large = len(content) > _REUSED_BYTES
        return tuple(Passage(text, text_format) for text, text_format in fields["passages"])

    async def write(self, translations: Sequence[str], target: str) -> bytes:
        """Return the translated file that was read last."""
        _, content = await self._ask(pack({"do": "write", "translations": list(translations), "target": target}))
        self.is_usable = not self._is_large
        return content

    async def kill(self) -> None:
        """End the process, whatever it does."""
        self.is_usable = False
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _ask(self, request: bytes) -> tuple[dict[str, Any], bytes]:
        self.is_usable = False
        seconds = self._settings.file_reading_seconds
        try:
            async with asyncio.timeout(seconds):
                fields, content = await self._exchange(request)
        except TimeoutError:
            _LOG.error("a file took over %g s to read or write, and its process is killed", seconds)
            raise UnusableFile(f"The file was not read within file_reading_seconds ({seconds:g})") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            _LOG.error("the process that reads a file ended")
            raise UnusableFile("The file cannot be read: the process that read it ended") from None
        if fields.get("error") == "memory":
            mib = self._settings.file_process_mib
            raise UnusableFile(f"The file takes more memory than file_process_mib ({mib})")
        self.is_usable = True
        if fields.get("error") == "unusable":
            raise UnusableFile(*fields["arguments"])
        if fields.get("error") == "too large":
            raise FileTooLarge(*fields["arguments"])
        if "error" in fields:
            raise RuntimeError("a file could not be read; the log of its process says why")
        return fields, content

    async def _exchange(self, request: bytes) -> tuple[dict[str, Any], bytes]:
        assert self._process is not None
        source, target = self._process.stdin, self._process.stdout
        assert source is not None
        assert target is not None
        source.write(request)
        await source.drain()
        sizes = HEAD.unpack(await target.readexactly(HEAD.size))
        fields: dict[str, Any] = json.loads(await target.readexactly(sizes[0]))
        return fields, await target.readexactly(sizes[1])


async def _start(memory_mib: int) -> Process:
    """Start a process. It gets no setting of the service but the path on which Python finds it."""
    path = os.pathsep.join(filter(None, (str(Path(app.__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PASSERELLE_")}
    command = (sys.executable, "-m", "app.files.worker", str(memory_mib))
    return await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=None, env={**kept, "PYTHONPATH": path}, start_new_session=True
    )
