"""Tokenizers of Marian's vocabularies, and a bundle's two tokenizers as one."""

import pytest

from app.bundle.tokenizers import CharacterTokenizer, PairedTokenizer, SentencePieceTokenizer
from app.engine.model import DecodingModel
from app.errors import BundleFormatError
from tests.support.fakes import fake_manifest
from tests.support.marian_models import vocabulary

TEXTS = ["the old house", "été — façade", "😀 日本語", "a\u00adb “c” d’e", "", "ﬁne 12 345", "x\ud800y"]


@pytest.fixture(scope="module")
def tokenizer() -> SentencePieceTokenizer:
    return SentencePieceTokenizer(vocabulary(), "marian")


def test_special_ids_are_those_of_the_file(tokenizer: SentencePieceTokenizer) -> None:
    size = tokenizer.vocabulary_size
    assert (tokenizer.kind, tokenizer.eos_id, tokenizer.unk_id, tokenizer.bos_id) == ("marian", 0, 1, size - 1)
    assert tokenizer.pieces([0, size - 1]) == ["</s>", "<s>"]
    assert len(tokenizer.token_bytes()) == size
    assert [tokenizer.token_bytes()[one] for one in (0, 1, size - 1)] == [b"", b"", b""]
    with pytest.raises(BundleFormatError, match=r"\(-1, -1, 0, 1\), expected"):
        SentencePieceTokenizer(vocabulary())


@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back(tokenizer: SentencePieceTokenizer, text: str) -> None:
    ids = tokenizer.encode_source(text)
    assert ids[-1] == 0
    assert 1 not in ids
    read = text.replace("\u00ad", "").replace("ﬁ", "fi").replace("\ud800", "?").strip()
    assert tokenizer.decode([*ids, tokenizer.bos_id]) == read
    assert len(tokenizer.encode_ranges(text)) == len(ids) - 1
    assert all(0 <= start <= end <= len(text) for start, end in tokenizer.encode_ranges(text))
    written = tokenizer.token_bytes()
    assert b"".join(written[one] for one in ids).decode().removeprefix(" ") == read
    assert tokenizer.decode_ranges(ids)[-1:] == [(len(read), len(read))]


def test_curly_quotes_are_read_as_they_are(tokenizer: SentencePieceTokenizer) -> None:
    assert tokenizer.encode("“") != tokenizer.encode('"')


def test_two_tokenizers_read_and_write(tokenizer: SentencePieceTokenizer) -> None:
    both = PairedTokenizer(CharacterTokenizer("abc "), tokenizer)
    assert both.encode_source("abca") == [4, 5, 6, 4, 2]
    assert both.encode_ranges("ab") == [(0, 1), (1, 2)]
    assert both.decode(both.encode("the house")) == "the house"
    assert (both.eos_id, both.vocabulary_size) == (0, tokenizer.vocabulary_size)
    assert "a" in both.readable_characters()
    assert "d" not in both.readable_characters()


def test_the_guard_reads_sources_in_their_own_words(tokenizer: SentencePieceTokenizer) -> None:
    model = DecodingModel.of(
        fake_manifest(), PairedTokenizer(SentencePieceTokenizer(vocabulary(2, 450), "marian"), tokenizer)
    )
    source = SentencePieceTokenizer(vocabulary(2, 450), "marian").encode("the house")
    assert model.source_words is not None
    assert model.source_words.text(source) == " the house"
