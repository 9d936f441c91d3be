"""What a loaded bundle takes: the shipped ones, and students of Firefox's shapes with random weights.

    python -m tests.benchmarks.memory [--tokens 32000] [--shapes tiny base-memory base]

Each bundle is loaded in a process of its own that has loaded another one before, so that libraries do not count. Its
memory is the growth of the resident size after it has translated 32 sentences together, free memory returned to the
system; with its sessions alone, and with the tokenizer, the phrase table and the engine.
"""

import argparse
import ctypes
import subprocess
import sys
import tempfile
from pathlib import Path

from app.bundle.store import Bundle, load_bundle
from app.engine.factory import run_engine
from app.engine.loop import EngineLimits
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from tests.benchmarks.marian import SHAPES, large_vocabulary
from tests.support.marian_models import student_model
from training.convert.marian import MarianFiles, Published, convert

ROOT = Path(__file__).parents[2]
ROWS = 32
_MIB = 1024**2


def resident_mib() -> float:
    """The resident size of this process, once free memory is returned."""
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / _MIB


def decode(bundle: Bundle, graphs: OnnxGraphs) -> None:
    limits = EngineLimits(max_rows=ROWS)
    source = bundle.tokenizer.encode_source("The cat sleeps in the garden.")
    with run_engine(bundle, graphs, limits) as engine:
        futures = engine.submit_many([source] * ROWS, [SearchOptions(beam_size=1, max_target_tokens=20)] * ROWS)
        for future in futures:
            future.result()


def measure(folder: Path) -> tuple[float, float, float]:
    """MiB of a bundle's files, of its sessions, and of all of it."""
    other = load_bundle(ROOT / "models" / ("fr-en" if folder.name != "fr-en" else "en-fr"))
    decode(other, OnnxGraphs(other, provider="cpu", threads=1))
    del other
    before = resident_mib()
    bundle = load_bundle(folder)
    read = resident_mib()
    graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
    opened = resident_mib()
    decode(bundle, graphs)
    whole = resident_mib() - before
    return sum(entry.bytes for entry in bundle.manifest.files.values()) / _MIB, opened - read, whole


def make(shape: str, tokens: int, folder: Path) -> Path:
    """A converted student with random weights."""
    vocab, _ = large_vocabulary(tokens)
    content, _ = student_model(SHAPES[shape], (vocab,), 3)
    (folder / "model.bin").write_bytes(content)
    (folder / "vocab.spm").write_bytes(vocab)
    convert(
        MarianFiles(folder / "model.bin", folder / "vocab.spm", folder / "vocab.spm"),
        Published("en", "fr", shape),
        folder / shape,
    )
    return folder / shape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="*", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--tokens", type=int, default=32_000)
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of is not None:
        files, sessions, whole = measure(options.of)
        ratios = [f"{mib:9.1f} ({mib / files:.2f})" for mib in (sessions, whole)]
        print(f"{options.of.name:<12} {files:7.1f} {' '.join(ratios)}")
        return
    print("MiB           files  sessions (times)      all (times)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        shipped = sorted(path.parent for path in (ROOT / "models").glob("*/manifest.json"))
        made = (make(shape, options.tokens, Path(folder)) for shape in options.shapes)
        for bundle in (*shipped, *made):
            subprocess.run([sys.executable, "-m", "tests.benchmarks.memory", "--of", str(bundle)], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
