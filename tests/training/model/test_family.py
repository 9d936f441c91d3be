"""Every part that a model can be built from: trained a little, exported, served, and compared with the reference."""

import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from app.bundle.store import load_bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from tests.support.reversal import words, write_task
from training.config import RunConfig
from training.data.config import TokenizerConfig
from training.data.prepare import prepare
from training.export.export import export, load_best_model
from training.export.parity import Pair, forced_prefix
from training.export.reference import ReferenceDecoder
from training.export.rows_alone import check_rows_alone
from training.learn.train import Trainer
from training.model.config import ModelConfig
from training.model.decoder import Source
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

pytestmark = pytest.mark.slow

STEPS = 40
SMALL = {"embedding": 16, "encoder_units": 16, "units": 32, "encoder_layers": 1, "dropout": 0.1}
PLAIN = {"attention": "none", "bidirectional": False, "encoder_units": 32, "layers_above": 0, "bridge": "copy"}
CHARACTERS = {**PLAIN, "input": "one-hot", "readout": False, "tied": False}
ALONE = {"encoder_layers": 0, "bridge": "start", "attention": "none", "layers_above": 0}


@dataclasses.dataclass(frozen=True)
class System:
    """One architecture, what else its training needs, and how the graphs must look."""

    model: dict[str, object]
    training: dict[str, object] = dataclasses.field(default_factory=dict)
    states: tuple[str, ...] = ("state_h1", "state_c1", "state_h2", "state_c2")
    moves_with_source: tuple[str, ...] = ()
    memories: tuple[str, ...] = ("memory", "memory_keys")
    encoder_node: str | None = "LSTM"
    corpus: str = "characters"


