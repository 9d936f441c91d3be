"""Lines of a file, read without holding it, and written so that a kill loses nothing and doubles nothing.

While it grows, a file ``OUT`` is ``OUT.part``; beside it ``OUT.part.json`` says how much of it is whole. The file is
flushed to disk before that is said, so whatever stands behind it is thrown away when the work goes on.
"""

import gzip
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from app.errors import BulkError

_GZIP_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Whole:
    """So many ``lines`` stand in the first ``size`` bytes of the part. ``work``: what is being done, so that nobody
    goes on with something else.
    """

    lines: int
    size: int
    work: str


def read_lines(path: Path, skip: int = 0) -> Iterator[str]:
    """The lines of a plain or gzipped UTF-8 file, without their line feeds.

    :param skip: so many lines are passed over.
    :raises BulkError: it cannot be read, or a line is no UTF-8.
    """
    try:
        with _opened(path) as stream:
            for number, raw in enumerate(stream):
                if number < skip:
                    continue
                try:
                    yield raw.removesuffix(b"\n").decode("utf-8")
                except UnicodeDecodeError as error:
                    raise BulkError(f"{path}, line {number + 1}: not UTF-8 (byte {error.start})") from None
    except (OSError, EOFError) as error:
        raise BulkError(f"{path} cannot be read: {error}") from error


def count_lines(path: Path) -> int:
    """How many ``read_lines`` gives."""
    try:
        with _opened(path) as stream:
            return sum(1 for _ in stream)
    except (OSError, EOFError) as error:
        raise BulkError(f"{path} cannot be read: {error}") from error


class LineSink:
    """Appends lines to the part of an output, gzipped if its name says so; used as a context.

    :param work: see ``Whole``.
    :param anew: what is there of an earlier run is thrown away.
    :raises BulkError: the output is there already, or its part is of other work.
    """

    def __init__(self, path: Path, work: str, anew: bool = False) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._journal = path.with_name(path.name + ".part.json")
        if path.exists():
            raise BulkError(f"{path} is there already")
        if anew:
            self._journal.unlink(missing_ok=True)
        self._whole = self._found(work)
        self._stream: IO[bytes] | None = None

    @property
    def lines(self) -> int:
        """Written, and safe."""
        return self._whole.lines

    def __enter__(self) -> "LineSink":
        try:
            self._stream = self._part.open("r+b" if self._part.exists() else "w+b")
        except OSError as error:
            raise BulkError(f"{self._part} cannot be written: {error}") from error
        self._stream.truncate(self._whole.size)
        self._stream.seek(self._whole.size)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stream is not None
        self._stream.close()

    def write(self, lines: Sequence[str]) -> None:
        """Returns when they are on disk."""
        assert self._stream is not None
        data = "".join(f"{line}\n" for line in lines).encode("utf-8")
        # A gzip member of its own, so that the file can be cut behind it; without a time, it is always the same.
        self._stream.write(gzip.compress(data, _GZIP_LEVEL, mtime=0) if self.path.suffix == ".gz" else data)
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._note(Whole(self._whole.lines + len(lines), self._stream.tell(), self._whole.work))

    def finish(self) -> None:
        """Give the output its name; the work is done."""
        assert self._stream is not None
        if self.path.suffix == ".gz" and not self._whole.size:
            self._stream.write(gzip.compress(b"", mtime=0))
            self._stream.flush()
        os.fsync(self._stream.fileno())
        self._part.replace(self.path)
        self._journal.unlink(missing_ok=True)

    def _found(self, work: str) -> Whole:
        if not self._journal.exists():
            return Whole(0, 0, work)
        try:
            whole = Whole(**json.loads(self._journal.read_text(encoding="utf-8")))
            size = self._part.stat().st_size
        except (OSError, ValueError, TypeError) as error:
            raise BulkError(f"{self._journal} cannot be used ({error}); --anew begins again") from error
        if whole.work != work:
            raise BulkError(
                f"{self._part} was begun with another input, model or options: {whole.work}, now {work}; "
                f"--anew begins again"
            )
        if size < whole.size:
            raise BulkError(f"{self._part} has {size} bytes, {whole.size} were written; --anew begins again")
        return whole

    def _note(self, whole: Whole) -> None:
        """Replaced in one step, so that it is always whole itself."""
        fresh = self._journal.with_name(self._journal.name + ".new")
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump(asdict(whole), stream)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._journal)
        self._whole = whole


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
