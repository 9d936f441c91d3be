"""The tensors of both graphs: their names, dtypes and axes, and how each decoder state moves.

``encoder.onnx``       source_ids int32 [rows, source], source_lengths int32 [rows]
                       -> memory* [rows, ..., source, ...] (any number, also none), state_* float32 [rows, ...]
``decoder_step.onnx``  token_ids int32 [rows], every state_*, every memory*, best_k int64 [1], and with a memory either
                       source_lengths int32 [rows] or source_mask float32 [rows, 1, source], which is added to scores
                       of attention: 0 for a token, ``MASKED_SCORE`` for padding
                       -> scores float32 [rows, best_k], score_ids int64 [rows, best_k], next_state_* for every state
                       that changes, attention float32 [rows, source] (only with a memory)

A decoder step may have optional inputs, with which it searches only candidates instead of the whole vocabulary:

candidate_weights  uint8 [candidates, width]   rows of the constant ``OUTPUT_TABLE``, int8 [vocabulary, width], plus 128
candidate_slots    int32 [rows, choices]       which candidates a row may write
candidate_bias     float32 [rows, choices]     of ``OUTPUT_BIAS``, float32 [vocabulary]; -inf behind a row's last choice
candidate_ids      int32 [rows, choices]       their tokens
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.errors import BundleSignatureError

# Every part of the manifest is read strictly: an unknown key, a number written as text or a NaN is an error.
STRICT: Final = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

_DTYPES: Final = {f"tensor({name})": name for name in ("float16", "int32", "int64", "int8", "uint8", "bool")} | {
    "tensor(float)": "float32"
}

VOCABULARY_METADATA_KEY: Final = "vocabulary_size"
OUTPUT_TABLE: Final = "embedding"
OUTPUT_BIAS: Final = "output_bias"
CANDIDATE_WEIGHTS: Final = "candidate_weights"
CANDIDATE_SLOTS: Final = "candidate_slots"
CANDIDATE_BIAS: Final = "candidate_bias"
CANDIDATE_IDS: Final = "candidate_ids"
MEMORY_PREFIX: Final = "memory"
STATE_PREFIX: Final = "state_"
NEXT_PREFIX: Final = "next_"
SOURCE_MASK: Final = "source_mask"
# Low enough that a softmax gives 0, but finite: a row whose positions are all padding must not become NaN.
MASKED_SCORE: Final = -1e9

Dtype = Literal["float32", "float16", "int32", "int64", "int8", "uint8", "bool"]
TensorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
AxisName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
AxisSize = Annotated[int, Field(ge=1)]


class TensorSpec(BaseModel):
    """One input or output. An axis is a name where its size varies, and a number where it is fixed."""

    model_config = STRICT

    name: TensorName
    dtype: Dtype
    axes: tuple[AxisName | AxisSize, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join(str(axis) for axis in self.axes)}]"


class GraphSignature(BaseModel):
    """The inputs and outputs of one graph, in any order."""

    model_config = STRICT

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @model_validator(mode="after")
    def _names_once(self) -> "GraphSignature":
        for side in (self.inputs, self.outputs):
            names = [spec.name for spec in side]
            if len(set(names)) != len(names):
                raise ValueError(f"a tensor name stands twice among {names}")
        return self


class StateSpec(BaseModel):
    """How a decoder state moves.

    Attributes:
        moves: ``hypothesis`` if every hypothesis has its own, which a beam reorders; ``source`` if all hypotheses of a
            sequence share it.
    """

    model_config = STRICT

    name: TensorName
    moves: Literal["hypothesis", "source"]


class Signature(BaseModel):
    """Both graphs together; refuses a pair that cannot work as encoder and decoder step."""

    model_config = STRICT

    encoder: GraphSignature
    decoder_step: GraphSignature
    states: tuple[StateSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _graphs_fit(self) -> "Signature":
        _check_encoder(self.encoder)
        _check_states(self)
        _check_decoder_step(self)
        return self

    @property
    def memory_names(self) -> tuple[str, ...]:
        """The tensors that the decoder attends to; empty for a model without attention."""
        return tuple(spec.name for spec in self.encoder.outputs if spec.name.startswith(MEMORY_PREFIX))

    @property
    def has_source_mask(self) -> bool:
        """Whether the decoder step reads a mask of the padding, in place of the lengths that it is computed from."""
        return any(spec.name == SOURCE_MASK for spec in self.decoder_step.inputs)

    @property
    def has_candidates(self) -> bool:
        """Whether the decoder step can be limited to candidates."""
        return any(spec.name == CANDIDATE_WEIGHTS for spec in self.decoder_step.inputs)

    @property
    def source_axes(self) -> dict[str, int]:
        """By memory, which of its axes is ``source``."""
        return {spec.name: spec.axes.index("source") for spec in self.encoder.outputs if spec.name in self.memory_names}

    @property
    def state_names(self) -> tuple[str, ...]:
        """All states, in the manifest's order."""
        return tuple(state.name for state in self.states)

    @property
    def changing_state_names(self) -> tuple[str, ...]:
        """The states that a step returns anew; the others keep what the encoder gave."""
        outputs = {spec.name for spec in self.decoder_step.outputs}
        return tuple(name for name in self.state_names if NEXT_PREFIX + name in outputs)


