"""Scalars for TensorBoard, written without TensorFlow so that every backend logs the same."""

import time
from pathlib import Path
from types import TracebackType

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


class ScalarLog:
    """Appends scalars to an event file; several runs of one folder show as one curve.

    :param folder: None where another process writes them.
    """

    def __init__(self, folder: Path | None) -> None:
        self._writer = None if folder is None else EventFileWriter(str(folder))

    def __enter__(self) -> "ScalarLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, step: int, **scalars: float) -> None:
        if self._writer is None:
            return
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
