"""The devices that a run computes on: one, or all devices of one or several processes (Keras's distribution API)."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from app.bundle.tokenizers import PAD_ID
from training.config import TrainingConfig
from training.data.dataset import Batch
from training.errors import ConfigError

# Keras's variable; if it is set, its variables with the addresses and this process's number are set too.
PROCESSES_VARIABLE = "KERAS_DISTRIBUTION_NUM_PROCESSES"


@dataclass(frozen=True)
class Devices:
    """The devices of a run.

    Attributes:
        count: Devices of all processes together; each process has equally many.
        processes: Number of processes.
        process: Number of this process, from 0.
    """

    count: int = 1
    processes: int = 1
    process: int = 0

    @property
    def keep_files(self) -> bool:
        """Whether this process writes the files of the run. Only one does."""
        return self.process == 0

    def describe(self) -> str:
        """Returns a phrase to append to a line about the run; empty for one device."""
        if self.count == 1:
            return ""
        processes = f" of {self.processes} processes" if self.processes > 1 else ""
        return f", on {self.count} devices{processes}"

    def check(self, settings: TrainingConfig) -> None:
        """Checks that the settings can be used with these devices.

        Raises:
            ConfigError: They cannot.
        """
        if self.processes > 1 and settings.budget_seconds is not None:
            raise ConfigError(
                f"training.budget_seconds is {settings.budget_seconds:g}, and {self.processes} processes would each "
                f"reach it at a different step: give max_steps alone"
            )
        if settings.shortlist is not None and settings.shortlist % self.count:
            raise ConfigError(f"training.shortlist is {settings.shortlist}, must divide by the {self.count} devices")

    def pad(self, batch: Batch) -> Batch:
        """Adds rows of padding until each device gets equally many rows. These rows have weight zero in the loss."""
        missing = -len(batch.source_ids) % self.count
        if not missing:
            return batch

        def pad_rows(rows: NDArray[np.int32], value: int) -> NDArray[np.int32]:
            return np.pad(rows, [(0, missing)] + [(0, 0)] * (rows.ndim - 1), constant_values=value)

        return Batch(
            pad_rows(batch.source_ids, PAD_ID),
            pad_rows(batch.source_lengths, 1),  # the encoder reads one token of each
            pad_rows(batch.input_ids, PAD_ID),
            pad_rows(batch.target_ids, PAD_ID),
            batch.target_tokens,
        )

    def select_own(self, inputs: Sequence[Any], targets: Any) -> tuple[tuple[Any, ...], Any]:
        """Selects this process's part of the model's inputs and targets, along the first axis of each array."""

        def part(array: Any) -> Any:
            size = len(array) // self.processes
            return array[self.process * size : (self.process + 1) * size]

        return tuple(part(array) for array in inputs), part(targets)


ONE_DEVICE = Devices()


def leave_out_tensorflow() -> None:
    """Prevents the import of TensorFlow under another Keras backend.

    Keras would import an installed TensorFlow to set its seed, and TensorBoard to open a file. This costs seconds of
    start-up and most of a GPU's memory.
    """
    if keras.backend.backend() != "tensorflow":
        sys.modules.setdefault("tensorflow", None)  # type: ignore[arg-type]  # documented: its import then fails


def all_devices(seed: int) -> Devices:
    """Divides the rows of every batch among all devices that the backend sees, each with a copy of the weights.

    It must be called before anything is computed. If Keras's environment variables name several processes, it waits
    for the others.

    Args:
        seed: Of the run. Without it, several processes would first agree on one.

    Raises:
        ConfigError: The backend is not JAX.
    """
    if keras.backend.backend() != "jax":
        raise ConfigError(f"several devices need KERAS_BACKEND=jax, it is {keras.backend.backend()}")
    keras.utils.set_random_seed(seed)
    if PROCESSES_VARIABLE in os.environ:
        keras.distribution.initialize()
    names = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((len(names),), ["batch"], names)
    shared = keras.distribution.DataParallel(mesh, auto_shard_dataset=False)
    keras.distribution.set_distribution(shared)
    return Devices(len(names), shared.num_processes, shared.data_shard_id)