def _check_encoder(encoder: GraphSignature) -> None:
    _expect_tensors(
        "encoder inputs",
        encoder.inputs,
        {
            "source_ids": TensorSpec(name="source_ids", dtype="int32", axes=("rows", "source")),
            "source_lengths": TensorSpec(name="source_lengths", dtype="int32", axes=("rows",)),
        },
    )
    for spec in encoder.outputs:
        if spec.name.startswith(MEMORY_PREFIX):
            if spec.axes[:1] != ("rows",) or [axis for axis in spec.axes[1:] if isinstance(axis, str)] != ["source"]:
                raise ValueError(f"encoder output {spec} must have the axes [rows, source] and fixed sizes, rows first")
        elif spec.name.startswith(STATE_PREFIX):
            if spec.axes[:1] != ("rows",) or any(isinstance(axis, str) for axis in spec.axes[1:]):
                raise ValueError(f"encoder output {spec} must have the axes [rows, fixed sizes...]")
        else:
            raise ValueError(f"encoder output {spec.name} is neither {MEMORY_PREFIX}* nor {STATE_PREFIX}*")


def _check_states(signature: Signature) -> None:
    produced = {spec.name for spec in signature.encoder.outputs if spec.name.startswith(STATE_PREFIX)}
    listed = [state.name for state in signature.states]
    if len(set(listed)) != len(listed) or set(listed) != produced:
        raise ValueError(f"states lists {sorted(listed)}, the encoder gives {sorted(produced)}")
    returned = {spec.name for spec in signature.decoder_step.outputs}
    for state in signature.states:
        if state.moves == "hypothesis" and NEXT_PREFIX + state.name not in returned:
            raise ValueError(
                f"{state.name} moves with its hypothesis, but decoder_step has no {NEXT_PREFIX}{state.name}"
            )


def _check_decoder_step(signature: Signature) -> None:
    carried = {spec.name: spec for spec in signature.encoder.outputs}
    inputs = dict(carried)
    inputs["token_ids"] = TensorSpec(name="token_ids", dtype="int32", axes=("rows",))
    inputs["best_k"] = TensorSpec(name="best_k", dtype="int64", axes=(1,))
    outputs = {
        "scores": TensorSpec(name="scores", dtype="float32", axes=("rows", "best_k")),
        "score_ids": TensorSpec(name="score_ids", dtype="int64", axes=("rows", "best_k")),
    }
    for name in signature.changing_state_names:
        outputs[NEXT_PREFIX + name] = carried[name].model_copy(update={"name": NEXT_PREFIX + name})
    if signature.memory_names:
        if signature.has_source_mask:
            inputs[SOURCE_MASK] = TensorSpec(name=SOURCE_MASK, dtype="float32", axes=("rows", 1, "source"))
        else:
            inputs["source_lengths"] = TensorSpec(name="source_lengths", dtype="int32", axes=("rows",))
        outputs["attention"] = TensorSpec(name="attention", dtype="float32", axes=("rows", "source"))
    inputs |= {spec.name: spec for spec in _candidate_tensors(signature)}
    _expect_tensors("decoder_step inputs", signature.decoder_step.inputs, inputs)
    _expect_tensors("decoder_step outputs", signature.decoder_step.outputs, outputs)


