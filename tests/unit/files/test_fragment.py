"""Tags of a file as tags of HTML, and back, whatever a translator does to them."""

from html import escape

from hypothesis import given
from hypothesis import strategies as st

from app.files.fragment import Close, Fragment, Open, Piece, Point
from tests.support.file_samples import identity, upper, without_tags

WORDS = st.text("ab é<>&;\n ", max_size=8)


@st.composite
def nested(draw: st.DrawFn) -> list[Piece]:
    """Well nested pieces with a number for each tag."""
    numbers = iter(range(1000))

    def level(depth: int) -> list[Piece]:
        pieces: list[Piece] = []
        for _ in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from(["words", "words", "point", "word", "element"]))
            if kind == "words":
                pieces.append(draw(WORDS))
            elif kind == "element" and depth:
                number = next(numbers)
                pieces += [Open(number), *level(depth - 1), Close(number)]
            else:
                pieces.append(Point(next(numbers), draw(WORDS) if kind == "word" else ""))
        return pieces

    return level(3)


def tags(pieces: list[Piece]) -> list[Piece]:
    return [piece for piece in pieces if not isinstance(piece, str)]


def words(pieces: list[Piece]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


@given(nested())
def test_what_is_not_changed_comes_back(pieces: list[Piece]) -> None:
    fragment = Fragment(pieces)
    found = fragment.translated(identity(fragment.passage))
    assert tags(found) == tags(pieces)
    assert words(found) == words(pieces)


@given(nested(), st.text("ab <>&\"'/=", max_size=20))
def test_no_tag_is_lost_whatever_comes_back(pieces: list[Piece], soup: str) -> None:
    fragment = Fragment(pieces)
    for translation in (without_tags(fragment.passage), soup, fragment.passage.text + "<span data-n='7'>", "</span>"):
        found = fragment.translated(translation)
        assert sorted(map(repr, tags(found))) == sorted(map(repr, tags(pieces)))


def test_only_the_words_are_shown() -> None:
    pieces: list[Piece] = [
        " ",
        Open(0),
        Point(1),
        "Some ",
        Open(2),
        "words",
        Close(2),
        " & ",
        Point(3, "x<y"),
        Close(0),
    ]
    fragment = Fragment(pieces)
    passage = fragment.passage
    assert passage.text == 'Some <span data-n="2">words</span> &amp; <code data-n="3">x&lt;y</code>'
    assert passage.text_format == "html"
    assert words(fragment.translated(upper(passage))) == " SOME WORDS & "


def test_without_tags_it_is_plain_text() -> None:
    passage = Fragment([Open(0), "a < b", Close(0), Point(1)]).passage
    assert (passage.text, passage.text_format) == ("a < b", "text")


def test_tags_may_move() -> None:
    fragment = Fragment(["a ", Open(0), "red", Close(0), " house ", Point(1), "here"])
    moved = f'{escape("une maison")} <span data-n="0">rouge</span><img data-n="1"> ici'
    assert fragment.translated(moved) == ["une maison ", Open(0), "rouge", Close(0), Point(1), " ici"]


def test_a_lost_tag_costs_its_place_and_no_word() -> None:
    fragment = Fragment(["a ", Open(0), "red", Close(0), " house"])
    assert fragment.translated("une maison rouge") == ["une maison rouge", Open(0), Close(0)]
    assert words(fragment.translated('une <span data-n="9">maison</span>')) == "une maison"
