"""The phrase table of a bundle: written, read, looked up, and refused where it is damaged."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.phrases import NO_PHRASES, PHRASES_FILE, PhraseChain, PhraseTable, read_phrases, write_phrases
from app.bundle.store import load_bundle, save_bundle
from app.errors import BundleFormatError
from tests.support.fakes import fake_contents, fake_manifest

PHRASES = {"house": "maison", "save": "enregistrer", "é": "e", "us": "nous", "delete account": "supprimer le compte"}


def table_of(phrases: dict[str, str], folder: Path) -> PhraseTable:
    path = folder / PHRASES_FILE
    path.write_bytes(write_phrases({("en", "fr"): phrases.items()}))
    return read_phrases(path)["en", "fr"]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("house", "maison"),
        ("House", "Maison"),
        ("HOUSE", "MAISON"),
        (" House!\n", "Maison"),
        ("¡House!", "Maison"),
        ("delete  account…", "supprimer le compte"),
        ("Delete Account:", "Supprimer le compte"),
        ("houses", None),
        ("US", None),
        ("House.", None),
        ("House...", "Maison"),
        ("us", "nous"),
        ("Us", "Nous"),
        ("ho", None),
        ("", None),
        (" ! ", None),
        ("house. house", None),
        ("house " * 100_000, None),
    ],
)
def test_looked_up(source: str, wanted: str | None, tmp_path: Path) -> None:
    assert table_of(PHRASES, tmp_path).find(source) == wanted


_CELLS = st.text("abcé -'ñ語", min_size=1, max_size=60).filter(lambda text: text == text.strip() == text.lower())


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_CELLS, _CELLS, min_size=1, max_size=40))
def test_each_phrase_is_found(tmp_path_factory: pytest.TempPathFactory, phrases: dict[str, str]) -> None:
    phrases = {" ".join(phrase.split()): " ".join(text.split()) for phrase, text in phrases.items()}
    table = table_of(phrases, tmp_path_factory.mktemp("table"))
    assert len(table) == len(phrases)
    assert {phrase: table.find(phrase) for phrase in phrases} == phrases
    assert table.find("zz") is None


def test_a_chain_looks_up_twice(tmp_path: Path) -> None:
    other = table_of({"maison": "casa"}, tmp_path)
    chain = PhraseChain(table_of(PHRASES, tmp_path), other)
    assert chain.find("House!") == "Casa"
    assert chain.find("Save") is None
    assert PhraseChain(NO_PHRASES, other).find("maison") is None


def test_of_several_languages(tmp_path: Path) -> None:
    path = tmp_path / PHRASES_FILE
    content = {("en", "de"): [("house", "Haus")], ("en", "es"): [("house", "casa"), ("a" * 61, "b"), ("c", "d" * 61)]}
    path.write_bytes(write_phrases(content))
    assert {pair: (table.find("house"), len(table)) for pair, table in read_phrases(path).items()} == {
        ("en", "de"): ("Haus", 1),
        ("en", "es"): ("casa", 1),
    }


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (b"en\tfr\thouse\n", "four cells"),
        (b"en\tfr\thouse\tmaison", "four cells"),
        (b"en\tfr\t\tmaison\n", "four cells"),
        (b"en\tfr\thouse\tmaison\tfoyer\n", "four cells"),
        (b"en\tfr\t" + b"a" * 241 + b"\tb\n", "1 to 240 bytes"),
        ("en\tfr\té\te\n".encode("latin-1"), "cannot be unpacked"),
        (b"en\tfr\tb\tb\nen\tfr\ta\ta\n", "not sorted"),
        (b"en\tfr\ta\tb\nen\tfr\ta\tc\n", "not sorted"),
    ],
)
def test_damaged_lines_are_refused(lines: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / PHRASES_FILE).write_bytes(gzip.compress(lines))
    with pytest.raises(BundleFormatError, match=problem):
        read_phrases(tmp_path / PHRASES_FILE)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    lines = b"en\tfr\thouse\tmaison\n"
    for content, problem in ((lines, "cannot be unpacked"), (gzip.compress(lines)[:-9], "ends early")):
        (tmp_path / PHRASES_FILE).write_bytes(content)
        with pytest.raises(BundleFormatError, match=problem):
            read_phrases(tmp_path / PHRASES_FILE)


def test_a_table_that_unpacks_to_more_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.bundle.phrases.MAX_TABLE_BYTES", 1000)
    (tmp_path / PHRASES_FILE).write_bytes(gzip.compress(b"en\tfr\ta\tb\n" * 101))
    with pytest.raises(BundleFormatError, match="more than 1000 bytes"):
        read_phrases(tmp_path / PHRASES_FILE)


def test_a_bundle_has_its_table(tmp_path: Path) -> None:
    folder = tmp_path / "en-fr"
    contents = fake_contents() | {PHRASES_FILE: write_phrases({("en", "fr"): PHRASES.items()})}
    save_bundle(folder, fake_manifest(), contents, verify=lambda _: None)
    assert load_bundle(folder).phrases.find("house") == "maison"
    assert load_bundle(folder).between("en", "fr").phrases.find("house") == "maison"
    save_bundle(folder, fake_manifest(), fake_contents(), verify=lambda _: None)
    assert load_bundle(folder).phrases.find("house") is None
