"""Results of one bundle on one dev set, kept as files so that a set is measured once."""

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.bundle.manifest import Quality
from training.errors import CorpusError
from training.files import write_atomically


class SetResult(BaseModel):
    """The result of one bundle on one set.

    Attributes:
        bundle: Name of the bundle's folder.
        version: Hash of the bundle's files: a changed bundle of the same name is measured again.
        source: Language of the sources.
        target: Language of the targets.
        set: Name of the set.
        quality: BLEU and chrF.
        cut: Translations that ended at the length cap.
        faults: Translations with each fault (``training.evaluate.error_analysis``).
        machine: Processor and cores.
        made_on: Date of the measurement.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    version: str
    source: str
    target: str
    set: str
    quality: tuple[Quality, Quality]
    cut: int
    faults: dict[str, int]
    machine: str
    made_on: date

    @property
    def segments(self) -> int:
        return self.quality[0].segments

    def save(self, folder: Path) -> None:
        path = result_file(folder, self.bundle, self.source, self.target, self.set)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode())


def result_file(folder: Path, bundle: str, source: str, target: str, name: str) -> Path:
    """Returns the path of a set's result in ``folder``."""
    return folder / bundle / f"{source}-{target}.{name}.json"


def load_result(path: Path) -> SetResult | None:
    """Reads the result of a set; None if it was not measured.

    Raises:
        CorpusError: The file exists but cannot be read.
    """
    if not path.exists():
        return None
    try:
        return SetResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CorpusError(f"{path}: {error}") from error
