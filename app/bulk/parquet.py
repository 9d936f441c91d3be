"""Parquet files: a column read a piece at a time, and a file written with all the columns that were read.

pyarrow is an optional extra, so ``app.bulk.files`` imports this file only where a file is Parquet.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet as pq

from app.bulk.files import PartFile, read_lines
from app.errors import BulkError

# The most rows of a row group that are unpacked at once, and that a written row group has.
_BATCH_ROWS: Final = 16_384
_LINE_COLUMN: Final = "text"  # of a file of lines


def count_rows(path: Path) -> int:
    """The number of rows."""
    with _open(path) as file:
        return int(file.metadata.num_rows)


def read_column(path: Path, column: str, skip: int = 0) -> Iterator[str | None]:
    """The texts of a column, a null as None.

    Args:
        path: of the file.
        column: its name.
        skip: how many rows to pass over; row groups among them are not read.

    Raises:
        BulkError: the file cannot be read, has no such column, or the column holds no text.
    """
    with _open(path) as file:
        _check(path, file.schema_arrow, column)
        groups = list(range(file.num_row_groups))
        while groups and file.metadata.row_group(groups[0]).num_rows <= skip:
            skip -= file.metadata.row_group(groups.pop(0)).num_rows
        for batch in _batches(path, file, groups, [column]):
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            try:
                yield from batch.column(0).slice(skip).cast(pa.string()).to_pylist()
            except UnicodeDecodeError as error:
                raise BulkError(f"{path}: a text of the column {column!r} is not UTF-8 (byte {error.start})") from None
            skip = 0


class ParquetSink:
    """Writes a Parquet file with the columns of the input and the translations behind them; used as a context.

    A Parquet file is valid only once its end is written, so it cannot be cut and continued. What grows is therefore a
    stream of Arrow batches with the translations alone, which can be cut. At the end it is joined with the columns of
    the input into a file with another name, which gets the output's name in one step. A run that was killed meanwhile
    joins again.

    Args:
        path: of the output.
        work: see ``Checkpoint``.
        source: the input; the column of a file of lines is called ``text``.
        column: name of the translations.
        anew: discard what an earlier run left.

    Raises:
        BulkError: as ``PartFile``, or the input has such a column already.
    """

    def __init__(self, path: Path, work: str, source: Path, column: str, anew: bool = False) -> None:
        self._part = PartFile(path, work, anew)
        self._source = source
        schema = _schema_of(source)
        if column in schema.names:
            raise BulkError(f"{source} has a column {column!r} already; --output-column gives another name")
        self._written = pa.schema([pa.field(column, pa.string())])
        self._schema = schema.append(self._written.field(0))

    @property
    def lines(self) -> int:
        """How many rows are written and on disk."""
        return self._part.checkpoint.lines

    def __enter__(self) -> "ParquetSink":
        self._part.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._part.__exit__()

    def write(self, texts: Sequence[str | None]) -> None:
        """Append texts; returns when they are on disk."""
        batch = pa.record_batch([pa.array(texts, pa.string())], schema=self._written)
        head = b"" if self._part.checkpoint.size else self._written.serialize().to_pybytes()
        self._part.append(head + batch.serialize().to_pybytes(), len(texts))

    def finish(self) -> None:
        """Join, and give the file the output's name: the work is done.

        Raises:
            BulkError: the input has not as many rows as were written, or the file cannot be written.
        """
        joined = self._part.path.with_name(self._part.path.name + ".part.joined")
        try:
            with joined.open("wb") as stream:
                with pq.ParquetWriter(stream, self._schema) as writer:
                    self._join(writer)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise BulkError(f"{joined} cannot be written: {error}") from error
        self._part.become_output(joined)

    def _join(self, writer: Any) -> None:
        translations, rows = self._translations(), 0
        for batch in _all_columns(self._source):
            texts = list(islice(translations, batch.num_rows))
            rows += batch.num_rows
            if len(texts) < batch.num_rows:
                break
            columns = [*batch.columns, pa.array(texts, pa.string())]
            writer.write_batch(pa.record_batch(columns, schema=self._schema))
        if rows != self.lines:
            raise BulkError(f"{self._source} was changed on the way: {self.lines} rows were translated; begin anew")

    def _translations(self) -> Iterator[str | None]:
        if self._part.checkpoint.size:
            with pa.OSFile(str(self._part.file)) as stream:
                for batch in pa.ipc.open_stream(stream):
                    yield from batch.column(0).to_pylist()


def _schema_of(source: Path) -> Any:
    if source.suffix != ".parquet":
        return pa.schema([pa.field(_LINE_COLUMN, pa.string())])
    with _open(source) as file:
        return file.schema_arrow


def _all_columns(source: Path) -> Iterator[Any]:
    """All columns of the input, as Arrow batches."""
    if source.suffix == ".parquet":
        with _open(source) as file:
            yield from _batches(source, file, list(range(file.num_row_groups)), None)
        return
    lines = read_lines(source)
    while texts := list(islice(lines, _BATCH_ROWS)):
        yield pa.record_batch([pa.array(texts, pa.string())], names=[_LINE_COLUMN])


def _open(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise BulkError(f"{path} cannot be read: {error}") from error


def _batches(path: Path, file: Any, groups: list[int], columns: list[str] | None) -> Iterator[Any]:
    try:
        for group in groups:  # one at a time: pyarrow would read several at once
            yield from file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise BulkError(f"{path} cannot be read: {error}") from error


def _check(path: Path, schema: Any, column: str) -> None:
    if schema.names.count(column) != 1:
        raise BulkError(f"{path} has no one column {column!r}; --column names one of {', '.join(schema.names)}")
    kind = schema.field(column).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise BulkError(f"{path}: the column {column!r} is no text but {kind}")
