"""What a run computes on: one device, or by Keras's distribution API all that the backend sees, of one process or of
several."""

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

# As Keras names it: with it come its addresses and this process's number.
PROCESSES_VARIABLE = "KERAS_DISTRIBUTION_NUM_PROCESSES"


@dataclass(frozen=True)
class Devices:
    """``count``: of all processes together. Each of the ``processes`` has as many; this one has the number
    ``process``."""

    count: int = 1
    processes: int = 1
    process: int = 0

    @property
    def keep_files(self) -> bool:
        """Whether this process writes what the run keeps: one does for all."""
        return self.process == 0

    def described(self) -> str:
        """What goes after a line on the run; nothing for one device."""
        if self.count == 1:
            return ""
        processes = f" of {self.processes} processes" if self.processes > 1 else ""
        return f", on {self.count} devices{processes}"

    def check(self, settings: TrainingConfig) -> None:
        """:raises ConfigError: the settings cannot be shared out."""
        if self.processes > 1 and settings.budget_seconds is not None:
            raise ConfigError(
                f"training.budget_seconds is {settings.budget_seconds:g}, and {self.processes} processes would each "
                f"spend it at another step: give max_steps alone"
            )
        if settings.shortlist is not None and settings.shortlist % self.count:
            raise ConfigError(f"training.shortlist is {settings.shortlist}, must divide by the {self.count} devices")

    def even(self, batch: Batch) -> Batch:
        """The batch with as many rows of padding as the devices need to have equally many; they weigh nothing."""
        missing = -len(batch.source_ids) % self.count
        if not missing:
            return batch

        def padded(rows: NDArray[np.int32], value: int) -> NDArray[np.int32]:
            return np.pad(rows, [(0, missing)] + [(0, 0)] * (rows.ndim - 1), constant_values=value)

        return Batch(
            padded(batch.source_ids, PAD_ID),
            padded(batch.source_lengths, 1),  # the encoder reads one token of each
            padded(batch.input_ids, PAD_ID),
            padded(batch.target_ids, PAD_ID),
            batch.target_tokens,
        )

    def own(self, read: Sequence[Any], written: Any) -> tuple[tuple[Any, ...], Any]:
        """Of what the model reads and is to write, the part for this process's devices: of each array so much of its
        first axis."""

        def part(array: Any) -> Any:
            size = len(array) // self.processes
            return array[self.process * size : (self.process + 1) * size]

        return tuple(part(array) for array in read), part(written)


ONE_DEVICE = Devices()


def leave_out_tensorflow() -> None:
    """Under another backend Keras and TensorBoard still import TensorFlow where it is installed, one to set its seed,
    the other to open a file: seconds of start-up, and most of a GPU's memory. So they find none."""
    if keras.backend.backend() != "tensorflow":
        sys.modules.setdefault("tensorflow", None)  # type: ignore[arg-type]  # documented: its import then fails


def all_devices(seed: int) -> Devices:
    """Share the rows of every batch out over all devices that the backend sees, each with a copy of the weights. Before
    anything is computed: where Keras's environment variables say so, the other processes are waited for.

    :param seed: of the run; several processes would otherwise agree on one first.
    :raises ConfigError: another backend than JAX.
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
