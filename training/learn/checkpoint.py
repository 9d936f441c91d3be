"""A run on disk: weights, optimizer, random state and position in the data, in one file that is always complete."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training.errors import CheckpointError
from training.files import write_atomically
from training.learn.fingerprints import Fingerprints, check_fingerprints
from training.learn.weight_names import rename_weights
from training.model.layers import to_numpy

# Names in a file of what is not a weight.
_STATE = "place"
_FINGERPRINTS = "fingerprints"


@dataclass
class TrainingState:
    """How far a run is.

    Attributes:
        step: Steps done.
        epoch: Epochs done.
        batch: Batches of this epoch done.
        target_tokens: Target tokens seen, padding left out.
        training_seconds: Time of the training steps.
        processor_seconds: Processor time of the training steps, all threads together.
        loss_sum: Sum of the losses of the ``loss_steps`` since the last evaluation.
        loss_steps: Steps since the last evaluation.
        best_dev_loss: Lowest loss on dev so far, in nats per target token.
        best_step: The step at which it was measured.
        evaluations_without_gain: Evaluations since then.
        finished: Whether the run has reached its end.
        history: One entry per evaluation: step, epoch, loss and dev loss.
    """

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


def save_checkpoint(
    path: Path, model: keras.Model, state: TrainingState, fingerprints: Fingerprints | None = None
) -> None:
    """Writes everything that a run needs to continue exactly as without an interruption."""
    arrays = {name: to_numpy(variable) for name, variable in _variables(model).items()}
    arrays[_STATE] = _to_array(asdict(state))
    arrays[_FINGERPRINTS] = _to_array(fingerprints or {})
    save_arrays(path, arrays)


def load_checkpoint(path: Path, model: keras.Model, fingerprints: Fingerprints | None = None) -> TrainingState:
    """Loads a checkpoint into a built and compiled model.

    Args:
        path: The checkpoint.
        model: Receives weights, optimizer and random state.
        fingerprints: Those of the run's folder, with which those of the checkpoint must agree.

    Raises:
        CheckpointError: The file is damaged, or from another vocabulary, corpus, model or optimizer; the message names
            the first difference.
    """
    arrays = rename_weights(_read_arrays(path), [variable.path for variable in model.trainable_variables])
    state = _parse_state(arrays.pop(_STATE))
    found = json.loads(arrays.pop(_FINGERPRINTS, _to_array({})).tobytes())
    if fingerprints is not None:
        check_fingerprints(path, found, fingerprints, ("tokenizer", "corpus", "model"))
    _assign(path, _variables(model), arrays)
    return state


def read_state(path: Path) -> TrainingState:
    """Reads the state of a run from its checkpoint, without loading the model.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    return _parse_state(_read_arrays(path, only=(_STATE,))[_STATE])


def _to_array(content: object) -> Any:
    return np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)


def _parse_state(array: Any) -> TrainingState:
    return TrainingState(**json.loads(array.tobytes()))


def save_weights(path: Path, model: keras.Model, dtype: str = "float32") -> None:
    """Writes the weights alone, by name; any Keras backend can load them."""
    save_arrays(path, {v.path: to_numpy(v).astype(dtype) for v in model.trainable_variables})


def load_weights(path: Path, model: keras.Model) -> None:
    """Loads saved weights into a built model.

    Raises:
        CheckpointError: The file is damaged or belongs to a model of another shape.
    """
    variables = {variable.path: variable for variable in model.trainable_variables}
    _assign(path, variables, rename_weights(read_weights(path), variables))


def read_weights(path: Path) -> dict[str, Any]:
    """Reads saved weights by name.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    return _read_arrays(path)


def _variables(model: keras.Model) -> dict[str, Any]:
    """Returns weights, seeds of dropout and the optimizer's variables by unique names."""
    variables = {f"model/{variable.path}": variable for variable in model.trainable_variables}
    # By index: the names of seeds count up over all models of a process.
    variables |= {f"seed/{index}": variable for index, variable in enumerate(_seeds(model))}
    variables |= {f"optimizer/{variable.path}": variable for variable in model.optimizer.variables}
    return variables


def _seeds(model: keras.Model) -> list[Any]:
    metrics = {id(variable) for metric in model.metrics for variable in metric.variables}
    return [variable for variable in model.non_trainable_variables if id(variable) not in metrics]


def _assign(path: Path, variables: dict[str, Any], arrays: dict[str, Any]) -> None:
    missing, unknown = sorted(variables.keys() - arrays.keys()), sorted(arrays.keys() - variables.keys())
    if missing or unknown:
        raise CheckpointError(f"{path} belongs to another model: it lacks {missing[:3]} and also has {unknown[:3]}")
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise CheckpointError(f"{path}: {name} is {arrays[name].shape}, this model needs {tuple(variable.shape)}")
        variable.assign(arrays[name].astype(variable.dtype))


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Writes named arrays into one file, as ``read_weights`` reads them."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def _read_arrays(path: Path, only: Sequence[str] | None = None) -> dict[str, Any]:
    try:
        # Opened here because numpy would leave a damaged file open.
        with path.open("rb") as stream, np.load(stream) as archive:
            return {name: archive[name] for name in only or archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: unreadable: {error}") from error
