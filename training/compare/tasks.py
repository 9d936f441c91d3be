"""Accuracies of the tasks with exact answers, as ``accuracy`` wrote them into the runs' folders."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.errors import CorpusError
from training.evaluate.accuracy import ACCURACY_FILE


class Group(BaseModel):
    """Questions of equal difficulty.

    Attributes:
        group: The difficulty.
        right: Right answers.
        total: All answers; ``asked`` in the file.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    group: str | int
    right: int
    total: int = Field(alias="asked")


class TaskResult(BaseModel):
    """The result of ``accuracy``.

    Attributes:
        system: Name of the configuration.
        axis: What the groups differ in.
        groups: Easiest first.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    system: str
    axis: str
    groups: tuple[Group, ...]

    @property
    def share(self) -> float:
        return sum(group.right for group in self.groups) / max(1, sum(group.total for group in self.groups))


def load_tasks(runs: Path, names: tuple[str, ...]) -> list[TaskResult]:
    """Reads the results of the measured tasks.

    Raises:
        CorpusError: A file exists but cannot be read.
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
