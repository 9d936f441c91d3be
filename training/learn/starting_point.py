"""The file ``models/en-fr.training.npz`` beside a bundle ``models/en-fr``, from which training continues.

The service does not read it. It holds the weights in float16, the configuration, and a sample of the everyday text
that the model was trained and measured on, so that a model that is adapted to other text keeps its general quality.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bundle.store import load_bundle
from app.bundle.tokenizers import Tokenizer
from training.config import RunConfig
from training.data.corpus import Pair
from training.data.dataset import Side, TokenPairs
from training.errors import CheckpointError
from training.files import write_atomically
from training.learn.checkpoint import read_weights, save_arrays
from training.learn.transfer import transfer_weights

SUFFIX = ".training.npz"
SAMPLED_PAIRS = 20_000
DEV_PAIRS = 1_000
START_FILE = "start.weights.npz"
_WEIGHT = "weight/"


@dataclass(frozen=True)
class StartingPoint:
    """The content of the file.

    Attributes:
        config: Of the run that trained the bundle.
        weights: By name, in float32.
        sample: Training pairs, as ids of the bundle's tokenizer.
        dev: Dev pairs as text.
    """

    config: RunConfig
    weights: dict[str, NDArray[np.float32]]
    sample: TokenPairs
    dev: list[Pair]


def starting_point_of(bundle: Path) -> Path:
    """Returns the path of the file that belongs to a bundle's folder."""
    return bundle.parent / (bundle.name + SUFFIX)


def save_starting_point(config: RunConfig, weights: Path, train: TokenPairs, dev: list[Pair], path: Path) -> None:
    """Writes the file.

    Args:
        config: Of the run.
        weights: A file that ``save_weights`` wrote.
        train: The pairs that the sample is drawn from: those of the first corpus file for a model between two
            languages, else all.
        dev: Dev pairs as text.
        path: Of the file.
    """
    chosen = np.random.default_rng(config.seed).permutation(len(train))[:SAMPLED_PAIRS]
    sample = train.some(np.sort(chosen))
    arrays: dict[str, Any] = {_WEIGHT + name: array.astype(np.float16) for name, array in read_weights(weights).items()}
    arrays["config"] = _bytes(config.model_dump_json())
    arrays["dev"] = _bytes("\n".join(f"{source}\t{target}" for source, target in dev[:DEV_PAIRS]))
    arrays |= sample.arrays()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def load_starting_point(bundle: Path) -> StartingPoint:
    """Reads the file that belongs to a bundle's folder.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    path = starting_point_of(bundle)
    arrays = read_weights(path)
    try:
        config = RunConfig.model_validate_json(arrays["config"].tobytes())
        lines = arrays["dev"].tobytes().decode("utf-8").split("\n")
        sample = TokenPairs(
            Side(arrays["source_ids"], arrays["source_offsets"]), Side(arrays["target_ids"], arrays["target_offsets"])
        )
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not a file that export --install writes beside a bundle: {error}") from error
    weights = {
        name.removeprefix(_WEIGHT): array.astype(np.float32)
        for name, array in arrays.items()
        if name.startswith(_WEIGHT)
    }
    return StartingPoint(config, weights, sample, [(source, target) for source, target in map(_cells, lines)])


def weights_of(bundle: Path, run: Path, tokenizer: Tokenizer) -> Path:
    """Writes the weights of a bundle as a file in a run's folder, for ``Trainer``.

    Args:
        bundle: Folder of the bundle.
        run: The run's folder.
        tokenizer: Of the run. If it differs from the bundle's, the weights are transferred to its vocabulary.

    Returns:
        Path of the weights.
    """
    path, weights = run / START_FILE, load_starting_point(bundle).weights
    learned = load_bundle(bundle).tokenizer
    same = learned.to_bytes() == tokenizer.to_bytes()
    save_arrays(path, dict(weights) if same else transfer_weights(weights, learned, tokenizer))
    return path


def _cells(line: str) -> tuple[str, str]:
    source, _, target = line.partition("\t")
    return source, target


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode("utf-8"), np.uint8)
