"""Rewrites of the decoder step that compute the same with fewer nodes.

A step handles few numbers, so the time of a node is for a good part the time to start it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.export.onnx_edit import MICROSOFT_DOMAIN, add_constant, drop_unread, sort_nodes, use_microsoft_domain

# The gates of an LSTM: the order in which Keras has them, and the one in which those of one activation stand together.
_KERAS_GATES = ("input", "forget", "candidate", "output")
_FUSED_GATES = ("input", "forget", "output", "candidate")


@dataclass(frozen=True)
class _Graph:
    """A graph with its nodes by what they make and read."""

    makers: dict[str, onnx.NodeProto]
    readers: dict[str, list[onnx.NodeProto]]
    constants: dict[str, NDArray[np.generic]]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> "_Graph":
        makers = {name: node for node in model.graph.node for name in node.output}
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        return cls(makers, readers, constants)


@dataclass(frozen=True)
class _Cell:
    """The part of an LSTM cell that is rewritten: ``split(x W + h R + b)`` and the activations of its gates.

    Attributes:
        split: The node that divides the sum among the gates.
        inputs: The names of ``x`` and ``h``.
        weights: ``W`` and ``R``, ``[inputs, 4 units]``.
        bias: ``[4 units]``.
        activated: The names of the activated gates, in Keras's order.
    """

    split: onnx.NodeProto
    inputs: tuple[str, ...]
    weights: tuple[NDArray[np.generic], ...]
    bias: NDArray[np.generic]
    activated: tuple[str, ...]


def fuse_lstm_cells(model: onnx.ModelProto) -> None:
    """Gives every LSTM cell one product, of inputs and state side by side, and one sigmoid for three gates.

    The weights are joined and the gates reordered, so that the results differ in rounding alone.
    """
    graph = _Graph.of(model)
    for node in list(model.graph.node):
        cell = _find_cell(graph, node)
        if cell is not None:
            _insert_cell(model, cell)
    drop_unread(model)
    sort_nodes(model)


def fuse_transposed_products(model: onnx.ModelProto) -> None:
    """Lets products read their second factor transposed, in place of a node that transposes it."""
    graph = _Graph.of(model)
    for node in list(model.graph.node):
        transpose = graph.makers.get(node.input[1]) if node.op_type == "MatMul" else None
        if transpose is None or transpose.op_type != "Transpose" or transpose.input[0] in graph.constants:
            continue
        order = list(next(attribute.ints for attribute in transpose.attribute if attribute.name == "perm"))
        if order != [*range(len(order) - 2), len(order) - 1, len(order) - 2]:
            continue
        fused = helper.make_node(
            "FusedMatMul",
            [node.input[0], transpose.input[0]],
            list(node.output),
            node.name,
            domain=MICROSOFT_DOMAIN,
            transB=1,
        )
        node.CopyFrom(fused)
        use_microsoft_domain(model)
    drop_unread(model)


def _find_cell(graph: _Graph, split: onnx.NodeProto) -> _Cell | None:
    """Returns the cell whose gates a node divides; None if it divides something else."""
    if split.op_type != "Split" or len(split.output) != len(_KERAS_GATES):
        return None
    activations = [_only(graph.readers.get(name, ())) for name in split.output]
    kinds = [node.op_type if node is not None else "" for node in activations]
    if kinds != ["Sigmoid", "Sigmoid", "Tanh", "Sigmoid"]:
        return None
    terms = _terms_of_sum(graph, split.input[0])
    products = [term for term in terms if isinstance(term, onnx.NodeProto)]
    biases = [graph.constants[term] for term in terms if isinstance(term, str) and term in graph.constants]
    if len(products) != 2 or len(biases) != 1 or len(terms) != 3:
        return None
    return _Cell(
        split,
        tuple(product.input[0] for product in products),
        tuple(graph.constants[product.input[1]] for product in products),
        biases[0],
        tuple(node.output[0] for node in activations if node is not None),
    )


def _terms_of_sum(graph: _Graph, name: str) -> list[onnx.NodeProto | str]:
    """Returns the terms of a sum: products with a constant matrix, and the names of all else."""
    node = graph.makers.get(name)
    if node is not None and node.op_type == "Add":
        return [term for part in node.input for term in _terms_of_sum(graph, part)]
    if node is not None and node.op_type == "MatMul" and node.input[1] in graph.constants:
        return [node]
    return [name]


def _insert_cell(model: onnx.ModelProto, cell: _Cell) -> None:
    base = cell.split.output[0].rsplit(":", 1)[0]
    units = len(cell.bias) // len(_KERAS_GATES)
    order = np.concatenate([np.arange(units) + units * _KERAS_GATES.index(gate) for gate in _FUSED_GATES])
    add_constant(model, f"{base}_weights", np.concatenate(cell.weights)[:, order])
    add_constant(model, f"{base}_bias", cell.bias[order])
    add_constant(model, f"{base}_parts", np.array([3 * units, units], np.int64))
    joined, product, total = f"{base}_joined", f"{base}_product", f"{base}_sum"
    gates, candidate, opened = f"{base}_gates", f"{base}_candidate", f"{base}_opened"
    input_gate, forget_gate, candidate_gate, output_gate = cell.activated
    nodes = [
        helper.make_node("Concat", _inputs_of_concat(model, cell.inputs), [joined], axis=1),
        helper.make_node("MatMul", [joined, f"{base}_weights"], [product]),
        helper.make_node("Add", [product, f"{base}_bias"], [total]),
        helper.make_node("Split", [total, f"{base}_parts"], [gates, candidate], axis=1),
        helper.make_node("Sigmoid", [gates], [opened]),
        helper.make_node("Split", [opened], [input_gate, forget_gate, output_gate], axis=1, num_outputs=3),
        helper.make_node("Tanh", [candidate], [candidate_gate]),
    ]
    replaced = set(cell.activated)
    for node in [node for node in model.graph.node if set(node.output) & replaced]:
        model.graph.node.remove(node)
    model.graph.node.extend(nodes)


def _inputs_of_concat(model: onnx.ModelProto, inputs: Sequence[str]) -> list[str]:
    """Returns what is joined; a join that only the cell reads is opened, so that there is one and not two."""
    makers = {name: node for node in model.graph.node for name in node.output}
    readers = Counter(name for node in model.graph.node for name in node.input)
    found: list[str] = []
    for name in inputs:
        node = makers.get(name)
        opens = node is not None and node.op_type == "Concat" and readers[name] <= 1
        found += list(node.input) if opens and node is not None else [name]
    return found


def _only(nodes: Sequence[onnx.NodeProto]) -> onnx.NodeProto | None:
    return nodes[0] if len(nodes) == 1 else None
