"""The signature: which pairs of graphs can work together, and whether a file has the tensors promised."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.bundle.signature import FoundGraph, FoundTensor, GraphSignature, Signature, check_signature
from app.errors import BundleSignatureError
from tests.support.fakes import SIGNATURE_OF_TEXT_MACHINE


def document() -> dict[str, Any]:
    return SIGNATURE_OF_TEXT_MACHINE.model_dump()


def tensor(name: str, dtype: str, *axes: str | int) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "axes": axes}


def without(specs: tuple[dict[str, Any], ...], name: str) -> tuple[dict[str, Any], ...]:
    return tuple(spec for spec in specs if spec["name"] != name)


def refused(changed: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        Signature.model_validate(changed)
    return str(caught.value)


def no_memory() -> dict[str, Any]:
    changed = document()
    changed["encoder"]["outputs"] = without(changed["encoder"]["outputs"], "memory")
    step = changed["decoder_step"]
    step["inputs"] = without(without(step["inputs"], "memory"), "source_lengths")
    step["outputs"] = without(step["outputs"], "attention")
    return changed


def test_with_a_memory() -> None:
    assert SIGNATURE_OF_TEXT_MACHINE.memory_names == ("memory",)
    assert SIGNATURE_OF_TEXT_MACHINE.changing_state_names == ("state_position",)


def test_without_a_memory() -> None:
    assert Signature.model_validate(no_memory()).memory_names == ()


def test_a_state_that_moves_with_its_source_may_stay_as_it_is() -> None:
    changed = document()
    context = tensor("state_context", "float32", "rows", 8)
    changed["encoder"]["outputs"] += (context,)
    changed["decoder_step"]["inputs"] += (context,)
    changed["states"] += ({"name": "state_context", "moves": "source"},)
    signature = Signature.model_validate(changed)
    assert signature.state_names == ("state_position", "state_context")
    assert signature.changing_state_names == ("state_position",)


def test_a_state_that_moves_with_its_hypothesis_must_change() -> None:
    changed = document()
    changed["decoder_step"]["outputs"] = without(changed["decoder_step"]["outputs"], "next_state_position")
    assert "next_state_position" in refused(changed)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("graph", ["encoder", "decoder_step"])
def test_every_tensor_is_needed(graph: str, side: str) -> None:
    for spec in document()[graph][side]:
        changed = document()
        changed[graph][side] = without(changed[graph][side], spec["name"])
        refused(changed)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("graph", ["encoder", "decoder_step"])
def test_no_tensor_too_many_and_none_twice(graph: str, side: str) -> None:
    changed = document()
    changed[graph][side] += (tensor("surprise", "float32", "rows"),)
    assert "surprise" in refused(changed)
    changed = document()
    changed[graph][side] += (changed[graph][side][0],)
    assert "twice" in refused(changed)


@pytest.mark.parametrize("graph", ["encoder", "decoder_step"])
def test_dtype_and_axes_are_fixed(graph: str) -> None:
    changed = document()
    spec = changed[graph]["inputs"][0]
    spec["dtype"] = "int64"
    assert spec["name"] in refused(changed)
    changed = document()
    changed[graph]["inputs"][0]["axes"] = ("rows", "source", 1)
    refused(changed)


def test_states_must_be_those_of_the_encoder() -> None:
    changed = document()
    changed["states"] = ({"name": "state_other", "moves": "hypothesis"},)
    message = refused(changed)
    assert "state_other" in message
    assert "state_position" in message


def test_a_memory_needs_its_axes() -> None:
    changed = document()
    changed["encoder"]["outputs"] = (
        tensor("memory", "float32", "source", "rows", 1),
        tensor("state_position", "float32", "rows", 1),
    )
    assert "[rows, source]" in refused(changed)


def found(signature: GraphSignature, vocabulary_size: int | None = 100) -> FoundGraph:
    """What a faithful file of this signature declares."""

    def tensors(specs: tuple[Any, ...]) -> tuple[FoundTensor, ...]:
        return tuple(
            FoundTensor(
                name=spec.name,
                dtype=spec.dtype,
                axes=tuple(None if isinstance(axis, str) else axis for axis in spec.axes),
            )
            for spec in specs
        )

    return FoundGraph(
        inputs=tensors(signature.inputs), outputs=tensors(signature.outputs), vocabulary_size=vocabulary_size
    )


STEP = SIGNATURE_OF_TEXT_MACHINE.decoder_step


def test_a_faithful_file_is_accepted_in_any_order() -> None:
    graph = found(STEP)
    check_signature(STEP, graph, 100, "decoder_step.onnx")
    turned = graph.model_copy(update={"inputs": graph.inputs[::-1], "outputs": graph.outputs[::-1]})
    check_signature(STEP, turned, 100, "decoder_step.onnx")


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_a_missing_and_an_unknown_tensor_are_named(side: str) -> None:
    graph = found(STEP)
    first, *rest = getattr(graph, side)
    other = FoundTensor(name="renamed", dtype=first.dtype, axes=first.axes)
    with pytest.raises(BundleSignatureError, match=rf"decoder_step\.onnx: .*{first.name}.*renamed"):
        check_signature(STEP, graph.model_copy(update={side: (other, *rest)}), 100, "decoder_step.onnx")


@pytest.mark.parametrize(
    "changed",
    [
        FoundTensor(name="state_position", dtype="float16", axes=(None, 1)),
        FoundTensor(name="state_position", dtype="float32", axes=(None, 2)),
        FoundTensor(name="state_position", dtype="float32", axes=(None, None)),
        FoundTensor(name="state_position", dtype="float32", axes=(1, 1)),
        FoundTensor(name="state_position", dtype="float32", axes=(None,)),
    ],
)
def test_a_tensor_of_another_form_is_shown_beside_the_promise(changed: FoundTensor) -> None:
    graph = found(STEP)
    inputs = tuple(changed if given.name == changed.name else given for given in graph.inputs)
    with pytest.raises(BundleSignatureError) as caught:
        check_signature(STEP, graph.model_copy(update={"inputs": inputs}), 100, "decoder_step.onnx")
    assert str(changed) in str(caught.value)
    assert "state_position float32 [rows, 1]" in str(caught.value)


@pytest.mark.parametrize("size", [None, 99])
def test_the_vocabulary_must_be_the_tokenizers(size: int | None) -> None:
    with pytest.raises(BundleSignatureError, match=f"vocabulary_size = {size}, the tokenizer has 100"):
        check_signature(STEP, found(STEP, size), 100, "decoder_step.onnx")


CHOICES = ("rows", "choices")
CANDIDATES = (
    tensor("candidate_weights", "uint8", "candidates", 4),
    tensor("candidate_slots", "int32", *CHOICES),
    tensor("candidate_bias", "float32", *CHOICES),
    tensor("candidate_ids", "int32", *CHOICES),
)


def with_candidates(*inputs: dict[str, Any]) -> dict[str, Any]:
    changed = document()
    changed["decoder_step"]["inputs"] += inputs
    return changed


def test_a_step_has_all_inputs_of_candidates_or_none() -> None:
    assert Signature.model_validate(with_candidates(*CANDIDATES)).has_candidates
    assert not SIGNATURE_OF_TEXT_MACHINE.has_candidates
    for missing in CANDIDATES:
        assert "candidate_" in refused(with_candidates(*(one for one in CANDIDATES if one is not missing)))
    for other in (
        tensor("candidate_weights", "int8", "candidates", 4),
        tensor("candidate_weights", "uint8", "rows", 4),
        tensor("candidate_weights", "uint8", "candidates", "width"),
        tensor("candidate_weights", "uint8"),
    ):
        assert "candidate_weights" in refused(with_candidates(other, *CANDIDATES[1:]))


def test_candidates_are_optional_and_nothing_else_is() -> None:
    step = Signature.model_validate(with_candidates(*CANDIDATES)).decoder_step
    graph = found(step)

    def optional(*names: str) -> FoundGraph:
        inputs = tuple(one.model_copy(update={"is_optional": one.name in names}) for one in graph.inputs)
        return graph.model_copy(update={"inputs": inputs})

    names = [one["name"] for one in CANDIDATES]
    check_signature(step, optional(*names), 100, "step.onnx")
    with pytest.raises(BundleSignatureError, match="input candidate_ids must be optional"):
        check_signature(step, optional(*names[:-1]), 100, "step.onnx")
    with pytest.raises(BundleSignatureError, match="input token_ids must not be optional"):
        check_signature(step, optional(*names, "token_ids"), 100, "step.onnx")
