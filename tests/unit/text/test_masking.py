"""What no translation may change is found, and nothing else is; it leaves and comes back without loss."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.text.masking import is_mark, mask, read_as, shade, stand_ins, unshade
from app.text.placeholder_patterns import BUILT_IN
from app.text.segmentation import split
from tests.support.growth import assert_no_faster_than_length
from tests.support.placeholder_texts import PLACEHOLDERS, TEXTS


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
@pytest.mark.parametrize("around", ["{}", "{} one", "one {}.", "one {}, two", "« {} » ?", "({})", "see: {}!\n"])
def test_found_whole_and_without_the_marks_around(placeholder: str, around: str) -> None:
    text = around.replace("{}", placeholder)
    shaded, kept = shade(text)
    assert kept == [placeholder]
    assert sum(map(is_mark, shaded)) == 1
    assert len(shaded) == len(text) - len(placeholder) + 1


@pytest.mark.parametrize(
    "text",
    [
        "Hello, how are you? I'm fine; it's 3.50 €, 1,000.50 or 12/05/2020.",
        "100% sure, 50 % des gens. 24/7 and/or 90 km/h",
        "AT&T, 3 < 4 and 5 > 4, a <- b, J.R.R. Tolkien, U.S.A., e.g. this. At 10:30: that.",
        "C'est 12:30 ; note: ceci. C# and F# {is this a field} 5.5 x 3",
        "Mr.Smith... etc.and so on.Then",
    ],
)
def test_language_is_left_alone(text: str) -> None:
    assert shade(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Dear {first} {last},", ["{first} {last}"]),
        ("{size}MB of file{n}.txt", ["{size}MB", "file{n}.txt"]),
        ("l'{thing} is {owner}'s", ["{thing}", "{owner}"]),
        ("%d%% of %s", ["%d%%", "%s"]),
        ("(see https://en.wikipedia.org/wiki/A_(b)).", ["https://en.wikipedia.org/wiki/A_(b)"]),
        ("“https://x.org/{id}?a=%s”", ["https://x.org/{id}?a=%s"]),
        ("a <b>c</b> d", ["<b>c</b>"]),
    ],
)
def test_what_belongs_together(text: str, kept: list[str]) -> None:
    assert shade(text)[1] == kept


def test_numbers_stand_in_and_alone_perhaps_a_name() -> None:
    assert read_as(shade("{count} files of %s, %d left")[0], "en") == "37 files of 250, 15 left"
    assert read_as(shade("Ask {name}, not 37")[0], "en") == "Ask Tom, not 37"
    assert read_as(shade("Tom knows {name}, not 37")[0], "en") == "Tom knows 250, not 37"
    assert read_as(shade("{count} files")[0], "en") == "37 files"
    assert read_as(shade("{name} 来了")[0], "zh") == "37 来了"


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["en", "fr", "zh"]))
def test_nothing_is_lost_and_no_cut_divides_a_placeholder(text: str, language: str) -> None:
    shaded, kept = shade(text)
    found = list(unshade(split(shaded, language), kept))
    assert "".join(piece.text for piece, _, _ in found) == text
    assert [placeholder for _, own, _ in found for placeholder in own] == kept
    for piece, own, part in found:
        words = stand_ins(part, language)
        assert len(set(words)) == len(words) == len(own)
        masked = mask(piece.text, part, own, language)
        assert masked.read == read_as(part, language)
        assert [masked.stand_in(spot) for spot in masked.spots] == words
        places = masked.places()
        assert len(places) == len(masked.read) + 1
        assert places[-1] == len(piece.text)
        assert all(one <= other for one, other in pairwise(places))
        for spot in masked.spots:
            assert piece.text[places[spot.start] : places[spot.end]] == spot.placeholder


@given(st.text(st.characters(categories=["Co", "L", "Zs"]), max_size=20))
def test_private_characters_of_a_text_are_no_marks(text: str) -> None:
    shaded, kept = shade(text)
    left = iter(kept)
    assert "".join(next(left) if is_mark(one) else one for one in shaded) == text
    assert next(left, None) is None


@pytest.mark.parametrize(
    "unit",
    ["{", "`", "<a ", "a@", "http://", "(", "%", "/a", "a.", "#", "@a", "1.", "&a", ":a", "{ ", "%(", "a/", "\\"],
)
@pytest.mark.parametrize("end", ["", "'", "(", " x {", "@", "\ue000"])
def test_work_grows_with_the_length_and_no_faster(unit: str, end: str) -> None:
    def find(text: str) -> None:
        shade(text)
        BUILT_IN.counted(text)

    assert_no_faster_than_length(find, (unit * 20 + end) * (6000 // (20 * len(unit))))
