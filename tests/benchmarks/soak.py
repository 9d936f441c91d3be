"""Does the service grow? Its resident memory over many requests of mixed lengths, and what a row and a bundle take.

    python -m tests.benchmarks.soak [--requests 100000] [--clients 16] [--models models]

Words, sentences, paragraphs and lists come in turns, greedy and with a beam, so that buffers of every size are made and
left again. Memory is the resident size of the server's process, read after every twentieth of the requests.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from app.bundle.folders import find_bundles
from app.bundle.store import Bundle, load_bundle
from app.engine.states import padded_width
from tests.benchmarks.http import ROOT, run_load, sentences, service

_READINGS = 20
_USUAL_TOKENS = 12
_SIZES = {"float32": 4, "float16": 2, "int32": 4, "int64": 8, "int8": 1, "uint8": 1, "bool": 1}


def texts() -> Iterator[Any]:
    """A word, a sentence, a paragraph, a list; again and again, always with other words."""
    found = sentences()
    for number in itertools.count():
        one = next(found)
        paragraph, several = " ".join(islice(found, 2 + number % 9)), list(islice(found, 4))
        yield (one.split()[0], one, paragraph, several)[number % 4]


def bytes_of_a_row(bundle: Bundle) -> tuple[int, int]:
    """What one hypothesis carries from step to step, and what each token of its source adds."""
    state, memory = 0, 0
    for spec in bundle.manifest.signature.encoder.outputs:
        size = _SIZES[spec.dtype]
        for axis in spec.axes:
            size *= axis if isinstance(axis, int) else 1
        if spec.name in bundle.manifest.signature.memory_names:
            memory += size
        else:
            state += size
    return state, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    folders = find_bundles(options.models)
    for folder in folders:
        bundle = load_bundle(folder)
        state, memory = bytes_of_a_row(bundle)
        limits = bundle.manifest.limits
        usual, longest = (state + memory * padded_width(tokens) for tokens in (_USUAL_TOKENS, limits.max_source_tokens))
        print(
            f"{folder.name}: a row takes {state:,} bytes, and {memory:,} for each token of its source, padded: "
            f"{usual / 1024:,.0f} KiB for {_USUAL_TOKENS} tokens, {longest / 1024:,.0f} KiB for the most, "
            f"{limits.max_source_tokens}"
        )
    with tempfile.TemporaryDirectory() as nothing, service(Path(nothing)) as empty:
        without = empty.resident_mebibytes()
    with service(options.models) as server:
        began = time.perf_counter()
        start = server.resident_mebibytes()
        print(f"no bundle: {without:.1f} MiB; each of {len(folders)}: {(start - without) / len(folders):.1f} MiB more")
        mixed, each = texts(), max(1, options.requests // _READINGS)
        for number in range(_READINGS):
            fields: dict[str, object] = {} if number % 2 else {"beam_size": 1}
            run_load(server, mixed, each, options.clients, fields)
            print(
                f"{(number + 1) * each:>8,} requests: {server.resident_mebibytes():7.1f} MiB "
                f"after {time.perf_counter() - began:,.0f} s, {server.cpu_seconds():,.0f} s of processor time",
                flush=True,
            )


if __name__ == "__main__":
    main()
