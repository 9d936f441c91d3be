"""The weights of a student from the tensors of a Marian file, by name.

Every tensor of the file must belong to the student; a file with one that does not is refused.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.convert.marian_config import MarianConfig, read_config
from training.convert.marian_file import Item, MarianModel
from training.convert.student import (
    LARGEST,
    Attention,
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    Float,
    Int8,
    Matrix,
    Norm,
    Recurrence,
    Student,
    Table,
)
from training.errors import ConversionError

_ALPHA: Final = "_QuantMultA"


def read_student(model: MarianModel, needs_alphas: bool = True) -> Student:
    """Returns the weights of a model.

    Args:
        model: As read from a file.
        needs_alphas: Whether a matrix without ``_QuantMultA`` is refused; with False, its ``alpha`` is None.

    Raises:
        ConversionError: The configuration, the names, the shapes or the types are not those of a student.
    """
    return _StudentReader(model.items, read_config(model.config), needs_alphas).read()


class _StudentReader:
    """Takes the items of a model by their names, and refuses a model with items that nothing took."""

    def __init__(self, items: Mapping[str, Item], config: MarianConfig, needs_alphas: bool) -> None:
        self._items = items
        self._config = config
        self._needs_alphas = needs_alphas
        self._taken: set[str] = set()
        self._dim = 0

    def read(self) -> Student:
        is_shared = "Wemb" in self._items
        target = self._table("Wemb" if is_shared else "decoder_Wemb")
        self._dim = target.integers.shape[1]
        source = target if is_shared else self._table("encoder_Wemb")
        if self._dim % 2 or self._dim % self._config.heads:
            raise ConversionError(
                f"dim-emb {self._dim} must be even and divisible by transformer-heads {self._config.heads}"
            )
        encoder = tuple(
            EncoderLayer(self._attention(f"encoder_l{layer}_self"), self._ffn(f"encoder_l{layer}_ffn"))
            for layer in range(1, self._config.encoder_layers + 1)
        )
        decoder = tuple(self._decoder_layer(layer) for layer in range(1, self._config.decoder_layers + 1))
        output = self._output(target, "Wemb" if is_shared else "decoder_Wemb")
        left = sorted(set(self._items) - self._taken)
        if left:
            raise ConversionError(
                f"has {len(left)} tensors that do not belong to {self._config.encoder_layers} encoder and "
                f"{self._config.decoder_layers} decoder layers of a student, among them {', '.join(left[:4])}"
            )
        return Student(self._config.heads, source, target, encoder, decoder, output)

    def _decoder_layer(self, layer: int) -> DecoderLayer:
        name = f"decoder_l{layer}"
        recurrence = Recurrence(
            self._matrix(f"{name}_rnn_W", None, self._dim),
            self._matrix(f"{name}_rnn_Wf", f"{name}_rnn_bf", self._dim),
            self._norm(f"{name}_rnn_ffn_ln"),
        )
        return DecoderLayer(recurrence, self._attention(f"{name}_context"), self._ffn(f"{name}_ffn"))

    def _attention(self, name: str) -> Attention:
        query, key, value, out = (self._matrix(f"{name}_W{one}", f"{name}_b{one}", self._dim) for one in "qkvo")
        return Attention(query, key, value, out, self._norm(f"{name}_Wo_ln"))

    def _ffn(self, name: str) -> FeedForward:
        first = self._matrix(f"{name}_W1", f"{name}_b1", None)
        second = self._matrix(f"{name}_W2", f"{name}_b2", self._dim)
        if first.shape[1] != second.shape[0] or first.shape[0] != self._dim:
            raise ConversionError(f"{name}: its matrices have the shapes {first.shape} and {second.shape}")
        return FeedForward(first, second, self._norm(f"{name}_ffn_ln"))

    def _take(self, name: str) -> Item:
        found = self._items.get(name)
        if found is None:
            raise ConversionError(f"has no tensor {name}, which a student has")
        self._taken.add(name)
        return found

    def _table(self, name: str) -> Table:
        item = self._take(name)
        if item.values.ndim != 2 or min(item.values.shape) < 4:
            raise ConversionError(f"{name}: has the shape {item.values.shape}, [vocabulary, dim] is expected")
        return Table(*_integers(item))

    def _matrix(self, name: str, bias: str | None, outputs: int | None) -> Matrix:
        item = self._take(name)
        shape = item.values.shape
        is_square = outputs == self._dim and not name.endswith("_W2")
        if len(shape) != 2 or outputs not in (None, shape[1]) or (is_square and shape[0] != self._dim):
            raise ConversionError(f"{name}: has the shape {list(shape)}, dim-emb is {self._dim}")
        integers, multiplier = _integers(item)
        offsets = None if bias is None else self._vector(bias, shape[1])
        return Matrix(name, integers, multiplier, self._alpha((name,)), offsets)

    def _output(self, target: Table, name: str) -> Matrix:
        # The names that Marian's versions give to the multiplier of the output layer; engines read the first.
        alpha = self._alpha(("none", name, "Wemb"))
        bias = self._vector("decoder_ff_logit_out_b", len(target.integers))
        return Matrix(name, np.ascontiguousarray(target.integers.T), target.multiplier, alpha, bias)

    def _norm(self, name: str) -> Norm:
        return Norm(self._vector(f"{name}_scale", self._dim), self._vector(f"{name}_bias", self._dim))

    def _vector(self, name: str, size: int) -> Float:
        item = self._take(name)
        if item.values.size != size or item.multiplier is not None:
            raise ConversionError(f"{name}: has the shape {list(item.values.shape)}, {size} floats are expected")
        return item.values.reshape(-1).astype(np.float32)

    def _alpha(self, names: tuple[str, ...]) -> float | None:
        found = [self._items[name + _ALPHA] for name in names if name + _ALPHA in self._items]
        self._taken.update(item.name for item in found)
        if not found:
            if not self._needs_alphas:
                return None
            raise ConversionError(
                f"has no {names[0]}{_ALPHA}, the constant scale of the activations of {names[-1]}. Without it the "
                "scale would depend on the other sentences of a batch. Take the file named *.intgemm.alphas.bin, or "
                "the .npz checkpoint with --calibrate"
            )
        alpha = found[0].scalar()
        if not (math.isfinite(alpha) and alpha > 0):
            raise ConversionError(f"{found[0].name}: is {alpha}, a positive number is expected")
        return float(np.float32(alpha))


def _integers(item: Item) -> tuple[Int8, float]:
    """Returns the int8 weights of an item and their multiplier; float32 weights are quantised."""
    if item.multiplier is not None:
        return item.values, item.multiplier
    values: NDArray[Any] = item.values
    largest = float(np.abs(values).max())
    multiplier = float(np.float32(LARGEST / max(largest, 1e-12)))
    return np.clip(np.rint(values * np.float32(multiplier)), -LARGEST, LARGEST).astype(np.int8), multiplier
