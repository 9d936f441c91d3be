"""Tokenizers: text comes back, special ids stay out, foreign files are refused."""

import io
from itertools import pairwise
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from app.bundle.tokenizers import (
    EOS_ID,
    UNK_ID,
    CharacterTokenizer,
    SentencePieceTokenizer,
    TaggedTokenizer,
    Tokenizer,
    WordTokenizer,
    load_tokenizer,
    normalise_typography,
)
from app.errors import BundleFormatError
from tests.support.tokenizer_models import model_of

SENTENCES = [
    f"{who} {what} {where}."
    for who in ("The cat", "A dog", "My sister", "Nobody")
    for what in ("sleeps", "eats an apple", "is singing", "was reading")
    for where in ("in the garden", "at home", "under the old bridge", "here")
]


def train_sentencepiece(unk_id: int = 3, pad_id: int = 0, rules: str = "identity") -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        vocab_size=290,
        byte_fallback=True,
        normalization_rule_name=rules,
        remove_extra_whitespaces=False,
        pad_id=pad_id,
        bos_id=1,
        eos_id=2,
        unk_id=unk_id,
        minloglevel=2,
        num_threads=1,
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def model() -> bytes:
    return train_sentencepiece()


@pytest.fixture(scope="module")
def pieces_tokenizer(model: bytes) -> SentencePieceTokenizer:
    return SentencePieceTokenizer(model)


def test_protocol(pieces_tokenizer: SentencePieceTokenizer) -> None:
    all_kinds: list[Tokenizer] = [pieces_tokenizer, CharacterTokenizer("abc"), WordTokenizer(["cab"])]
    assert [tokenizer.kind for tokenizer in all_kinds] == ["sentencepiece", "characters", "words"]
    for tokenizer in all_kinds:
        assert tokenizer.encode_source("cab") == [*tokenizer.encode("cab"), EOS_ID]
        assert tokenizer.decode([1, *tokenizer.encode("cab"), EOS_ID, 0]) == "cab"
        assert len(tokenizer.pieces(tokenizer.encode("cab"))) == len(tokenizer.encode("cab"))


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\u2581"), max_size=30))
def test_pieces_know_every_character(pieces_tokenizer: SentencePieceTokenizer, text: str) -> None:
    ids = pieces_tokenizer.encode(text)
    assert UNK_ID not in ids
    assert all(0 <= token_id < pieces_tokenizer.vocabulary_size for token_id in ids)
    # The first space is SentencePiece's own sign of the beginning of a word.
    assert pieces_tokenizer.decode(ids).lstrip(" ") == normalise_typography(text).lstrip(" ")


