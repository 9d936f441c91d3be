"""Students with random weights and their vocabularies, in the files that Marian writes."""

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from training.convert.calibrate import calibrate
from training.convert.marian_file import CONFIG_ITEM, FLOAT32, INT8, INTGEMM8, Item, MarianModel
from training.convert.student import Matrix, Student
from training.convert.student_reader import read_student

SYMBOLS = ["__source__", "__target__", "__done__", "__start__", "__end__"]
EOS, UNK = 0, 1
LEXICON = "lex.50.50.enfr.s2t.bin"
_TEXT = (
    "the a house tree river water morning evening child mother father garden window street train station ticket bread "
    "cheese apple green red blue old young small large quickly slowly never always where when because often walk run "
    "sleep read write speak listen open close buy sell bring carry remember forget travel arrive leave stay winter "
    "summer Monday Paris London three seven hundred été façade naïve cœur Straße Größe niño"
)
_WORDS = _TEXT.split()


@dataclass(frozen=True)
class Shape:
    """Sizes of a model: as the published ones, or smaller.

    Attributes:
        sharpness: Of its attention. With 3, translations have many different tokens that depend on the source, and one
            changed bit may change them all; with 1 they are dull and stable.
    """

    dim: int = 64
    ffn: int = 128
    encoder_layers: int = 2
    decoder_layers: int = 2
    heads: int = 8
    sharpness: float = 3.0


@cache
def vocabulary(seed: int = 0, size: int = 400) -> bytes:
    """A SentencePiece model as Mozilla trains them: eos 0, unk 1, no bos, no pad, symbols, bytes."""
    random = Random(seed)
    words = [*_WORDS, *("".join(random.choices("abdeilmnorstu", k=random.randint(3, 9))) for _ in range(300))]
    lines = [" ".join(random.choices(words, k=random.randint(3, 12))) + random.choice(".!?") for _ in range(2000)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=size,
        hard_vocab_limit=False,
        byte_fallback=True,
        bos_id=-1,
        pad_id=-1,
        eos_id=EOS,
        unk_id=UNK,
        user_defined_symbols=SYMBOLS,
        minloglevel=2,
        num_threads=1,
    )
    return model.getvalue()


def sentences(count: int, seed: int = 0) -> list[str]:
    """Texts with accents, ligatures, no-break spaces, digits and other scripts among English words."""
    random = Random(seed)
    spice = ["ﬁne", "12 345", "café", "日本語", "a\u00a0b", "Ünïcödé", "x²", "—", "😀", "3.14"]
    found = []
    for _ in range(count):
        words = random.choices(_WORDS, k=random.randint(1, 14))
        if random.random() < 0.4:
            words.insert(random.randrange(len(words) + 1), random.choice(spice))
        found.append(" ".join(words) + random.choice((".", "?", "!", "")))
    return found


def encode(vocab: bytes, text: str) -> list[int]:
    """Source ids as the engines make them."""
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(vocab)
    return [*map(int, processor.EncodeAsIds(text)), EOS]


def pieces(vocab: bytes) -> int:
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(vocab)
    return int(processor.GetPieceSize())


def config_text(shape: Shape, **changes: str) -> str:
    """The configuration as Marian prints it; keyword arguments replace values, with ``-`` written as ``_``."""
    values = {
        "type": "transformer",
        "dim-emb": str(shape.dim),
        "dim-rnn": "1024",
        "dim-vocabs": "\n  - 32000\n  - 32000",
        "enc-depth": str(shape.encoder_layers),
        "dec-depth": str(shape.decoder_layers),
        "enc-cell": "gru",
        "dec-cell": "ssru",
        "transformer-heads": str(shape.heads),
        "transformer-dim-ffn": str(shape.ffn),
        "transformer-decoder-dim-ffn": "0",
        "transformer-ffn-depth": "2",
        "transformer-ffn-activation": "relu",
        "transformer-decoder-autoreg": "rnn",
        "transformer-preprocess": '""',
        "transformer-postprocess": "dan",
        "transformer-postprocess-emb": "d",
        "transformer-train-position-embeddings": "false",
        "layer-normalization": "false",
        "tied-embeddings-all": "true",
        "input-types": "\n  []",
        "version": "v1.9.56 2023-01-01 00:00:00 +0000",
    }
    values |= {key.replace("_", "-"): value for key, value in changes.items()}
    return "".join(f"{key}: {value}\n" for key, value in values.items())


