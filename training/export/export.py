"""``export``: converts the best weights to bundles in float32 and int8, and checks each before it is stored."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import onnx

from app import __version__
from app.bundle.manifest import (
    DECODER_STEP_FILE,
    ENCODER_FILE,
    LengthRatio,
    Limits,
    Manifest,
    Producer,
    SearchDefaults,
    TokenizerEntry,
    TrainingData,
)
from app.bundle.signature import SOURCE_MASK, Signature, StateSpec
from app.bundle.store import Bundle, Verify, load_bundle, save_bundle
from app.bundle.tokenizers import BOS_ID, EOS_ID, PAD_ID, UNK_ID, Tokenizer
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from app.engine.states import mask_of
from training.config import RunConfig
from training.data.dataset import TokenPairs, length_ratio
from training.data.prepare import TOKENIZER_FILES, load_run_tokenizer, read_dev, source_tags
from training.export.graphs import OPSET, convert_decoder_step, convert_encoder
from training.export.onnx_edit import describe_signature
from training.export.parity import Pair, Parity, check_parity, forced_prefix, pad_sentences, spread_pairs
from training.export.quantize import Array, quantize_products, quantize_weights_only
from training.export.row_encoder import can_take_rows, quantize_for_rows
from training.export.rows_alone import check_rows_alone
from training.learn.build import build_model
from training.learn.checkpoint import load_weights, save_weights
from training.learn.fingerprints import check_fingerprints, fingerprints_of, load_fingerprints
from training.learn.starting_point import START_FILE, save_starting_point, starting_point_of
from training.learn.train import BEST_WEIGHTS_FILE
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

_EXPORTED_FILE: Final = "exported.weights.npz"

Graphs = tuple[onnx.ModelProto, onnx.ModelProto]


def export(config: RunConfig, run: Path) -> tuple[dict[str, Path], Parity]:
    """Writes the bundles ``<run>/float32`` and ``<run>/int8``.

    Returns:
        The folders by precision, and the result of the comparison with the model.

    Raises:
        ParityError: The float32 graphs do not compute what the model computes, or a row depends on other rows.
    """
    tokenizer = load_run_tokenizer(config, run)
    model = load_best_model(config, run, tokenizer.vocabulary_size)
    dev = TokenPairs.load(run / "dev.npz")
    pairs = spread_pairs(dev, config.export.parity_sentences, config.export.max_source_tokens)
    parity: list[Parity] = []

    def check_model(folder: Path) -> None:
        settings = config.export
        bundle = load_bundle(folder)
        parity.append(
            check_parity(model, bundle, pairs, settings.parity_tolerance, settings.beam_size, settings.length_penalty)
        )

    def check_rows(folder: Path) -> None:
        options = [SearchOptions(prefix=forced_prefix(pair)) for pair in pairs]
        check_rows_alone(load_bundle(folder), [source for source, _ in pairs], options)

    float32 = (convert_encoder(model), convert_decoder_step(model))
    folders = {"float32": run / "float32", "int8": run / "int8"}
    manifest = build_manifest(config, run, tokenizer, model, float32)
    _save(folders["float32"], manifest, float32, tokenizer, check_model)
    calibration = spread_pairs(dev, config.export.calibration_sentences, config.export.max_source_tokens)
    feeds = _step_feeds(load_bundle(folders["float32"]), calibration)
    by_rows = can_take_rows(float32[0])
    encoder = quantize_for_rows(float32[0]) if by_rows else quantize_weights_only(float32[0])
    changed = {"precision": "int8", "encoder_rows": "one" if by_rows else "any"}
    int8 = (encoder, quantize_products(float32[1], feeds))
    _save(folders["int8"], manifest.model_copy(update=changed), int8, tokenizer, check_rows)
    return folders, parity[0]


def install(bundle_folder: Path, destination: Path) -> None:
    """Copies a finished bundle to the service's models folder; a former bundle is replaced atomically."""
    bundle = load_bundle(bundle_folder)
    contents = {name: bundle_folder / name for name in bundle.manifest.files}
    save_bundle(destination, bundle.manifest, contents, opens)


def install_starting_point(config: RunConfig, run: Path, destination: Path) -> Path:
    """Writes the file that ``finetune`` starts from beside a bundle's folder (``starting_point.py``)."""
    train = TokenPairs.load(run / "train.npz")
    if not config.tagged and len(config.sources) == 1:
        kept = json.loads((run / "corpus.json").read_text(encoding="utf-8"))["kept"]
        # The arrays hold the pairs in the order of the files.
        train = train.some(range(kept[config.corpus.train[0].name]))
    path, weights = starting_point_of(destination), run / _EXPORTED_FILE
    save_weights(weights, load_best_model(config, run, load_run_tokenizer(config, run).vocabulary_size))
    save_starting_point(config, weights, train, read_dev(run), path)
    return path


