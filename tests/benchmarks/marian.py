"""The engine on a converted student beside Mozilla's engine, ``fxtranslate``, on the same student and sentences.

    python -m tests.benchmarks.marian [--shape tiny|base-memory|base] [--tokens 32000] [--sentences 32] [--rounds 4]

The student has random weights in the published shape, and both search the whole vocabulary. ``fxtranslate`` translates
one sentence a call; the engine gets 1, 8 and 32 at once. Both use one thread, take turns in one process, and processor
time is counted, so the ratios say something even where the machine is busy. They write almost the same tokens; where
the student does not end by itself, the engine's limit is 6 tokens further away.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import fxtranslate
from sentencepiece import sentencepiece_model_pb2

from app.bundle.store import Bundle, load_bundle
from app.engine.factory import run_engine
from app.engine.loop import Engine
from app.engine.sequence import SearchOptions
from tests.support.marian_models import Shape, sentences, student_model, vocabulary
from training.convert.marian import MarianFiles, Published, convert

SHAPES = {
    "tiny": Shape(256, 1536, 6, 2, 8, 1.0),
    "base-memory": Shape(384, 1536, 6, 4, 8, 1.0),
    "base": Shape(512, 2048, 6, 2, 8, 1.0),
}
CONCURRENT = (1, 8, 32)
OPTIONS = SearchOptions(loop_guard=False)


def large_vocabulary(tokens: int) -> bytes:
    """The vocabulary of the tests with random pieces behind, which no sentence uses."""
    model = sentencepiece_model_pb2.ModelProto.FromString(vocabulary(1))  # type: ignore[attr-defined]
    random, seen = Random(1), {piece.piece for piece in model.pieces}
    while len(model.pieces) < tokens:
        piece = "▁" * random.randrange(2) + "".join(
            random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(3, 8))
        )
        if piece not in seen:
            seen.add(piece)
            model.pieces.add(piece=piece, score=-30.0)
    content: bytes = model.SerializeToString()
    return content


def make(shape: Shape, tokens: int, folder: Path) -> tuple[Bundle, fxtranslate.Translator]:
    """The same student in both engines."""
    vocab = large_vocabulary(tokens)
    content, _ = student_model(shape, (vocab,), 3, 3.4)
    model, path = folder / "model.enfr.intgemm.alphas.bin", folder / "vocab.enfr.spm"
    model.write_bytes(content)
    path.write_bytes(vocab)
    convert(MarianFiles(model, path, path), Published("en", "fr", "en-fr"), folder / "en-fr")
    return load_bundle(folder / "en-fr"), fxtranslate.Translator(content, vocab, vocab)


def decode(engine: Engine, sources: list[list[int]], concurrent: int) -> int:
    """The number of tokens written, ``concurrent`` sources at a time."""
    written = 0
    for start in range(0, len(sources), concurrent):
        futures = engine.submit_many(sources[start : start + concurrent], OPTIONS)
        written += sum(len(future.result()[0].token_ids) for future in futures)
    return written


def spent(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--tokens", type=int, default=32_000)
    parser.add_argument("--sentences", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle, other = make(SHAPES[options.shape], options.tokens, Path(folder))
        texts = sentences(options.sentences, 9)
        sources = [bundle.tokenizer.encode_source(text) for text in texts]
        seconds: dict[str, list[float]] = {}
        with run_engine(bundle) as engine:
            tokens = decode(engine, sources, 8)
            for _ in range(options.rounds):
                for count in CONCURRENT:
                    used = spent(lambda count=count: decode(engine, sources, count))  # type: ignore[misc]
                    seconds.setdefault(f"engine, {count} at once", []).append(used)
                seconds.setdefault("fxtranslate", []).append(spent(lambda: [other.translate(text) for text in texts]))
    base = min(seconds["fxtranslate"])
    print(f"{options.shape}, {options.tokens:,} tokens; {sum(map(len, sources)) / len(sources):.0f} source tokens and")
    print(f"{tokens / len(sources):.0f} target tokens a sentence; milliseconds of processor time a sentence")
    for name, found in seconds.items():
        print(f"{name:<20} {1000 * min(found) / len(sources):8.1f}   {base / min(found):5.2f} times fxtranslate")


if __name__ == "__main__":
    main()
