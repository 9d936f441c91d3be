"""Where a bundle comes from and what it is: producer, training data or origin, measured quality, files."""

import re
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from app.bundle.signature import STRICT

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def check_file_name(name: str) -> str:
    """Check the name of a bundle's file, which lies directly in the folder: letters, digits, ``. _ -``, no leading dot.

    Raises:
        ValueError: any other name, above all one with a separator or ``..``.
    """
    if not _PLAIN_NAME.fullmatch(name) or ".." in name or len(name) > 100:
        raise ValueError(f"{name!r} is not a plain file name")
    return name


FileName = Annotated[str, AfterValidator(check_file_name)]
Text = Annotated[str, StringConstraints(min_length=1)]
Count = Annotated[int, Field(ge=1)]


class Producer(BaseModel):
    """The versions that made the bundle. A key is null where it was not used, or where the version is unknown."""

    model_config = STRICT

    passerelle: Text
    tensorflow: Text | None
    keras: Text | None
    tf2onnx: Text | None
    onnxruntime: Text | None
    opset: Count | None
    commit: Text | None
    config: Text | None
    created: date


class TrainingData(BaseModel):
    """A corpus that the model learnt from."""

    model_config = STRICT

    name: Text
    pairs: Count
    licence: Text
    attribution: str
    url: str | None


class FileEntry(BaseModel):
    """Checksum and size of a file."""

    model_config = STRICT

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: int = Field(ge=0)


class Origin(BaseModel):
    """The published model that a bundle was converted from.

    Attributes:
        architecture: its name and sizes.
        version: the publisher's own, if there is one.
        files: that were converted, by name.
    """

    model_config = STRICT

    name: Text
    licence: Text
    attribution: str
    url: str | None
    architecture: Text
    version: str | None = None
    files: dict[FileName, FileEntry]


class LengthScore(BaseModel):
    """The score of the segments whose source has ``from_words`` to ``to_words`` words.

    Attributes:
        to_words: None for no upper end.
        interval: as in ``Quality``.
    """

    model_config = STRICT

    from_words: int = Field(ge=0)
    to_words: int | None
    segments: Count
    score: float
    interval: float | None = None


class Quality(BaseModel):
    """One measured score of the exported bundle.

    Attributes:
        interval: half the width of the 95 % confidence interval, by bootstrap resampling of the segments (Koehn 2004,
            "Statistical significance tests for machine translation evaluation"); None where it was not measured.
        signature: the metric's own, so that the measurement can be repeated.
    """

    model_config = STRICT

    set: Text
    metric: Literal["BLEU", "chrF"]
    score: float
    interval: float | None = None
    signature: str
    beam_size: Count
    segments: Count
    by_length: tuple[LengthScore, ...]