def load_best_model(config: RunConfig, run: Path, vocabulary_size: int) -> EncoderDecoder:
    """Builds the model in float32 with the weights that were best on dev, mixed as ``start_share`` says.

    Raises:
        CheckpointError: There are none, or they belong to another model.
    """
    weights = run / BEST_WEIGHTS_FILE
    check_fingerprints(weights, load_fingerprints(weights), fingerprints_of(config, run), ("tokenizer", "model"))
    model = build_model(config, vocabulary_size, for_training=False)
    load_weights(weights, model)
    if (share := config.export.start_share) > 0:
        best = [to_numpy(variable) for variable in model.trainable_variables]
        load_weights(run / START_FILE, model)
        for variable, array in zip(model.trainable_variables, best, strict=True):
            variable.assign(share * to_numpy(variable) + (1 - share) * array)
    return model


def build_manifest(
    config: RunConfig, run: Path, tokenizer: Tokenizer, model: EncoderDecoder, graphs: Graphs
) -> Manifest:
    """Returns the manifest of the float32 bundle."""
    mean, deviation = length_ratio(TokenPairs.load(run / "train.npz"))
    kept = json.loads((run / "corpus.json").read_text(encoding="utf-8"))["kept"]
    return Manifest(
        name=config.name,
        source=config.source,
        target=config.target,
        other_sources=config.sources[1:],
        source_tags=source_tags(config, tokenizer),
        tokenizer=TokenizerEntry(
            kind=config.tokenizer.kind,
            file=TOKENIZER_FILES[tokenizer.kind],
            vocabulary_size=tokenizer.vocabulary_size,
            pad_id=PAD_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            unk_id=UNK_ID,
        ),
        signature=Signature(
            encoder=describe_signature(graphs[0]),
            decoder_step=describe_signature(graphs[1]),
            states=tuple(StateSpec(name=state.name, moves=state.moves) for state in model.states),
        ),
        limits=Limits(
            max_source_tokens=config.export.max_source_tokens, max_target_tokens=config.export.max_target_tokens
        ),
        length_ratio=LengthRatio(mean=mean, deviation=deviation),
        search=SearchDefaults(beam_size=config.export.beam_size, length_penalty=config.export.length_penalty),
        precision="float32",
        producer=_producer(config),
        training_data=tuple(
            TrainingData(
                name=entry.name,
                pairs=kept[entry.name],
                licence=entry.licence,
                attribution=entry.attribution,
                url=entry.homepage,
            )
            for entry in config.corpus.train
            if kept.get(entry.name)
        ),
    )


def _producer(config: RunConfig) -> Producer:
    return Producer(
        passerelle=__version__,
        tensorflow=_tensorflow_version(),
        keras=version("keras"),
        tf2onnx=version("tf2onnx"),
        onnxruntime=version("onnxruntime"),
        opset=OPSET,
        commit=_commit(),
        config=config.name,
        created=datetime.now(UTC).date(),
    )


def _tensorflow_version() -> str:
    import tensorflow as tf

    return str(tf.__version__)


def _commit() -> str | None:
    """Returns the commit of the training code if it runs from a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None


def _save(folder: Path, manifest: Manifest, graphs: Graphs, tokenizer: Tokenizer, verify: Verify) -> None:
    contents = {
        ENCODER_FILE: graphs[0].SerializeToString(),
        DECODER_STEP_FILE: graphs[1].SerializeToString(),
        manifest.tokenizer.file: tokenizer.to_bytes(),
    }
    save_bundle(folder, manifest, contents, verify)


def opens(folder: Path) -> None:
    """Checks that onnxruntime opens the graphs of a bundle with the signature of its manifest."""
    OnnxGraphs(load_bundle(folder), provider="cpu", threads=1)


def _step_feeds(bundle: Bundle, pairs: Sequence[Pair]) -> Iterator[dict[str, Array]]:
    """Yields the inputs of each decoder step while the graphs read real targets, for calibration."""
    graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
    for start in range(0, len(pairs), 16):
        rows = pairs[start : start + 16]
        source_ids, source_lengths = pad_sentences([source for source, _ in rows])
        tokens, target_lengths = pad_sentences([[BOS_ID, *target] for _, target in rows])
        memory, states = graphs.encode(source_ids, source_lengths)
        if memory:
            memory = {**memory, SOURCE_MASK: mask_of(source_lengths, source_ids.shape[1])}
        for position in range(tokens.shape[1]):
            # Finished rows are left out: their inputs do not occur in decoding.
            alive = np.flatnonzero(position < target_lengths)
            feed: dict[str, Array] = {"token_ids": tokens[alive, position]}
            feed |= {name: array[alive] for name, array in (*memory.items(), *states.items())}
            yield {**feed, "best_k": np.array([1], np.int64)}
            following = graphs.decode_step(tokens[:, position], states, memory, source_lengths, 1).next_states
            states = {**states, **following}
