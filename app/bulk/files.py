"""Which kind a file is, by its name: Parquet, else lines; and the texts in it."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from app.bulk.lines import LineSink, count_lines, read_lines
from app.errors import BulkError


class Sink(Protocol):
    """Where translations go, in their order."""

    @property
    def lines(self) -> int: ...

    def __enter__(self) -> "Sink": ...

    def __exit__(self, *_: object) -> None: ...

    def write(self, texts: Sequence[str | None]) -> None: ...

    def finish(self) -> None: ...


def read_texts(path: Path, column: str, skip: int = 0) -> Iterator[str | None]:
    """Line by line or row by row, None where a row has a null.

    :param column: of a Parquet file; lines have none.
    :param skip: so many are passed over.
    :raises BulkError: it cannot be read.
    """
    if not is_parquet(path):
        return read_lines(path, skip)
    from app.bulk.parquet import read_column

    return read_column(path, column, skip)


def count_texts(path: Path) -> int:
    """How many ``read_texts`` gives."""
    if not is_parquet(path):
        return count_lines(path)
    from app.bulk.parquet import count_rows

    return count_rows(path)


def open_sink(path: Path, work: str, anew: bool, source: Path, column: str) -> Sink:
    """:param source: the input, whose other columns go into a Parquet file too.
    :param column: of the translations, there.
    :raises BulkError: see ``Part`` and ``ParquetSink``.
    """
    if not is_parquet(path):
        return LineSink(path, work, anew)
    from app.bulk.parquet import ParquetSink

    return ParquetSink(path, work, source, column, anew)


def is_parquet(path: Path) -> bool:
    """:raises BulkError: it is, and nothing is installed that reads it."""
    if path.suffix != ".parquet":
        return False
    if find_spec("pyarrow") is None:
        raise BulkError(f"{path}: Parquet needs pyarrow, which is in the extra 'parquet': pip install '.[parquet]'")
    return True
