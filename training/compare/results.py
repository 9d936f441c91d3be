"""What was measured of one system, as it is kept in its run's folder."""

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import CorpusError
from training.files import write_atomically

RESULT_FILE = "result.json"


class LengthScore(BaseModel):
    """BLEU of the test sentences whose source has ``from_words`` to ``to_words`` words (None: no upper end)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_words: int
    to_words: int | None
    segments: int
    bleu: float


class Score(BaseModel):
    """By the exported bundle through the engine, with sacreBLEU. ``interval``: half the width of BLEU's 95 % confidence
    interval; ``faults``: how many sentences have each (``training.evaluate.error_analysis``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    set: str
    segments: int
    bleu: float
    chrf: float
    cut: int
    interval: float | None = None
    faults: dict[str, int] = {}
    by_length: tuple[LengthScore, ...]


class Result(BaseModel):
    """One system at one budget. Speeds are per second of processor time, so that a busy machine changes them little:
    ``training_tokens_per_second`` counts target tokens, the engine's two figures what one thread writes in batches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    budget_seconds: float
    steps: int
    epochs: float
    target_tokens: int
    training_tokens_per_second: float
    parameters: int
    dev_loss: float
    bundle_bytes: int
    engine_tokens_per_second: float
    engine_characters_per_second: float
    scores: tuple[Score, ...]
    signatures: tuple[str, ...]
    machine: str
    made_on: date

    @property
    def main(self) -> Score:
        """The score that the systems are compared by."""
        return self.scores[0]

    def bleu_from(self, words: int) -> LengthScore | None:
        """BLEU of all test sentences of so many words and more; None if that was not measured."""
        found = [part for part in self.main.by_length if part.from_words == words and part.to_words is None]
        return found[0] if found else None

    def save(self, run: Path) -> None:
        write_atomically(run / RESULT_FILE, (self.model_dump_json(indent=1) + "\n").encode())


def load_result(run: Path) -> Result | None:
    """What is known of the system of this run, None if nothing yet.

    :raises CorpusError: the file is there but cannot be read.
    """
    path = run / RESULT_FILE
    if not path.exists():
        return None
    try:
        return Result.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CorpusError(f"{path}: {error}") from error
