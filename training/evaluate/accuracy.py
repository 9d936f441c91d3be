"""``accuracy``: counts the exactly right answers of a bundle to the questions of a task, grouped by difficulty."""

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
    """Counts of answers.

    Attributes:
        groups: Right answers and all answers by difficulty, easiest first.
    """

    groups: dict[Group, tuple[int, int]]

    @property
    def right(self) -> int:
        return sum(right for right, _ in self.groups.values())

    @property
    def total(self) -> int:
        return sum(total for _, total in self.groups.values())

    @property
    def share(self) -> float:
        return self.right / self.total


def task_of(config: RunConfig) -> Task:
    """Returns the task of a run. A run without one is treated like sums, grouped by the characters of the question."""
    return TASKS[config.task or "addition"]


def accuracy(config: RunConfig, run: Path, precision: str, file: Path | None = None) -> Accuracy:
    """Measures the accuracy on questions that were not trained on, and writes it to ``accuracy.json``.

    Args:
        config: The run's configuration.
        run: The run's folder.
        precision: The bundle of the run, ``int8`` or ``float32``.
        file: Source of the questions; None for the pairs that were held out of training.

    Raises:
        CorpusError: No question is left.
    """
    pairs = read_dev(run) if file is None else unseen_pairs(config, run, file)
    if not pairs:
        raise CorpusError(f"{file or run}: every question is in the training data")
    task, state = task_of(config), read_state(run / CHECKPOINT_FILE)
    found = measure_accuracy(run / precision, [task.build_question(pair) for pair in pairs])
    document = {
        "system": config.name,
        "axis": task.axis,
        "groups": [
            {"group": label(group), "right": right, "asked": total} for group, (right, total) in found.groups.items()
        ],
        "bundle_precision": precision,
        "date": datetime.now(UTC).date().isoformat(),
        "steps": state.step,
        "training_seconds": round(state.training_seconds, 1),
    }
    write_atomically(run / ACCURACY_FILE, json.dumps(document, indent=1).encode())
    return found


def unseen_pairs(config: RunConfig, run: Path, file: Path) -> list[Pair]:
    """Reads a file with the columns of the training files, and drops the pairs whose question was trained on.

    Raises:
        CorpusError: The file is missing or malformed.
    """
    entry = config.corpus.train[0].model_copy(update={"path": str(file.resolve()), "target_path": None})
    cleaner = Cleaner(config.corpus, CorpusReport())
    pairs = cleaner.clean(read_entry(entry, config, Path(), run), "questions", entry)
    found, tokenizer = list(pairs), load_run_tokenizer(config, run)
    trained, questions = TokenPairs.load(run / "train.npz"), TokenPairs.encode(found, tokenizer)
    trained_ids, question_ids = (
        [(one.target if config.corpus.sides == "target" else one.source).sentence(i).tobytes() for i in range(len(one))]
        for one in (trained, questions)
    )
    seen = set(trained_ids)
    return [pair for pair, ids in zip(found, question_ids, strict=True) if ids not in seen]


def measure_accuracy(folder: Path, questions: Sequence[Question], threads: int = 2) -> Accuracy:
    """Decodes every question greedily with the serving engine and compares the result with the answer.

    The questions bypass the translator, because a task of digits needs no sentence splitting, no markup and no
    protection of numbers.

    Args:
        folder: Of the bundle.
        questions: With their answers.
        threads: Of each graph.
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
    return Accuracy({group: (right, total) for group, (right, total) in sorted(counts.items())})


def _options(bundle: Bundle, question: Question) -> SearchOptions:
    """Returns the options of a question. The loop guard is off, because right answers may repeat themselves.

    The continuation of a prefix gets the length of the answer; without a prefix the model ends its answer itself.
    """
    if not question.prefix:
        return SearchOptions(loop_guard=False)
    prefix = tuple(bundle.tokenizer.encode(question.prefix))
    longest = len(prefix) + len(bundle.tokenizer.encode(question.answer))
    return SearchOptions(loop_guard=False, prefix=prefix, max_target_tokens=longest)
