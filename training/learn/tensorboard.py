"""Scalars for TensorBoard, written without TensorFlow so that every backend logs the same."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


class ScalarLog:
    """Appends scalars to an event file. TensorBoard shows several files of one folder as one curve.

    Args:
        folder: Of the event files; None writes nothing, in a process that does not keep files.
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

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Appends the values of a step by their names."""
        if self._writer is None:
            return
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
