"""Converts the files of a Marian student into a bundle."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import onnx

from app import __version__
from app.bundle.manifest import (
    DECODER_STEP_FILE,
    ENCODER_FILE,
    FileEntry,
    Limits,
    Manifest,
    Origin,
    Producer,
    SearchDefaults,
    ShortlistEntry,
    TokenizerEntry,
    check_file_name,
)
from app.bundle.shortlist import write_shortlist
from app.bundle.signature import Signature, StateSpec
from app.bundle.store import load_bundle, save_bundle
from app.bundle.tokenizers import SentencePieceTokenizer
from app.errors import BundleError
from training.convert.calibrate import calibrate
from training.convert.card import CARD_FILE, render_card
from training.convert.graph_builder import OPSET
from training.convert.graphs import build_decoder_step, build_encoder, state_axes
from training.convert.lexicon import Lexicon, Pieces, read_lexicon
from training.convert.marian_file import read_model
from training.convert.parity import StudentParity, check_bundle
from training.convert.student import LARGEST, Student
from training.convert.student_reader import read_student
from training.errors import ConversionError
from training.export.onnx_edit import describe_signature

TOKENIZER_FILE: Final = "tokenizer.model"
SOURCE_TOKENIZER_FILE: Final = "source_tokenizer.model"
SHORTLIST_FILE: Final = "shortlist.bin"
MAX_VOCABULARY_BYTES: Final = 64 * 1024**2
MAX_CALIBRATION_LINES: Final = 2000
# What Firefox and Bergamot set: 128 source pieces with eos, and twice as many target tokens as source tokens.
MAX_SOURCE_TOKENS: Final = 128
MAX_TARGET_TOKENS: Final = 256
MAX_TARGET_RATIO: Final = 2.0


@dataclass(frozen=True)
class MarianFiles:
    """The files of a model.

    Attributes:
        model: ``.bin`` with constant scales, or ``.npz``.
        source_vocabulary: SentencePiece model of the sources.
        target_vocabulary: That of the targets; the same path for a shared one.
        calibration: Sentences in the source language, one a line, for a model without constant scales.
        shortlist: ``lex.*.bin``, or the text lexicon ``lex.*.gz``.
        uses_shortlist: Whether the bundle uses it where a setting does not say.
    """

    model: Path
    source_vocabulary: Path
    target_vocabulary: Path
    calibration: Path | None = None
    shortlist: Path | None = None
    uses_shortlist: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The converted files, each once."""
        found = (self.model, self.source_vocabulary, self.target_vocabulary, self.shortlist)
        return tuple(dict.fromkeys(path for path in found if path is not None))


@dataclass(frozen=True)
class Published:
    """What is known of a published model beside its files.

    Attributes:
        source: Language code.
        target: Language code.
        name: Of the model, for the manifest's origin.
        licence: SPDX identifier.
        attribution: Who made it.
        url: Where it was published.
        version: The publisher's own.
    """

    source: str
    target: str
    name: str
    licence: str = "MPL-2.0"
    attribution: str = ""
    url: str | None = None
    version: str | None = None


def convert(
    files: MarianFiles, published: Published, folder: Path, replace: bool = False
) -> tuple[Manifest, StudentParity]:
    """Converts a model and saves it as the bundle ``folder``, or leaves the folder as it was.

    Args:
        files: Of the model.
        published: Languages and origin.
        folder: Of the bundle; a converted bundle there is replaced.
        replace: Whether a bundle that was not converted is replaced too.

    Returns:
        The manifest, and the comparison with the student's equations.

    Raises:
        ConversionError: The model or a vocabulary cannot be converted, or ``folder`` holds another bundle.
        ParityError: The graphs do not compute what the equations give.
    """
    _check_destination(folder, replace)
    source = _read_vocabulary(files.source_vocabulary)
    is_shared = files.source_vocabulary == files.target_vocabulary
    target = source if is_shared else _read_vocabulary(files.target_vocabulary)
    student = read_student(read_model(files.model), needs_alphas=files.calibration is None)
    for path, tokenizer, rows in (
        (files.source_vocabulary, source, student.source_size),
        (files.target_vocabulary, target, student.target_size),
    ):
        if tokenizer.vocabulary_size != rows + 1:
            raise ConversionError(
                f"{path}: has {tokenizer.vocabulary_size - 1} pieces, the model has {rows} embeddings: "
                "it is the vocabulary of another model"
            )
    if files.calibration is not None:
        sources = _calibration_sources(files.calibration, source)
        student = calibrate(student, sources, target.eos_id, target.unk_id)
    lexicon = None if files.shortlist is None else _lexicon(files.shortlist, student, (source, target))
    graphs = (build_encoder(student), build_decoder_step(student, target.unk_id, lexicon is not None))
    manifest = _manifest(student, files, published, graphs, (source, target), lexicon)
    contents: dict[str, bytes | Path] = {
        ENCODER_FILE: graphs[0].SerializeToString(),
        DECODER_STEP_FILE: graphs[1].SerializeToString(),
        TOKENIZER_FILE: target.to_bytes(),
        CARD_FILE: render_card(manifest).encode("utf-8"),
    }
    if not is_shared:
        contents[SOURCE_TOKENIZER_FILE] = source.to_bytes()
    if lexicon is not None:
        # The start token, which no source contains, has an empty list.
        contents[SHORTLIST_FILE] = write_shortlist([*lexicon.lists, np.empty(0, np.uint32)], student.target_size)
    parity: list[StudentParity] = []
    try:
        written = save_bundle(folder, manifest, contents, lambda fresh: parity.append(check_bundle(student, fresh)))
    except (BundleError, OSError) as error:
        raise ConversionError(f"{folder}: cannot be written: {error}") from error
    return written, parity[0]


