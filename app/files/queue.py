"""The queue of files: two are translated at a time on threads of their own, a limited number waits for its turn."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final, ParamSpec, TypeVar

from app.access.admission import CharacterQuota
from app.errors import DeadlineExceeded, EngineOverloaded, UnsupportedLanguage
from app.files.batches import PassageTranslator
from app.files.document import Passage, begin_of
from app.files.readers import FileReaders
from app.serving.container import detect_languages
from app.serving.in_flight import InFlight
from app.serving.registry import Registry
from app.settings import Settings
from app.text.detection import LanguageDetector
from app.text.placeholder_finder import Terms

_CONCURRENT_FILES: Final = 2
_RETRY_SECONDS: Final = 5.0
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


@dataclass(slots=True)
class FileJob:
    """A file to translate, and how far its translation is.

    Attributes:
        name: The name of the file; its suffix tells the format.
        content: The file.
        source: The source language; None to detect it.
        target: The target language.
        timeout_seconds: The time that the translation may take from its start on.
        quotas: The characters of the file count in each of them.
        terms: The terms of a glossary.
        refuses_target: A file that is in the target language already is an error; otherwise it comes back as it is.
        started_at: The ``time.monotonic`` time at which the translation started; None before.
        characters: The characters to translate; 0 before they are counted.
        progress: Counts the translated characters; None before the first passage.
        cancelled: Set when the result is not wanted any more.
    """

    name: str
    content: bytes
    source: str | None
    target: str
    timeout_seconds: float
    quotas: tuple[CharacterQuota, ...] = ()
    terms: Terms | None = None
    refuses_target: bool = False
    started_at: float | None = None
    characters: int = 0
    progress: PassageTranslator | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds_remaining(self) -> float | None:
        """An estimate from the speed so far; None before the first batch is translated."""
        if self.started_at is None or self.progress is None or not self.progress.translated_characters:
            return None
        translated = self.progress.translated_characters
        left = max(0, self.characters - translated)
        return (time.monotonic() - self.started_at) * left / translated


class FileQueue:
    """Translates files in the order in which they come. Used by the event loop's thread alone."""

    def __init__(self, settings: Settings, registry: Registry, detector: LanguageDetector, in_flight: InFlight) -> None:
        """Set up an empty queue.

        Args:
            settings: ``max_files`` and ``max_unpacked_bytes``.
            registry: Finds the translator of two languages.
            detector: Detects the language of a file.
            in_flight: Tracks work that uses an engine, so that a replaced engine is stopped only afterwards.
        """
        self._settings = settings
        self._in_flight = in_flight
        self._registry = registry
        self._detector = detector
        self._count = 0
        self._turns = asyncio.Semaphore(_CONCURRENT_FILES)
        self._threads = ThreadPoolExecutor(_CONCURRENT_FILES, thread_name_prefix="files")
        self._readers = FileReaders(settings, self._threads)

    async def close(self) -> None:
        """Stop the threads and processes. A thread that still translates stops when it notices that its job was
        cancelled.
        """
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._readers.close()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Reserve a slot in the queue for one file until the block ends.

        Raises:
            EngineOverloaded: ``max_files`` files are translated or wait.
        """
        if self._count >= self._settings.max_files:
            raise EngineOverloaded(
                f"{self._count} files are translated or wait, max_files is {self._settings.max_files}", _RETRY_SECONDS
            )
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    async def translate(self, job: FileJob) -> bytes:
        """Translate a file that has a slot, and return the new file.

        Raises:
            UnusableFile: The file is damaged, unsafe, or in an encoding that is not read.
            FileTooLarge: An archive decompresses to more than ``max_unpacked_bytes``.
            QuotaExceeded: A quota has fewer characters left.
            DeadlineExceeded: The translation took longer than ``timeout_seconds``.
            EngineError: The engine could not answer.
        """
        try:
            async with self._turns:
                with self._in_flight.track():  # the file of a document has no request that is tracked
                    return await self._run(job)
        finally:
            job.cancelled.set()  # after a cancellation the thread may still be running

    async def _run(self, job: FileJob) -> bytes:
        job.started_at = time.monotonic()
        deadline = job.started_at + job.timeout_seconds
        languages = [job.source] if job.source is not None else list(self._registry.snapshot.sources)
        async with self._readers.acquire() as reader:
            passages = await reader.read(job.name, job.content, languages)
            job.characters = sum(len(passage.words) for passage in passages)
            with ExitStack() as counted:
                for quota in job.quotas:
                    counted.enter_context(quota.reserve(job.characters))
                translations = await self._translate_passages(job, passages, deadline)
                return await reader.write(translations, job.target)

    async def _translate_passages(self, job: FileJob, passages: Sequence[Passage], deadline: float) -> list[str]:
        """Translate the passages; text that is already in the target language is returned unchanged."""
        source = job.source
        if source is None and passages:
            detections = await detect_languages(self._registry, self._detector, [begin_of(passages)], job.target)
            source = detections[0].language
        if source == job.target and job.refuses_target:
            raise UnsupportedLanguage("Source and target language are equal.")
        if source is None or source == job.target:
            return [passage.text for passage in passages]
        (served,) = await self._registry.acquire([(source, job.target)], deadline)
        job.progress = PassageTranslator(served.translator, deadline, job.cancelled, terms=job.terms)
        try:
            return await self._on_a_thread(job.progress.translate, passages)
        except DeadlineExceeded:
            message = f"The file was not translated within {job.timeout_seconds:g} seconds"
            raise DeadlineExceeded(message) from None

    async def _on_a_thread(
        self, work: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> _Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
