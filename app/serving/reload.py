"""Reloads bundles and keys while the service runs, on a request over HTTP or on SIGHUP."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from app.access.keys import KeyRing
from app.engine.loop import Engine
from app.errors import BundleFileError, ConfigurationError
from app.serving.in_flight import InFlight
from app.serving.registry import Registry
from app.serving.snapshot import FolderReport
from app.settings import Settings
from app.text.detection import LanguageDetector
from app.translation.pending import GRACE_SECONDS

_LOG: Final = logging.getLogger(__name__)
_STOP_SECONDS: Final = 5.0
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What a reload did.

    Attributes:
        folders: what it did with each folder.
        keys: what it did with the API keys.
        keys_problem: why the keys stay as they were.
        problem: why ``MODELS_DIR`` could not be read at all.
    """

    folders: tuple[FolderReport, ...]
    keys: Literal["loaded", "unchanged", "refused"]
    keys_problem: str | None = None
    problem: str | None = None

    @property
    def is_refused(self) -> bool:
        """True if anything was refused."""
        problems = (self.problem, self.keys_problem, *(one.problem for one in self.folders))
        return any(problem is not None for problem in problems)


class Reloader:
    """Reloads one after the other. Only the event loop's thread uses it."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        detector: LanguageDetector,
        in_flight: InFlight,
        keys: KeyRing,
        new_keys: Callable[[KeyRing], None],
    ) -> None:
        """``keys`` are the current ones; ``new_keys`` is called with others."""
        self._settings = settings
        self._registry = registry
        self._detector = detector
        self._in_flight = in_flight
        self._keys = keys
        self._new_keys = new_keys
        self._turns = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._retired: set[Engine] = set()

    async def reload(self) -> ReloadReport:
        """Reload. What cannot be used is refused, and what was served before stays.

        A reload that has started goes on if the caller is cancelled, because it must stop the engines that it replaces.

        Raises:
            EngineStopped: the service is being stopped.
        """
        return await asyncio.shield(self._start(self._reload()))

    async def reload_on(self, requested: asyncio.Event) -> None:
        """Reload each time that the event is set; all requests during a reload are one more reload. Never ends."""
        while True:
            await requested.wait()
            requested.clear()
            try:
                await self.reload()
            except Exception:
                _LOG.exception("reload")

    async def close(self) -> None:
        """Stop the retired engines: no request is left that could use one."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for engine in self._retired:
            await asyncio.to_thread(engine.stop, True, 0.0)

    async def _reload(self) -> ReloadReport:
        async with self._turns:
            keys, keys_problem = await self._read_keys()
            try:
                # The detector loads new languages before the swap, so that it can detect every language that is served.
                found = await asyncio.to_thread(self._registry.reload, self._detector.add)
            except (BundleFileError, OSError) as error:
                problem = f"MODELS_DIR cannot be used: {error}"
                _LOG.error("reload: %s", problem)
                return ReloadReport((), keys, keys_problem, problem)
            if found.retired:
                self._start(self._retire(found.retired))
            if len(self._registry.snapshot.sources) > 1:  # as at the start
                await asyncio.to_thread(self._detector.load)
            return ReloadReport(found.folders, keys, keys_problem)

    async def _read_keys(self) -> tuple[Literal["loaded", "unchanged", "refused"], str | None]:
        try:
            keys = await asyncio.to_thread(read_keys, self._settings)
        except ConfigurationError as error:
            _LOG.error("reload: the API keys stay as they were: %s", error)
            return "refused", str(error)
        if keys.keys == self._keys.keys:
            return "unchanged", None
        self._keys = keys
        self._new_keys(keys)
        _LOG.info("reload: there are %d API keys now", len(keys.keys))
        return "loaded", None

    def _start(self, work: Coroutine[Any, Any, _Result]) -> "asyncio.Task[_Result]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _retire(self, engines: tuple[Engine, ...]) -> None:
        """Stop engines once no request can use them: requests from before the swap may have found them.

        After the longest deadline, none of those requests can be answered any more, however long they stay.
        """
        self._retired.update(engines)
        longest = max(self._settings.request_timeout_seconds, self._settings.file_timeout_seconds)
        await self._in_flight.wait_until_left(longest + GRACE_SECONDS)
        for engine in engines:
            await asyncio.to_thread(engine.stop, True, _STOP_SECONDS)
            self._retired.discard(engine)
            _LOG.info("reload: the engine of %s that was replaced has ended", engine.name)


@contextmanager
def watch_hangups() -> Iterator[asyncio.Event]:
    """An event that SIGHUP sets while the block lasts, where this is the main thread and the system has the signal."""
    requested, loop = asyncio.Event(), asyncio.get_running_loop()
    possible = hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread()
    if possible:
        loop.add_signal_handler(signal.SIGHUP, requested.set)
    try:
        yield requested
    finally:
        if possible:
            loop.remove_signal_handler(signal.SIGHUP)


def read_keys(settings: Settings) -> KeyRing:
    """The API keys of the settings.

    Raises:
        ConfigurationError: they cannot be used.
    """
    return KeyRing.read(Path(settings.api_keys_file) if settings.api_keys_file else None, settings.api_keys)
