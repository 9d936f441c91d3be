"""The documents of DeepL's clients, from upload until they are fetched: what is known of each, and whose turn it is.

Processes that share the store share the documents: any answers for all, and goes on with what another left behind.
"""

import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from app.files.database import FileStore

Status = Literal["queued", "translating", "done", "error"]
# So long after its last sign of life a process is taken for dead; it gives one each ``SIGN_SECONDS``.
SIGN_SECONDS: Final = 2.0
LOST_SECONDS: Final = 15.0
# A document whose translation kills the process must not kill one after the other.
MAX_ATTEMPTS: Final = 3
_MAX_KNOWN: Final = 1000


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be translated and how. ``quotas`` are names; ``terms`` are a glossary's, with their translations."""

    name: str
    content: bytes
    source: str | None
    target: str
    timeout_seconds: float
    quotas: tuple[str, ...] = ()
    terms: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """``shelf_key`` once it is done, ``error`` once it failed."""

    document_id: str
    name: str
    status: Status
    error: str
    characters: int
    shelf_key: str | None
    seconds_remaining: float | None


class Ledger:
    """May be used from any thread; waits for the disk."""

    def __init__(self, store: FileStore, keep_seconds: float, clock: Callable[[], float] | None = None) -> None:
        """:param keep_seconds: so long after it ended a document is known.
        :param clock: instead of the store's.
        """
        self._store = store
        self._keep_seconds = keep_seconds
        self._clock = clock or store.clock
        self._owner = uuid.uuid4().hex

    def add(self, order: Order) -> tuple[str, str]:
        """A new document, which is this process's to translate.

        :returns: its id and its key.
        :raises StorageError: the disk is full, or others hold the file for too long.
        """
        document_id, key = secrets.token_hex(16).upper(), secrets.token_hex(32).upper()
        terms = None if order.terms is None else json.dumps(dict(order.terms))
        self.expire()
        with self._store.opened() as database:
            database.execute(
                "INSERT INTO document (id, key_hash, name, source, target, timeout_seconds, quotas, terms, content, "
                "status, owner, seen, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, 1)",
                (
                    document_id,
                    _hash(key),
                    order.name,
                    order.source,
                    order.target,
                    order.timeout_seconds,
                    json.dumps(order.quotas),
                    terms,
                    order.content,
                    self._owner,
                    self._clock(),
                ),
            )
        return document_id, key

    def find(self, document_id: str, key: str) -> Entry | None:
        """None where there is none with this key."""
        self.expire()
        found = None
        if self._store.is_there:
            with self._store.opened() as database:
                found = database.execute(
                    "SELECT key_hash, name, status, error, characters, shelf_key, seconds_remaining "
                    "FROM document WHERE id = ?",
                    (document_id,),
                ).fetchone()
        # Compared in the same time whatever they are, so that a key cannot be found letter by letter.
        if not hmac.compare_digest(bytes(found[0]) if found else bytes(32), _hash(key)) or found is None:
            return None
        _, name, status, error, characters, shelf_key, seconds_remaining = found
        return Entry(document_id, name, cast(Status, status), error, characters, shelf_key, seconds_remaining)

    def sign(self, document_id: str, is_begun: bool, seconds_remaining: float | None) -> None:
        """This process is alive and at work on it, or it waits for its turn here."""
        self._change(
            document_id,
            "seen = ?, status = ?, seconds_remaining = ?",
            (self._clock(), "translating" if is_begun else "queued", seconds_remaining),
        )

    def done(self, document_id: str, shelf_key: str, characters: int) -> bool:
        """:returns: False where another process has it by now, which then has its own translation."""
        changed = "status = 'done', shelf_key = ?, characters = ?, content = NULL, terms = NULL, ended = ?"
        return self._change(document_id, changed, (shelf_key, characters, self._clock()))

    def failed(self, document_id: str, error: str) -> None:
        changed = "status = 'error', error = ?, content = NULL, terms = NULL, ended = ?"
        self._change(document_id, changed, (error, self._clock()))

    def release(self, document_id: str) -> None:
        """This process ends; whoever shares the store may go on with it at once."""
        self._change(document_id, "status = 'queued', owner = NULL, attempts = attempts - 1", ())

    def take_over(self, error: str) -> tuple[str, Order] | None:
        """A document that its process left behind, which is now this one's to translate; None where there is none.

        :param error: said of those that were left behind too often.
        """
        if not self._store.is_there:
            return None
        now = self._clock()
        # A sign from the future is one from before the clock was set back.
        left = "ended IS NULL AND (owner IS NULL OR seen NOT BETWEEN ? AND ?)"
        span = (now - LOST_SECONDS, now + LOST_SECONDS)
        with self._store.opened() as database:
            database.execute(
                "UPDATE document SET status = 'error', error = ?, content = NULL, terms = NULL, ended = ? "
                f"WHERE {left} AND attempts >= ?",
                (error, now, *span, MAX_ATTEMPTS),
            )
            found = database.execute(
                "UPDATE document SET owner = ?, seen = ?, status = 'queued', attempts = attempts + 1 WHERE id = "
                f"(SELECT id FROM document WHERE {left} ORDER BY rowid LIMIT 1) "
                "RETURNING id, name, content, source, target, timeout_seconds, quotas, terms",
                (self._owner, now, *span),
            ).fetchone()
        if found is None:
            return None
        document_id, name, content, source, target, timeout_seconds, quotas, terms = found
        known_terms = None if terms is None else json.loads(terms)
        return document_id, Order(
            name, bytes(content), source, target, timeout_seconds, tuple(json.loads(quotas)), known_terms
        )

    def forget(self, document_id: str) -> None:
        with self._store.opened() as database:
            database.execute("DELETE FROM document WHERE id = ?", (document_id,))

    def expire(self) -> None:
        """Forget those that ended long ago, and the oldest if there are too many."""
        if not self._store.is_there:
            return
        with self._store.opened() as database:
            database.execute("DELETE FROM document WHERE ended <= ?", (self._clock() - self._keep_seconds,))
            database.execute(
                "DELETE FROM document WHERE id IN (SELECT id FROM document WHERE ended IS NOT NULL "
                "ORDER BY ended DESC LIMIT -1 OFFSET ?)",
                (_MAX_KNOWN,),
            )

    def _change(self, document_id: str, changed: str, values: tuple[object, ...]) -> bool:
        """Only while it is this process's."""
        with self._store.opened() as database:
            wanted = (*values, document_id, self._owner)
            query = f"UPDATE document SET {changed} WHERE id = ? AND owner = ? AND ended IS NULL"
            return database.execute(query, wanted).rowcount > 0


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
