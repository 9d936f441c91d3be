"""What translates files, put together: the queue, the stores, and the documents of DeepL's clients."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anyio.to_thread import run_sync

from app.access.admission import CharacterQuota
from app.files.database import FileStore
from app.files.document_store import Ledger
from app.files.documents import Documents
from app.files.queue import FileDesk
from app.files.result_store import Shelf
from app.serving.container import Serving

_EXPIRY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Files:
    """The parts that translate and keep files.

    Attributes:
        queue: Translates files, a few at a time.
        results: The translated files until they are fetched.
        documents: The documents of DeepL's clients.
        store: The folder of all of them.
        keep_seconds: How long a result is kept.
    """

    queue: FileDesk
    results: Shelf
    documents: Documents
    store: FileStore
    keep_seconds: float

    @classmethod
    def build(cls, serving: Serving) -> "Files":
        """Put the parts together; nothing is read or written yet."""
        settings = serving.settings
        queue = FileDesk(settings, serving.registry, serving.detector, serving.in_flight)
        store = FileStore(Path(settings.files_dir) if settings.files_dir else None)
        results = Shelf(store, settings.max_stored_bytes, settings.file_keep_seconds)
        ledger = Ledger(store, settings.file_keep_seconds)

        def quotas() -> tuple[CharacterQuota, ...]:
            return (serving.deepl_quota, *serving.admission.quotas)

        documents = Documents(queue, results, ledger, quotas, is_shared=store.shared is not None)
        return cls(queue, results, documents, store, settings.file_keep_seconds)

    async def start(self) -> None:
        """Delete what an earlier process left behind."""
        await run_sync(self.store.delete_abandoned)

    async def expire(self) -> None:
        """Delete files and documents that were not fetched in time, again and again."""
        while True:
            await asyncio.sleep(min(_EXPIRY_SECONDS, self.keep_seconds))
            await self.documents.expire()
            await run_sync(self.results.expire)

    async def close(self) -> None:
        """Stop the work on files; another process takes over what is shared."""
        await self.documents.close()
        self.queue.close()
        await run_sync(self.store.close)