def trained_with_the_usual_rules() -> SentencePieceTokenizer:
    """As the trainer makes them: compatibility forms are folded, white space runs too."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        vocab_size=290,
        byte_fallback=True,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        minloglevel=2,
        num_threads=1,
    )
    return SentencePieceTokenizer(model.getvalue())


USUAL = trained_with_the_usual_rules()
TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("ab the’\u00adﬁ😀é  ")), max_size=30
)


@given(text=TEXTS)
@example("the \u00ad😀 ﬁsh’s ½\u00ad")
@example("\u00ad")
def test_ranges_in_the_source(pieces_tokenizer: SentencePieceTokenizer, text: str) -> None:
    for tokenizer in (pieces_tokenizer, USUAL, CharacterTokenizer("abt"), WordTokenizer(["cat", "'"])):
        ranges = tokenizer.encode_ranges(text)
        assert len(ranges) == len(tokenizer.encode(text))
        assert all(0 <= start <= end <= len(text) for start, end in ranges)
        assert ranges == sorted(ranges, key=lambda found: found[0])
        assert all(before[1] <= after[0] or before == after for before, after in pairwise(ranges))


@given(text=TEXTS, data=st.data())
def test_ranges_in_the_translation(pieces_tokenizer: SentencePieceTokenizer, text: str, data: st.DataObject) -> None:
    for tokenizer in (pieces_tokenizer, USUAL, CharacterTokenizer("abt é")):
        ids = [token_id for token_id in tokenizer.encode(text) if token_id != UNK_ID]
        if data.draw(st.booleans()):  # what a model may write: special ids, and bytes that make no character
            ids = data.draw(st.lists(st.integers(0, tokenizer.vocabulary_size - 1), max_size=20))
        written = tokenizer.decode(ids)
        ranges = tokenizer.decode_ranges(ids)
        assert len(ranges) == len(ids)
        # Each character belongs to a token, in order, and none to a special id.
        assert "".join(written[start:end] for start, end in dict.fromkeys(ranges)) == written
        assert all(start == end for (start, end), token_id in zip(ranges, ids, strict=True) if token_id <= UNK_ID)


@given(text=TEXTS)
def test_a_tag_stands_before_every_source_and_for_no_character(
    pieces_tokenizer: SentencePieceTokenizer, text: str
) -> None:
    tagged = TaggedTokenizer(pieces_tokenizer, 9)
    assert tagged.encode_source(text) == [9, *pieces_tokenizer.encode_source(text)]
    assert len(tagged.encode_ranges(text)) == len(tagged.encode_source(text)) - 1
    assert tagged.encode_ranges(text)[0] == (0, 0)
    assert tagged.encode(text) == pieces_tokenizer.encode(text)


@given(text=TEXTS, data=st.data())
def test_ranges_of_words_in_the_translation(text: str, data: st.DataObject) -> None:
    tokenizer = WordTokenizer.learn([text], 50)
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocabulary_size - 1), max_size=12))
    written, ranges = tokenizer.decode(ids), tokenizer.decode_ranges(ids)
    assert len(ranges) == len(ids)
    assert "".join(written[start:end] for start, end in ranges) == written.replace(" ", "")
    assert tokenizer.encode_ranges("\u00adco\u00adop, no") == [(1, 6), (6, 7), (8, 10)]


def test_ranges_of_words(pieces_tokenizer: SentencePieceTokenizer) -> None:
    text = "the cat is 😀"
    found = [text[start:end] for start, end in pieces_tokenizer.encode_ranges(text)]
    assert found[-4:] == ["😀"] * 4
    ids = pieces_tokenizer.encode(text)
    assert pieces_tokenizer.decode_ranges(ids)[-4:] == [(11, 12)] * 4


def test_pieces_survive_a_lone_surrogate(pieces_tokenizer: SentencePieceTokenizer) -> None:
    assert UNK_ID not in pieces_tokenizer.encode("a\ud800b")


@given(text=st.text(max_size=30))
def test_characters_come_back(text: str) -> None:
    tokenizer = CharacterTokenizer.learn([text])
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode(text)) == len(text)


def test_characters_outside_the_alphabet() -> None:
    assert CharacterTokenizer("ab").encode("axb") == [4, UNK_ID, 5]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Don't!", ["Don", "\uffed'", "\uffedt", "\uffed!"]),
        ("Courez !", ["Courez", "!"]),
        (" two  words ", ["two", "words"]),
        ("l’été, 3.5 €", ["l", "\uffed'", "\uffedété", "\uffed,", "3", "\uffed.", "\uffed5", "€"]),
        ("", []),
    ],
)
def test_words_and_marks(text: str, pieces: list[str]) -> None:
    tokenizer = WordTokenizer.learn([text], 100)
    assert tokenizer.pieces(tokenizer.encode(text)) == pieces


@given(text=st.text(max_size=30))
def test_known_words_come_back_with_their_spaces(text: str) -> None:
    text = text.replace("\uffed", "")
    tokenizer = WordTokenizer.learn([text], 1000)
    again = WordTokenizer([*tokenizer.pieces(range(4, tokenizer.vocabulary_size))])
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert again.decode(again.encode(text)) == " ".join(normalise_typography(text).split())


def test_the_most_frequent_words_are_known_and_the_others_are_written_as_unknown() -> None:
    tokenizer = WordTokenizer.learn(["b a b c a b"], 6)
    assert tokenizer.vocabulary_size == 6
    assert tokenizer.encode("a b c \uffed") == [5, 4, UNK_ID, UNK_ID]
    assert tokenizer.decode([1, 5, 4, UNK_ID, EOS_ID, 0]) == "a b <unk>"


@pytest.mark.parametrize("alphabet", [["ab"], [""], ["a", "b", "a"]])
def test_a_bad_alphabet(alphabet: list[str]) -> None:
    with pytest.raises(BundleFormatError):
        CharacterTokenizer(alphabet)


def test_files_come_back(tmp_path: Path, pieces_tokenizer: SentencePieceTokenizer) -> None:
    for tokenizer in (pieces_tokenizer, CharacterTokenizer("aé\u2028\n"), WordTokenizer(["a", "aé", "\uffeda"])):
        path = tmp_path / "tokenizer"
        path.write_bytes(tokenizer.to_bytes())
        again = load_tokenizer(path, tokenizer.kind)
        assert again.vocabulary_size == tokenizer.vocabulary_size
        assert again.encode("aé a") == tokenizer.encode("aé a")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("sentencepiece", b"nonsense"),
        ("sentencepiece", b""),
        ("characters", b"nonsense"),
        ("characters", b"{}"),
        ("characters", b"[]"),
        ("characters", b'{"alphabet": ["ab"]}'),
        ("words", b"nonsense"),
        ("words", b'{"words": ["two words"]}'),
        ("words", b'{"words": ["a", "a"]}'),
        ("words", b'{"words": ["\xef\xbf\xad\xef\xbf\xad"]}'),
        ("syllables", b""),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / "tokenizer.file"
    path.write_bytes(content)
    with pytest.raises(BundleFormatError, match=r"tokenizer\.file"):
        load_tokenizer(path, kind)


def test_a_piece_that_is_no_text_is_refused(model: bytes) -> None:
    longest = max((piece.piece for piece in model_of(model).pieces), key=len).encode()
    assert model.count(longest) == 1
    with pytest.raises(BundleFormatError, match=r"piece \d+ \(b'.*\\xff'\) is no UTF-8"):
        SentencePieceTokenizer(model.replace(longest, longest[:-1] + b"\xff"))


def test_rules_for_characters_that_somebody_has_made_are_refused() -> None:
    usual = model_of(USUAL.to_bytes())
    table = usual.normalizer_spec.precompiled_charsmap
    usual.normalizer_spec.precompiled_charsmap = table.replace(b"fi\0", b"xx\0", 1)
    with pytest.raises(BundleFormatError, match="are none of identity, nfkc, nfkc_cf, nmt_nfkc, nmt_nfkc_cf"):
        SentencePieceTokenizer(usual.SerializeToString())
    usual.normalizer_spec.precompiled_charsmap = table
    SentencePieceTokenizer(usual.SerializeToString())
    usual.denormalizer_spec.precompiled_charsmap = table[:-1]
    with pytest.raises(BundleFormatError, match="its rules for characters"):
        SentencePieceTokenizer(usual.SerializeToString())


@pytest.mark.parametrize("rules", ["identity", "nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf"])
def test_rules_for_characters_that_sentencepiece_has_are_taken(rules: str) -> None:
    assert SentencePieceTokenizer(train_sentencepiece(rules=rules)).encode("The cat")


def test_other_special_ids_are_refused() -> None:
    with pytest.raises(BundleFormatError, match=r"\(-1, 1, 2, 0\)"):
        SentencePieceTokenizer(train_sentencepiece(unk_id=0, pad_id=-1))


@pytest.mark.parametrize(
    "entries", [b"[" * 100_000, b'["\\ud800"]', b'{"a": 1}', b'"abc"', b"9" * 5000, b'["a", "a"]', b"[[]]"]
)
@pytest.mark.parametrize("kind", ["characters", "words"])
def test_a_file_that_is_no_tokenizer(tmp_path: Path, kind: str, entries: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(b'{"alphabet": %s, "words": %s}' % (entries, entries))
    with pytest.raises(BundleFormatError, match=r"tokenizer\.json"):
        load_tokenizer(path, kind)
