"""Bad input for every reader: counts what was taken, refused, crashed and hung, and what leaked.

    python -m tests.benchmarks.fuzz [--inputs 100000] [--seed 0] [--target NAME]

Ends with status 1 if anything crashed or hung. Open files and temporary files are counted before and after, and the
resident memory after a tenth of the inputs, when everything is loaded, and after all of them.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from types import FrameType

from app.errors import PasserelleError
from tests.support.fuzzing import Fuzz, Target, outcome

HANG_SECONDS = 20


class Hang(BaseException):
    """No error that a reader could catch."""


def on_alarm(number: int, frame: FrameType | None) -> None:
    raise Hang(f"not done after {HANG_SECONDS} seconds")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident_mebibytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE") // 2**20


def feed(target: Target, name: str, number: int, counted: "Counter[str]", shown: "Counter[str]") -> None:
    signal.alarm(HANG_SECONDS)
    try:
        refused: PasserelleError | None = outcome(target, number)
        counted["taken" if refused is None else "refused"] += 1
    except (Exception, Hang) as error:
        counted["hung" if isinstance(error, Hang) else "crashed"] += 1
        where = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{name}: {type(error).__name__} at {where.filename}:{where.lineno}"
        shown[kind] += 1
        if shown[kind] == 1:
            print(f"--- {name}, input {number}", file=sys.stderr)
            traceback.print_exception(error)
    finally:
        signal.alarm(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", help="this one alone")
    chosen = parser.parse_args()
    signal.signal(signal.SIGALRM, on_alarm)
    counted: Counter[str] = Counter()
    shown: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = str(Path(folder) / "tmp")
        Path(tempfile.tempdir).mkdir()
        fuzz = Fuzz(Path(folder))
        targets = {
            name: target for name, target in fuzz.targets.items() if chosen.target is None or name == chosen.target
        }
        shares = sum(target.share for target in targets.values())
        files_before, memory_before, began = open_files(), resident_mebibytes(), time.monotonic()
        for tenth in range(10):
            for name, target in targets.items():
                count = round(chosen.inputs * target.share / shares)
                for number in range(count * tenth // 10, count * (tenth + 1) // 10):
                    feed(target, name, chosen.seed + number, counted, shown)
            if tenth == 0:
                memory_before = resident_mebibytes()
            print(f"{(tenth + 1) * 10} %: {dict(counted)}, {time.monotonic() - began:.0f} s", flush=True)
        left = list(Path(tempfile.tempdir).iterdir())
        print(
            f"{sum(counted.values())} inputs: {counted['taken']} taken, {counted['refused']} refused, "
            f"{counted['crashed']} crashed, {counted['hung']} hung; open files {files_before} -> {open_files()}, "
            f"temporary files left {len(left)}, resident {memory_before} -> {resident_mebibytes()} MiB"
        )
    for kind, times in shown.most_common():
        print(f"{times} x {kind}")
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main())
