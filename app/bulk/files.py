"""The files of bulk translation: texts read without holding them, and an output that survives a kill.

A file whose name ends in ``.parquet`` is Parquet, any other is UTF-8 lines, plain or gzipped.
"""

import gzip
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final, Protocol

from app.errors import BulkError

_GZIP_LEVEL: Final = 6


class Sink(Protocol):
    """Writes translations in their order; used as a context."""

    @property
    def lines(self) -> int:
        """How many are written and on disk."""
        ...

    def __enter__(self) -> "Sink": ...

    def __exit__(self, *_: object) -> None: ...

    def write(self, texts: Sequence[str | None]) -> None:
        """Append texts; returns when they are on disk."""
        ...

    def finish(self) -> None:
        """Give the file the output's name: the work is done."""
        ...


def read_texts(path: Path, column: str, skip: int = 0) -> Iterator[str | None]:
    """The texts of a file, line by line or row by row; None where a row has a null.

    Args:
        path: of the file.
        column: of a Parquet file; not used for lines.
        skip: how many texts to pass over.

    Raises:
        BulkError: the file cannot be read.
    """
    if not is_parquet(path):
        return read_lines(path, skip)
    from app.bulk.parquet import read_column

    return read_column(path, column, skip)


def count_texts(path: Path) -> int:
    """How many texts ``read_texts`` gives."""
    if not is_parquet(path):
        return count_lines(path)
    from app.bulk.parquet import count_rows

    return count_rows(path)


def open_sink(path: Path, work: str, anew: bool, source: Path, column: str) -> Sink:
    """A sink for an output file.

    Args:
        path: of the output.
        work: see ``Checkpoint``.
        anew: discard what an earlier run left.
        source: the input, whose other columns go into a Parquet file too.
        column: of the translations in a Parquet file.

    Raises:
        BulkError: see ``PartFile`` and ``ParquetSink``.
    """
    if not is_parquet(path):
        return LineSink(path, work, anew)
    from app.bulk.parquet import ParquetSink

    return ParquetSink(path, work, source, column, anew)


def is_parquet(path: Path) -> bool:
    """Whether the name is that of a Parquet file.

    Raises:
        BulkError: it is, and pyarrow is not installed.
    """
    if path.suffix != ".parquet":
        return False
    if find_spec("pyarrow") is None:
        raise BulkError(f"{path}: Parquet needs pyarrow, which is in the extra 'parquet': pip install '.[parquet]'")
    return True


def read_lines(path: Path, skip: int = 0) -> Iterator[str]:
    """The lines of a plain or gzipped UTF-8 file, without their line feeds.

    Args:
        path: of the file.
        skip: how many lines to pass over.

    Raises:
        BulkError: the file cannot be read, or a line is no UTF-8.
    """
    try:
        with _open_lines(path) as stream:
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
    """How many lines ``read_lines`` gives."""
    try:
        with _open_lines(path) as stream:
            return sum(1 for _ in stream)
    except (OSError, EOFError) as error:
        raise BulkError(f"{path} cannot be read: {error}") from error


def _open_lines(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How much of an output is on disk.

    Attributes:
        lines: complete lines.
        size: bytes of these lines.
        work: describes input, model and options, so that a run with others does not continue the output.
    """

    lines: int
    size: int
    work: str


class PartFile:
    """The file that grows instead of an output, so that a kill loses nothing and doubles nothing.

    While an output ``OUT`` grows, it is ``OUT.part``; beside it ``OUT.part.json`` holds the checkpoint. The file is
    flushed to disk before the checkpoint is written, so whatever lies behind it is discarded when the work continues.

    Args:
        path: of the output.
        work: see ``Checkpoint``.
        anew: discard what an earlier run left.

    Attributes:
        file: the path of the part.
        checkpoint: how much of it is on disk.

    Raises:
        BulkError: the output exists already, or its part belongs to other work.
    """

    def __init__(self, path: Path, work: str, anew: bool = False) -> None:
        self.path = path
        self.file = path.with_name(path.name + ".part")
        self._journal = path.with_name(path.name + ".part.json")
        if path.exists():
            raise BulkError(f"{path} is there already")
        if anew:
            self._journal.unlink(missing_ok=True)
        self.checkpoint = self._load_checkpoint(work)
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> "PartFile":
        try:
            self._stream = self.file.open("r+b" if self.file.exists() else "w+b")
        except OSError as error:
            raise BulkError(f"{self.file} cannot be written: {error}") from error
        self._stream.truncate(self.checkpoint.size)
        self._stream.seek(self.checkpoint.size)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stream is not None
        self._stream.close()

    def append(self, data: bytes, lines: int) -> None:
        """Append data that holds ``lines`` lines; returns when they are on disk."""
        assert self._stream is not None
        self._stream.write(data)
        self._stream.flush()
        os.fsync(self._stream.fileno())
        done = self.checkpoint
        self._save_checkpoint(Checkpoint(done.lines + lines, self._stream.tell(), done.work))

    def become_output(self, joined: Path | None = None) -> None:
        """Give the part, or the file that was ``joined`` from it, the output's name: the work is done."""
        if joined is None:
            self.file.replace(self.path)
        else:
            joined.replace(self.path)
            self.file.unlink()
        self._journal.unlink(missing_ok=True)

    def _load_checkpoint(self, work: str) -> Checkpoint:
        if not self._journal.exists():
            return Checkpoint(0, 0, work)
        try:
            checkpoint = Checkpoint(**json.loads(self._journal.read_text(encoding="utf-8")))
            size = self.file.stat().st_size
        except (OSError, ValueError, TypeError) as error:
            raise BulkError(f"{self._journal} cannot be used ({error}); --anew begins again") from error
        if checkpoint.work != work:
            raise BulkError(
                f"{self.file} was begun with another input, model or options: {checkpoint.work}, now {work}; "
                f"--anew begins again"
            )
        if size < checkpoint.size:
            raise BulkError(f"{self.file} has {size} bytes, {checkpoint.size} were written; --anew begins again")
        return checkpoint

    def _save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the journal in one step, so that it is always complete itself."""
        fresh = self._journal.with_name(self._journal.name + ".new")
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump(asdict(checkpoint), stream)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._journal)
        self.checkpoint = checkpoint


class LineSink:
    """Appends lines to the part of an output, gzipped if its name says so; used as a context.

    Its parameters and errors are those of ``PartFile``.
    """

    def __init__(self, path: Path, work: str, anew: bool = False) -> None:
        self._is_gzipped = path.suffix == ".gz"
        self._part = PartFile(path, work, anew)

    @property
    def lines(self) -> int:
        """How many lines are written and on disk."""
        return self._part.checkpoint.lines

    def __enter__(self) -> "LineSink":
        self._part.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._part.__exit__()

    def write(self, texts: Sequence[str | None]) -> None:
        """Append one line for each text, with its line feeds as spaces, an empty line for None; returns when they are
        on disk."""
        data = "".join(f"{(text or '').replace(chr(10), ' ')}\n" for text in texts).encode("utf-8")
        self._part.append(self._pack(data), len(texts))

    def finish(self) -> None:
        """Give the part the output's name: the work is done."""
        self._part.append(b"" if self._part.checkpoint.size else self._pack(b""), 0)
        self._part.become_output()

    def _pack(self, data: bytes) -> bytes:
        # A gzip member of its own, so that the file can be cut behind it; without a time, so that the bytes are the
        # same for the same data.
        return gzip.compress(data, _GZIP_LEVEL, mtime=0) if self._is_gzipped else data
