"""The documents of DeepL's clients from upload until they are fetched: the state of each, and which process owns it.

Processes that share the database share the documents: each answers for all of them, and takes over those whose owner
stopped. An owner proves with heartbeats that it runs.
"""

import hashlib
import hmac
import json
import secrets
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from app.files.storage import FileDatabase

Status = Literal["queued", "translating", "done", "error"]
# An owner sends a heartbeat every ``HEARTBEAT_SECONDS``; without one for ``LOST_SECONDS`` it counts as stopped.
HEARTBEAT_SECONDS: Final = 2.0
LOST_SECONDS: Final = 15.0
# A document whose translation kills its process must not kill the others one after another.
MAX_ATTEMPTS: Final = 3
_MAX_ENDED: Final = 1000


@dataclass(frozen=True, slots=True)
class DocumentOrder:
    """What is to be translated and how.

    Attributes:
        name: The name of the file.
        content: The file.
        source: The source language; None to detect it.
        target: The target language.
        timeout_seconds: The time that the translation may take.
        quotas: The names of the quotas in which the characters are counted.
        terms: The terms of a glossary with their translations.
    """

    name: str
    content: bytes
    source: str | None
    target: str
    timeout_seconds: float
    quotas: tuple[str, ...] = ()
    terms: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """The state of a document.

    Attributes:
        document_id: Its id.
        name: The name of the file.
        status: Its status.
        error: The reason of a failure; otherwise empty.
        characters: The characters that were translated, once it is done.
        result_key: The key of its translation in the ``ResultStore``, once it is done.
        seconds_remaining: An estimate; None where there is none.
    """

    document_id: str
    name: str
    status: Status
    error: str
    characters: int
    result_key: str | None
    seconds_remaining: float | None


class DocumentStore:
    """The documents in the database. Any thread may use it; calls wait for the disk.

    Raises:
        StorageError: From every method, where the disk is full or another process locks the file for too long.
    """

    def __init__(self, database: FileDatabase, keep_seconds: float, clock: Callable[[], float] | None = None) -> None:
        """Make a store with an owner id of its own.

        Args:
            database: Holds the documents.
            keep_seconds: How long the record of a document is kept after it ended.
            clock: Replaces the clock of the database.
        """
        self._database = database
        self._keep_seconds = keep_seconds
        self._clock = clock or database.clock
        self._owner = uuid.uuid4().hex

    def add(self, order: DocumentOrder) -> tuple[str, str]:
        """Store a new document, which this process owns.

        Returns:
            Its id and its key.
        """
        document_id, key = secrets.token_hex(16).upper(), secrets.token_hex(32).upper()
        terms = None if order.terms is None else json.dumps(dict(order.terms))
        self.delete_expired()
        with self._database.transaction() as connection:
            connection.execute(
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

    def find(self, document_id: str, key: str) -> DocumentRecord | None:
        """Return the state of a document; None if there is none with this id and key."""
        self.delete_expired()
        found = None
        if self._database.exists:
            with self._database.transaction() as connection:
                found = connection.execute(
                    "SELECT key_hash, name, status, error, characters, shelf_key, seconds_remaining "
                    "FROM document WHERE id = ?",
                    (document_id,),
                ).fetchone()
        # The comparison takes the same time for every key, so that a key cannot be guessed character by character.
        if not hmac.compare_digest(bytes(found[0]) if found else bytes(32), _hash(key)) or found is None:
            return None
        _, name, status, error, characters, result_key, seconds_remaining = found
        return DocumentRecord(document_id, name, cast(Status, status), error, characters, result_key, seconds_remaining)

    def send_heartbeat(self, document_id: str, is_started: bool, seconds_remaining: float | None) -> bool:
        """Record that this process runs and still owns the document.

        Args:
            document_id: The document.
            is_started: Whether it is being translated; otherwise it waits for its turn.
            seconds_remaining: An estimate, if there is one.

        Returns:
            False if it has ended, was deleted, or belongs to another process.
        """
        return self._update(
            document_id,
            "seen = ?, status = ?, seconds_remaining = ?",
            (self._clock(), "translating" if is_started else "queued", seconds_remaining),
        )

    def record_result(self, document_id: str, result_key: str, characters: int) -> bool:
        """Record that the document is translated.

        Returns:
            False if another process owns the document by now; its translation counts then.
        """
        assignments = "status = 'done', shelf_key = ?, characters = ?, content = NULL, terms = NULL, ended = ?"
        return self._update(document_id, assignments, (result_key, characters, self._clock()))

    def record_failure(self, document_id: str, error: str) -> None:
        """Record that the document cannot be translated, with the sentence that its client reads."""
        assignments = "status = 'error', error = ?, content = NULL, terms = NULL, ended = ?"
        self._update(document_id, assignments, (error, self._clock()))

    def release(self, document_id: str) -> None:
        """Give the document up because this process stops; another process may take it over at once."""
        self._update(document_id, "status = 'queued', owner = NULL, attempts = attempts - 1", ())

    def take_over(self, error: str) -> tuple[str, DocumentOrder] | None:
        """Become the owner of a document whose owner stopped.

        Args:
            error: Recorded as the failure of documents whose owners stopped ``MAX_ATTEMPTS`` times.

        Returns:
            The id and the order of the document; None if there is no such document.
        """
        if not self._database.exists:
            return None
        now = self._clock()
        # A heartbeat in the future was sent before the clock was set back.
        is_lost = "ended IS NULL AND (owner IS NULL OR seen NOT BETWEEN ? AND ?)"
        span = (now - LOST_SECONDS, now + LOST_SECONDS)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE document SET status = 'error', error = ?, content = NULL, terms = NULL, ended = ? "
                f"WHERE {is_lost} AND attempts >= ?",
                (error, now, *span, MAX_ATTEMPTS),
            )
            found = connection.execute(
                "UPDATE document SET owner = ?, seen = ?, status = 'queued', attempts = attempts + 1 WHERE id = "
                f"(SELECT id FROM document WHERE {is_lost} ORDER BY rowid LIMIT 1) "
                "RETURNING id, name, content, source, target, timeout_seconds, quotas, terms",
                (self._owner, now, *span),
            ).fetchone()
        if found is None:
            return None
        document_id, name, content, source, target, timeout_seconds, quotas, terms = found
        pairs = None if terms is None else json.loads(terms)
        return document_id, DocumentOrder(
            name, bytes(content), source, target, timeout_seconds, tuple(json.loads(quotas)), pairs
        )

    def delete(self, document_id: str) -> None:
        """Delete the record of a document."""
        query = "DELETE FROM document WHERE id = ?"
        self._database.free(lambda connection: connection.execute(query, (document_id,)))

    def delete_expired(self) -> None:
        """Delete the records of documents that ended long ago, and the oldest of them if there are too many."""
        if not self._database.exists:
            return
        oldest = self._clock() - self._keep_seconds

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM document WHERE ended <= ?", (oldest,))
            connection.execute(
                "DELETE FROM document WHERE id IN (SELECT id FROM document WHERE ended IS NOT NULL "
                "ORDER BY ended DESC LIMIT -1 OFFSET ?)",
                (_MAX_ENDED,),
            )

        self._database.free(delete)

    def _update(self, document_id: str, assignments: str, values: tuple[object, ...]) -> bool:
        """Change a document if this process still owns it; return whether it does."""
        parameters = (*values, document_id, self._owner)
        query = f"UPDATE document SET {assignments} WHERE id = ? AND owner = ? AND ended IS NULL"
        return self._database.free(lambda connection: connection.execute(query, parameters).rowcount > 0)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
