"""How much of the graph's speed the engine keeps: tokens per second as ratios of things measured in one run.

    python -m tests.benchmarks.engine [BUNDLE] [--rounds 5] [--processor-time]

One onnxruntime thread, greedy. Every figure is the median over the rounds, in which the contestants take turns, so that
a noisy machine hits them alike; on a busy one, seconds of processor time say more than those of the clock. The bare
loop runs the encoder once and the step graph until every row has ended, on one fixed batch; the engine gets the same
sentences at once.

The floor is the speed at which the integer products of the step graph alone would write these tokens, each measured in
a graph of its own in the same run: what everything else, the encoder too, is compared with. It needs the ``onnx``
package, and is left out for graphs without such products.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime

from app.bundle.store import Bundle, load_bundle
from app.bundle.tokenizers import BOS_ID, EOS_ID, PAD_ID
from app.engine.factory import run_engine
from app.engine.loop import Engine
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from app.engine.sessions import _session_options as session_options
from app.engine.states import padded_width

_PRODUCT = "MatMulIntegerToFloat"  # of exports
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


class Products:
    """The integer products of a step graph, each in a graph of its own."""

    def __init__(self, bundle: Bundle) -> None:
        import onnx

        model = onnx.load(bundle.decoder_step_path)
        constants = {constant.name: constant for constant in model.graph.initializer}
        makers = {output: node for node in model.graph.node for output in node.output}
        options = session_options(1, is_exact=bundle.manifest.largest_product_weight > 64)
        self._sessions: list[tuple[onnxruntime.InferenceSession, int]] = []
        for product in model.graph.node:
            if product.op_type != _PRODUCT:
                continue
            # A weight may be made of a constant, such as a transposed embedding; onnxruntime does that at the load.
            nodes, names = [product], [name for name in product.input[1:] if name]
            for name in names:
                if name not in constants:
                    nodes.insert(0, makers[name])
                    names += makers[name].input
            own = [constants[name] for name in dict.fromkeys(names) if name in constants]
            given = onnx.helper.make_tensor_value_info(product.input[0], onnx.TensorProto.UINT8, ["rows", "depth"])
            result = onnx.helper.make_tensor_value_info(product.output[0], onnx.TensorProto.FLOAT, None)
            graph = onnx.helper.make_graph(nodes, "product", [given], [result], own)
            alone = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
            session = onnxruntime.InferenceSession(
                alone.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            name = product.input[1]
            depth = constants[name].dims[0] if name in constants else constants[makers[name].input[0]].dims[1]
            self._sessions.append((session, depth))

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def step_seconds(self, rows: int, clock: Callable[[], float]) -> float:
        """The sum of the times that the products of some rows take, each the median of many calls."""
        total = 0.0
        for session, depth in self._sessions:
            values = np.random.default_rng(0).integers(0, 256, (rows, depth), np.uint8)
            feed = {session.get_inputs()[0].name: values}
            times = []
            for _ in range(11):
                began = clock()
                for _ in range(20):
                    session.run(None, feed)
                times.append((clock() - began) / 20)
            total += statistics.median(times)
        return total


def floor_speed(
    products: Products, engine: Engine, sources: Sequence[Sequence[int]], clock: Callable[[], float]
) -> float:
    """Tokens per second if each step took as long as its products, with the rows that the engine has in it."""
    found = [future.result() for future in engine.submit_many(sources, SearchOptions())]
    lengths = [len(hypotheses[0].token_scores) for hypotheses in found]
    rows = [sum(length > step for length in lengths) for step in range(max(lengths))]
    # A lone row is computed twice, see ``app.engine.sessions``.
    seconds = {count: products.step_seconds(max(2, count), clock) for count in set(rows)}
    return sum(lengths) / sum(seconds[count] for count in rows)


def step_seconds(graphs: OnnxGraphs, sources: Sequence[Sequence[int]], clock: Callable[[], float]) -> float:
    """The time of one step of the whole graph over these sources, the median of many."""
    lengths = np.array([len(source) for source in sources], np.int32)
    ids = np.full((len(sources), padded_width(int(lengths.max()))), PAD_ID, np.int32)
    for row, source in enumerate(sources):
        ids[row, : len(source)] = source
    memory, states = graphs.encode(ids, lengths)
    tokens, times = np.full(len(sources), BOS_ID, np.int32), []
    for _ in range(11):
        began = clock()
        for _ in range(20):
            graphs.decode_step(tokens, states, memory, lengths, 1)
        times.append((clock() - began) / 20)
    return statistics.median(times)


def report(bundle: Bundle, rounds: int, clock: Callable[[], float]) -> None:
    """Print one line for each batch size."""
    graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
    encoded = [bundle.tokenizer.encode_source(sentence) for sentence in SENTENCES]
    products = Products(bundle) if find_spec("onnx") else None
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
            if products:
                floor = floor_speed(products, engine, sources, clock)
                step = products.step_seconds(max(2, batch), clock) / step_seconds(graphs, sources, clock)
                print(
                    f"          floor {floor:>7,.0f} tokens/s; products / step {step:.2f}; "
                    f"engine / floor {found['engine'] / floor:.2f}"
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