def _lexicon(
    path: Path, student: Student, tokenizers: tuple[SentencePieceTokenizer, SentencePieceTokenizer]
) -> Lexicon:
    source, target = tokenizers
    pieces = Pieces(source.id_of, target.id_of, source.unk_id, target.unk_id)
    return read_lexicon(path, student.source_size, student.target_size, pieces)


def _check_destination(folder: Path, replace: bool) -> None:
    if replace or not folder.exists():
        return
    try:
        found = load_bundle(folder).manifest
    except BundleError as error:
        raise ConversionError(f"{folder}: exists and is no bundle ({error}); choose another --name") from error
    if found.origin is None:
        raise ConversionError(f"{folder}: holds a bundle that was not converted; choose another --name, or --replace")


def _read_vocabulary(path: Path) -> SentencePieceTokenizer:
    try:
        if path.stat().st_size > MAX_VOCABULARY_BYTES:
            raise ConversionError(f"{path}: has {path.stat().st_size} bytes, the limit is {MAX_VOCABULARY_BYTES}")
        return SentencePieceTokenizer(path.read_bytes(), "marian")
    except (BundleError, OSError) as error:
        raise ConversionError(f"{path}: is no vocabulary: {error}") from error


def _calibration_sources(path: Path, tokenizer: SentencePieceTokenizer) -> list[list[int]]:
    try:
        with path.open(encoding="utf-8") as stream:
            lines = [line.strip() for line, _ in zip(stream, range(MAX_CALIBRATION_LINES), strict=False)]
    except (OSError, UnicodeDecodeError) as error:
        raise ConversionError(f"{path}: cannot be read: {error}") from error
    sources = [tokenizer.encode_source(line) for line in lines if line]
    sources = [source for source in sources if len(source) <= MAX_SOURCE_TOKENS]
    if not sources:
        raise ConversionError(f"{path}: has no sentence of at most {MAX_SOURCE_TOKENS - 1} pieces")
    return sources


def _manifest(
    student: Student,
    files: MarianFiles,
    published: Published,
    graphs: tuple[onnx.ModelProto, onnx.ModelProto],
    tokenizers: tuple[SentencePieceTokenizer, SentencePieceTokenizer],
    lexicon: Lexicon | None,
) -> Manifest:
    source, target = tokenizers
    shortlist = None
    if lexicon is not None:
        shortlist = ShortlistEntry(
            file=SHORTLIST_FILE,
            first=lexicon.first,
            adds_source_ids=source.to_bytes() == target.to_bytes(),
            is_default=files.uses_shortlist,
        )
    return Manifest(
        name=published.name,
        source=published.source,
        target=published.target,
        tokenizer=_entry(target, TOKENIZER_FILE),
        source_tokenizer=None if source is target else _entry(source, SOURCE_TOKENIZER_FILE),
        signature=Signature(
            encoder=describe_signature(graphs[0]),
            decoder_step=describe_signature(graphs[1]),
            states=tuple(StateSpec(name=name, moves="hypothesis") for name in state_axes(student)),
        ),
        limits=Limits(
            max_source_tokens=MAX_SOURCE_TOKENS,
            max_target_tokens=MAX_TARGET_TOKENS,
            max_target_ratio=MAX_TARGET_RATIO,
        ),
        search=SearchDefaults(beam_size=1, length_penalty=1.0),
        precision="int8",
        largest_product_weight=LARGEST,
        lone_row="alone",
        producer=Producer(
            passerelle=__version__,
            tensorflow=None,
            keras=None,
            tf2onnx=None,
            onnxruntime=version("onnxruntime"),
            opset=OPSET,
            commit=None,
            config=None,
            created=datetime.now(UTC).date(),
        ),
        training_data=(),
        origin=Origin(
            name=published.name,
            licence=published.licence,
            attribution=published.attribution,
            url=published.url,
            architecture=student.architecture,
            version=published.version,
            files={_plain(path.name): _file_entry(path) for path in files.paths},
        ),
        shortlist=shortlist,
    )


def _entry(tokenizer: SentencePieceTokenizer, file: str) -> TokenizerEntry:
    return TokenizerEntry(
        kind="marian",
        file=file,
        vocabulary_size=tokenizer.vocabulary_size,
        pad_id=tokenizer.eos_id,
        bos_id=tokenizer.bos_id,
        eos_id=tokenizer.eos_id,
        unk_id=tokenizer.unk_id,
    )


def _plain(name: str) -> str:
    try:
        return check_file_name(name)
    except ValueError as error:
        raise ConversionError(f"{error}; rename it") from error


def _file_entry(path: Path) -> FileEntry:
    with path.open("rb") as stream:
        return FileEntry(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), bytes=path.stat().st_size)