def _candidate_tensors(signature: Signature) -> tuple[TensorSpec, ...]:
    """The tensors of candidates, as wide as the graph says; none if it has none."""
    axes = [axis for spec in signature.decoder_step.inputs if spec.name == CANDIDATE_WEIGHTS for axis in spec.axes]
    if not axes:
        return ()
    fixed = [axis for axis in axes if isinstance(axis, int)][-1:]
    return (
        TensorSpec(name=CANDIDATE_WEIGHTS, dtype="uint8", axes=("candidates", *(fixed or [1]))),
        TensorSpec(name=CANDIDATE_SLOTS, dtype="int32", axes=("rows", "choices")),
        TensorSpec(name=CANDIDATE_IDS, dtype="int32", axes=("rows", "choices")),
        TensorSpec(name=CANDIDATE_BIAS, dtype="float32", axes=("rows", "choices")),
    )


def _expect_tensors(where: str, given: tuple[TensorSpec, ...], expected: dict[str, TensorSpec]) -> None:
    names = {spec.name for spec in given}
    if names != expected.keys():
        missing, unknown = sorted(expected.keys() - names), sorted(names - expected.keys())
        raise ValueError(f"{where}: missing {missing}, unexpected {unknown}")
    for spec in given:
        if spec != expected[spec.name]:
            raise ValueError(f"{where}: {spec} should be {expected[spec.name]}")


class FoundTensor(BaseModel):
    """A tensor as a graph file declares it: an axis is a number, or None where the file leaves its size open.

    Attributes:
        is_optional: of an input for which the file has a value of its own.
    """

    model_config = STRICT

    name: str
    dtype: str
    axes: tuple[int | None, ...]
    is_optional: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join('open' if axis is None else str(axis) for axis in self.axes)}]"


class FoundGraph(BaseModel):
    """What a graph file declares: its tensors and the vocabulary size in its metadata, if any."""

    model_config = STRICT

    inputs: tuple[FoundTensor, ...]
    outputs: tuple[FoundTensor, ...]
    vocabulary_size: int | None


def describe_graph(session: Any) -> FoundGraph:
    """What the graph of an onnxruntime session declares."""
    size = session.get_modelmeta().custom_metadata_map.get(VOCABULARY_METADATA_KEY, "")
    return FoundGraph(
        inputs=(
            *(_tensor(node) for node in session.get_inputs()),
            *(_tensor(node, is_optional=True) for node in session.get_overridable_initializers()),
        ),
        outputs=tuple(_tensor(node) for node in session.get_outputs()),
        vocabulary_size=int(size) if size.isdecimal() else None,
    )


def _tensor(node: Any, is_optional: bool = False) -> FoundTensor:
    axes = tuple(axis if isinstance(axis, int) else None for axis in node.shape)
    return FoundTensor(name=node.name, dtype=_DTYPES.get(node.type, node.type), axes=axes, is_optional=is_optional)


def check_signature(expected: GraphSignature, found: FoundGraph, vocabulary_size: int, file: str) -> None:
    """Compare what the manifest states with what a graph file declares.

    A fixed axis must have the same size, a named axis must be open. The names of open axes are the converter's own and
    are not compared.

    Raises:
        BundleSignatureError: names the file, the tensor and both values.
    """
    _compare(file, "input", expected.inputs, found.inputs)
    _compare(file, "output", expected.outputs, found.outputs)
    # The scores are those of the best k alone, so no axis has the vocabulary's size: the export writes it as metadata.
    if found.vocabulary_size != vocabulary_size:
        raise BundleSignatureError(
            f"{file}: its metadata says {VOCABULARY_METADATA_KEY} = {found.vocabulary_size}, "
            f"the tokenizer has {vocabulary_size}"
        )


def _compare(file: str, side: str, expected: tuple[TensorSpec, ...], found: tuple[FoundTensor, ...]) -> None:
    promised, declared = {spec.name: spec for spec in expected}, {tensor.name: tensor for tensor in found}
    if promised.keys() != declared.keys():
        missing, unknown = sorted(promised.keys() - declared.keys()), sorted(declared.keys() - promised.keys())
        raise BundleSignatureError(f"{file}: {side}s missing {missing}, not in the manifest {unknown}")
    for name, spec in promised.items():
        tensor = declared[name]
        sizes = tuple(None if isinstance(axis, str) else axis for axis in spec.axes)
        if (spec.dtype, sizes) != (tensor.dtype, tensor.axes):
            raise BundleSignatureError(f"{file}: {side} is {tensor}, the manifest says {spec}")
        if tensor.is_optional != name.startswith("candidate_"):
            raise BundleSignatureError(f"{file}: {side} {name} must {'not ' * tensor.is_optional}be optional")
