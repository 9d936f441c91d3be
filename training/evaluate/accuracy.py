"""``accuracy``: how many answers of a bundle are right to the last character, by what the task varies."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.bundle.store import Bundle, load_bundle
from app.engine.factory import run_engine
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from training.config import RunConfig
from training.data.clean import Cleaner, CorpusReport
from training.data.corpus import Pair
from training.data.dataset import TokenPairs
from training.data.prepare import load_run_tokenizer, read_dev, read_entry
from training.errors import CorpusError
from training.files import write_atomically
from training.learn.checkpoint import read_state
from training.learn.train import CHECKPOINT_FILE
from training.tasks import TASKS
from training.tasks.question import Group, Question, Task, label

ACCURACY_FILE = "accuracy.json"


@dataclass(frozen=True)
class Accuracy:
    """``groups``: by difficulty, easiest first, right answers and questions."""

    groups: dict[Group, tuple[int, int]]

    @property
    def right(self) -> int:
        return sum(right for right, _ in self.groups.values())

    @property
    def asked(self) -> int:
        return sum(asked for _, asked in self.groups.values())

    @property
    def share(self) -> float:
        return self.right / self.asked


def task_of(config: RunConfig) -> Task:
    """How a run's questions are asked: where it names no task, as sums are, by their characters."""
    return TASKS[config.task or "addition"]


def accuracy(config: RunConfig, run: Path, precision: str, file: Path | None = None) -> Accuracy:
    """Ask what was held out of training, or what of ``file`` does not stand in it, and note in ``accuracy.json`` what
    was right.

    :raises CorpusError: nothing is left to ask.
    """
    pairs = read_dev(run) if file is None else unseen_pairs(config, run, file)
    if not pairs:
        raise CorpusError(f"{file or run}: no question that does not stand in the training data")
    task, place = task_of(config), read_state(run / CHECKPOINT_FILE)
    found = measure_accuracy(run / precision, [task.ask(pair) for pair in pairs])
    document = {
        "system": config.name,
        "axis": task.axis,
        "groups": [
            {"group": label(group), "right": right, "asked": asked} for group, (right, asked) in found.groups.items()
        ],
        "bundle_precision": precision,
        "date": datetime.now(UTC).date().isoformat(),
        "steps": place.step,
        "training_seconds": round(place.training_seconds, 1),
    }
    write_atomically(run / ACCURACY_FILE, json.dumps(document, indent=1).encode())
    return found


def unseen_pairs(config: RunConfig, run: Path, file: Path) -> list[Pair]:
    """The pairs of a file laid out as the training files are, without those whose question was trained on.

    :raises CorpusError: the file is missing or malformed.
    """
    entry = config.corpus.train[0].model_copy(update={"path": str(file.resolve()), "target_path": None})
    cleaner = Cleaner(config.corpus, CorpusReport())
    pairs = cleaner.clean(read_entry(entry, config, Path(), run), "questions", entry)
    found, tokenizer = list(pairs), load_run_tokenizer(config, run)
    trained, asked = TokenPairs.load(run / "train.npz"), TokenPairs.encode(found, tokenizer)
    known, new = (
        [(one.target if config.corpus.sides == "target" else one.source).sentence(i).tobytes() for i in range(len(one))]
        for one in (trained, asked)
    )
    seen = set(known)
    return [pair for pair, ids in zip(found, new, strict=True) if ids not in seen]


def measure_accuracy(folder: Path, questions: Sequence[Question], threads: int = 2) -> Accuracy:
    """Answer every question, greedily, by the serving engine, and compare with its answer.

    Straight to the engine: what the service does to text (sentences, markup, numbers kept as they are) has no place
    in a task of digits.
    """
    bundle = load_bundle(folder)
    counts: defaultdict[Group, list[int]] = defaultdict(lambda: [0, 0])
    with run_engine(bundle, OnnxGraphs(bundle, provider="cpu", threads=threads)) as engine:
        for start in range(0, len(questions), engine.limits.max_request_sequences):
            some = questions[start : start + engine.limits.max_request_sequences]
            sources = [bundle.tokenizer.encode_source(question.source) for question in some]
            options = [_options(bundle, question) for question in some]
            futures = engine.submit_many(sources, options)
            for question, its, future in zip(some, options, futures, strict=True):
                written = future.result()[0].token_ids[len(its.prefix) :]
                counts[question.group][0] += bundle.tokenizer.decode(written) == question.answer
                counts[question.group][1] += 1
    return Accuracy({group: (right, asked) for group, (right, asked) in sorted(counts.items())})


def _options(bundle: Bundle, question: Question) -> SearchOptions:
    """An answer may well repeat itself. What goes on from a prefix is as long as the answer; else the model says where
    its answer ends."""
    if not question.prefix:
        return SearchOptions(loop_guard=False)
    prefix = tuple(bundle.tokenizer.encode(question.prefix))
    longest = len(prefix) + len(bundle.tokenizer.encode(question.answer))
    return SearchOptions(loop_guard=False, prefix=prefix, max_target_tokens=longest)