ONE = ("state_h1", "state_c1")
FED = ("state_h1", "state_c1", "state_h2", "state_c2", "state_feed")
SYSTEMS = {
    "default": System({}),
    "char-lstm": System(CHARACTERS, {"optimizer": "rmsprop", "learning_rate": 1e-3}, states=ONE, memories=()),
    "char-gru": System({**CHARACTERS, "cell": "gru"}, states=("state_h1",), memories=(), encoder_node="GRU"),
    "word-lstm": System(PLAIN, states=ONE, memories=(), corpus="words"),
    "free-running": System(PLAIN, {"sampling": 1.0}, states=ONE, memories=()),
    "scheduled-sampling": System({}, {"sampling": 0.5, "sampling_rise": 0.5}),
    "repeat-vector": System(
        {**PLAIN, "bridge": "zero", "context": "last", "reads_tokens": False, "readout": False, "tied": False},
        states=(*ONE, "state_context"),
        moves_with_source=("state_context",),
        memories=(),
    ),
    "reversed-source": System({**PLAIN, "reversed_source": True}, states=ONE, memories=()),
    "reversed-with-attention": System({"reversed_source": True}),
    **{
        f"context-{kind}": System(
            {**PLAIN, "context": kind, "cell": "gru", "bridge": "dense"},
            states=("state_h1", "state_context"),
            moves_with_source=("state_context",),
            memories=(),
            encoder_node="GRU",
        )
        for kind in ("last", "mean", "max")
    },
    "stacked": System(
        {**PLAIN, "encoder_layers": 3, "layers_below": 3, "residual": True},
        states=tuple(f"state_{kind}{layer}" for layer in (1, 2, 3) for kind in "hc"),
        memories=(),
    ),
    "bidirectional": System({"attention": "none", "layers_above": 0}, states=ONE, memories=()),
    "attention-dot": System({"attention": "dot", "layers_above": 0}, states=ONE, memories=("memory",)),
    "attention-bahdanau": System({"attention": "bahdanau"}),
    "attention-luong": System({"input_feeding": True, "layers_above": 0, "dropout": 0.2}, states=(*ONE, "state_feed")),
    "residual-attention": System({"residual": True, "encoder_layers": 2}),
    "attention-heads": System({"attention_heads": 4}, memories=("memory",)),
    "self-attention": System(
        {"encoder": "self-attention", "bidirectional": False, "encoder_units": 32, "encoder_layers": 2},
        encoder_node=None,
    ),
    "self-attention-normalised": System(
        {
            "encoder": "self-attention",
            "bidirectional": False,
            "encoder_units": 16,
            "encoder_heads": 2,
            "layer_norm": True,
            "cell": "gru",
        },
        states=("state_h1", "state_h2"),
        encoder_node=None,
    ),
    "layer-norm": System({"layer_norm": True, "residual": True, "encoder_layers": 2}),
    "recurrent-dropout": System({"recurrent_dropout": 0.2}),
    "averaged": System({}, {"averaged_steps": 10}),
    "peephole": System({"cell": "peephole"}),
    "coupled-gates": System({"cell": "coupled"}),
    "addition": System({**CHARACTERS, "forget_bias": 2.0}, states=ONE, memories=()),
    "execute": System(
        {**CHARACTERS, "encoder_layers": 2, "layers_below": 2},
        states=("state_h1", "state_c1", "state_h2", "state_c2"),
        memories=(),
    ),
    "memory": System(
        {**ALONE, "input": "one-hot", "readout": False, "tied": False, "forget_bias": 5.0},
        {"loss_on": "last"},
        states=ONE,
        memories=(),
        encoder_node=None,
        corpus="alone",
    ),
    "generate": System(ALONE, states=ONE, memories=(), encoder_node=None, corpus="alone"),
    "alone-from-zeros": System(
        {**ALONE, "bridge": "zero", "layers_below": 2, "cell": "peephole", "forget_bias": 3.0},
        memories=(),
        encoder_node=None,
        corpus="alone",
    ),
    "start-with-attention": System({"bridge": "start", "input_feeding": True}, states=FED),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[RunConfig, Path]]:
    """The reversal task read and tokenised once for all systems. As words, its letters are separated, and there is no
    room in the vocabulary for the rarest two; for a decoder alone there are only its targets. A fifth is held out, as
    in the tutorials on characters."""
    found = {}
    for kind in ("characters", "words", "alone"):
        folder = tmp_path_factory.mktemp(kind)
        config = write_task(folder, pairs=600, max_steps=STEPS)
        corpus = folder / "pairs.tsv"
        pairs = [line.split("\t") for line in corpus.read_text(encoding="utf-8").splitlines()]
        lines = [f"{written(kind, source)}\t{written(kind, target)}\n" for source, target in pairs]
        corpus.write_text("".join(lines), encoding="utf-8")
        name = "words" if kind == "words" else "characters"
        tokenizer = TokenizerConfig.model_validate({"kind": name, "vocabulary_size": 12})
        read = config.corpus.model_copy(update={"dev_fraction": 0.2, "sides": "target" if kind == "alone" else "both"})
        config = config.model_copy(update={"tokenizer": tokenizer, "corpus": read})
        prepare(config, folder, folder / "prepared")
        found[kind] = config, folder / "prepared"
    return found


def written(kind: str, word: str) -> str:
    return " ".join(word) if kind == "words" else word


def configured(config: RunConfig, system: System) -> RunConfig:
    model = ModelConfig.model_validate(SMALL | system.model)
    training = config.training.model_validate(config.training.model_dump() | {"warmup_steps": 10} | system.training)
    chosen = config.export.model_copy(update={"parity_sentences": 12, "calibration_sentences": 16})
    return config.model_copy(update={"model": model, "training": training, "export": chosen})


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_trains_and_is_served_as_its_reference_decodes(
    name: str, prepared: dict[str, tuple[RunConfig, Path]], tmp_path: Path
) -> None:
    system = SYSTEMS[name]
    base, folder = prepared[system.corpus]
    config = configured(base, system)
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    place = Trainer(config, run).fit()
    assert place.finished
    losses = [entry["dev_loss"] for entry in place.history]
    assert np.isfinite(losses).all()
    folders, parity = export(config, run)
    assert parity.sentences == config.export.parity_sentences
    _check_signature(folders["float32"], system)
    unseen = [written(system.corpus, word) for word in words(12, seed=77)]
    for folder in folders.values():
        pairs = questions(folder, system, unseen)
        options = [SearchOptions(prefix=forced_prefix(pair)) for pair in pairs]
        check_rows_alone(load_bundle(folder), [source for source, _ in pairs], options)
    _check_answers(config, run, folders["float32"], questions(folder, system, unseen))


