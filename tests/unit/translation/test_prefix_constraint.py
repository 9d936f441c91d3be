"""Half-typed words: the tokens that are allowed begin with what was typed, and none leads to a dead end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bundle.tokenizers import UNK_ID, CharacterTokenizer, Tokenizer, WordTokenizer
from app.translation.completion import ByteVocabulary, PrefixConstraint
from tests.unit.bundle.test_tokenizer import USUAL

WORDS = WordTokenizer(["the", "theatre", "cat", "￭'", "￭t", "￭top", "don"])
TYPED = st.text(st.sampled_from("abt the'’.é😀 \t\u00a0ﬁ\u0301"), max_size=20)


@given(st.lists(st.binary(min_size=1, max_size=3), max_size=20), st.binary(min_size=1, max_size=8), st.data())
def test_every_way_writes_what_was_typed(written: list[bytes], rest: bytes, data: st.DataObject) -> None:
    typed = PrefixConstraint(ByteVocabulary([b"", *written]), rest)
    if not typed.is_possible:
        # Then no tokens at all do.
        ways = {b""}
        for _ in rest:
            ways = {way + one for way in ways for one in written if rest.startswith((way + one)[: len(rest)])}
            assert not any(len(way) >= len(rest) for way in ways)
        return
    token_ids: tuple[int, ...] = ()
    while (allowed := typed(token_ids)) is not None:
        token_ids += (data.draw(st.sampled_from(sorted(allowed))),)
    assert b"".join([b"", *written][token_id] for token_id in token_ids).startswith(rest)


def test_all_ways_are_found() -> None:
    typed = PrefixConstraint(ByteVocabulary([b"", b"g", b"ga", b"gare", b"a", b"re", b"x", b"gx"]), b"ga")
    assert typed(()) == frozenset({1, 2, 3})
    assert typed((1,)) == frozenset({4})
    assert typed((1, 4)) is typed((3,)) is None
    assert not PrefixConstraint(ByteVocabulary([b"g"]), b"ga").is_possible
    assert PrefixConstraint(ByteVocabulary([b"g"]), b"")(()) is None


@pytest.mark.parametrize("tokenizer", [USUAL, CharacterTokenizer("abt ehé'"), WORDS], ids=lambda one: one.kind)
@given(text=TYPED)
def test_what_is_whole_and_what_is_begun_are_the_text(tokenizer: Tokenizer, text: str) -> None:
    ids, rest = tokenizer.encode_prefix(text)
    both = tokenizer.decode(ids) + rest.decode()
    if UNK_ID not in tokenizer.encode(text):
        assert both.strip() == tokenizer.decode(tokenizer.encode(text)).strip()
    if rest.strip() and UNK_ID not in tokenizer.encode(text):
        assert PrefixConstraint(ByteVocabulary(tokenizer.token_bytes()), rest).is_possible
    if ids and rest and text[-1].isspace():
        assert rest == b" "


@pytest.mark.parametrize("tokenizer", [USUAL, CharacterTokenizer("abt ehé'"), WORDS], ids=lambda one: one.kind)
@given(text=TYPED)
def test_a_text_is_what_its_tokens_write(tokenizer: Tokenizer, text: str) -> None:
    written = tokenizer.token_bytes()
    assert len(written) == tokenizer.vocabulary_size
    assert written[:3] == [b""] * 3
    ids = tokenizer.encode(text)
    assert b"".join(written[token_id] for token_id in ids).decode().strip() == tokenizer.decode(ids).strip()


def test_words() -> None:
    assert WORDS.encode_prefix("the thea") == (WORDS.encode("the"), b" thea")
    assert WORDS.encode_prefix("don't") == (WORDS.encode("don'"), b"t")
    assert PrefixConstraint(ByteVocabulary(WORDS.token_bytes()), b"t")(()) == frozenset(
        WORDS.encode("don't") + WORDS.encode("don'top")
    ) - {*WORDS.encode("don'")}
    assert WORDS.encode_prefix("the ") == (WORDS.encode("the"), b" ")
