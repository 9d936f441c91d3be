"""A student as two ONNX graphs, built node by node.

Activations are quantised with constant scales, so a row never depends on the other rows. ``Clip`` comes before
``QuantizeLinear``, because an unsigned integer with the zero point 128 would reach -128, which the original engines
exclude; the scales are meant to clip, so this happens often. Products with the same input are one product with a scale
for each column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from app.bundle.signature import NEXT_PREFIX, OUTPUT_TABLE
from training.convert.graph_builder import Axes, GraphBuilder
from training.convert.output_layer import candidate_axes, choose
from training.convert.reference import EPSILON, MASKED, MAX_POSITIONS
from training.convert.student import LARGEST, Attention, FeedForward, Matrix, Norm, Student, Table, positions

_ZERO_POINT: Final = 128


@dataclass(frozen=True)
class _Layers:
    """The blocks that encoder and decoder share."""

    build: GraphBuilder
    student: Student

    def quantise(self, hidden: str, alpha: float, is_positive: bool = False) -> str:
        """Quantises activations; ``is_positive`` makes the clip a relu as well."""
        build, limit = self.build, LARGEST / alpha
        low = build.number(0.0 if is_positive else -limit)
        clipped = build.node("Clip", hidden, low, build.number(limit))
        return build.node("QuantizeLinear", clipped, build.number(1.0 / alpha), self._zero())

    def product(self, integers: str, *matrices: Matrix) -> str:
        """Multiplies quantised activations by matrices side by side, adds the biases and restores floats."""
        build, name = self.build, "_".join((matrices[0].name, *(one.name.rsplit("_", 1)[-1] for one in matrices[1:])))
        alpha = matrices[0].alpha
        assert alpha is not None
        weights = build.constant(f"{name}_int8", np.concatenate([one.integers for one in matrices], axis=1))
        scales = np.concatenate([np.full(one.shape[1], 1.0 / one.multiplier, np.float32) for one in matrices])
        inputs = [integers, weights, build.number(1.0 / alpha), build.constant(f"{name}_scale", scales), self._zero()]
        if any(one.bias is not None for one in matrices):
            parts = [np.zeros(one.shape[1], np.float32) if one.bias is None else one.bias for one in matrices]
            inputs += ["", build.constant(f"{name}_bias", np.concatenate(parts))]
        return build.node("MatMulIntegerToFloat", *inputs)

    def products(self, hidden: str, *matrices: Matrix) -> list[str]:
        """The products of one input with several matrices of equal width.

        They are one product if their activations have one scale, as calibration on the same tensor gives.
        """
        if len({one.alpha for one in matrices}) > 1:
            return [self.product(self.quantise(hidden, one.alpha or 0.0), one) for one in matrices]
        joined = self.product(self.quantise(hidden, matrices[0].alpha or 0.0), *matrices)
        if len(matrices) == 1:
            return [joined]
        outputs: list[str | None] = [None] * len(matrices)
        return self.build.nodes("Split", [joined], outputs, axis=-1, num_outputs=len(matrices))

    def norm(self, norm: Norm, name: str, hidden: str, added: str) -> str:
        """The layer norm of a sum."""
        build = self.build
        weights = (build.constant(f"{name}_scale", norm.scale), build.constant(f"{name}_bias", norm.bias))
        return build.node("SkipLayerNormalization", hidden, added, *weights, epsilon=EPSILON)

    def feed_forward(self, layer: FeedForward, hidden: str) -> str:
        """``W2 relu(W1 x)`` and its norm."""
        (inner,) = self.products(hidden, layer.first)
        integers = self.quantise(inner, layer.second.alpha or 0.0, is_positive=True)
        return self.norm(layer.norm, f"{layer.second.name}_ln", hidden, self.product(integers, layer.second))

    def embed(self, table: Table, name: str, ids: str) -> str:
        """Reads rows of a table and scales them by the root of the width."""
        build = self.build
        rows = build.node("Gather", name, ids, axis=0)
        scale = np.sqrt(np.float32(self.student.dim)) / np.float32(table.multiplier)
        return build.node("Mul", build.node("Cast", rows, to=TensorProto.FLOAT), build.number(float(scale)))

    def _zero(self) -> str:
        return self.build.constant("zero_point", np.array(_ZERO_POINT, np.uint8))

    def attended(self, queries: str, keys: str, values: str, mask: str) -> tuple[str, str]:
        """Attention of ``[rows, heads, queries, size]``; keys are ``[rows, heads, size, source]``.

        Returns:
            The attended values, and the weights.
        """
        build, size = self.build, self.student.dim // self.student.heads
        scores = build.node("FusedMatMul", queries, keys, alpha=float(np.float32(1.0 / np.sqrt(size))))
        weights = build.node("Softmax", build.node("Add", scores, mask), axis=-1)
        return build.node("MatMul", weights, values), weights


def memory_axes(student: Student) -> dict[str, Axes]:
    """Returns the memories by name: what every step attends to, projected once, and which tokens are real."""
    size = student.dim // student.heads
    axes: dict[str, Axes] = {}
    for layer in range(len(student.decoder)):
        axes[f"memory_key_{layer}"] = ("rows", student.heads, size, "source")
        axes[f"memory_value_{layer}"] = ("rows", student.heads, "source", size)
    return {**axes, "memory_mask": ("rows", "source")}


def state_axes(student: Student) -> dict[str, tuple[int, Axes]]:
    """Returns the states by name: the position of the next token, and what each layer carries."""
    states: dict[str, tuple[int, Axes]] = {"state_position": (TensorProto.INT32, ("rows",))}
    return states | {
        f"state_{layer}": (TensorProto.FLOAT, ("rows", student.dim)) for layer in range(len(student.decoder))
    }


def build_encoder(student: Student) -> onnx.ModelProto:
    """Returns the graph ``source_ids, source_lengths -> memory_*, state_*``."""
    build = GraphBuilder()
    layers = _Layers(build, student)
    heads, size = student.heads, student.dim // student.heads
    width = build.node("Shape", "source_ids", start=1, end=2)
    embedded = layers.embed(student.source, build.constant("embedding", _with_start(student.source)), "source_ids")
    table = build.constant("positions", positions(MAX_POSITIONS, student.dim))
    hidden = build.node("Add", embedded, build.node("Slice", table, build.sizes(0), width, build.sizes(0)))
    one = build.constant("one", np.array(1, np.int32))
    zero = build.constant("zero", np.array(0, np.int32))
    numbers = build.node("Range", zero, build.node("Cast", build.node("Squeeze", width), to=TensorProto.INT32), one)
    is_real = build.node("Less", numbers, build.node("Unsqueeze", "source_lengths", build.sizes(1)))
    real = build.node("Cast", is_real, output="memory_mask", to=TensorProto.FLOAT)
    mask = _mask(build, real)

    def split_heads(value: str, perm: Sequence[int], output: str | None = None) -> str:
        shaped = build.node("Reshape", value, build.sizes(0, 0, heads, size))
        return build.node("Transpose", shaped, output=output, perm=list(perm))

    def attention(layer: Attention, hidden: str) -> str:
        queries, keys, values = layers.products(hidden, layer.query, layer.key, layer.value)
        attended, _ = layers.attended(
            split_heads(queries, (0, 2, 1, 3)),
            split_heads(keys, (0, 2, 3, 1)),
            split_heads(values, (0, 2, 1, 3)),
            mask,
        )
        joined = build.node(
            "Reshape", build.node("Transpose", attended, perm=[0, 2, 1, 3]), build.sizes(0, 0, student.dim)
        )
        return layers.norm(layer.norm, f"{layer.out.name}_ln", hidden, *layers.products(joined, layer.out))

    for layer in student.encoder:
        hidden = layers.feed_forward(layer.ffn, attention(layer.attention, hidden))
    for index, unit in enumerate(student.decoder):
        keys, values = layers.products(hidden, unit.attention.key, unit.attention.value)
        split_heads(keys, (0, 2, 3, 1), f"memory_key_{index}")
        split_heads(values, (0, 2, 1, 3), f"memory_value_{index}")
    _first_states(build, student)
    inputs: dict[str, tuple[int, Axes]] = {
        "source_ids": (TensorProto.INT32, ("rows", "source")),
        "source_lengths": (TensorProto.INT32, ("rows",)),
    }
    outputs = {name: (int(TensorProto.FLOAT), axes) for name, axes in memory_axes(student).items()}
    return build.finish(inputs, {**outputs, **state_axes(student)}, student.source_size + 1)


def build_decoder_step(student: Student, unk_id: int, has_candidates: bool = False) -> onnx.ModelProto:
    """Returns the graph ``token_ids, state_*, memory_*, source_lengths, best_k -> scores, score_ids, ...``.

    The vocabulary has one id more than the student: the start token, whose embedding is zero. Neither it nor ``<unk>``
    is ever chosen.

    Args:
        student: The weights.
        unk_id: Of the target vocabulary.
        has_candidates: Whether the engine can limit the output layer to candidates, by optional inputs.
    """
    build = GraphBuilder()
    layers = _Layers(build, student)
    heads, size, last = student.heads, student.dim // student.heads, len(student.decoder) - 1
    table = build.constant(OUTPUT_TABLE, _with_start(student.target))
    place = build.node(
        "Gather", build.constant("positions", positions(MAX_POSITIONS, student.dim)), "state_position", axis=0
    )
    hidden = build.node("Add", layers.embed(student.target, table, "token_ids"), place)
    one = build.constant("one", np.array(1, np.int32))
    build.node("Add", "state_position", one, output=f"{NEXT_PREFIX}state_position")
    mask = _mask(build, "memory_mask")
    for index, layer in enumerate(student.decoder):
        unit = layer.recurrence
        gate, candidate = layers.products(hidden, unit.forget, unit.candidate)
        forget = build.node("Sigmoid", gate)
        kept = build.node("Mul", forget, f"state_{index}")
        fresh = build.node("Mul", build.node("Sub", build.number(1.0), forget), candidate)
        state = build.node("Add", kept, fresh, output=f"{NEXT_PREFIX}state_{index}")
        hidden = layers.norm(unit.norm, f"{unit.forget.name}_ln", hidden, build.node("Relu", state))
        (queries,) = layers.products(hidden, layer.attention.query)
        attended, weights = layers.attended(
            build.node("Reshape", queries, build.sizes(0, heads, 1, size)),
            f"memory_key_{index}",
            f"memory_value_{index}",
            mask,
        )
        if index == last:
            first = build.node("Gather", weights, build.constant("zero", np.array(0, np.int64)), axis=1)
            build.node("Squeeze", first, build.sizes(1), output="attention")
        joined = build.node("Reshape", attended, build.sizes(0, student.dim))
        projected = layers.products(joined, layer.attention.out)
        hidden = layers.norm(layer.attention.norm, f"{layer.attention.out.name}_ln", hidden, *projected)
        hidden = layers.feed_forward(layer.ffn, hidden)
    assert student.output.alpha is not None
    choose(build, student.output, layers.quantise(hidden, student.output.alpha), unk_id, has_candidates)
    inputs: dict[str, tuple[int, Axes]] = {"token_ids": (TensorProto.INT32, ("rows",)), **state_axes(student)}
    inputs |= {name: (TensorProto.FLOAT, axes) for name, axes in memory_axes(student).items()}
    inputs |= {"source_lengths": (TensorProto.INT32, ("rows",)), "best_k": (TensorProto.INT64, (1,))}
    inputs |= candidate_axes(student.dim) if has_candidates else {}
    outputs: dict[str, tuple[int, Axes]] = {
        "scores": (TensorProto.FLOAT, ("rows", "best_k")),
        "score_ids": (TensorProto.INT64, ("rows", "best_k")),
        "attention": (TensorProto.FLOAT, ("rows", "source")),
    }
    outputs |= {NEXT_PREFIX + name: found for name, found in state_axes(student).items()}
    return build.finish(inputs, outputs, student.target_size + 1)


def _with_start(table: Table) -> NDArray[np.int8]:
    """Returns the integers of a table with one row of zeros behind, the embedding of the start token."""
    return np.pad(table.integers, ((0, 1), (0, 0)))


def _mask(build: GraphBuilder, real: str) -> str:
    """Returns 0 for real tokens and a large negative number for padding, ``[rows, 1, 1, source]``."""
    negative = build.node("Mul", build.node("Sub", build.number(1.0), real), build.number(MASKED))
    return build.node("Unsqueeze", negative, build.sizes(1, 2))


def _first_states(build: GraphBuilder, student: Student) -> None:
    rows = build.node("Shape", "source_lengths")
    filled = numpy_helper.from_array(np.array([0], np.int32))
    build.node("ConstantOfShape", rows, output="state_position", value=filled)
    shape = build.node("Concat", rows, build.sizes(student.dim), axis=0)
    empty = numpy_helper.from_array(np.array([0], np.float32))
    for layer in range(len(student.decoder)):
        build.node("ConstantOfShape", shape, output=f"state_{layer}", value=empty)
