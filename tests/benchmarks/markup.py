"""Measures what markup costs: the processor time of sentences with inline tags over that of the same without.

    python -m tests.benchmarks.markup [BUNDLE] [--sentences FILE] [--documents 10000]

Each sentence is translated by itself and as HTML with two nested elements and a third beside them; then all together in
one request. Everything counts: splitting, the graphs, the search, tag projection. Before that, random documents go
through a model that writes anything, and must come back with every tag.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from app.bundle.store import load_bundle
from app.engine.factory import run_engine
from app.engine.loop import EngineLimits
from app.translation.translator import TranslationOptions, Translator
from tests.support.fakes import fake_bundle
from tests.support.markup_texts import HTML, check_many
from tests.unit.translation.test_unmasking import Hostile

SENTENCES = (
    "I bought a red car yesterday.",
    "Where is the nearest train station?",
    "She has been living in this old house for more than twenty years.",
    "The children were playing in the garden when it began to rain.",
    "I do not know whether he will come to the party tonight.",
    "My brother's wife is a doctor in a small hospital near the sea.",
    "You should have told me that you did not like your new job.",
    "This book is much more interesting than the one I read last week.",
    "We had to wait for two hours because the plane was late.",
    "Could you please help me carry these boxes to the kitchen?",
)


def tag_sentence(sentence: str) -> str:
    """Returns ``one two <a href="/x">three <b>four</b> five</a> six <i>seven</i>`` for seven words."""
    words = sentence.split(" ")
    words[2] = f'<a href="/x">{words[2]}'
    words[3] = f"<b>{words[3]}</b>"
    words[4] = f"{words[4]}</a>"
    words[-1] = f"<i>{words[-1]}</i>"
    return " ".join(words)


def seconds(translator: Translator, requests: Sequence[Sequence[str]], options: TranslationOptions) -> float:
    """Returns the processor time of all threads of this process."""
    began = time.process_time()
    for texts in requests:
        translator.translate(texts, options)
    return time.process_time() - began


def check_tags(count: int) -> None:
    with TemporaryDirectory() as folder:
        translator = Translator(fake_bundle(Path(folder)), Hostile(6))
        began = time.perf_counter()
        check_many(translator, count)
    print(f"{count} random documents: every tag came back, in {time.perf_counter() - began:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("models/en-fr"))
    parser.add_argument("--sentences", type=Path, help="one a line, of five words or more; without it, ten of its own")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    check_tags(chosen.documents)
    lines = chosen.sentences.read_text(encoding="utf-8").splitlines() if chosen.sentences else SENTENCES
    sentences = [line for line in lines if len(line.split(" ")) > 4]
    bundle = load_bundle(chosen.bundle)
    limits = EngineLimits(max_waiting=100_000, max_request_sequences=100_000)
    plain, tagged_options = TranslationOptions(), HTML
    with run_engine(bundle, limits=limits) as engine:
        translator = Translator(bundle, engine)
        for name, split in (
            ("one by one", lambda texts: [[text] for text in texts]),
            ("together", lambda texts: [texts]),
        ):
            as_text, as_html = split(sentences), split([tag_sentence(sentence) for sentence in sentences])
            seconds(translator, as_html, tagged_options)
            # In turns, and the least of each, so that other work of the machine affects both or neither.
            pairs = [
                (seconds(translator, as_text, plain), seconds(translator, as_html, tagged_options))
                for _ in range(chosen.rounds)
            ]
            text, html = min(one for one, _ in pairs), min(other for _, other in pairs)
            print(f"{name}: {html / text:.2f} times the text's ({html:.3f} s, {text:.3f} s)")


if __name__ == "__main__":
    main()
