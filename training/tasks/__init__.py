"""Tasks that need no text from anywhere: made up, the same for the same seed. One task a file."""

from training.config import TaskName
from training.tasks import addition, execute, memory
from training.tasks.question import Task

TASKS: dict[TaskName, Task] = {
    "addition": Task("characters", addition.ask),
    "execute": Task("nesting", execute.ask),
    "memory": Task("lag", memory.ask),
}