def float_model(shape: Shape, sizes: tuple[int, ...], seed: int = 0, eos_bias: float = 1.6) -> MarianModel:
    """Random weights in float32, as in a checkpoint.

    Args:
        shape: Of the model.
        sizes: Of the one vocabulary, or of the source's and the target's.
        seed: Of the weights.
        eos_bias: The larger, the shorter are the translations.
    """
    random = np.random.default_rng(seed)
    dim, ffn = shape.dim, shape.ffn
    arrays: dict[str, NDArray[Any]] = {}

    def matrix(name: str, inputs: int, outputs: int, bias: str | None) -> None:
        gain = (shape.sharpness if name[-2:] in ("Wq", "Wk") else 1.0) * (
            2.0 if "context" in name and name[-2:] in ("Wo", "Wv") else 1.0
        )
        arrays[name] = random.normal(0, gain * inputs**-0.5, (inputs, outputs))
        if bias is not None:
            arrays[bias] = random.normal(0, 0.02, (1, outputs))

    def norm(name: str) -> None:
        arrays[f"{name}_scale"] = random.normal(1, 0.1, (1, dim))
        arrays[f"{name}_bias"] = random.normal(0, 0.02, (1, dim))

    def attention(name: str) -> None:
        for one in "qkvo":
            matrix(f"{name}_W{one}", dim, dim, f"{name}_b{one}")
        norm(f"{name}_Wo_ln")

    def feed_forward(name: str) -> None:
        matrix(f"{name}_W1", dim, ffn, f"{name}_b1")
        matrix(f"{name}_W2", ffn, dim, f"{name}_b2")
        norm(f"{name}_ffn_ln")

    for layer in range(1, shape.encoder_layers + 1):
        attention(f"encoder_l{layer}_self")
        feed_forward(f"encoder_l{layer}_ffn")
    for layer in range(1, shape.decoder_layers + 1):
        matrix(f"decoder_l{layer}_rnn_W", dim, dim, None)
        matrix(f"decoder_l{layer}_rnn_Wf", dim, dim, f"decoder_l{layer}_rnn_bf")
        norm(f"decoder_l{layer}_rnn_ffn_ln")
        attention(f"decoder_l{layer}_context")
        feed_forward(f"decoder_l{layer}_ffn")
    names = ("Wemb",) if len(sizes) == 1 else ("encoder_Wemb", "decoder_Wemb")
    for name, size in zip(names, sizes, strict=True):
        arrays[name] = random.normal(0, dim**-0.5, (size, dim))
    arrays["decoder_ff_logit_out_b"] = random.normal(0, 0.1, (1, sizes[-1]))
    arrays["decoder_ff_logit_out_b"][0, EOS] = eos_bias
    items = {name: Item(name, values.astype(np.float32)) for name, values in arrays.items()}
    return MarianModel(items, config_text(shape))


def student_model(
    shape: Shape, vocabs: tuple[bytes, ...], seed: int = 0, eos_bias: float = 1.6
) -> tuple[bytes, Student]:
    """A ``.bin`` file with calibrated alphas, and the weights that it holds."""
    model = float_model(shape, tuple(map(pieces, vocabs)), seed, eos_bias)
    student = read_student(model, needs_alphas=False)
    sources = [encode(vocabs[0], text) for text in sentences(32, seed + 1)]
    student = calibrate(student, sources, EOS, UNK)
    return binary_of(model, student), student


def binary_of(model: MarianModel, student: Student) -> bytes:
    """The file of a float model with the int8 matrices and the alphas of a student made from it."""
    found: dict[str, Matrix] = {}
    _collect(student, found)
    entries: dict[str, tuple[int, tuple[int, ...], bytes]] = {}
    for name, item in model.items.items():
        if name.endswith("Wemb"):
            table = student.source if name == "encoder_Wemb" else student.target
            entries[name] = (INTGEMM8, item.values.shape, _quantised(table.integers, table.multiplier))
        elif name in found:
            matrix = found[name]
            entries[name] = (INTGEMM8, matrix.shape, _quantised(matrix.integers.T, matrix.multiplier))
            entries[f"{name}_QuantMultA"] = (FLOAT32, (1, 1), struct.pack("<f", matrix.alpha))
        else:
            entries[name] = (FLOAT32, item.values.shape, item.values.astype("<f4").tobytes())
    alpha = student.output.alpha
    assert alpha is not None
    name = "Wemb" if "Wemb" in model.items else "decoder_Wemb"
    entries[f"{name}_QuantMultA"] = (
        INTGEMM8,
        (1, 1),
        _quantised(np.array([127], np.int8), float(np.float32(127 / alpha))),
    )
    if name == "Wemb":
        entries["none_QuantMultA"] = (FLOAT32, (1, 1), struct.pack("<f", alpha))
    return write_binary(entries, model.config)


