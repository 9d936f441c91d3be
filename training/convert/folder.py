"""Finds the files of a model in a folder, as Mozilla, translateLocally and HPLT lay them out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from training.convert.marian import MarianFiles
from training.errors import ConversionError

# Of the first pattern with a file, there must be exactly one.
_MODELS: Final = ("*.intgemm.alphas.bin", "*.intgemm8.alphas.bin", "*.alphas.bin", "*.npz")
_VOCABULARIES: Final = ("vocab.*spm",)
_SOURCES: Final = ("srcvocab.*spm", "source.spm")
_TARGETS: Final = ("trgvocab.*spm", "target.spm")


def find_files(folder: Path, calibration: Path | None = None) -> MarianFiles:
    """Returns the files of the one model in a folder.

    Args:
        folder: With a model, and one vocabulary or two.
        calibration: Sentences for a model without constant scales.

    Raises:
        ConversionError: A file is missing, or there are several.
    """
    model = _one(folder, _MODELS)
    if model is None:
        others = sorted(path.name for path in folder.glob("*.bin"))
        raise ConversionError(
            f"{folder}: has no model with constant scales ({', '.join(_MODELS)})"
            + (f"; {', '.join(others)} cannot be converted without them" if others else "")
        )
    shared, source, target = (_one(folder, patterns) for patterns in (_VOCABULARIES, _SOURCES, _TARGETS))
    if source is not None and target is not None:
        return MarianFiles(model, source, target, calibration)
    if shared is None:
        raise ConversionError(f"{folder}: has no vocabulary (vocab.*.spm, or srcvocab.*.spm and trgvocab.*.spm)")
    return MarianFiles(model, shared, shared, calibration)


def _one(folder: Path, patterns: Sequence[str]) -> Path | None:
    for pattern in patterns:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if len(found) > 1:
            raise ConversionError(f"{folder}: has {len(found)} files {pattern}, one is expected; name the files")
        if found:
            return found[0]
    return None
