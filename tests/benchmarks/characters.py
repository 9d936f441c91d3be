"""How much faster the engine writes characters than Keras does, as ratios of things measured in one run.

    python -m tests.benchmarks.characters [RUN] [CONFIG] [--sentences 200]

RUN is the folder of a trained `char-lstm`. The contestants decode the same sentences greedily, each on one core:

- `predict`: the loop of the tutorials, `Model.predict` for every character (a few sentences, for it is slow);
- `one-step function`: the same loop around a compiled `tf.function`;
- `engine`: the exported float32 bundle, all sentences together, and one by one; then int8.

Before anything is timed, the engine's output must be that of the Keras loop, character by character, on every sentence.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from app.bundle.store import load_bundle
from app.engine.factory import run_engine
from app.engine.model import DecodingModel
from app.engine.sequence import SearchOptions
from tests.benchmarks.keras_loop import loop, with_function, with_predict
from training.config import load_config
from training.data.dataset import TokenPairs
from training.data.prepare import load_run_tokenizer
from training.export.export import load_best_model
from training.export.parity import spread_pairs

PREDICTED_SENTENCES = 3


def through_engine(folder: Path, sources: Sequence[list[int]], together: bool) -> tuple[list[tuple[int, ...]], float]:
    """What the engine writes, and its characters a second."""
    bundle = load_bundle(folder)
    options = SearchOptions(loop_guard=False)
    with run_engine(bundle) as engine:
        engine.submit(sources[0], options).result()
        began = time.perf_counter()
        if together:
            found = [future.result()[0] for future in engine.submit_many(sources, options)]
        else:
            found = [engine.submit(source, options).result()[0] for source in sources]
        seconds = time.perf_counter() - began
    return [one.token_ids for one in found], sum(len(one.token_scores) for one in found) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", default=Path("runs/compare/char-lstm"))
    parser.add_argument("config", type=Path, nargs="?", default=Path("training/configs/char-lstm.toml"))
    parser.add_argument("--sentences", type=int, default=200)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    config = load_config(options.config)
    tokenizer = load_run_tokenizer(config, options.run)
    model = load_best_model(config, options.run, tokenizer.vocabulary_size)
    decoding = DecodingModel.of(load_bundle(options.run / "float32").manifest)
    dev = TokenPairs.load(options.run / "dev.npz")
    sources = [source for source, _ in spread_pairs(dev, options.sentences, decoding.max_source_tokens)]
    caps = [decoding.target_cap(len(source)) for source in sources]

    encode, step = with_function(model)
    loop(encode, step, sources[:1], caps[:1])
    began = time.perf_counter()
    expected = [loop(encode, step, [source], [cap])[0] for source, cap in zip(sources, caps, strict=True)]
    function_speed = sum(len(tokens) + 1 for tokens in expected) / (time.perf_counter() - began)
    written, engine_speed = through_engine(options.run / "float32", sources, together=True)
    different = [index for index, tokens in enumerate(expected) if tokens != written[index]]
    if different:
        raise SystemExit(f"{len(different)} of {len(sources)} differ from the Keras loop, first: {different[0]}")
    print(f"{len(sources)} sentences: the engine's output is that of the Keras loop, character by character")

    encode, step = with_predict(model)
    loop(encode, step, sources[:1], [2])
    few = min(range(len(sources)), key=lambda index: abs(len(expected[index]) - 20))
    began, count = time.perf_counter(), 0
    for index in range(few, min(few + PREDICTED_SENTENCES, len(sources))):
        (tokens,) = loop(encode, step, [sources[index]], [caps[index]])
        if tokens != expected[index]:
            raise SystemExit("predict and the one-step function differ")
        count += len(tokens) + 1
    predict_speed = count / (time.perf_counter() - began)

    single_speed = through_engine(options.run / "float32", sources, together=False)[1]
    int8_speed = through_engine(options.run / "int8", sources, together=True)[1]
    print(f"predict for every character: {predict_speed:,.0f} characters/s")
    for name, speed in (
        ("one-step function", function_speed),
        ("engine, one by one", single_speed),
        ("engine, together", engine_speed),
        ("engine, together, int8", int8_speed),
    ):
        print(f"{name}: {speed:,.0f} characters/s, {speed / predict_speed:,.0f} times predict")


if __name__ == "__main__":
    main()
