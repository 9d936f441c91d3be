"""Finds the files of a model in a folder, as Mozilla, translateLocally and HPLT lay them out."""

import re
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
_SHORTLISTS: Final = ("lex.*s2t.bin", "lex.*bin", "lex.*gz")
_CONFIGS: Final = ("config*.yml", "config*.yaml")
_NAMED_SHORTLIST: Final = re.compile(r"^shortlist:[ \t]*(\[\s*[^\s\]]|\n[ \t]*-)", re.MULTILINE)
_MOST_CONFIG_CHARACTERS: Final = 100_000


def find_files(folder: Path, calibration: Path | None = None) -> MarianFiles:
    """Returns the files of the one model in a folder.

    A shortlist is used by default if a configuration beside the model names one, as its own engine then does.

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
    shortlist = _one(folder, _SHORTLISTS)
    is_used = shortlist is not None and any(_names_shortlist(path) for one in _CONFIGS for path in folder.glob(one))
    if source is not None and target is not None:
        return MarianFiles(model, source, target, calibration, shortlist, is_used)
    if shared is None:
        raise ConversionError(f"{folder}: has no vocabulary (vocab.*.spm, or srcvocab.*.spm and trgvocab.*.spm)")
    return MarianFiles(model, shared, shared, calibration, shortlist, is_used)


def _names_shortlist(config: Path) -> bool:
    """Whether a configuration of Marian has a shortlist: a list that is not empty."""
    try:
        with config.open(encoding="utf-8", errors="replace") as stream:
            return _NAMED_SHORTLIST.search(stream.read(_MOST_CONFIG_CHARACTERS)) is not None
    except OSError:
        return False


def _one(folder: Path, patterns: Sequence[str]) -> Path | None:
    for pattern in patterns:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if len(found) > 1:
            raise ConversionError(f"{folder}: has {len(found)} files {pattern}, one is expected; name the files")
        if found:
            return found[0]
    return None
