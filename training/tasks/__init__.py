"""Synthetic tasks with exact answers. Their corpora are generated and depend only on the seed."""

from training.config import TaskName
from training.tasks import addition, execute, memory
from training.tasks.question import Task

TASKS: dict[TaskName, Task] = {
    "addition": Task("characters", addition.build_question),
    "execute": Task("nesting", execute.build_question),
    "memory": Task("lag", memory.build_question),
}
