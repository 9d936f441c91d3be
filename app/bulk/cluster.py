"""Bulk translation on a cluster: Ray Data streams chunks to engines on all its machines and back, in their order.

This machine reads the input and writes the output, so only it needs the files; every machine needs the program and the
models folder, under the same path. The chunks of a machine that died are translated again on another.

Ray is an optional extra, so this file is imported only where a cluster is requested.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from app.bulk.files import Sink, read_texts
from app.bulk.run import Chunk, find_route, split_chunks
from app.errors import BulkError
from app.server.resources import usable_cpus
from app.translation.translator import TranslationOptions

_LOCAL: Final = "local"
_LOCAL_STORE_BYTES: Final = 200 * 2**20
# An engine uses one CPU. It reserves half of one, so that there is room for it elsewhere when machines die: with whole
# ones an engine of a full cluster could not be restarted, and the run would wait for it.
_CPUS_RESERVED: Final = 0.5
# Of each engine: while one chunk's last sentences are decoded the next one's begin; a third is being sent.
_AT_ONCE: Final = 2
_IN_FLIGHT: Final = 3


@dataclass(frozen=True, slots=True)
class ClusterWork:
    """What every engine is to do.

    Attributes:
        models: absolute path of the models folder.
        source: language of the texts.
        target: language of the translations.
        version: of the bundle, the same on each machine.
        options: for every text.
        patterns: of placeholders, in addition to the built-in ones.
    """

    models: Path
    source: str
    target: str
    version: str
    options: TranslationOptions
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """The texts of a file without the first ``skip``, ``chunk_lines`` at a time."""

    path: Path
    column: str
    skip: int
    chunk_lines: int


@contextmanager
def connect(address: str) -> Iterator[int]:
    """Connect to a cluster until the block ends.

    Args:
        address: of a cluster to which this machine belongs, ``auto`` for the one that runs here, or ``local``: a
            cluster of this machine alone, for this run.

    Yields:
        The number of its CPUs.

    Raises:
        BulkError: there is no such cluster.
    """
    if address.startswith("ray://"):
        raise BulkError(
            f"--ray {address}: run this on a machine of the cluster and give 'auto' (Ray Client cannot stream)"
        )
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # there is a progress bar, and Ray writes a log of its own
    local = address == _LOCAL
    try:
        ray.init(
            address=address,
            num_cpus=usable_cpus() if local else None,
            object_store_memory=_LOCAL_STORE_BYTES if local else None,
            include_dashboard=False if local else None,
            logging_level=logging.WARNING,
            log_to_driver=False,
        )
    except Exception as error:  # Ray raises exceptions of many kinds, also ConnectionError
        raise BulkError(f"--ray {address}: {error}") from error
    try:
        yield max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]
    finally:
        ray.shutdown()


def translate_on_cluster(
    work: ClusterWork, source: Input, sink: Sink, engines: int, report: Callable[[int], None] = lambda _: None
) -> None:
    """Translate every text of the input, and write them in order.

    Args:
        work: what the engines do.
        source: the input.
        sink: of the translations.
        engines: their number on all machines together.
        report: is called with each further number of texts on disk.

    Raises:
        BulkError: a machine has no such bundle, the input cannot be read or a step failed; what is written stays.
    """
    stream = _translated(work, source, engines)
    try:
        # The numbers show that no chunk is lost or doubled, whichever machines died.
        for expected, (number, texts) in enumerate(stream):
            if number != expected:
                raise BulkError(f"chunk {number} came in place of chunk {expected}: a fault of the cluster")
            sink.write(texts)
            report(len(texts))
    except ray.exceptions.RayError as error:
        raise BulkError(f"on the cluster: {_reason(error)}") from error


def _translated(work: ClusterWork, source: Input, engines: int) -> Iterator[tuple[int, list[str | None]]]:
    context = DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    # A chunk is one row, and each row a block of its own, however short: else Ray would give many to one engine.
    context.target_max_block_size = 1
    context.target_min_block_size = 1
    with DataContext.current(context):
        this_node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        found: Dataset = ray.data.read_datasource(
            _Chunks(source), override_num_blocks=1, num_cpus=0, scheduling_strategy=this_node
        ).map_batches(
            ChunkTranslator,
            fn_constructor_args=(work,),
            batch_size=1,
            batch_format="pyarrow",
            num_cpus=_CPUS_RESERVED,
            compute=ActorPoolStrategy(
                size=engines,
                max_tasks_in_flight_per_actor=_IN_FLIGHT,
                max_concurrent_calls_per_actor=_AT_ONCE,
                enable_true_multi_threading=True,
            ),
        )
        for batch in found.iter_batches(batch_size=1, batch_format="pyarrow"):
            assert isinstance(batch, pa.Table)
            yield batch.column("number")[0].as_py(), batch.column("texts")[0].as_py()


class _Chunks(Datasource):
    """One task reads the file from its beginning to its end, because a gzip stream cannot be split."""

    def __init__(self, source: Input) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._source = source

    def get_name(self) -> str:
        return "Chunks"

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        source = self._source  # without self: the function is sent to the task
        metadata = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(lambda: _read(source), metadata)]


def _read(source: Input) -> Iterator[pa.Table]:
    texts = read_texts(source.path, source.column, source.skip)
    for number, chunk in enumerate(split_chunks(texts, source.chunk_lines)):
        yield _table(number, chunk)


class ChunkTranslator:
    """An engine on a machine of the cluster; Ray calls it with one chunk at a time."""

    def __init__(self, work: ClusterWork) -> None:
        route = find_route(work.models, work.source, work.target)
        if route.version != work.version:
            folders = " and ".join(str(bundle.folder) for bundle in route.bundles)
            raise BulkError(f"{folders} on {os.uname().nodename} is another model than where the run was started")
        self._options = work.options
        self._stack = ExitStack()  # until the process ends
        self._translator = self._stack.enter_context(route.open("bulk", work.patterns))

    def __call__(self, batch: pa.Table) -> pa.Table:
        number, texts = batch.column("number")[0].as_py(), batch.column("texts")[0].as_py()
        return _table(number, Chunk.submit(self._translator, texts, self._options).wait())


def _table(number: int, texts: Sequence[str | None]) -> pa.Table:
    return pa.table({"number": pa.array([number], pa.int64()), "texts": pa.array([texts], pa.list_(pa.string()))})


def _reason(error: BaseException) -> str:
    """The first cause of an error, in one line."""
    while (cause := getattr(error, "cause", None) or error.__cause__) is not None:
        error = cause
    return f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error).strip() else 'no reason given'}"
