"""Collects the nodes and constants of an ONNX graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.bundle.signature import VOCABULARY_METADATA_KEY
from training.export.onnx_edit import MICROSOFT_DOMAIN

OPSET: Final = 18
_MICROSOFT_OPERATORS: Final = frozenset(("FusedMatMul", "MatMulIntegerToFloat", "SkipLayerNormalization"))

Axes = Sequence[str | int]


class GraphBuilder:
    """Collects nodes and constants. Every method that adds a node returns the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._count = 0

    def constant(self, name: str, value: Any) -> str:
        """Adds a constant, once for each name."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def number(self, value: float) -> str:
        """Adds a float32 scalar."""
        bits = np.float32(value)
        return self.constant(f"number_{bits.view(np.uint32):08x}", bits.reshape(()))

    def sizes(self, *values: int) -> str:
        """Adds a list of int64."""
        return self.constant("sizes_" + "_".join(map(str, values)).replace("-", "m"), np.array(values, np.int64))

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Adds a node with one output."""
        return self.nodes(kind, inputs, [output or self._fresh(kind)], **attributes)[0]

    def nodes(self, kind: str, inputs: Sequence[str], outputs: Sequence[str | None], **attributes: Any) -> list[str]:
        """Adds a node with several outputs; None stands for a name that is free."""
        names = [name or self._fresh(kind) for name in outputs]
        domain = MICROSOFT_DOMAIN if kind in _MICROSOFT_OPERATORS else ""
        self._nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names

    def branch(self, outputs: Sequence[str], make: Callable[[], object]) -> onnx.GraphProto:
        """Returns a branch of ``If``: the nodes that ``make`` adds. Their constants stay with the whole graph.

        Args:
            outputs: Names of the branch's results, outputs of its nodes.
            make: Adds the nodes.
        """
        outside, self._nodes = self._nodes, []
        try:
            make()
            found = [onnx.ValueInfoProto(name=name) for name in outputs]
            return helper.make_graph(self._nodes, "branch", [], found)
        finally:
            self._nodes = outside

    def finish(
        self, inputs: Mapping[str, tuple[int, Axes]], outputs: Mapping[str, tuple[int, Axes]], vocabulary_size: int
    ) -> onnx.ModelProto:
        """Returns the graph.

        Args:
            inputs: Element type and axes, by name. One with a constant of its name is optional.
            outputs: As inputs.
            vocabulary_size: For the metadata.
        """
        given, found = (
            [helper.make_tensor_value_info(name, kind, list(axes)) for name, (kind, axes) in side.items()]
            for side in (inputs, outputs)
        )
        graph = helper.make_graph(self._nodes, "graph", given, found, list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT_DOMAIN, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="passerelle")
        helper.set_model_props(model, {VOCABULARY_METADATA_KEY: str(vocabulary_size)})
        onnx.checker.check_model(model)
        return model

    def _fresh(self, kind: str) -> str:
        self._count += 1
        return f"{kind.lower()}_{self._count}"
