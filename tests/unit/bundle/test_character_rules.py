"""Tables of rules for characters: SentencePiece's own pass, and no table that passes leads it astray."""

import struct
import unicodedata
from contextlib import suppress
from random import Random

import pytest
import sentencepiece

from app.bundle.character_rules import MAX_REPLACEMENT_BYTES, check_character_rules
from app.bundle.tokenizers import SentencePieceTokenizer
from app.errors import BundleFormatError
from tests.support.marian_models import vocabulary
from tests.support.tokenizer_models import model_of

TEXT = "ﬁne ½ ﷺ Ｆｕｌｌ ｶﾞ é ² ￥ … \u3000 a\u00a0b ㍿ Ⅷ \u200b x"


def table() -> bytes:
    content: bytes = model_of(vocabulary()).normalizer_spec.precompiled_charsmap
    return content


def test_the_usual_table_passes_and_the_empty_one() -> None:
    check_character_rules(table())
    check_character_rules(b"")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: one[:3], "have 3 bytes"),
        (lambda one: struct.pack("<I", len(one)) + one[4:], "are a trie"),
        (lambda one: struct.pack("<I", 1025) + one[4:], "are a trie"),
        (lambda one: struct.pack("<I", 1024) + one[4:1028] + b"\0", "lead outside"),
        (lambda one: one[:-1] + b"x", "are a trie"),
        (lambda one: one[:4] + b"\xff" * 4 + one[8:], "lead outside"),
        (lambda one: one.replace(b"fi\0", b"\xff\xff\0", 1), "no UTF-8"),
        (lambda one: one[: one.index(b"fi\0")] + b"a" * 100 + one[one.index(b"fi\0") + 100 :], "longer than 64"),
        (lambda one: bytes(5 * 1024**2), "at most 4194304"),
    ],
)
def test_a_table_that_leads_elsewhere_is_refused(change: object, reason: str) -> None:
    assert callable(change)
    with pytest.raises(BundleFormatError, match=reason):
        check_character_rules(change(table()))


def test_tables_that_pass_can_be_used() -> None:
    """Each is given to SentencePiece, which must neither crash nor write more than the longest replacements."""
    random, whole, passed = Random(3), table(), 0
    proto = model_of(vocabulary())
    del proto.pieces[320:]
    size = int.from_bytes(whole[:4], "little")
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(random.choice((1, 3, 20))):
            place = random.choice((random.randrange(4, 4 + size), random.randrange(4 + size, len(data))))
            data[place] ^= 1 << random.randrange(8)
        try:
            check_character_rules(bytes(data))
        except BundleFormatError:
            continue
        proto.normalizer_spec.precompiled_charsmap = bytes(data)
        processor = sentencepiece.SentencePieceProcessor()
        with suppress(RuntimeError):  # it refuses some itself
            processor.LoadFromSerializedProto(proto.SerializeToString())
        if not processor.GetPieceSize():
            continue
        passed += 1
        written = processor.Normalize(TEXT + "".join(map(chr, range(0xFB00, 0xFE00))))
        assert len(written.encode()) <= MAX_REPLACEMENT_BYTES * 4000
    assert 10 < passed < 150


def test_a_published_vocabulary_may_have_older_rules() -> None:
    model = model_of(vocabulary())
    model.normalizer_spec.precompiled_charsmap = table().replace(b"fi\0", b"FI\0")
    changed = model.SerializeToString()
    tokenizer = SentencePieceTokenizer(changed, "marian")
    assert tokenizer.decode(tokenizer.encode("ﬁne")) == "FIne"
    assert unicodedata.normalize("NFKC", "ﬁne") == "fine"
    model.normalizer_spec.precompiled_charsmap = b"\xff" * 2000
    with pytest.raises(BundleFormatError, match="rules for characters"):
        SentencePieceTokenizer(model.SerializeToString(), "marian")
