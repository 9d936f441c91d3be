"""How much faster the engine writes words than a Keras loop on the same weights, and int8 than float32, as ratios of
things measured in one run.

    python -m tests.benchmarks.words [CONFIG] [--run RUN] [--batch 1 8 32] [--rounds 3]

Without RUN the weights are random: the model has the shape that CONFIG says, made-up words for its vocabulary and
nonsense to say, but its arithmetic, and so its speed, is that of a trained one. It is exported in both precisions as
any other. With RUN, the folder of a trained and exported run of CONFIG, its own weights and dev sentences are used.

Every contestant decodes the same sentences greedily with one thread, each sentence to ``--target-tokens`` at most:

- `predict`: the loop of the tutorials, `Model.predict` for every token, one sentence at a time (a few, for it is slow);
- `function`: the same loop around a compiled `tf.function`, with the whole batch together;
- `float32`, `int8`: the exported bundles in the engine.

Before anything is timed, the float32 engine must write what the Keras loop writes, token by token. Speeds are tokens a
second of processor time, so that a busy machine disturbs them little; medians over rounds in which all take turns.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import tensorflow as tf

from app.bundle.store import load_bundle
from app.engine.factory import open_engine
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.engine.sequence import SearchOptions
from tests.benchmarks.keras_loop import Tokens, loop, with_function, with_predict
from training.config import RunConfig, load_config
from training.data.config import CorpusConfig, CorpusFile, TokenizerConfig
from training.data.dataset import TokenPairs
from training.data.prepare import load_run_tokenizer, prepare
from training.export.export import export, load_best_model
from training.export.parity import spread_pairs
from training.learn.build import build_model
from training.learn.checkpoint import save_weights
from training.learn.train import BEST_WEIGHTS_FILE

_SPECIAL_IDS = 4
_SOURCE_WORDS = 11  # and the eos
Write = Callable[[], list[Tokens]]


def untrained_run(config: RunConfig, folder: Path) -> RunConfig:
    """Make a run of random weights in ``folder`` and export it; its configuration, with made-up words for a corpus."""
    size, chance = config.tokenizer.vocabulary_size, random.Random(1)
    words = [f"w{number}" for number in range(size - _SPECIAL_IDS)]
    chance.shuffle(words)
    # Every word at least once, or the vocabulary would be smaller than that of CONFIG.
    sources = [words[start : start + _SOURCE_WORDS] for start in range(0, len(words), _SOURCE_WORDS)]
    lines = [" ".join(source) + "\t" + " ".join(chance.sample(source, len(source))) + "\n" for source in sources]
    (folder / "pairs.tsv").write_text("".join(lines * 2), encoding="utf-8")
    held_out = [" ".join(chance.sample(words, _SOURCE_WORDS)) for _ in range(200)]
    (folder / "dev.tsv").write_text("".join(f"{line}\t{line}\n" for line in held_out), encoding="utf-8")
    made = config.model_copy(
        update={
            "corpus": CorpusConfig(
                train=(CorpusFile(name="made-up", path="pairs.tsv", licence="none"),),
                dev=(CorpusFile(name="made-up", path="dev.tsv", licence="none"),),
            ),
            "tokenizer": TokenizerConfig(kind="words", vocabulary_size=size),
            "export": config.export.model_copy(update={"parity_sentences": 8, "beam_size": 1}),
        }
    )
    prepare(made, folder, folder)
    model = build_model(made, load_run_tokenizer(made, folder).vocabulary_size, for_training=False)
    save_weights(folder / BEST_WEIGHTS_FILE, model)
    export(made, folder)
    return made


def started_engine(folder: Path) -> Engine:
    bundle = load_bundle(folder)
    engine = open_engine(bundle)
    engine.start()
    return engine


def through_engine(engine: Engine, sources: Sequence[list[int]], caps: Sequence[int]) -> list[Tokens]:
    options = [SearchOptions(loop_guard=False, max_target_tokens=cap) for cap in caps]
    return [future.result()[0].token_ids for future in engine.submit_many(sources, options)]


def speeds(contestants: dict[str, Write], rounds: int) -> dict[str, float]:
    """Median tokens per second of processor time of each; they take turns, after one round that does not count."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, write in contestants.items():
            began, tokens = time.process_time(), 0
            while time.process_time() - began < 0.4:
                tokens += sum(len(one) + 1 for one in write())
            if turn:
                found[name].append(tokens / (time.process_time() - began))
    return {name: statistics.median(measured) for name, measured in found.items()}


def report(config: RunConfig, run: Path, options: argparse.Namespace) -> None:
    tokenizer = load_run_tokenizer(config, run)
    model = load_best_model(config, run, tokenizer.vocabulary_size)
    engines = {precision: started_engine(run / precision) for precision in ("float32", "int8")}
    decoding = DecodingModel.of(load_bundle(run / "float32").manifest)
    dev = TokenPairs.load(run / "dev.npz")
    sources = [source for source, _ in spread_pairs(dev, max(options.batch), decoding.max_source_tokens)]
    caps = [min(options.target_tokens, decoding.target_cap(len(source))) for source in sources]
    compiled, predicting = with_function(model), with_predict(model)
    try:
        expected = [loop(*compiled, [source], [cap])[0] for source, cap in zip(sources, caps, strict=True)]
        if through_engine(engines["float32"], sources, caps) != expected:
            raise SystemExit("the engine does not write what the Keras loop writes")
        print(
            f"{decoding.vocabulary_size:,} tokens, {len(sources)} sentences: "
            "the float32 engine writes what the Keras loop writes, token by token"
        )
        for batch in options.batch:
            some, most = sources[:batch], caps[:batch]
            contestants: dict[str, Write] = {
                "function": partial(loop, *compiled, some, most),
                "float32": partial(through_engine, engines["float32"], some, most),
                "int8": partial(through_engine, engines["int8"], some, most),
            }
            if batch == 1:
                contestants["predict"] = partial(loop, *predicting, some, most)
            found = speeds(contestants, options.rounds)
            predict = f", {found['int8'] / found['predict']:.0f} times predict" if batch == 1 else ""
            print(
                f"batch {batch:>2}: Keras function {found['function']:>7,.0f} tokens/s; engine float32 / function "
                f"{found['float32'] / found['function']:.1f}; engine int8 / function "
                f"{found['int8'] / found['function']:.1f}{predict}; int8 / float32 "
                f"{found['int8'] / found['float32']:.2f}",
                flush=True,
            )
    finally:
        for engine in engines.values():
            engine.stop(drain=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, nargs="?", default=Path("training/configs/en-fr.toml"))
    parser.add_argument("--run", type=Path)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--target-tokens", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    config = load_config(options.config)
    if options.run is not None:
        report(config, options.run, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(f"random weights in the shape of {config.name}", flush=True)
        report(untrained_run(config, Path(folder)), Path(folder), options)


if __name__ == "__main__":
    main()
