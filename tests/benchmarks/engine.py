"""How much of the graph's speed the engine keeps: tokens per second as ratios of things measured in one run.

    python -m tests.benchmarks.engine [BUNDLE] [--rounds 5] [--processor-time]

One onnxruntime thread, greedy. Every figure is the median over the rounds, in which the contestants take turns, so that
a noisy machine hits them alike; on a busy one, seconds of processor time say more than those of the clock. The bare
loop runs the encoder once and the step graph until every row has ended, on one fixed batch; the engine gets the same
sentences at once.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from app.bundle.store import Bundle, load_bundle
from app.bundle.tokenizers import BOS_ID, EOS_ID, PAD_ID
from app.engine.factory import run_engine
from app.engine.loop import Engine
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from app.engine.states import padded_width

SENTENCES = (
    "I think that we should go home before it gets dark.",
    "My sister bought a new car at the beginning of the year.",
    "Could you tell me where the nearest train station is?",
    "He has lived in this small town since he was a child.",
    "They were very happy to see their old friends again.",
    "If it rains tomorrow, we will stay at home and read.",
    "She told me that she did not want to work there.",
    "The weather was nice yesterday, but it is cold today.",
)


def bare_loop(graphs: OnnxGraphs, sources: Sequence[Sequence[int]], caps: Sequence[int]) -> int:
    """Greedy with nothing around the graphs; the number of tokens written, eos included."""
    lengths = np.array([len(source) for source in sources], np.int32)
    ids = np.full((len(sources), padded_width(int(lengths.max()))), PAD_ID, np.int32)
    for row, source in enumerate(sources):
        ids[row, : len(source)] = source
    memory, states = graphs.encode(ids, lengths)
    tokens = np.full(len(sources), BOS_ID, np.int32)
    alive = np.ones(len(sources), bool)
    written = 0
    for _ in range(max(caps) + 1):
        stepped = graphs.decode_step(tokens, states, memory, lengths, 1)
        states = {**states, **stepped.next_states}
        tokens = stepped.score_ids[:, 0].astype(np.int32)
        written += int(alive.sum())
        alive &= tokens != EOS_ID
        if not alive.any():
            break
    return written


def through_engine(engine: Engine, sources: Sequence[Sequence[int]], beam_size: int, together: bool) -> int:
    """The number of tokens written, eos included."""
    options = SearchOptions(beam_size=beam_size)
    if together:
        found = [future.result() for future in engine.submit_many(sources, options)]
    else:
        found = [engine.submit(source, options).result() for source in sources]
    return sum(len(hypotheses[0].token_scores) for hypotheses in found)


def measure(
    contestants: dict[str, Callable[[], int]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median tokens per second of each; they take turns, after one round that does not count."""
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            began, tokens = clock(), 0
            while clock() - began < 0.4:
                tokens += run()
            if turn:
                speeds[name].append(tokens / (clock() - began))
    return {name: statistics.median(found) for name, found in speeds.items()}


def report(bundle: Bundle, rounds: int, clock: Callable[[], float]) -> None:
    """Print one line for each batch size."""
    graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
    encoded = [bundle.tokenizer.encode_source(sentence) for sentence in SENTENCES]
    with run_engine(bundle, graphs) as engine:
        for batch in (1, 8, 32):
            sources = [encoded[index % len(encoded)] for index in range(batch)]
            caps = [engine.model.target_cap(len(source)) for source in sources]

            found = measure(
                {
                    "bare": partial(bare_loop, graphs, sources, caps),
                    "engine": partial(through_engine, engine, sources, beam_size=1, together=True),
                    "one by one": partial(through_engine, engine, sources, beam_size=1, together=False),
                    "beam 4": partial(through_engine, engine, sources, beam_size=4, together=True),
                },
                rounds,
                clock,
            )
            print(
                f"batch {batch:>2}: bare loop {found['bare']:>7,.0f} tokens/s; "
                f"engine / bare {found['engine'] / found['bare']:.2f}; "
                f"engine / one by one {found['engine'] / found['one by one']:.2f}; "
                f"beam 4 / greedy {found['beam 4'] / found['engine']:.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("models/en-fr"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processor-time", action="store_true")
    options = parser.parse_args()
    clock = time.process_time if options.processor_time else time.perf_counter
    report(load_bundle(options.bundle), options.rounds, clock)


if __name__ == "__main__":
    main()
