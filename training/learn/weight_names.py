"""Names of weights: the paths that older checkpoints and ``.training.npz`` files use for today's variables.

Encoder and decoder once kept their parts directly in the model; since they own their parts, a variable's path has the
owner's name in it. Files written before are read through this map.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

# Today's path below the model -> the path before.
_RULES: Final = (
    (re.compile(r"^encoder/layer_(\d+)/"), r"encoder_\1/"),
    (re.compile(r"^encoder/positions/"), "entrance/"),
    (re.compile(r"^encoder/norm_(\d+)/"), r"norm_encoder_\1/"),
    (re.compile(r"^decoder/norm_(\d+)/"), r"norm_decoder_\1/"),
    (re.compile(r"^decoder/(lower|upper)(_\d+)?/"), r"decoder_\1\2/"),
    (re.compile(r"^decoder/(attention|readout)/"), r"\1/"),
    (re.compile(r"^bridge/"), "bridge_state_"),
)
_MODEL: Final = "encoder_decoder/"


def previous_path(path: str) -> str:
    """The path that a variable had before encoder and decoder owned their parts; the same path where it did not change.

    Args:
        path: Of a variable of ``EncoderDecoder``, such as ``encoder_decoder/encoder/layer_0/lstm_cell/kernel``.
    """
    if not path.startswith(_MODEL):
        return path
    for pattern, old in _RULES:
        below, count = pattern.subn(old, path.removeprefix(_MODEL))
        if count:
            return _MODEL + below
    return path


def rename_weights(arrays: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Arrays of a file under today's names.

    Args:
        arrays: By name, as the file has them: weights by path, perhaps with a prefix such as ``model/``, and the
            optimizer's variables, in whose names the ``/`` of a path is a ``_``.
        paths: Of the model's trainable variables.

    Returns:
        The same arrays; those under a former name have today's.
    """
    today = dict[str, str]()
    for path in paths:
        old = previous_path(path)
        today[old], today[old.replace("/", "_")] = path, path.replace("/", "_")
    return {_rename(name, today): array for name, array in arrays.items()}


def _rename(name: str, today: Mapping[str, str]) -> str:
    prefix, separator, rest = name.rpartition(_MODEL)
    if separator and separator + rest in today:
        return prefix + today[separator + rest]
    start = name.find("encoder_decoder_")
    if start < 0:
        return name
    # The optimizer's own variables: ``optimizer/adam/<path>_momentum``.
    stem, _, slot = name[start:].rpartition("_")
    return f"{name[:start]}{today[stem]}_{slot}" if stem in today else name
