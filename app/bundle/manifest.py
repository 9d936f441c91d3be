"""``manifest.json``: everything that serving needs to know of a bundle, as a frozen model that refuses unknown keys."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError, model_validator

from app.bundle.signature import STRICT, Signature
from app.errors import BundleFormatError

FORMAT_VERSION: Final = 1
MANIFEST_FILE: Final = "manifest.json"
ENCODER_FILE: Final = "encoder.onnx"
DECODER_STEP_FILE: Final = "decoder_step.onnx"

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
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Count = Annotated[int, Field(ge=1)]
EncoderRows = Literal["any", "one"]


class TokenizerEntry(BaseModel):
    """The tokenizer's file, its size and its special ids."""

    model_config = STRICT

    kind: Literal["sentencepiece", "characters", "words"]
    file: FileName
    vocabulary_size: Count
    pad_id: int
    bos_id: int
    eos_id: int
    unk_id: int

    @model_validator(mode="after")
    def _ids_fit(self) -> "TokenizerEntry":
        ids = (self.pad_id, self.bos_id, self.eos_id, self.unk_id)
        if len(set(ids)) != len(ids) or not all(0 <= token_id < self.vocabulary_size for token_id in ids):
            raise ValueError(f"special ids {ids} must differ and lie below the vocabulary size {self.vocabulary_size}")
        return self


class Limits(BaseModel):
    """The longest source (its eos included) and the longest target (eos not counted) that the model may see."""

    model_config = STRICT

    max_source_tokens: Count
    max_target_tokens: Count


class LengthRatio(BaseModel):
    """Target tokens for each source token in the training data: mean and standard deviation over its pairs."""

    model_config = STRICT

    mean: float = Field(gt=0)
    deviation: float = Field(ge=0)


class SearchDefaults(BaseModel):
    """The search where a request asks for none."""

    model_config = STRICT

    beam_size: Count
    length_penalty: float = Field(ge=0)


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
    """A corpus that the model learnt from, or the origin of a converted model."""

    model_config = STRICT

    name: Text
    pairs: Count
    licence: Text
    attribution: str
    url: str | None


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


class FileEntry(BaseModel):
    """Checksum and size of a file."""

    model_config = STRICT

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: int = Field(ge=0)


class Manifest(BaseModel):
    """A bundle's manifest.

    Attributes:
        other_sources: languages that it reads in addition to ``source``, the main one.
        source_tags: for a model with several targets, the token that precedes a source and requests a language
            (Johnson et al. 2017, arXiv:1611.04558), by language; ``target`` is then the main one. Empty for all other
            models.
        encoder_rows: ``one`` where the encoder computes the scales of its integers from its whole input, so that it
            must get one row a call, without padding; ``any`` where no row depends on the others.
        files: empty until ``save_bundle`` fills it in.
    """

    model_config = STRICT

    format_version: Literal[1] = FORMAT_VERSION
    name: Text
    source: LanguageCode
    target: LanguageCode
    other_sources: tuple[LanguageCode, ...] = ()
    source_tags: dict[LanguageCode, Count] = Field(default_factory=dict)
    tokenizer: TokenizerEntry
    signature: Signature
    limits: Limits
    length_ratio: LengthRatio
    search: SearchDefaults
    precision: Literal["float32", "int8"]
    encoder_rows: EncoderRows = "any"
    producer: Producer
    training_data: tuple[TrainingData, ...]
    quality: tuple[Quality, ...] = ()
    files: dict[FileName, FileEntry] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _files_fit(self) -> "Manifest":
        if MANIFEST_FILE in self.files:
            raise ValueError(f"files lists {MANIFEST_FILE} itself")
        missing = self.required_files - self.files.keys()
        if self.files and missing:
            raise ValueError(f"files does not list {sorted(missing)}")
        if len(self.required_files) != 3 or self.tokenizer.file == MANIFEST_FILE:
            raise ValueError(f"the tokenizer's file cannot be {self.tokenizer.file}")
        return self

    @model_validator(mode="after")
    def _tags_fit(self) -> "Manifest":
        if self.source_tags and self.target not in self.source_tags:
            raise ValueError(f"source_tags has none for the target {self.target}, only for {sorted(self.source_tags)}")
        beyond = {tag for tag in self.source_tags.values() if tag >= self.tokenizer.vocabulary_size}
        if beyond:
            raise ValueError(f"source_tags {sorted(beyond)} lie beyond the {self.tokenizer.vocabulary_size} tokens")
        return self

    @model_validator(mode="after")
    def _sources_fit(self) -> "Manifest":
        if len(set(self.sources)) != len(self.sources):
            raise ValueError(f"other_sources holds a language twice, or the source {self.source}: {self.other_sources}")
        if self.other_sources and (self.source_tags or self.target in self.sources):
            raise ValueError(f"several sources ({', '.join(self.sources)}) go with one target that is none of them")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Every language that the bundle translates from, the main one first."""
        return (self.source, *self.other_sources)

    @property
    def targets(self) -> tuple[str, ...]:
        """Every language that the bundle translates into, the main one first."""
        return (self.target, *(code for code in self.source_tags if code not in (self.target, self.source)))

    @property
    def required_files(self) -> frozenset[str]:
        """The files that every bundle has, by name."""
        return frozenset((ENCODER_FILE, DECODER_STEP_FILE, self.tokenizer.file))

    def to_bytes(self) -> bytes:
        """The content of ``manifest.json``: readable, in the order of the fields."""
        return (json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """Read the content of a manifest.

    Args:
        content: of the file.
        path: of the file, for the messages.

    Raises:
        BundleFormatError: no JSON, another format version, an unknown key, a bad value.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:  # also bytes that are not UTF-8, and a thousand brackets
        raise BundleFormatError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(document, dict):
        raise BundleFormatError(f"{path}: holds a JSON {type(document).__name__}, expected an object")
    # The version is checked first: a newer format may have keys that are unknown here.
    version = document.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise BundleFormatError(f"{path}: format_version is {version!r}, this release reads {FORMAT_VERSION}")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BundleFormatError(f"{path}: {describe(error)}") from error


def describe(error: ValidationError) -> str:
    """Every fault on one line: its path, what is wrong, and the value found (shortened)."""
    faults = []
    for fault in error.errors(include_url=False, include_context=False):
        where = ".".join(str(step) for step in fault["loc"]) or "manifest"
        value = repr(fault["input"])
        faults.append(f"{where}: {fault['msg']} (found {value if len(value) <= 60 else value[:57] + '...'})")
    return "; ".join(faults)
