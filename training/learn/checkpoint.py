"""A run on disk: weights, optimizer, random state and place in the data, in one file that is always whole."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training.arrays import to_numpy
from training.errors import CheckpointError
from training.files import write_atomically


@dataclass
class Place:
    """Where a run stands. ``batch`` counts the batches of this epoch that are done; ``loss_sum`` is the loss of the
    ``loss_steps`` since the last evaluation; ``processor_seconds`` counts all threads of the training steps."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    target_tokens: int = 0
    training_seconds: float = 0.0
    processor_seconds: float = 0.0
    loss_sum: float = 0.0
    loss_steps: int = 0
    best_dev_loss: float = float("inf")
    best_step: int = 0
    evaluations_without_gain: int = 0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


def save_checkpoint(path: Path, model: keras.Model, place: Place) -> None:
    """Everything a run needs to go on as if it had never stopped."""
    arrays = {name: to_numpy(variable) for name, variable in _variables(model).items()}
    arrays["place"] = np.frombuffer(json.dumps(asdict(place)).encode(), dtype=np.uint8)
    save_arrays(path, arrays)


def load_checkpoint(path: Path, model: keras.Model) -> Place:
    """Put a checkpoint back into a built and compiled model.

    :raises CheckpointError: damaged file, or one from another model or optimizer; names the first difference.
    """
    arrays = _read_arrays(path)
    place = _place(arrays.pop("place"))
    _assign(path, _variables(model), arrays)
    return place


def read_place(path: Path) -> Place:
    """Where the run of a checkpoint stands, without its model.

    :raises CheckpointError: missing or damaged file.
    """
    return _place(_read_arrays(path, only=("place",))["place"])


def _place(array: Any) -> Place:
    return Place(**json.loads(array.tobytes()))


def save_weights(path: Path, model: keras.Model, dtype: str = "float32") -> None:
    """The weights alone, by name: any Keras backend can load them."""
    save_arrays(path, {v.path: to_numpy(v).astype(dtype) for v in model.trainable_variables})


def load_weights(path: Path, model: keras.Model) -> None:
    """Put saved weights into a built model.

    :raises CheckpointError: the file is damaged or belongs to a model of another shape.
    """
    _assign(path, {variable.path: variable for variable in model.trainable_variables}, read_weights(path))


def read_weights(path: Path) -> dict[str, Any]:
    """Saved weights by name.

    :raises CheckpointError: missing or damaged file.
    """
    return _read_arrays(path)


def _variables(model: keras.Model) -> dict[str, Any]:
    """Weights, seeds of dropout and the optimizer's own variables, by unique name."""
    variables = {f"model/{variable.path}": variable for variable in model.trainable_variables}
    # By place: the names of seeds count up over all models of a process.
    variables |= {f"seed/{index}": variable for index, variable in enumerate(_seeds(model))}
    variables |= {f"optimizer/{variable.path}": variable for variable in model.optimizer.variables}
    return variables


def _seeds(model: keras.Model) -> list[Any]:
    metrics = {id(variable) for metric in model.metrics for variable in metric.variables}
    return [variable for variable in model.non_trainable_variables if id(variable) not in metrics]


def _assign(path: Path, variables: dict[str, Any], arrays: dict[str, Any]) -> None:
    missing, unknown = sorted(variables.keys() - arrays.keys()), sorted(arrays.keys() - variables.keys())
    if missing or unknown:
        raise CheckpointError(f"{path} is of another model: lacks {missing[:3]}, has {unknown[:3]} besides")
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise CheckpointError(f"{path}: {name} is {arrays[name].shape}, this model needs {tuple(variable.shape)}")
        variable.assign(arrays[name].astype(variable.dtype))


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Named arrays in one file, as ``read_weights`` reads them."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def _read_arrays(path: Path, only: Sequence[str] | None = None) -> dict[str, Any]:
    try:
        # Opened here, not by numpy: it would leave a damaged file open.
        with path.open("rb") as stream, np.load(stream) as archive:
            return {name: archive[name] for name in only or archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: unreadable: {error}") from error
