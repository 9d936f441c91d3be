"""The documents of DeepL's clients: each is translated in the background, and fetched once with its key."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Final, ParamSpec, TypeVar

from anyio.to_thread import run_sync

from app.access.admission import CharacterQuota
from app.errors import (
    INTERNAL_ERROR_SENTENCE,
    EngineOverloaded,
    PasserelleError,
    QuotaExceeded,
    sentence_for_caller,
)
from app.files.document_store import SIGN_SECONDS, Entry, Ledger, Order
from app.files.queue import FileDesk, FileJob
from app.files.result_store import Shelf
from app.text.glossary_terms import Terms

_LOG: Final = logging.getLogger(__name__)
QUOTA_SPENT: Final = "Quota for this billing period has been exceeded."
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


class Documents:
    """Belongs to the event loop's thread. Where the ledger is shared it also goes on with what others left behind."""

    def __init__(
        self,
        desk: FileDesk,
        shelf: Shelf,
        ledger: Ledger,
        quotas: Callable[[], Iterable[CharacterQuota]],
        is_shared: bool,
    ) -> None:
        """:param quotas: every one that there is then, for documents that others left behind."""
        self._desk = desk
        self._shelf = shelf
        self._ledger = ledger
        self._quotas = quotas
        self._is_shared = is_shared
        self._jobs: dict[str, FileJob] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, job: FileJob) -> tuple[str, str]:
        """Take a file to be translated.

        :returns: its id and its key; by then it is on disk.
        :raises EngineOverloaded: no other file is taken now.
        """
        with ExitStack() as stack:
            stack.enter_context(self._desk.place())
            await run_sync(self._shelf.check_room, len(job.content))
            document_id, key = await run_sync(self._ledger.add, _order(job))
            self._start(document_id, job, stack.pop_all())
            return document_id, key

    async def find(self, document_id: str, key: str) -> Entry | None:
        """None where there is none with this key."""
        entry = await run_sync(self._ledger.find, document_id, key)
        job = self._jobs.get(document_id)
        if entry is None or job is None or entry.status in ("done", "error") or job.began is None:
            return entry
        return dataclasses.replace(entry, status="translating", seconds_remaining=job.seconds_remaining)

    async def take(self, entry: Entry, shelf_key: str) -> bytes | None:
        """Its translation, once; the document is not known any more."""
        content = await run_sync(self._shelf.take, shelf_key, entry.name)
        await run_sync(self._ledger.forget, entry.document_id)
        return content

    async def expire(self) -> None:
        """Forget those that ended long ago."""
        await run_sync(self._ledger.expire)

    async def watch(self) -> None:
        """Until it is cancelled: give signs of life, and look for documents that others left behind."""
        while True:
            try:
                for document_id, job in list(self._jobs.items()):
                    began = job.began is not None
                    await run_sync(self._ledger.sign, document_id, began, job.seconds_remaining)
                while self._is_shared and await self._take_over():
                    pass
            except Exception:  # such as a disk that is full for a moment
                _LOG.exception("the list of documents cannot be used")
            await asyncio.sleep(SIGN_SECONDS)

    async def close(self) -> None:
        """Nobody comes any more; what is not done is left to others."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take_over(self) -> bool:
        with ExitStack() as stack:
            try:
                stack.enter_context(self._desk.place())
            except EngineOverloaded:
                return False
            found = await run_sync(self._ledger.take_over, INTERNAL_ERROR_SENTENCE)
            if found is None:
                return False
            document_id, order = found
            _LOG.warning("goes on with a document that another process left behind")
            self._start(document_id, self._job(order), stack.pop_all())
            return True

    def _start(self, document_id: str, job: FileJob, place: ExitStack) -> None:
        self._jobs[document_id] = job
        task = asyncio.create_task(self._translate(document_id, job, place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _translate(self, document_id: str, job: FileJob, place: ExitStack) -> None:
        with place:
            try:
                error = await self._attempt(document_id, job)
                if error:
                    await run_sync(self._ledger.failed, document_id, error)
            except asyncio.CancelledError:
                await _whatever_comes(self._ledger.release, document_id)
                raise
            except Exception:
                _LOG.exception("what became of a document could not be written down")
            finally:
                self._jobs.pop(document_id, None)
                job.content = b""

    async def _attempt(self, document_id: str, job: FileJob) -> str:
        """:returns: why it failed; empty if it is done."""
        try:
            content = await self._desk.translate(job)
            shelf_key = await run_sync(self._shelf.put, content, job.name)
            if not await run_sync(self._ledger.done, document_id, shelf_key, job.characters):
                await run_sync(self._shelf.take, shelf_key, job.name)  # another process was faster
            return ""
        except QuotaExceeded:
            return QUOTA_SPENT
        except PasserelleError as error:
            return sentence_for_caller(error)
        except Exception:
            _LOG.exception("a document could not be translated")
            return INTERNAL_ERROR_SENTENCE

    def _job(self, order: Order) -> FileJob:
        quotas = tuple(quota for quota in self._quotas() if quota.name in order.quotas)
        terms = None if order.terms is None else Terms(order.terms)
        return FileJob(order.name, order.content, order.source, order.target, order.timeout_seconds, quotas, terms)


def _order(job: FileJob) -> Order:
    quotas = tuple(quota.name for quota in job.quotas if quota.limit)
    terms = None if job.terms is None else job.terms.given
    return Order(job.name, job.content, job.source, job.target, job.timeout_seconds, quotas, terms)


async def _whatever_comes(work: Callable[_Given, _Found], *args: _Given.args, **kwargs: _Given.kwargs) -> None:
    """To its end, also where the task is cancelled; a failure is only logged, for others find out by themselves."""
    try:
        await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs)))
    except Exception:
        _LOG.exception("a document could not be left to others")
