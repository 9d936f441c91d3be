"""``manifest.json``: everything that serving needs to know of a bundle, as a frozen model that refuses unknown keys."""

import json
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator

from app.bundle.provenance import Count as Count
from app.bundle.provenance import FileEntry as FileEntry
from app.bundle.provenance import FileName as FileName
from app.bundle.provenance import LengthScore as LengthScore
from app.bundle.provenance import Origin as Origin
from app.bundle.provenance import Producer as Producer
from app.bundle.provenance import Quality as Quality
from app.bundle.provenance import Text as Text
from app.bundle.provenance import TrainingData as TrainingData
from app.bundle.provenance import check_file_name as check_file_name
from app.bundle.signature import STRICT, Signature
from app.errors import BundleFormatError

FORMAT_VERSION: Final = 1
MANIFEST_FILE: Final = "manifest.json"
ENCODER_FILE: Final = "encoder.onnx"
DECODER_STEP_FILE: Final = "decoder_step.onnx"

LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
EncoderRows = Literal["any", "one"]


class TokenizerEntry(BaseModel):
    """The tokenizer's file, its size and its special ids; Marian's tokenizers pad with eos."""

    model_config = STRICT

    kind: Literal["sentencepiece", "marian", "characters", "words"]
    file: FileName
    vocabulary_size: Count
    pad_id: int
    bos_id: int
    eos_id: int
    unk_id: int

    @model_validator(mode="after")
    def _ids_fit(self) -> "TokenizerEntry":
        ids = (self.pad_id, self.bos_id, self.eos_id, self.unk_id)
        different = ids[1:] if self.kind == "marian" else ids
        if len(set(different)) != len(different) or not all(0 <= token_id < self.vocabulary_size for token_id in ids):
            raise ValueError(f"special ids {ids} must differ and lie below the vocabulary size {self.vocabulary_size}")
        return self


class Limits(BaseModel):
    """The longest source (its eos included) and the longest target (eos not counted) that the model may see.

    Attributes:
        max_target_ratio: the most target tokens for each source token, instead of what a ``LengthRatio`` makes likely.
    """

    model_config = STRICT

    max_source_tokens: Count
    max_target_tokens: Count
    max_target_ratio: float | None = Field(default=None, gt=0)


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


class ShortlistEntry(BaseModel):
    """The lexical shortlist, see ``app.bundle.shortlist``.

    Attributes:
        first: this many first tokens of the vocabulary are candidates of every sentence.
        adds_source_ids: whether the tokens of a sentence are candidates of its translation.
        is_default: whether it is used where the setting leaves that to the bundle.
    """

    model_config = STRICT

    file: FileName
    first: int = Field(ge=0)
    adds_source_ids: bool
    is_default: bool


class Manifest(BaseModel):
    """A bundle's manifest.

    Attributes:
        other_sources: languages that it reads in addition to ``source``, the main one.
        source_tags: for a model with several targets, the token that precedes a source and requests a language
            (Johnson et al. 2017, arXiv:1611.04558), by language; ``target`` is then the main one. Empty for all other
            models.
        source_tokenizer: where sources have another vocabulary than targets; ``tokenizer`` is then that of the targets.
        largest_product_weight: the largest absolute value of the int8 weights. Above 64, x86 CPUs without VNNI need
            another kernel to add products exactly.
        length_ratio: None for a converted model, whose ``limits`` then have ``max_target_ratio``.
        origin: of a converted model.
        encoder_rows: ``one`` where the encoder computes the scales of its integers from its whole input, so that it
            must get one row a call, without padding; ``any`` where no row depends on the others.
        lone_row: ``alone`` where a single row gets the same bits as one of several, because its products are sums of
            integers; ``paired`` where a single row must be computed together with a copy of itself.
        shortlist: None where every step searches the whole vocabulary.
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
    source_tokenizer: TokenizerEntry | None = None
    signature: Signature
    limits: Limits
    length_ratio: LengthRatio | None = None
    search: SearchDefaults
    precision: Literal["float32", "int8"]
    largest_product_weight: Literal[64, 127] = 64
    encoder_rows: EncoderRows = "any"
    lone_row: Literal["paired", "alone"] = "paired"
    producer: Producer
    training_data: tuple[TrainingData, ...]
    origin: Origin | None = None
    quality: tuple[Quality, ...] = ()
    shortlist: ShortlistEntry | None = None
    files: dict[FileName, FileEntry] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _files_fit(self) -> "Manifest":
        if MANIFEST_FILE in self.files:
            raise ValueError(f"files lists {MANIFEST_FILE} itself")
        missing = self.required_files - self.files.keys()
        if self.files and missing:
            raise ValueError(f"files does not list {sorted(missing)}")
        names = [entry.file for entry in (*self._tokenizers, self.shortlist) if entry is not None]
        if len(self.required_files) != 2 + len(names) or MANIFEST_FILE in names:
            raise ValueError(f"the file of a tokenizer or shortlist cannot be {' or '.join(names)}")
        return self

    @model_validator(mode="after")
    def _shortlist_fits(self) -> "Manifest":
        if (self.shortlist is not None) != self.signature.has_candidates:
            raise ValueError("shortlist and the decoder step's inputs candidate_* go together")
        if self.shortlist is not None and self.shortlist.adds_source_ids:
            sizes = (self.source_vocabulary_size, self.tokenizer.vocabulary_size)
            if sizes[0] != sizes[1]:
                raise ValueError(f"shortlist.adds_source_ids needs vocabularies of one size, they have {sizes} tokens")
        return self

    @model_validator(mode="after")
    def _lengths_fit(self) -> "Manifest":
        if (self.length_ratio is None) == (self.limits.max_target_ratio is None):
            raise ValueError("length_ratio or limits.max_target_ratio is needed, and not both")
        if self.encoder_rows == "one" and set(self.signature.source_axes.values()) - {1}:
            raise ValueError("encoder_rows is one, so source must be the second axis of every memory")
        return self

    @model_validator(mode="after")
    def _tags_fit(self) -> "Manifest":
        if self.source_tags and self.target not in self.source_tags:
            raise ValueError(f"source_tags has none for the target {self.target}, only for {sorted(self.source_tags)}")
        beyond = {tag for tag in self.source_tags.values() if tag >= self.source_vocabulary_size}
        if beyond:
            raise ValueError(f"source_tags {sorted(beyond)} lie beyond the {self.source_vocabulary_size} tokens")
        return self

    @model_validator(mode="after")
    def _sources_fit(self) -> "Manifest":
        if len(set(self.sources)) != len(self.sources):
            raise ValueError(f"other_sources holds a language twice, or the source {self.source}: {self.other_sources}")
        if self.other_sources and (self.source_tags or self.target in self.sources):
            raise ValueError(f"several sources ({', '.join(self.sources)}) go with one target that is none of them")
        return self

    @property
    def source_vocabulary_size(self) -> int:
        """The number of ids of sources."""
        return (self.source_tokenizer or self.tokenizer).vocabulary_size

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
        others = [entry.file for entry in (*self._tokenizers, self.shortlist) if entry is not None]
        return frozenset((ENCODER_FILE, DECODER_STEP_FILE, *others))

    @property
    def _tokenizers(self) -> tuple[TokenizerEntry, ...]:
        return (self.tokenizer,) if self.source_tokenizer is None else (self.tokenizer, self.source_tokenizer)

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
