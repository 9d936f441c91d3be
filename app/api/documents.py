"""The documents of DeepL's clients: each is translated in the background, and fetched once with its key."""

import asyncio
import logging
import math
import secrets
import time
from dataclasses import dataclass
from typing import Final, Literal

from starlette.concurrency import run_in_threadpool

from app.api.errors import SENTENCE_FOR_500, sentence_of
from app.api.file_desk import FileDesk, FileJob
from app.errors import PasserelleError, QuotaExceeded
from app.files.shelf import Shelf

_LOG: Final = logging.getLogger(__name__)
_MAX_KNOWN: Final = 1000
QUOTA_SPENT: Final = "Quota for this billing period has been exceeded."

Status = Literal["queued", "translating", "done", "error"]


@dataclass(slots=True)
class Entry:
    """``shelf_key`` once it is done, ``error`` once it failed; ``ended`` is a ``time.monotonic`` time."""

    document_id: str
    key: str
    job: FileJob
    task: "asyncio.Task[None] | None" = None
    shelf_key: str | None = None
    error: str = ""
    ended: float | None = None

    @property
    def status(self) -> Status:
        if self.error:
            return "error"
        if self.shelf_key is not None:
            return "done"
        return "queued" if self.job.began is None else "translating"

    @property
    def seconds_remaining(self) -> int | None:
        found = self.job.seconds_remaining
        return None if found is None else math.ceil(found)


class Documents:
    """Belongs to the event loop's thread."""

    def __init__(self, desk: FileDesk, shelf: Shelf, keep_seconds: float) -> None:
        """:param keep_seconds: so long after it ended a document is known."""
        self._desk = desk
        self._shelf = shelf
        self._keep_seconds = keep_seconds
        self._entries: dict[str, Entry] = {}

    def begin(self, job: FileJob) -> Entry:
        """Take a file to be translated.

        :raises EngineOverloaded: no other file is taken now.
        """
        self._desk.check_room()
        self._shelf.check_room(len(job.content))
        self.expire()
        entry = Entry(secrets.token_hex(16).upper(), secrets.token_hex(32).upper(), job)
        self._entries[entry.document_id] = entry
        entry.task = asyncio.create_task(self._translate(entry))
        return entry

    def find(self, document_id: str, key: str) -> Entry | None:
        """None where there is none with this key."""
        self.expire()
        entry = self._entries.get(document_id)
        # Both compared in the same time whatever they are, so that a key cannot be found letter by letter.
        expected = (entry.key if entry is not None else "0" * 64).encode()
        is_right = secrets.compare_digest(expected, key.encode("utf-8", "replace"))
        return entry if entry is not None and is_right else None

    def forget(self, entry: Entry) -> None:
        self._entries.pop(entry.document_id, None)

    def expire(self) -> None:
        """Forget those that ended long ago, and the oldest if there are too many."""
        now = time.monotonic()
        ended = [entry for entry in self._entries.values() if entry.ended is not None]
        for number, entry in enumerate(ended):
            too_many = len(self._entries) - _MAX_KNOWN
            if number < too_many or (entry.ended or now) + self._keep_seconds <= now:
                self.forget(entry)

    async def close(self) -> None:
        """Nobody comes any more."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _translate(self, entry: Entry) -> None:
        try:
            content = await self._desk.translate(entry.job)
            entry.shelf_key = await run_in_threadpool(self._shelf.put, content, entry.job.name)
        except QuotaExceeded:
            entry.error = QUOTA_SPENT
        except PasserelleError as error:
            entry.error = sentence_of(error)
        except Exception:
            _LOG.exception("a document could not be translated")
            entry.error = SENTENCE_FOR_500
        finally:
            entry.job.content = b""  # it is not needed any more
            entry.ended = time.monotonic()
