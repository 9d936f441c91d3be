"""The result of one system, as it is stored in its run's folder."""

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import CorpusError
from training.files import write_atomically

RESULT_FILE = "result.json"


class LengthScore(BaseModel):
    """BLEU of the test sentences whose source has ``from_words`` to ``to_words`` words; None is no upper bound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_words: int
    to_words: int | None
    segments: int
    bleu: float


class Score(BaseModel):
    """Scores of the exported bundle on one set, through the engine, with sacreBLEU.

    Attributes:
        set: Name of the set.
        segments: Number of sentences.
        bleu: BLEU, 0 to 100.
        chrf: chrF, 0 to 100.
        cut: Translations that ended at the length cap.
        interval: Half the width of BLEU's 95 % confidence interval.
        faults: Sentences with each fault (``training.evaluate.error_analysis``).
        by_length: BLEU by length buckets.
    """

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
    """One system with one budget.

    Speeds are per second of processor time, so that other work on the machine changes them little.

    Attributes:
        system: Name of the system.
        budget_seconds: Processor time of the training.
        steps: Training steps.
        epochs: Number of times that the corpus was read.
        target_tokens: Trained target tokens.
        training_tokens_per_second: Target tokens in training.
        parameters: Number of weights.
        dev_loss: Lowest loss on dev, in nats per token.
        bundle_bytes: Size of the int8 bundle.
        engine_tokens_per_second: Tokens that one thread of the engine writes in full batches.
        engine_characters_per_second: Characters that it writes.
        scores: One for each set.
        signatures: Of sacreBLEU.
        machine: Processor and cores.
        made_on: Date of the measurement.
    """

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
        """Returns BLEU of all test sentences of at least ``words`` words; None if it was not measured."""
        found = [part for part in self.main.by_length if part.from_words == words and part.to_words is None]
        return found[0] if found else None

    def save(self, run: Path) -> None:
        write_atomically(run / RESULT_FILE, (self.model_dump_json(indent=1) + "\n").encode())


def load_result(run: Path) -> Result | None:
    """Reads the result of a run; None if it was not measured.

    Raises:
        CorpusError: The file exists but cannot be read.
    """
    path = run / RESULT_FILE
    if not path.exists():
        return None
    try:
        return Result.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CorpusError(f"{path}: {error}") from error
