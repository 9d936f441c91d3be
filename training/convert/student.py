"""The weights of a student: a Transformer encoder with a decoder of simpler simple recurrent units (SSRU).

Kim et al. 2019, "From Research to Production and Back: Ludicrously Fast Neural Machine Translation", section 3.1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LARGEST: Final = 127

Float = NDArray[np.float32]
Int8 = NDArray[np.int8]


@dataclass(frozen=True)
class Matrix:
    """A product with constant weights: ``y = x W + bias``, in integers.

    Attributes:
        name: Of the weights.
        integers: int8 ``[inputs, outputs]``.
        multiplier: ``integers / multiplier`` are the weights.
        alpha: ``round(x * alpha)``, clipped to ±127, are the integers of the activations; None before calibration.
        bias: float32 ``[outputs]``, or None.
    """

    name: str
    integers: Int8
    multiplier: float
    alpha: float | None
    bias: Float | None

    @property
    def shape(self) -> tuple[int, int]:
        """Inputs and outputs."""
        inputs, outputs = self.integers.shape
        return inputs, outputs


@dataclass(frozen=True)
class Norm:
    """Scale and bias of a layer norm, float32 ``[dim]``."""

    scale: Float
    bias: Float


@dataclass(frozen=True)
class Table:
    """An embedding: int8 ``[vocabulary, dim]``, divided by ``multiplier``."""

    integers: Int8
    multiplier: float


@dataclass(frozen=True)
class Attention:
    """Projections of queries, keys, values and of the result, and the norm behind."""

    query: Matrix
    key: Matrix
    value: Matrix
    out: Matrix
    norm: Norm


@dataclass(frozen=True)
class FeedForward:
    """``W2 relu(W1 x)`` and the norm behind."""

    first: Matrix
    second: Matrix
    norm: Norm


@dataclass(frozen=True)
class Recurrence:
    """An SSRU: the candidate, which has no bias, the forget gate, and the norm behind."""

    candidate: Matrix
    forget: Matrix
    norm: Norm


@dataclass(frozen=True)
class EncoderLayer:
    """One layer of the encoder."""

    attention: Attention
    ffn: FeedForward


@dataclass(frozen=True)
class DecoderLayer:
    """One layer of the decoder."""

    recurrence: Recurrence
    attention: Attention
    ffn: FeedForward


@dataclass(frozen=True)
class Student:
    """All weights.

    Attributes:
        heads: Of every attention.
        source: The embedding of the encoder.
        target: The embedding of the decoder; the same object where both share it.
        output: The product with the transposed target embedding, and its bias.
    """

    heads: int
    source: Table
    target: Table
    encoder: tuple[EncoderLayer, ...]
    decoder: tuple[DecoderLayer, ...]
    output: Matrix

    @property
    def dim(self) -> int:
        """The width of the model."""
        return int(self.source.integers.shape[1])

    @property
    def ffn_dim(self) -> int:
        """The width within the feed-forward blocks."""
        return self.encoder[0].ffn.first.shape[1]

    @property
    def source_size(self) -> int:
        """The number of source tokens."""
        return len(self.source.integers)

    @property
    def target_size(self) -> int:
        """The number of target tokens."""
        return len(self.target.integers)

    @property
    def architecture(self) -> str:
        """Mozilla's name for the shape, or the shape itself."""
        layers = f"{len(self.encoder)}+{len(self.decoder)}"
        shape = f"dim {self.dim}, ffn {self.ffn_dim}, layers {layers}, heads {self.heads}"
        named = {(256, 1536, "6+2"): "tiny", (384, 1536, "6+4"): "base-memory", (512, 2048, "6+2"): "base"}
        name = named.get((self.dim, self.ffn_dim, layers))
        return shape if name is None else f"{name} ({shape})"


def positions(count: int, dim: int) -> Float:
    """Returns the sinusoids ``[count, dim]``: the sines of all frequencies, then the cosines.

    The exponents are ``i / (dim / 2 - 1)``, as in Vaswani's implementation; the paper's formula has ``dim / 2``.
    """
    half = dim // 2
    rates = np.exp(np.arange(half) * -(math.log(10000.0) / max(1, half - 1)))
    angles = np.arange(count)[:, None] * rates
    return np.concatenate((np.sin(angles), np.cos(angles)), axis=1).astype(np.float32)


def with_alphas(student: Student, alphas: Mapping[str, float]) -> Student:
    """Returns a student whose matrices have the given multipliers of their activations, by the matrices' names."""

    def changed(value: Any) -> Any:
        if isinstance(value, Matrix):
            return replace(value, alpha=alphas[value.name])
        if isinstance(value, tuple):
            return tuple(map(changed, value))
        if isinstance(value, Attention | FeedForward | Recurrence | EncoderLayer | DecoderLayer):
            return type(value)(*(changed(getattr(value, name)) for name in value.__dataclass_fields__))
        return value

    parts = {name: changed(getattr(student, name)) for name in ("encoder", "decoder", "output")}
    return replace(student, encoder=parts["encoder"], decoder=parts["decoder"], output=parts["output"])
