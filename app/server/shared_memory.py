"""Memory that the workers of one service share. The supervisor makes it before it forks them, so they inherit it."""

import hashlib
import mmap
import os
import struct
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from app.errors import StorageError

# The holder of the lock needs it for microseconds. One that is stopped meanwhile must not stop the others.
_LOCK_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 0.0001
_NUMBER: Final = struct.Struct("=16sd")  # the hash of a name, and its number
_EMPTY: Final = bytes(16)
_ENTRY: Final = struct.Struct("=4I")  # of a worker: process id, stage, requests that run, connections
_STARTING, _SERVING, _LEFT = range(3)


class SharedNumbers:
    """A number for each of many names, in a table of fixed size.

    A name is stored as its hash, in one of the ``reach`` slots that begin at a place derived from the hash. Reading or
    writing takes microseconds, so the event loop's thread may do it. Several processes may use the table, of each only
    one thread.
    """

    def __init__(self, slots: int, reach: int, evicts: bool) -> None:
        """Make an empty table.

        Args:
            slots: The numbers that it holds at most. Only the memory of used slots is taken.
            reach: The slots in which one name may be.
            evicts: Whether a new name takes the slot of the smallest number in reach where none is free.
        """
        self._slots = slots
        self._reach = min(reach, slots)
        self._evicts = evicts
        self._memory = mmap.mmap(-1, slots * _NUMBER.size)
        self._lock_file, path = tempfile.mkstemp(prefix="passerelle-lock-")
        os.unlink(path)  # forked processes inherit the open file
        weakref.finalize(self, os.close, self._lock_file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude other processes, so that a number read in the block is still right when it is written there.

        The system releases the lock of a process that ends. If another process holds it for too long, because it is
        stopped, the block runs without it: then a count may be lost, but no request waits.
        """
        is_locked = self._try_lock()
        try:
            yield
        finally:
            if is_locked:
                self._unlock()

    def get(self, name: str) -> float | None:
        """Return the number of a name; None if it has none."""
        digest = _digest(name)
        for offset in self._offsets(digest):
            found, number = _NUMBER.unpack_from(self._memory, offset)
            if found == digest:
                return float(number)
            if found == _EMPTY:
                return None
        return None

    def set(self, name: str, number: float) -> None:
        """Store the number of a name. Call this within ``locked``.

        Raises:
            StorageError: All slots in reach hold other names, and the table does not evict.
        """
        digest = _digest(name)
        smallest: tuple[float, int] | None = None
        for offset in self._offsets(digest):
            found, other = _NUMBER.unpack_from(self._memory, offset)
            if found in (digest, _EMPTY):
                _NUMBER.pack_into(self._memory, offset, digest, number)
                return
            smallest = min(smallest or (other, offset), (other, offset))
        if smallest is None or not self._evicts:
            raise StorageError(f"The workers share {self._slots} numbers at most, and one more is needed")
        _NUMBER.pack_into(self._memory, smallest[1], digest, number)

    def _offsets(self, digest: bytes) -> Iterator[int]:
        first = int.from_bytes(digest[:8], "little")
        return ((first + step) % self._slots * _NUMBER.size for step in range(self._reach))

    def _try_lock(self) -> bool:
        if sys.platform == "win32":
            return False  # nothing is shared there
        import fcntl

        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.lockf(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > end:
                    return False
                time.sleep(_RETRY_SECONDS)
            else:
                return True

    def _unlock(self) -> None:
        if sys.platform != "win32":
            import fcntl

            with suppress(OSError):
                fcntl.lockf(self._lock_file, fcntl.LOCK_UN)


@dataclass(frozen=True, slots=True)
class SharedCounts:
    """The memory in which the workers of a service count together.

    Attributes:
        rates: One number for each caller.
        quotas: The characters of each quota.
    """

    rates: SharedNumbers
    quotas: SharedNumbers

    @classmethod
    def make(cls) -> "SharedCounts":
        """Make the memory, before any worker is forked."""
        # With 16 slots in reach of a caller, nearly all slots fill before a caller is dropped, the oldest of 16.
        return cls(SharedNumbers(2**17, 16, evicts=True), SharedNumbers(2**16, 2**16, evicts=False))


class WorkerBoard:
    """What the workers of one service tell each other, and their supervisor: one entry each, numbered from 1.

    A worker writes its own entry, and the supervisor clears those of dead workers. Any process may read all.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._memory = mmap.mmap(-1, count * _ENTRY.size)

    def begin(self, number: int) -> None:
        """This process is the worker with this number; it does not serve yet."""
        self._write(number, os.getpid(), _STARTING)

    def publish(self, number: int, running: int = 0, connections: int = 0) -> None:
        """This worker accepts connections, and has so many requests and connections."""
        self._write(number, os.getpid(), _SERVING, running, connections)

    def leave(self, number: int) -> None:
        """This worker accepts no more connections."""
        self._write(number, os.getpid(), _LEFT)

    def clear(self, number: int) -> None:
        """The worker with this number has ended."""
        self._write(number, 0, _STARTING)

    def process_of(self, number: int) -> int:
        """Return the process id of a worker; 0 if there is none."""
        return self._read(number)[0]

    def has_served(self, number: int) -> bool:
        """Return whether a worker accepts connections, or did so before it left."""
        return self._read(number)[1] != _STARTING

    @property
    def serving(self) -> list[int]:
        """The numbers of the workers that accept connections."""
        return [number for number in range(1, self.count + 1) if self._read(number)[1] == _SERVING]

    @property
    def starting(self) -> list[int]:
        """The numbers of the workers that do not accept connections yet."""
        entries = [(number, self._read(number)) for number in range(1, self.count + 1)]
        return [number for number, entry in entries if entry[0] and entry[1] == _STARTING]

    def has_least_load(self, number: int) -> bool:
        """Return whether no serving worker has fewer requests, or as many and fewer connections, than this one."""
        loads = {other: self._read(other)[2:] for other in self.serving}
        return number not in loads or loads[number] <= min(loads.values())

    def _read(self, number: int) -> tuple[int, ...]:
        return _ENTRY.unpack_from(self._memory, (number - 1) * _ENTRY.size)

    def _write(self, number: int, process_id: int, stage: int, running: int = 0, connections: int = 0) -> None:
        _ENTRY.pack_into(self._memory, (number - 1) * _ENTRY.size, process_id, stage, running, connections)


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