def write_binary(entries: Mapping[str, tuple[int, tuple[int, ...], bytes]], config: str | None) -> bytes:
    """A file of items: type, shape and data by name."""
    ordered = {name: (kind, shape, _padded(data)) for name, (kind, shape, data) in sorted(entries.items())}
    if config is not None:
        text = config.encode() + b"\0"
        ordered[CONFIG_ITEM] = (INT8, (len(text),), text)
    head = struct.pack("<QQ", 1, len(ordered))
    head += b"".join(
        struct.pack("<QQQQ", len(name) + 1, kind, len(shape), len(data))
        for name, (kind, shape, data) in ordered.items()
    )
    head += b"".join(name.encode() + b"\0" for name in ordered)
    head += b"".join(struct.pack(f"<{len(shape)}i", *shape) for _, shape, _ in ordered.values())
    gap = -(len(head) + 8) % 256
    return head + struct.pack("<Q", gap) + bytes(gap) + b"".join(data for _, _, data in ordered.values())


def write_npz(model: MarianModel) -> bytes:
    """The same model as a checkpoint."""
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: item.values for name, item in model.items.items()}
    if model.config is not None:
        arrays[CONFIG_ITEM] = np.frombuffer(model.config.encode() + b"\0", np.int8)
    np.savez(stream, **arrays)
    return stream.getvalue()


def shortlist_file(lists: Sequence[Sequence[int]], first: int = 50, best: int = 50) -> bytes:
    """A ``lex.s2t.bin``: for each source token the ids of target tokens, ascending."""
    starts = np.cumsum([0, *map(len, lists)], dtype="<u8")
    ids = np.array([one for of_token in lists for one in of_token], "<u4")
    body = struct.pack("<QQQQ", first, best, len(starts), len(ids)) + starts.tobytes() + ids.tobytes()
    checksum = 0
    for (word,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8]):
        checksum ^= (word + 0x9E3779B9 + (checksum << 6) + (checksum >> 2)) % 2**64
    return struct.pack("<QQ", 0xF11A48D5013417F5, checksum) + body


def random_lists(sizes: tuple[int, int], seed: int = 0, best: int = 50, power: int = 5) -> list[list[int]]:
    """For each source token up to ``best`` target tokens; the larger the power, the more often those in front."""
    drawn = (np.random.default_rng(seed).random((sizes[0], best)) ** power * sizes[1]).astype(np.int64)
    return [np.unique(one).tolist() for one in drawn]


def write_files(
    folder: Path, shape: Shape, split: bool = False, seed: int = 0, eos_bias: float = 1.6
) -> tuple[Path, list[Path]]:
    """The files of one model: its ``.bin``, and the paths of one or two vocabularies. A shortlist lies beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabs = (vocabulary(1), vocabulary(2, 450)) if split else (vocabulary(1),)
    names = ("srcvocab.enfr.spm", "trgvocab.enfr.spm") if split else ("vocab.enfr.spm",)
    model = folder / "model.enfr.intgemm.alphas.bin"
    model.write_bytes(student_model(shape, vocabs, seed, eos_bias)[0])
    for name, vocab in zip(names, vocabs, strict=True):
        (folder / name).write_bytes(vocab)
    lists = random_lists((pieces(vocabs[0]), pieces(vocabs[-1])), seed, best=12)
    (folder / LEXICON).write_bytes(shortlist_file(lists, first=10, best=12))
    return model, [folder / name for name in names]


def _collect(value: Any, found: dict[str, Matrix]) -> None:
    if isinstance(value, Matrix):
        found[value.name] = value
    elif isinstance(value, tuple):
        for one in value:
            _collect(one, found)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            _collect(getattr(value, name), found)


def _quantised(integers: NDArray[np.int8], multiplier: float) -> bytes:
    return np.ascontiguousarray(integers).tobytes() + struct.pack("<f", multiplier)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 256)
