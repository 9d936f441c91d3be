"""Translated files until somebody fetches them: on disk, under names that nobody can guess, and not for long."""

import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import EngineOverloaded


@dataclass(frozen=True, slots=True)
class _Kept:
    name: str
    size_bytes: int
    until: float


class Shelf:
    """May be used from any thread. The folder is made when the first file comes, and deleted by ``close``.

    The name that somebody gave to a file is never part of a path.
    """

    def __init__(
        self,
        max_bytes: int,
        keep_seconds: float,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param max_bytes: of all files together.
        :param keep_seconds: after so long a file is deleted.
        :param folder: where the folder is made; None takes the system's folder for temporary files.
        """
        self._max_bytes = max_bytes
        self._keep_seconds = keep_seconds
        self._parent = folder
        self._clock = clock
        self._folder: Path | None = None
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    @property
    def stored_bytes(self) -> int:
        return sum(kept.size_bytes for kept in self._kept.values())

    def check_room(self, size_bytes: int) -> None:
        """:raises EngineOverloaded: there is no room for so many bytes now."""
        with self._lock:
            self._expire()
            self._check_room(size_bytes)

    def put(self, content: bytes, name: str) -> str:
        """Keep a file.

        :returns: its key, which is needed to take it.
        :raises EngineOverloaded: there is no room for it now.
        """
        with self._lock:
            self._expire()
            self._check_room(len(content))
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="passerelle-", dir=self._parent))
            key = str(uuid.uuid4())
            (self._folder / key).write_bytes(content)
            self._kept[key] = _Kept(name, len(content), self._clock() + self._keep_seconds)
            return key

    def name_of(self, key: str) -> str | None:
        """The name that a file was put under; None if it is not here (any more)."""
        with self._lock:
            self._expire()
            kept = self._kept.get(key)
            return None if kept is None else kept.name

    def take(self, key: str) -> bytes | None:
        """A file, once; None if it is not here (any more)."""
        with self._lock:
            self._expire()
            if key not in self._kept or self._folder is None:
                return None
            content = (self._folder / key).read_bytes()
            self._delete(key)
            return content

    def expire(self) -> None:
        """Delete what is too old; the other methods do so too, but perhaps nobody comes."""
        with self._lock:
            self._expire()

    def close(self) -> None:
        """Delete everything."""
        with self._lock:
            self._kept.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _check_room(self, size_bytes: int) -> None:
        if self.stored_bytes + size_bytes > self._max_bytes:
            raise EngineOverloaded(
                f"{self.stored_bytes} bytes of translated files wait to be fetched, and {size_bytes} more exceed "
                f"max_stored_bytes ({self._max_bytes})",
                retry_after_seconds=min(60.0, self._keep_seconds),
            )

    def _expire(self) -> None:
        now = self._clock()
        for key in [key for key, kept in self._kept.items() if kept.until <= now]:
            self._delete(key)

    def _delete(self, key: str) -> None:
        del self._kept[key]
        if self._folder is not None:
            (self._folder / key).unlink(missing_ok=True)
