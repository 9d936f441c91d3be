"""Accuracies of the tasks with exact answers, as ``accuracy`` left them in the runs' folders."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import CorpusError
from training.evaluate.accuracy import ACCURACY_FILE


class Group(BaseModel):
    """Questions that are equally hard."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    group: str | int
    right: int
    asked: int


class TaskResult(BaseModel):
    """What ``accuracy`` measured; ``axis`` says what the groups differ by."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    system: str
    axis: str
    groups: tuple[Group, ...]

    @property
    def share(self) -> float:
        return sum(group.right for group in self.groups) / max(1, sum(group.asked for group in self.groups))


def load_tasks(runs: Path, names: tuple[str, ...]) -> list[TaskResult]:
    """Those that have been measured.

    :raises CorpusError: a file is there but cannot be read.
    """
    found = []
    for name in names:
        path = runs / name / ACCURACY_FILE
        if not path.exists():
            continue
        try:
            found.append(TaskResult.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise CorpusError(f"{path}: {error}") from error
    return found
