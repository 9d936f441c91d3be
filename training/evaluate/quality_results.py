"""What was measured of one bundle on one dev set, kept as a file so that it is measured once."""

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.bundle.manifest import Quality
from training.errors import CorpusError
from training.files import write_atomically


class SetResult(BaseModel):
    """``version``: of the bundle's files, so that another bundle of the same name is measured anew. ``cut``: how many
    translations ended at the length cap. ``faults``: how many have each."""

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
    """Where the result of a set lies among those in ``folder``."""
    return folder / bundle / f"{source}-{target}.{name}.json"


def load_result(path: Path) -> SetResult | None:
    """What is known of a set, None if nothing yet.

    :raises CorpusError: the file is there but cannot be read.
    """
    if not path.exists():
        return None
    try:
        return SetResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CorpusError(f"{path}: {error}") from error
