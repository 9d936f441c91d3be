"""The documents of DeepL's clients, translated in the background, and ``Files``, all parts that translate files."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from anyio.to_thread import run_sync

from app.access.admission import CharacterQuota
from app.errors import (
    INTERNAL_ERROR_SENTENCE,
    EngineOverloaded,
    PasserelleError,
    QuotaExceeded,
    StorageError,
    sentence_for_caller,
)
from app.files.document_store import HEARTBEAT_SECONDS, DocumentOrder, DocumentRecord, DocumentStore
from app.files.queue import FileJob, FileQueue
from app.files.storage import FileDatabase, ResultStore, delete_abandoned
from app.serving.container import Serving
from app.text.placeholder_finder import Terms

_LOG: Final = logging.getLogger(__name__)
QUOTA_SPENT: Final = "Quota for this billing period has been exceeded."
_EXPIRY_SECONDS: Final = 60.0


class Documents:
    """Translates documents in the background. Used by the event loop's thread alone.

    Where the store is shared with other processes, it also takes over the documents of processes that stopped.
    """

    def __init__(
        self,
        queue: FileQueue,
        results: ResultStore,
        store: DocumentStore,
        quotas: Callable[[], Iterable[CharacterQuota]],
        is_shared: bool,
    ) -> None:
        """Set up the translation of documents.

        Args:
            queue: Translates them.
            results: Keeps the translations.
            store: Keeps the state of each document.
            quotas: Returns all current quotas, for the documents that are taken over.
            is_shared: Whether other processes use the store.
        """
        self._queue = queue
        self._results = results
        self._store = store
        self._quotas = quotas
        self._is_shared = is_shared
        self._jobs: dict[str, FileJob] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def submit(self, job: FileJob) -> tuple[str, str]:
        """Store a document and start its translation.

        Returns:
            Its id and its key. The document is on disk by then.

        Raises:
            EngineOverloaded: The queue or the disk space for results is full.
            StorageError: The document cannot be stored.
        """
        with ExitStack() as stack:
            stack.enter_context(self._queue.slot())
            await run_sync(self._results.check_space, len(job.content))
            document_id, key = await run_sync(self._store.add, _order(job))
            self._start(document_id, job, stack.pop_all())
            return document_id, key

    async def find(self, document_id: str, key: str) -> DocumentRecord | None:
        """Return the state of a document; None if there is none with this id and key."""
        record = await run_sync(self._store.find, document_id, key)
        job = self._jobs.get(document_id)
        if record is None or job is None or record.status in ("done", "error") or job.started_at is None:
            return record
        return dataclasses.replace(record, status="translating", seconds_remaining=job.seconds_remaining)

    async def take(self, record: DocumentRecord, result_key: str) -> bytes | None:
        """Return the translation of a document and delete both; None if it was taken before."""
        content = await run_sync(self._results.take, result_key, record.name)
        await run_sync(self._store.delete, record.document_id)
        return content

    async def cancel(self, record: DocumentRecord) -> None:
        """Delete a document and its translation, and stop the translation.

        Where another process translates it, that process stops with its next heartbeat.
        """
        await run_sync(self._store.delete, record.document_id)
        self._stop(record.document_id)
        if record.result_key is not None:
            await run_sync(self._results.take, record.result_key, record.name)

    def _stop(self, document_id: str) -> None:
        task = self._tasks.get(document_id)
        if task is not None:
            task.cancel()

    async def delete_expired(self) -> None:
        """Delete the records of documents that ended long ago."""
        await run_sync(self._store.delete_expired)

    async def watch(self) -> None:
        """Send heartbeats for the documents of this process and take over those of others, until cancelled."""
        while True:
            try:
                for document_id, job in list(self._jobs.items()):
                    is_started = job.started_at is not None
                    seconds = job.seconds_remaining
                    if not await run_sync(self._store.send_heartbeat, document_id, is_started, seconds):
                        self._stop(document_id)  # it was deleted, or belongs to another process now
                while self._is_shared and await self._take_over():
                    pass
            except Exception:  # such as a disk that is full for a moment
                _LOG.exception("the list of documents cannot be used")
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def close(self) -> None:
        """Cancel the translations and release their documents to other processes."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_over(self) -> bool:
        """Take over one document; return whether there was one and a slot for it."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._queue.slot())
            except EngineOverloaded:
                return False
            found = await run_sync(self._store.take_over, INTERNAL_ERROR_SENTENCE)
            if found is None:
                return False
            document_id, order = found
            _LOG.warning("this process takes over a document whose process stopped")
            self._start(document_id, self._job(order), stack.pop_all())
            return True

    def _start(self, document_id: str, job: FileJob, slot: ExitStack) -> None:
        job.refuses_target = True  # as DeepL does
        self._jobs[document_id] = job
        task = asyncio.create_task(self._translate(document_id, job, slot))
        self._tasks[document_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(document_id, None))

    async def _translate(self, document_id: str, job: FileJob, slot: ExitStack) -> None:
        with slot:
            try:
                error = await self._attempt(document_id, job)
                if error:
                    await run_sync(self._store.record_failure, document_id, error)
            except asyncio.CancelledError:
                await self._release(document_id)
                raise
            except Exception:
                _LOG.exception("the outcome of a document could not be recorded")
            finally:
                self._jobs.pop(document_id, None)
                job.content = b""

    async def _attempt(self, document_id: str, job: FileJob) -> str:
        """Translate a document and store the result.

        Returns:
            The reason why it failed; empty if it is done.
        """
        try:
            content = await self._queue.translate(job)
            result_key = await run_sync(self._results.put, content, job.name)
            if not await run_sync(self._store.record_result, document_id, result_key, job.characters):
                await run_sync(self._results.take, result_key, job.name)  # another process owns the document now
            return ""
        except QuotaExceeded:
            return QUOTA_SPENT
        except PasserelleError as error:
            return sentence_for_caller(error)
        except Exception:
            _LOG.exception("a document could not be translated")
            return INTERNAL_ERROR_SENTENCE

    async def _release(self, document_id: str) -> None:
        """Release a document even though this task is cancelled; without a release its heartbeats end."""
        try:
            await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(self._store.release, document_id)))
        except Exception:
            _LOG.exception("a document could not be released to other processes")

    def _job(self, order: DocumentOrder) -> FileJob:
        quotas = tuple(quota for quota in self._quotas() if quota.name in order.quotas)
        terms = None if order.terms is None else Terms(order.terms)
        return FileJob(order.name, order.content, order.source, order.target, order.timeout_seconds, quotas, terms)


def _order(job: FileJob) -> DocumentOrder:
    quotas = tuple(quota.name for quota in job.quotas if quota.limit)
    terms = None if job.terms is None else job.terms.given
    return DocumentOrder(job.name, job.content, job.source, job.target, job.timeout_seconds, quotas, terms)


@dataclass(frozen=True, slots=True)
class Files:
    """The parts that translate and keep files.

    Attributes:
        queue: Translates files, a few at a time.
        results: The translated files until they are fetched.
        documents: The documents of DeepL's clients.
        database: The file in which both are stored.
        keep_seconds: How long a result is kept.
    """

    queue: FileQueue
    results: ResultStore
    documents: Documents
    database: FileDatabase
    keep_seconds: float

    @classmethod
    def build(cls, serving: Serving) -> "Files":
        """Put the parts together; nothing is read or written yet."""
        settings = serving.settings
        queue = FileQueue(settings, serving.registry, serving.detector, serving.in_flight)
        database = FileDatabase(Path(settings.files_dir) if settings.files_dir else None)
        results = ResultStore(database, settings.max_stored_bytes, settings.file_keep_seconds)
        store = DocumentStore(database, settings.file_keep_seconds)

        def quotas() -> tuple[CharacterQuota, ...]:
            return (serving.deepl_quota, *serving.admission.quotas)

        documents = Documents(queue, results, store, quotas, is_shared=database.shared is not None)
        return cls(queue, results, documents, database, settings.file_keep_seconds)

    async def start(self) -> None:
        """Delete the temporary files of processes that were killed."""
        await run_sync(delete_abandoned)

    async def expire(self) -> None:
        """Delete files and documents that were not fetched in time, until cancelled."""
        while True:
            await asyncio.sleep(min(_EXPIRY_SECONDS, self.keep_seconds))
            for delete in (self.documents.delete_expired, partial(run_sync, self.results.delete_expired)):
                try:
                    await delete()
                except StorageError:  # which the log explains; the next attempt may succeed
                    _LOG.warning("what was not fetched in time could not be deleted")

    async def close(self) -> None:
        """Stop the work on files; other processes take over what is shared."""
        await self.documents.close()
        await self.queue.close()
        await run_sync(self.database.close)
