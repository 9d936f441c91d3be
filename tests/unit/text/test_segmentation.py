"""Segmentation loses nothing of any text, and finds the sentences that readers see."""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from app.text.segmentation import WINDOW_CHARACTERS, Piece, needs_translation, shorten, split
from tests.support.growth import assert_no_faster_than_length

AWKWARD = st.text(
    alphabet="aZé.!? ,;:\r\n\t\x00\u00a0\u2028\u2029\u200b\u200d\ufeff\u0301«»“”中。я👩👧🇫🇷\ud800\udfff'\"()-12"
)
ANY_TEXT = st.one_of(st.text(), AWKWARD, st.text(alphabet=st.characters()))
LANGUAGES = st.sampled_from(["en", "fr", "de", "zh", "ja", "ar", "hi", "xx", ""])


def segments(text: str, language: str = "en") -> list[str]:
    return [piece.text for piece in split(text, language) if piece.is_segment]


def joined(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


@settings(max_examples=400, deadline=None)
@given(ANY_TEXT, LANGUAGES)
def test_joined_pieces_equal_the_text(text: str, language: str) -> None:
    assert joined(split(text, language)) == text


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT, st.integers(1, 40))
def test_shortened_pieces_equal_the_text_and_fit(text: str, most: int) -> None:
    pieces = [part for piece in split(text, "en") for part in shorten(piece, lambda part: len(part) <= most)]
    assert joined(pieces) == text
    assert all(len(piece.text) <= most for piece in pieces if piece.is_segment)


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT)
def test_the_model_sees_no_blank_edge_no_line_break_and_nothing_without_letters(text: str) -> None:
    for segment in segments(text):
        assert segment == segment.strip()
        assert not set(segment) & set("\n\r\t\x00\u2028\u2029")
        assert any(character.isalpha() for character in segment)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Hello there. How are you?", ["Hello there.", "How are you?"]),
        ("en", "Mr. Smith paid $3.50. Dr. Who left!", ["Mr. Smith paid $3.50.", "Dr. Who left!"]),
        ("en", "See example.com. It works.", ["See example.com.", "It works."]),
        ("en", '"Really?" she asked. Yes.', ['"Really?" she asked.', "Yes."]),
        (
            "fr",
            "M. Dupont et Mme. Durand sont là. L'U.E. aussi !",
            ["M. Dupont et Mme. Durand sont là.", "L'U.E. aussi !"],
        ),
        ("fr", "Il a dit : « Bonjour ! Ça va ? » Puis il part.", ["Il a dit : « Bonjour ! Ça va ? »", "Puis il part."]),
        ("zh", "他走了。我也走。", ["他走了。", "我也走。"]),
    ],
)
def test_sentences(language: str, text: str, expected: list[str]) -> None:
    assert segments(text, language) == expected


def test_line_breaks_tabs_and_columns_always_separate() -> None:
    text = "  A title\r\n\r\nfirst cell\tsecond cell\nname:    value\x0bend "
    assert segments(text) == ["A title", "first cell", "second cell", "name:", "value", "end"]
    assert joined(split(text, "en")) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "12.50 €",
        "😀 👨‍👩‍👧",
        "https://example.com/a?b=c",
        "a.b@example.com",
        "---",
        "\u200b\ufeff",
        "3 + 4 = 7",
    ],
)
def test_what_no_language_changes_is_no_segment(text: str) -> None:
    assert segments(text) == []
    assert not needs_translation(text)


def test_long_sentence_is_cut_at_a_clause_then_at_a_space() -> None:
    def short(part: str) -> bool:
        return len(part) <= 30

    clause = shorten(Piece("When the rain had stopped, the children went outside.", True), short)
    assert [piece.text for piece in clause] == ["When the rain had stopped,", " ", "the children went outside."]
    spaces = shorten(Piece("one two three four five six seven eight", True), short)
    assert [piece.text for piece in spaces] == ["one two three four", " ", "five six seven eight"]


def test_long_word_is_cut_between_whole_characters() -> None:
    family, accented = "👩‍👩‍👧", "e\u0301"
    word = (accented + "x" + family) * 20
    parts = shorten(Piece(word, True), lambda part: len(part) <= 13)
    assert joined(parts) == word
    for piece in parts:
        for character in regex.findall(r"\X", piece.text):
            assert character in (accented, "x", family)


@pytest.mark.parametrize(
    "unit", ["a", ".", " ", "a. ", "他走了。", "\u0301", "\ta", "a\u00a0", "\u200b", '"a.', "M. ", "a\u200b" * 3 + "."]
)
def test_work_grows_with_the_length_and_no_faster(unit: str) -> None:
    def cut(text: str) -> None:
        pieces = [part for piece in split(text, "en") for part in shorten(piece, lambda part: len(part) <= 200)]
        assert joined(pieces) == text

    assert_no_faster_than_length(cut, unit * (25_000 // len(unit)))


def test_sentences_across_windows_are_whole() -> None:
    sentence = "This is sentence number one of very many. "
    text = sentence * (3 * WINDOW_CHARACTERS // len(sentence))
    assert set(segments(text)) == {sentence.strip()}


class PanicException(BaseException):
    """What the compiled core raises when it panics: no ``Exception``."""


def test_a_panic_of_the_library_makes_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object) -> list[str]:
        raise PanicException("byte index 3 is not a char boundary")

    monkeypatch.setattr("sentencex.segment", panic)
    assert segments("One. Two.\nThree.") == ["One. Two.", "Three."]


def test_other_faults_of_the_library_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("sentencex.segment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        split("One. Two.", "en")


def test_a_result_of_the_library_that_loses_text_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentencex.segment", lambda *_: ["One."])
    assert segments("One. Two.") == ["One. Two."]
