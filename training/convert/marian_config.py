"""The configuration that Marian stores in a model, and what of it can be converted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from training.errors import ConversionError

MAX_CONFIG_CHARACTERS: Final = 65_536
MAX_CONFIG_NODES: Final = 5_000
MAX_CONFIG_DEPTH: Final = 8

# The loader in C, where PyYAML was built with it; both read plain values only.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# The values of a key that are understood; None among them stands for an absent key. Keys that are not listed have no
# effect on these models (``enc-cell``, ``transformer-aan-depth``, ``ulr`` and so on).
_ACCEPTED: Final[Mapping[str, tuple[object, ...]]] = {
    "type": ("transformer",),
    "transformer-preprocess": ("", None),
    "transformer-postprocess": ("dan",),
    "transformer-postprocess-emb": ("d", "", None),
    "transformer-postprocess-top": ("", None),
    "transformer-ffn-activation": ("relu", None),
    "transformer-ffn-depth": (2, None),
    "transformer-train-position-embeddings": (False, None),
    "transformer-no-projection": (False, None),
    "transformer-no-affine": (False, None),
    "transformer-no-bias": (False, None),
    "transformer-rnn-projection": (False, None),
    "transformer-pool": (False, None),
    "transformer-tied-layers": ([], None),
    "layer-normalization": (False, None),
    "input-types": ([], None),
    "factors-dim-emb": (0, None),
    "lemma-dim-emb": (0, None),
    "lemma-dependency": ("", None),
}


@dataclass(frozen=True)
class MarianConfig:
    """What the shapes of the tensors do not say.

    Attributes:
        heads: Of every attention.
        encoder_layers: As configured.
        decoder_layers: As configured.
    """

    heads: int
    encoder_layers: int
    decoder_layers: int


def read_config(text: str | None) -> MarianConfig:
    """Reads and checks a configuration.

    Raises:
        ConversionError: It is missing, is no plain YAML, or describes a model that cannot be converted.
    """
    if text is None:
        raise ConversionError("the model has no configuration (special:model.yml), so its heads are unknown")
    found = _parse(text)
    if found.get("transformer-decoder-autoreg") != "rnn" or found.get("dec-cell") != "ssru":
        kind = found.get("transformer-decoder-autoreg", "self-attention")
        raise ConversionError(
            f"the decoder is {kind!r} with the cell {found.get('dec-cell')!r}; only students with the recurrent "
            "decoder 'rnn' and the cell 'ssru' can be converted (OPUS-MT models and teachers have self-attention "
            "decoders, whose state grows with each token)"
        )
    for key, accepted in _ACCEPTED.items():
        value = found.get(key)
        # 0 equals False in Python, and a list must not stand for an absent key.
        if not any(type(value) is type(one) and value == one for one in accepted):
            listed = " or ".join("absent" if one is None else repr(one) for one in accepted)
            raise ConversionError(f"{key} is {value!r}, only {listed} can be converted")
    return MarianConfig(
        heads=_count(found, "transformer-heads"),
        encoder_layers=_count(found, "enc-depth"),
        decoder_layers=_count(found, "dec-depth"),
    )


def _parse(text: str) -> dict[str, Any]:
    """Reads YAML without aliases, which make a short text stand for a long one."""
    if len(text) > MAX_CONFIG_CHARACTERS:
        raise ConversionError(f"the configuration has {len(text)} characters, the limit is {MAX_CONFIG_CHARACTERS}")
    try:
        depth = nodes = 0
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            nodes += isinstance(event, yaml.NodeEvent)
            if isinstance(event, yaml.AliasEvent):
                raise ConversionError("the configuration has aliases, which no model needs")
            if depth > MAX_CONFIG_DEPTH or nodes > MAX_CONFIG_NODES:
                raise ConversionError(
                    f"the configuration has more than {MAX_CONFIG_DEPTH} levels or {MAX_CONFIG_NODES} values"
                )
        found = yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConversionError(f"the configuration is no YAML: {str(error)[:300]}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ConversionError("the configuration is no table of keys and values")
    return found


def _count(found: Mapping[str, Any], key: str) -> int:
    value = found.get(key)
    if type(value) is not int or not 1 <= value <= 64:
        raise ConversionError(f"{key} is {value!r}, a number from 1 to 64 is expected")
    return value
