"""A column of keys stays, also where each key alone could be a word; other columns are translated."""

import pytest

from app.files.formats.registry import read_document


def passages(name: str, text: str) -> list[str]:
    document = read_document(name, text.encode(), 10**6)
    assert document.write(iter([one.text for one in document.passages]), "fr") == text.encode()
    return [one.text for one in document.passages]


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t")])
@pytest.mark.parametrize("keys", [("home.title", "btn-save"), ("btn-save", "btn-open"), ('"menu.file"', "saveFile")])
def test_keys_stay(keys: tuple[str, str], name: str, separator: str) -> None:
    rows = [("key", "value"), (keys[0], "Good night"), (keys[1], "Save")]
    assert passages(name, "".join(separator.join(row) + "\r\n" for row in rows)) == [
        "key",
        "value",
        "Good night",
        "Save",
    ]
    turned = "".join(separator.join(row[::-1]) + "\n" for row in rows)
    assert passages(name, turned) == ["value", "key", "Good night", "Save"]


@pytest.mark.parametrize(
    "cells",
    [("well-known", "old"), ("e-mail", "the door"), ("Save", "Open"), ("well-known",)],
)
def test_words_are_translated(cells: tuple[str, ...]) -> None:
    text = "".join(f"{cell},{number}\n" for number, cell in enumerate(("name", *cells)))
    assert passages("a.csv", text) == ["name", *cells]


def test_empty_cells_do_not_shift_columns() -> None:
    text = "a,key,text\n,btn-one,Good night\n,,Good day\nx,btn-two,\n"
    assert passages("a.csv", text) == ["a", "key", "text", "Good night", "Good day", "x"]
