"""SentencePiece models with faults: in bytes, in the fields of messages, and in the rules for characters."""

import struct
from random import Random
from typing import Any, Final

from sentencepiece import sentencepiece_model_pb2

_PB2: Final[Any] = sentencepiece_model_pb2  # its classes are made when it is loaded
_PIECES: Final = ("", "<0x41>", "<0xZZ>", "<0x", "▁", "▁▁", "<unk>", "<s>", "<pad>", "\0", "é" * 5000, "a", "the", "\n")
_IDS: Final = (-(2**31), -1, 0, 1, 2, 3, 4, 7, 600, 2**31 - 1)
_SCORES: Final = (0.0, -0.0, 1e38, -1e38, float("nan"), float("inf"), -float("inf"), -1.0, 5.5, 1e-45)
_SPECIAL: Final = ("unk", "bos", "eos", "pad")
_SWITCHES: Final = ("byte_fallback", "treat_whitespace_as_suffix", "split_digits", "allow_whitespace_only_pieces")
_RULES: Final = ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces")
# As many pieces as are enough to write anything; with few, a model is read sooner.
_FEW: Final = 600


def model_of(content: bytes) -> Any:
    return _PB2.ModelProto.FromString(content)


def damaged_model(random: Random, content: bytes) -> bytes:
    """A model with a few of its fields changed, or with other rules for characters."""
    model = model_of(content)
    if random.random() < 0.9:
        del model.pieces[_FEW:]
    if random.random() < 0.15:
        _damage_rules(random, model)
    else:
        for _ in range(random.choice((1, 1, 1, 1, 2, 5, 20))):
            _damage_fields(random, model)
    data = bytearray(model.SerializeToString())
    if random.random() < 0.1:  # within a piece: it may be no UTF-8 any more
        data[random.randrange(min(len(data), 10_000))] = random.randrange(256)
    return bytes(data)


def _damage_fields(random: Random, model: Any) -> None:
    if not model.pieces:
        model.pieces.add(piece="x")
    count, kind = len(model.pieces), random.randrange(10)
    place = random.randrange(random.choice((count, min(count, 8), min(count, 262))))
    piece = model.pieces[place]
    if kind == 0:
        piece.piece = random.choice(_PIECES)
    elif kind == 1:
        piece.type = random.randrange(1, 7)
    elif kind == 2:
        for other in model.pieces if random.random() < 0.3 else (piece,):
            other.score = random.choice(_SCORES)
    elif kind == 3:
        del model.pieces[place : place + random.choice((1, 1, 1, count))]
    elif kind == 4:
        model.pieces.add().CopyFrom(piece)
    elif kind == 5:
        piece.ClearField(random.choice(("piece", "type", "score")))
    elif kind == 6:
        model.pieces.insert(random.randrange(count), piece)
        del model.pieces[random.randrange(count)]
    elif kind == 7:
        setattr(model.trainer_spec, f"{random.choice(_SPECIAL)}_id", random.choice(_IDS))
    elif kind == 8:
        setattr(model.trainer_spec, f"{random.choice(_SPECIAL)}_piece", random.choice(_PIECES))
        model.trainer_spec.unk_surface = random.choice(_PIECES)
    else:
        model.trainer_spec.model_type = random.randrange(1, 5)
        changed, names = random.choice(
            ((model.trainer_spec, _SWITCHES), (model.normalizer_spec, _RULES), (model.denormalizer_spec, _RULES))
        )
        name = random.choice(names)
        setattr(changed, name, not getattr(changed, name))


def _damage_rules(random: Random, model: Any) -> None:
    rules = random.choice((model.normalizer_spec, model.denormalizer_spec))
    table = bytearray(model.normalizer_spec.precompiled_charsmap)
    kind = random.randrange(5)
    if kind == 0:
        del table[random.randrange(len(table) + 1) :]
    elif kind == 1:
        table[:4] = struct.pack("<I", random.choice((0, 1, 4, 1024, 2**32 - 1, len(table), random.randrange(2**32))))
    elif kind == 2 and len(table) > 8:
        for _ in range(random.choice((1, 10, 100))):
            place = 4 + 4 * random.randrange(len(table) // 4 - 1)
            table[place : place + 4] = random.randbytes(4)
    elif kind == 3 and table:
        table[random.randrange(len(table))] ^= 1 << random.randrange(8)
    else:
        table = bytearray(random.randbytes(random.choice((3, 4, 8, 1028))))
    rules.precompiled_charsmap = bytes(table)
