"""``accuracy``: how many answers of a bundle are right to the last character, by the length of the question."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from app.bundle.store import load_bundle
from app.engine.facts import ModelFacts
from app.engine.loop import Engine
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from training.corpus import Pair


@dataclass(frozen=True)
class Accuracy:
    """``by_length``: source characters -> right answers and questions."""

    by_length: dict[int, tuple[int, int]]

    @property
    def right(self) -> int:
        return sum(right for right, _ in self.by_length.values())

    @property
    def questions(self) -> int:
        return sum(questions for _, questions in self.by_length.values())

    @property
    def share(self) -> float:
        return self.right / self.questions


def measure_accuracy(folder: Path, pairs: list[Pair], threads: int = 2) -> Accuracy:
    """Answer every source of ``pairs``, greedily, by the serving engine, and compare with its target.

    Straight to the engine: what the service does to text (sentences, markup, numbers kept as they are) has no place
    in a task of digits.
    """
    bundle = load_bundle(folder)
    engine = Engine(OnnxGraphs(bundle, provider="cpu", threads=threads), ModelFacts.of(bundle.manifest))
    engine.start()
    counts: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    try:
        for start in range(0, len(pairs), engine.limits.max_request_sequences):
            some = pairs[start : start + engine.limits.max_request_sequences]
            sources = [bundle.tokenizer.encode_source(source) for source, _ in some]
            futures = engine.submit_many(sources, SearchOptions(beam_size=1))
            for (source, target), future in zip(some, futures, strict=True):
                answer = bundle.tokenizer.decode(future.result()[0].token_ids)
                counts[len(source)][0] += answer == target
                counts[len(source)][1] += 1
    finally:
        engine.stop(drain=False)
    return Accuracy({length: (right, questions) for length, (right, questions) in sorted(counts.items())})
