"""The engine on a converted student beside Mozilla's engine, ``fxtranslate``, on the same student and sentences.

    python -m tests.benchmarks.marian [--shape tiny|base-memory|base] [--tokens 32000] [--sentences 32] [--rounds 4]

The student has random weights in the published shape; both search the whole vocabulary, and then only a lexical
shortlist. ``fxtranslate`` translates one sentence a call; the engine gets 1, 8 and 32 at once, and so does ``slimt``
where it is installed, which always uses the shortlist. All use one thread, take turns in one process, and processor
time is counted, so the ratios say something even on a busy machine. The student never ends a sentence, so the engine
writes as many tokens as ``fxtranslate`` allows: twice as many as the source has, and 4. ``slimt`` stops at as many as
the longest source of its call has, so what it needs for a sentence is multiplied by the tokens that it did not write.
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
from app.settings import ShortlistMode
from tests.benchmarks.slimt_engine import Slimt, is_installed
from tests.support.marian_models import Shape, pieces, random_lists, shortlist_file, student_model, vocabulary
from training.convert.marian import MarianFiles, Published, convert

SHAPES = {
    "tiny": Shape(256, 1536, 6, 2, 8, 1.0),
    "base-memory": Shape(384, 1536, 6, 4, 8, 1.0),
    "base": Shape(512, 2048, 6, 2, 8, 1.0),
}
FILES = ("model.enfr.intgemm.alphas.bin", "vocab.enfr.spm", "lex.s2t.bin")
CONCURRENT = (1, 8, 32)
NEVER_ENDS = -50.0  # the bias of eos


def large_vocabulary(tokens: int) -> tuple[bytes, list[str]]:
    """The vocabulary of the tests with random pieces behind, and those of them that are words."""
    model = sentencepiece_model_pb2.ModelProto.FromString(vocabulary(1))  # type: ignore[attr-defined]
    random, seen, words = Random(1), {piece.piece for piece in model.pieces}, []
    while len(model.pieces) < tokens:
        piece = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(3, 8)))
        if random.random() < 0.5:
            words.append(piece)
            piece = f"▁{piece}"
        if piece not in seen:
            seen.add(piece)
            model.pieces.add(piece=piece, score=-10.0)
    content: bytes = model.SerializeToString()
    return content, words


def make(shape: Shape, vocab: bytes, folder: Path) -> tuple[dict[str, Bundle], dict[str, fxtranslate.Translator]]:
    """The same student in both engines, by whether a shortlist is used."""
    content, _ = student_model(shape, (vocab,), 3, NEVER_ENDS)
    lexicon = shortlist_file(random_lists((pieces(vocab), pieces(vocab)), 3))
    model, path, lex = (folder / name for name in FILES)
    model.write_bytes(content)
    path.write_bytes(vocab)
    lex.write_bytes(lexicon)
    convert(MarianFiles(model, path, path, shortlist=lex), Published("en", "fr", "en-fr"), folder / "en-fr")
    modes: dict[str, ShortlistMode] = {"whole vocabulary": "off", "shortlist": "on"}
    bundles = {name: load_bundle(folder / "en-fr", shortlist=mode) for name, mode in modes.items()}
    others = (fxtranslate.Translator(content, vocab, vocab), fxtranslate.Translator(content, vocab, vocab, lexicon))
    return bundles, dict(zip(modes, others, strict=True))


def decode(engine: Engine, sources: list[list[int]], concurrent: int) -> int:
    """The number of tokens written, ``concurrent`` sources at a time."""
    written = 0
    options = [SearchOptions(loop_guard=False, max_target_tokens=min(2 * len(one) + 4, 256)) for one in sources]
    for start in range(0, len(sources), concurrent):
        end = start + concurrent
        futures = engine.submit_many(sources[start:end], options[start:end])
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
    vocab, words = large_vocabulary(options.tokens)
    random = Random(9)
    texts = [" ".join(random.choices(words, k=random.randint(3, 17))) for _ in range(options.sentences)]
    with tempfile.TemporaryDirectory() as folder:
        bundles, others = make(SHAPES[options.shape], vocab, Path(folder))
        for mode, bundle in bundles.items():
            slimt = None
            if mode == "shortlist" and is_installed():
                files = [Path(folder) / name for name in FILES]
                slimt = Slimt((files[0], files[1], files[2]), SHAPES[options.shape])
            compare(mode, bundle, (others[mode], slimt), texts, options.rounds)


def compare(
    mode: str, bundle: Bundle, others: tuple[fxtranslate.Translator, Slimt | None], texts: list[str], rounds: int
) -> None:
    """Measure all engines in turns, and print milliseconds a sentence."""
    other, slimt = others
    sources = [bundle.tokenizer.encode_source(text) for text in texts]
    seconds: dict[str, list[float]] = {}
    with run_engine(bundle) as engine:
        tokens = decode(engine, sources, 8)
        for _ in range(rounds):
            for count in CONCURRENT:
                used = spent(lambda count=count: decode(engine, sources, count))  # type: ignore[misc]
                seconds.setdefault(f"engine, {count} at once", []).append(used)
                if slimt is not None:
                    before = time.process_time()
                    written = slimt.translate(texts, count)
                    used = (time.process_time() - before) * tokens / written
                    seconds.setdefault(f"slimt, {count} at once", []).append(used)
            seconds.setdefault("fxtranslate", []).append(spent(lambda: [other.translate(text) for text in texts]))
    base = min(seconds["fxtranslate"])
    per_source, per_target = sum(map(len, sources)) / len(sources), tokens / len(sources)
    print(f"{mode}: {bundle.manifest.tokenizer.vocabulary_size - 1:,} tokens", end="; ")
    if bundle.shortlist is not None:
        chosen = [set(bundle.shortlist.candidates(source).tolist()) for source in sources]
        counts = [round(sum(map(len, chosen)) / len(chosen)), len(set().union(*chosen[:8])), len(set().union(*chosen))]
        print(f"{counts[0]} candidates a sentence, {counts[1]} of 8, {counts[2]} of all", end="; ")
    print(f"{per_source:.0f} source and {per_target:.0f} target tokens a sentence")
    print("milliseconds of processor time a sentence")
    for name, found in seconds.items():
        print(f"{name:<20} {1000 * min(found) / len(sources):8.2f}   {base / min(found):5.2f} times fxtranslate")


if __name__ == "__main__":
    main()
