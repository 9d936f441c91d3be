"""Whole files on their way: two at a time on threads of their own, the others in line, and not more than the limit."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final, ParamSpec, TypeVar

from app.access.admission import CharacterQuota
from app.errors import DeadlineExceeded, EngineOverloaded
from app.files.batches import PassageTranslator
from app.files.document import Document
from app.files.formats.registry import read_document
from app.serving.container import detect_languages
from app.serving.registry import Registry
from app.serving.reload import InFlight
from app.settings import Settings
from app.text.glossary_terms import Terms
from app.text.languages import LanguageDetector

_AT_A_TIME: Final = 2
_DETECTED_CHARACTERS: Final = 5000
_RETRY_SECONDS: Final = 5.0
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


@dataclass(slots=True)
class FileJob:
    """A file to translate. ``source`` None is to be detected. ``quotas``: its characters count in each of them.
    ``terms`` are those of a glossary.

    The rest is filled while it is translated: ``began`` is a ``time.monotonic`` time, ``characters`` are
    those to translate.
    """

    name: str
    content: bytes
    source: str | None
    target: str
    timeout_seconds: float
    quotas: tuple[CharacterQuota, ...] = ()
    terms: Terms | None = None
    began: float | None = None
    characters: int = 0
    progress: PassageTranslator | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds_remaining(self) -> float | None:
        """As fast as until now; None where nothing can be said yet."""
        if self.began is None or self.progress is None or not self.progress.done:
            return None
        left = max(0, self.characters - self.progress.done)
        return (time.monotonic() - self.began) * left / self.progress.done


class FileDesk:
    """Belongs to the event loop's thread."""

    def __init__(self, settings: Settings, registry: Registry, detector: LanguageDetector, in_flight: InFlight) -> None:
        self._settings = settings
        self._in_flight = in_flight
        self._registry = registry
        self._detector = detector
        self._count = 0
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._threads = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="files")

    def close(self) -> None:
        """Those that are still at work stop at their next look around."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one file, until the block ends.

        :raises EngineOverloaded: no other file is taken now.
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
        """The file, which has a place, translated.

        :raises UnusableFile: it is damaged, unsafe, or in an encoding that is not read.
        :raises FileTooLarge: it unpacks to too much.
        :raises QuotaExceeded: so many characters are not left.
        :raises DeadlineExceeded: it took longer than ``timeout_seconds``, from when its turn came.
        :raises EngineError: the engine could not answer.
        """
        try:
            async with self._turns:
                with self._in_flight.track():  # also where no request waits for it
                    return await self._translated(job)
        finally:
            job.cancelled.set()  # nobody waits for its thread any more, if it is still there

    async def _translated(self, job: FileJob) -> bytes:
        job.began = time.monotonic()
        deadline = job.began + job.timeout_seconds
        document = await self._on_a_thread(read_document, job.name, job.content, self._settings.max_unpacked_bytes)
        job.characters = document.characters
        with ExitStack() as counted:
            for quota in job.quotas:
                counted.enter_context(quota.counted(job.characters))
            texts = await self._texts(job, document, deadline)
            return await self._on_a_thread(document.write, iter(texts), job.target)

    async def _texts(self, job: FileJob, document: Document, deadline: float) -> list[str]:
        """The passages, translated; as they are where they are in the target language already."""
        source = job.source
        if source is None and document.passages:
            detections = await detect_languages(self._registry, self._detector, [_sample(document)], job.target)
            source = detections[0].language
        if source is None or source == job.target:
            return [passage.text for passage in document.passages]
        translator = self._registry.find(source, job.target).translator
        job.progress = PassageTranslator(translator, deadline, job.cancelled, terms=job.terms)
        try:
            return await self._on_a_thread(job.progress.translate, document.passages)
        except DeadlineExceeded:
            message = f"The file was not translated within {job.timeout_seconds:g} seconds"
            raise DeadlineExceeded(message) from None

    async def _on_a_thread(self, work: Callable[_Given, _Found], *args: _Given.args, **kwargs: _Given.kwargs) -> _Found:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))


def _sample(document: Document) -> str:
    """Enough of a file to tell its language."""
    words: list[str] = []
    length = 0
    for passage in document.passages:
        words.append(passage.words)
        length += len(words[-1])
        if length >= _DETECTED_CHARACTERS:
            break
    return "\n".join(words)[:_DETECTED_CHARACTERS]
