"""Reading model files: what is read, and that a damaged or hostile file is refused with its reason."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.marian_models import (
    EOS,
    UNK,
    Shape,
    config_text,
    float_model,
    pieces,
    student_model,
    vocabulary,
    write_binary,
    write_npz,
)
from training.convert.marian_config import read_config
from training.convert.marian_file import FLOAT32, INTGEMM8, Item, MarianModel, parse_binary, parse_npz, read_model
from training.convert.student_reader import read_student
from training.errors import ConversionError

SMALL = Shape(16, 32, 1, 1, 2)


def entry(values: Any) -> tuple[int, tuple[int, ...], bytes]:
    array = np.asarray(values, "<f4")
    return FLOAT32, array.shape, array.tobytes()


def test_a_binary_file_gives_back_what_was_written() -> None:
    vocab = vocabulary()
    content, student = student_model(SMALL, (vocab,))
    found = read_student(parse_binary(content))
    assert (found.dim, found.ffn_dim, found.heads, found.target_size) == (16, 32, 2, pieces(vocab))
    assert found.source is found.target
    for one, other in (
        (found.encoder[0].attention.query, student.encoder[0].attention.query),
        (found.encoder[0].ffn.first, student.encoder[0].ffn.first),
        (found.encoder[0].ffn.second, student.encoder[0].ffn.second),
        (found.decoder[0].recurrence.candidate, student.decoder[0].recurrence.candidate),
        (found.output, student.output),
    ):
        assert np.array_equal(one.integers, other.integers)
        assert (one.multiplier, one.alpha) == (other.multiplier, other.alpha)


def test_split_vocabularies_have_a_table_each() -> None:
    content, _ = student_model(SMALL, (vocabulary(1), vocabulary(2, 450)))
    found = read_student(parse_binary(content))
    assert (found.source_size, found.target_size) == (pieces(vocabulary(1)), pieces(vocabulary(2, 450)))


def test_a_checkpoint_is_quantised_and_has_no_alphas(tmp_path: Path) -> None:
    model = float_model(SMALL, (300,))
    (tmp_path / "model.npz").write_bytes(write_npz(model))
    found = read_student(read_model(tmp_path / "model.npz"), needs_alphas=False)
    weights = model.items["encoder_l1_ffn_W1"].values
    matrix = found.encoder[0].ffn.first
    assert matrix.alpha is None
    assert np.abs(matrix.integers / matrix.multiplier - weights).max() <= 0.5001 / matrix.multiplier
    with pytest.raises(ConversionError, match=r"alphas\.bin.*--calibrate"):
        read_student(read_model(tmp_path / "model.npz"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends within version"),
        (b"GGUF" * 10, "no Marian model of version 1"),
        (struct.pack("<QQ", 2, 1), "its first number is 2"),
        (struct.pack("<QQ", 1, 0), "0 items"),
        (struct.pack("<QQ", 1, 2**60), "says that it has"),
        (struct.pack("<QQ", 1, 4000), "header of item 0"),
        (struct.pack("<QQQQQQ", 1, 1, 2**40, FLOAT32, 1, 4), "the name of item 0 has 1099511627776 bytes"),
        (struct.pack("<QQQQQQ", 1, 1, 2, FLOAT32, 1, 4) + b"ab", "does not end with its only zero"),
        (struct.pack("<QQQQQQ", 1, 1, 2, FLOAT32, 1, 4) + b"\xff\0", "no ASCII"),
        (struct.pack("<QQQQQQ", 1, 1, 2, FLOAT32, 99, 4) + b"a\0", "99 axes"),
        (struct.pack("<QQQQQQ", 1, 1, 2, FLOAT32, 1, 4) + b"a\0" + struct.pack("<i", -3), r"the shape \[-3\]"),
        (struct.pack("<QQQQQQ", 1, 1, 2, FLOAT32, 1, 4) + b"a\0" + struct.pack("<iQ", 1, 2**33), "a gap of 8589934592"),
        (
            struct.pack("<QQQQQQ", 1, 1, 2, FLOAT32, 1, 10_000_000_000) + b"a\0" + struct.pack("<iQ", 1, 0),
            "10000000000 bytes are needed, 0 are left",
        ),
    ],
)
def test_a_header_that_lies_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ConversionError, match=reason):
        parse_binary(content)


def test_items_that_lie_are_refused() -> None:
    def refuse(reason: str, entries: dict[str, Any], more: bytes = b"") -> None:
        with pytest.raises(ConversionError, match=reason):
            parse_binary(write_binary(entries, None) + more)

    refuse("behind its last item", {"a": entry([1.0])}, b"x")
    refuse("no finite numbers", {"a": entry([1.0, float("nan")])})
    refuse("no finite numbers", {"a": entry([float("inf")])})
    refuse("its shape needs 4000000", {"a": (FLOAT32, (1000, 1000), b"1234")})
    refuse("its shape needs 8589934592", {"a": (FLOAT32, (2**15, 2**16), b"1234")})
    refuse("has 512 bytes, its shape needs 4", {"a": (FLOAT32, (1,), bytes(512))})
    refuse("multiplier is nan", {"a": (INTGEMM8, (2, 2), b"1234" + struct.pack("<f", float("nan")))})
    refuse("multiplier is 0.0", {"a": (INTGEMM8, (2, 2), b"1234" + bytes(4))})
    refuse("intgemm16", {"a": (0x4102, (1,), bytes(4))})
    refuse("FBGEMM", {"a": (0x1804, (1,), bytes(4))})
    refuse("0x0909, a type that is not read", {"a": (0x0909, (1,), bytes(4))})


def test_a_truncated_file_is_refused_wherever_it_ends() -> None:
    content, _ = student_model(SMALL, (vocabulary(),))
    for end in [*range(0, 4000, 97), *range(4000, len(content), 3001), len(content) - 1]:
        with pytest.raises(ConversionError):
            read_student(parse_binary(content[:end]))


def test_an_item_twice_is_refused() -> None:
    one = write_binary({"a": entry([1.0]), "b": entry([2.0])}, None)
    with pytest.raises(ConversionError, match="the item a twice"):
        parse_binary(one.replace(b"a\0b\0", b"a\0a\0"))


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(2000))
    with pytest.raises(ConversionError, match="has 2000 bytes, the limit is 1999"):
        read_model(path, max_bytes=1999)
    with pytest.raises(ConversionError, match="cannot be read"):
        read_model(tmp_path / "missing.bin")


def test_a_checkpoint_that_unpacks_to_more_than_the_limit_is_refused() -> None:
    import io

    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.zeros(1_000_000, np.float32))
    assert len(stream.getvalue()) < 50_000
    with pytest.raises(ConversionError, match=r"4000\d+ bytes; the limits"):
        parse_npz(stream.getvalue(), max_bytes=1_000_000)
    with pytest.raises(ConversionError, match=r"no \.npz file"):
        parse_npz(b"PK\x03\x04" + bytes(100))
    pickled = io.BytesIO()
    np.savez(pickled, a=np.array([{}], object))
    with pytest.raises(ConversionError, match=r"no \.npz file"):
        parse_npz(pickled.getvalue())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"transformer_decoder_autoreg": "self-attention"}, "OPUS-MT"),
        ({"dec_cell": "gru"}, "only students with the recurrent decoder"),
        ({"type": "s2s"}, "type is 's2s'"),
        ({"transformer_postprocess": "da"}, "transformer-postprocess is 'da'"),
        ({"transformer_preprocess": "n"}, "transformer-preprocess is 'n'"),
        ({"transformer_ffn_activation": "swish"}, "swish"),
        ({"transformer_ffn_depth": "3"}, "transformer-ffn-depth is 3"),
        ({"transformer_train_position_embeddings": "true"}, "train-position-embeddings is True"),
        ({"layer_normalization": "true"}, "layer-normalization is True"),
        ({"factors_dim_emb": "8"}, "factors-dim-emb is 8"),
        ({"input_types": "[class]"}, "input-types"),
        ({"transformer_tied_layers": "[1, 1]"}, "tied-layers"),
        ({"transformer_heads": "0"}, "transformer-heads is 0"),
        ({"enc_depth": "yes"}, "enc-depth is True"),
        ({"x": "&a [1, *a]"}, "aliases"),
        ({"x": "[" * 9 + "]" * 9}, "more than 8 levels"),
        ({"x": "[" + "1," * 6000 + "]"}, "5000 values"),
        ({"x": "a" * 70_000}, "the limit is 65536"),
        ({"x": "[1"}, "no YAML"),
        ({"x": "!!python/object/apply:os.system [ls]"}, "no YAML"),
    ],
)
def test_a_configuration_that_cannot_be_converted_is_refused(change: dict[str, str], reason: str) -> None:
    with pytest.raises(ConversionError, match=reason):
        read_config(config_text(SMALL, **change))


def test_a_missing_configuration_is_refused() -> None:
    with pytest.raises(ConversionError, match="no configuration"):
        read_config(None)
    with pytest.raises(ConversionError, match="no table"):
        read_config("- a")


def test_tensors_of_another_model_are_refused() -> None:
    model = float_model(SMALL, (300,))

    def refuse(reason: str, **changes: Any) -> None:
        items = {**model.items, **{name: Item(name, np.asarray(values)) for name, values in changes.items()}}
        items = {name: item for name, item in items.items() if item.values.size}
        with pytest.raises(ConversionError, match=reason):
            read_student(MarianModel(items, model.config), needs_alphas=False)

    refuse("1 tensors that do not belong.*Wpos", Wpos=np.zeros((512, 16), np.float32))
    refuse("has no tensor decoder_l1_rnn_Wf", decoder_l1_rnn_Wf=np.zeros(0, np.float32))
    refuse(r"encoder_l1_self_Wq: has the shape \[16, 8\]", encoder_l1_self_Wq=np.ones((16, 8), np.float32))
    refuse("encoder_l1_ffn: its matrices", encoder_l1_ffn_W2=np.ones((33, 16), np.float32))
    refuse("16 floats are expected", decoder_l1_rnn_bf=np.ones((1, 17), np.float32))
    refuse("300 floats are expected", decoder_ff_logit_out_b=np.ones((1, 299), np.float32))


def test_special_ids_of_the_test_vocabularies() -> None:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(vocabulary())
    assert (processor.eos_id(), processor.unk_id(), processor.bos_id(), processor.pad_id()) == (EOS, UNK, -1, -1)
