"""Fingerprints of the parts of a run's folder, so that parts of different runs are never combined.

A vocabulary, a corpus, a checkpoint and weights have the same shapes in many runs. Combined, they train or export
without an error and translate nonsense. Files that were written before fingerprints existed are not checked.
"""

import hashlib
import json
from pathlib import Path
from typing import Final

from training.config import RunConfig
from training.data.prepare import CONFIGURATION_KEY, TOKENIZER_FILES, prepared_configuration
from training.errors import CheckpointError, ConfigError
from training.files import write_atomically

Fingerprints = dict[str, str]
_NAMES: Final = {"tokenizer": "vocabulary", "corpus": "corpus", "model": "configuration of the model"}


def fingerprints_of(config: RunConfig, run: Path) -> Fingerprints:
    """SHA-256 of a run's vocabulary, training pairs and model configuration."""
    return {
        "tokenizer": _file_digest(run / TOKENIZER_FILES[config.tokenizer.kind]),
        "corpus": _file_digest(run / "train.npz"),
        "model": hashlib.sha256(config.model.model_dump_json().encode()).hexdigest(),
    }


def check_prepared(config: RunConfig, run: Path) -> None:
    """Checks that the run's folder was prepared with this configuration.

    Raises:
        ConfigError: Its corpus, vocabulary or seed changed since.
    """
    try:
        prepared = json.loads((run / "corpus.json").read_text(encoding="utf-8")).get(CONFIGURATION_KEY)
    except OSError:
        return
    if prepared is not None and prepared != prepared_configuration(config):
        raise ConfigError(
            f"{run}: languages, seed, [corpus] or [tokenizer] of the configuration changed since prepare: run it again"
        )


def check_fingerprints(path: Path, found: Fingerprints, wanted: Fingerprints, parts: tuple[str, ...]) -> None:
    """Checks that a file belongs to the run.

    Args:
        path: The file, for the message.
        found: The fingerprints that it holds.
        wanted: Those of the run's folder.
        parts: Which of them must agree.

    Raises:
        CheckpointError: One differs.
    """
    for part in parts:
        if part in found and found[part] != wanted[part]:
            raise CheckpointError(
                f"{path} belongs to another {_NAMES[part]} than {path.parent} has now; prepare the one that it was "
                f"trained with, or start anew in another folder (its weights are carried over with train --weights)"
            )


def save_fingerprints(weights: Path, fingerprints: Fingerprints) -> None:
    """Writes the fingerprints of a file of weights beside it."""
    write_atomically(_beside(weights), json.dumps(fingerprints, indent=1).encode())


def load_fingerprints(weights: Path) -> Fingerprints:
    """The fingerprints of a file of weights; empty if it has none."""
    try:
        found: Fingerprints = json.loads(_beside(weights).read_text(encoding="utf-8"))
    except OSError:
        return {}
    return found


def _beside(weights: Path) -> Path:
    return weights.with_suffix(".json")


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