def questions(folder: Path, system: System, unseen: list[str]) -> list[Pair]:
    """Pairs for the parity checks: each word with its reversal, or, for a decoder alone, the second half of a word."""
    tokenizer = load_bundle(folder).tokenizer
    if system.corpus == "alone":
        return [(tokenizer.encode_source(""), tokenizer.encode(word)) for word in unseen]
    return [(tokenizer.encode_source(word), []) for word in unseen]


def _check_signature(folder: Path, system: System) -> None:
    signature = load_bundle(folder).manifest.signature
    assert signature.state_names == system.states
    assert set(signature.memory_names) == set(system.memories)
    assert tuple(state.name for state in signature.states if state.moves == "source") == system.moves_with_source
    nodes = onnx.load(folder / "encoder.onnx").graph.node
    recurrent = [node for node in nodes if node.op_type in ("LSTM", "GRU", "RNN")]
    assert {node.op_type for node in recurrent} == {system.encoder_node} - {None}
    assert all(node.input[4] == "source_lengths" for node in recurrent)


def _check_answers(config: RunConfig, run: Path, folder: Path, pairs: list[Pair]) -> None:
    """Greedy and beam through the engine, all together, against the reference one by one."""
    bundle = load_bundle(folder)
    decoding = DecodingModel.of(bundle.manifest)
    ids, prefixes = [source for source, _ in pairs], [forced_prefix(pair) for pair in pairs]
    assert len(set(zip(map(tuple, ids), prefixes, strict=True))) > 4
    reference = ReferenceDecoder(load_best_model(config, run, bundle.tokenizer.vocabulary_size))
    engine = Engine(OnnxGraphs(bundle, provider="cpu", threads=1), decoding)
    engine.start()
    try:
        greedy = engine.submit_many(ids, [SearchOptions(prefix=prefix, loop_guard=False) for prefix in prefixes])
        beam = engine.submit_many(
            ids[:4], [SearchOptions(beam_size=3, prefix=prefix, loop_guard=False) for prefix in prefixes[:4]]
        )
        for source, prefix, future in zip(ids, prefixes, greedy, strict=True):
            cap = decoding.target_cap(len(source), prefix_tokens=len(prefix))
            expected = reference.greedy(source, cap, prefix)
            assert future.result(30)[0].token_ids == expected.token_ids
        for source, prefix, future in zip(ids[:4], prefixes[:4], beam, strict=True):
            cap = decoding.target_cap(len(source), prefix_tokens=len(prefix))
            widest = reference.beam(source, cap, 3, 1.0, prefix)
            assert future.result(30)[0].token_ids == widest.token_ids
    finally:
        engine.stop(drain=False)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_step_at_a_time_equals_the_whole_and_padding_changes_nothing(name: str) -> None:
    keras.mixed_precision.set_global_policy("float32")
    keras.utils.set_random_seed(3)
    model = EncoderDecoder(ModelConfig.model_validate(SMALL | SYSTEMS[name].model), 23)
    model.build_weights()
    for variable in model.trainable_variables:  # larger than at the start, so that differences show
        variable.assign(np.random.default_rng(len(variable.path)).normal(0, 0.4, variable.shape))
    source, lengths = np.array([[5, 6, 7, 2], [8, 2, 9, 9]], np.int32), np.array([4, 2], np.int32)
    inputs = np.array([[1, 9, 10, 11, 5], [1, 12, 13, 14, 6]], np.int32)
    whole = to_numpy(model((source, lengths, inputs))[0])
    memories, states = model.encode(source, lengths)
    assert {name: tensor.shape[-1] for name, tensor in memories.items()} == model.memories
    for position in range(inputs.shape[1]):
        logits, states, _ = model.step(inputs[:, position], states, Source.of(memories, lengths))
        np.testing.assert_allclose(to_numpy(logits), whole[:, position], atol=3e-5)
    alone = to_numpy(model((source[1:, :2], lengths[1:], inputs[1:]))[0])
    np.testing.assert_allclose(alone[0], whole[1], atol=3e-5)
    assert [state.shape[-1] for state in states] == [state.units for state in model.states]
