"""Files of lines, plain or gzipped: read without holding them, and written line by line."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from app.bulk.part import Part
from app.errors import BulkError

_GZIP_LEVEL: Final = 6


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

    Its parameters and errors are those of ``Part``.
    """

    def __init__(self, path: Path, work: str, anew: bool = False) -> None:
        self._zipped = path.suffix == ".gz"
        self._part = Part(path, work, anew)

    @property
    def lines(self) -> int:
        """Written, and safe."""
        return self._part.whole.lines

    def __enter__(self) -> "LineSink":
        self._part.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._part.__exit__()

    def write(self, texts: Sequence[str | None]) -> None:
        """Returns when they are on disk. One line each, whatever is in it; what is no text at all is an empty line."""
        data = "".join(f"{(text or '').replace(chr(10), ' ')}\n" for text in texts).encode("utf-8")
        self._part.append(self._packed(data), len(texts))

    def finish(self) -> None:
        """Give the output its name; the work is done."""
        self._part.append(b"" if self._part.whole.size else self._packed(b""), 0)
        self._part.become_output()

    def _packed(self, data: bytes) -> bytes:
        # A gzip member of its own, so that the file can be cut behind it; without a time, it is always the same.
        return gzip.compress(data, _GZIP_LEVEL, mtime=0) if self._zipped else data


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
