"""Reading, cleaning and splitting parallel text."""

import gzip
import zipfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.clean import Cleaner, CorpusReport, fold, normalise, split_by_source, without_held_out
from training.data.config import CorpusConfig, CorpusFile
from training.data.corpus import Pair, read_moses, read_pairs, read_texts
from training.errors import CorpusError


def entry(columns: tuple[str, ...] = ("en", "fr"), max_pairs: int | None = None) -> CorpusFile:
    return CorpusFile(name="test", path="unused", columns=columns, licence="CC0", max_pairs=max_pairs)


def clean(
    pairs: list[Pair], max_words: int = 80, max_pairs: int | None = None, sides: Literal["both", "target"] = "both"
) -> tuple[list[Pair], CorpusReport]:
    config = CorpusConfig(train=(entry(),), dev_fraction=0.1, max_characters=100, max_words=max_words, sides=sides)
    report = CorpusReport()
    return list(Cleaner(config, report).clean(pairs, "test", entry(max_pairs=max_pairs))), report


@pytest.mark.parametrize("kind", ["plain", "gz", "zip"])
def test_reads_tab_separated_text_in_every_wrapping(tmp_path: Path, kind: str) -> None:
    content = b"Go.\tVa !\r\nI know.\tJe sais.\n"
    if kind == "plain":
        path = tmp_path / "pairs.tsv"
        path.write_bytes(content)
    elif kind == "gz":
        path = tmp_path / "pairs.tsv.gz"
        path.write_bytes(gzip.compress(content))
    else:
        path = tmp_path / "pairs.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("_about.txt", "about this archive")
            archive.writestr("fra.txt", content)
    assert list(read_pairs(path, entry(), "en", "fr")) == [("Go.", "Va !"), ("I know.", "Je sais.")]
    assert next(read_pairs(path, entry(), "fr", "en")) == ("Va !", "Go.")


def test_reads_the_layout_with_an_attribution_column(tmp_path: Path) -> None:
    path = tmp_path / "fra.txt"
    path.write_text("Go.\tVa !\tCC-BY 2.0 (France) Attribution: tatoeba.org #1 & #2\n", encoding="utf-8")
    assert list(read_pairs(path, entry(("en", "fr", "attribution")), "en", "fr")) == [("Go.", "Va !")]
    with pytest.raises(CorpusError, match=r"fra\.txt:1: 3 tab-separated columns, expected 2"):
        list(read_pairs(path, entry(), "en", "fr"))


def test_a_line_with_too_few_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\nno tab here\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"pairs\.tsv:2: 1 tab-separated columns, expected 2"):
        list(read_pairs(path, entry(), "en", "fr"))


def test_invalid_utf8_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"a\tb\nc\xff\td\n")
    with pytest.raises(CorpusError, match=r"pairs\.tsv:2: not UTF-8 \(byte 1"):
        list(read_pairs(path, entry(), "en", "fr"))


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08broken", gzip.compress(b"a\tb\n" * 999)[:-9]])
def test_a_damaged_archive_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pairs.tsv.gz"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"pairs\.tsv\.gz"):
        list(read_pairs(path, entry(), "en", "fr"))


def test_a_missing_file_and_an_unknown_language_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"none\.tsv"):
        list(read_pairs(tmp_path / "none.tsv", entry(), "en", "fr"))
    with pytest.raises(CorpusError, match="hold no 'de'"):
        list(read_pairs(tmp_path / "none.tsv", entry(), "en", "de"))


def test_a_zip_with_two_texts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.txt", "a\tb\n")
        archive.writestr("two.txt", "a\tb\n")
    with pytest.raises(CorpusError, match="expected one text file"):
        list(read_pairs(path, entry(), "en", "fr"))


def test_reads_moses_pairs_and_refuses_unequal_ones(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("one\ntwo\n", encoding="utf-8")
    (tmp_path / "a.fr").write_text("un\ndeux\n", encoding="utf-8")
    assert list(read_moses(tmp_path / "a.en", tmp_path / "a.fr")) == [("one", "un"), ("two", "deux")]
    (tmp_path / "a.fr").write_text("un\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"a\.fr:2: no line here"):
        list(read_moses(tmp_path / "a.en", tmp_path / "a.fr"))


def test_cleaning_reports_dropped_pairs_with_reasons() -> None:
    pairs = [
        ("Good  day.", "Bonjour."),
        ("Good day.", "Bonjour."),
        ("", "vide"),
        ("x" * 101, "y" * 101),
        ("one two three four", "un deux trois quatre cinq six"),
        ("short", "this side is much longer than the other, far too long"),
        ("e\u0301t\u00e9", "summer"),
    ]
    kept, report = clean(pairs, max_words=5)
    assert kept == [("Good day.", "Bonjour."), ("été", "summer")]
    assert report.read["test"] == 7
    assert report.kept["test"] == 2
    assert report.dropped["test"] == {
        "duplicate": 1,
        "empty side": 1,
        "over 100 characters": 1,
        "over 5 words": 2,
    }
    assert "read 7, kept 2, dropped: over 5 words 2" in report.lines()[0]
    _, report = clean([("go now", "a" * 60)])
    assert report.dropped["test"] == {"length ratio over 3.0": 1}


def test_one_column_is_read_and_cleaned_without_a_source(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("Bonjour.\n\nBonjour.\n" + "a" * 40 + "\n" + "b" * 101 + "\n", encoding="utf-8")
    texts = list(read_texts(path, entry(columns=("fr",)), "fr"))
    assert texts[:2] == [("", "Bonjour."), ("", "")]
    kept, report = clean(texts, sides="target")
    assert kept == [("", "Bonjour."), ("", "a" * 40)]  # no source, so no ratio
    assert report.dropped["test"] == {"empty side": 1, "duplicate": 1, "over 100 characters": 1}
    with pytest.raises(CorpusError, match=r"columns \['fr'\] hold no 'de'"):
        list(read_texts(path, entry(columns=("fr",)), "de"))


def test_texts_without_a_source_are_split_by_themselves() -> None:
    texts = [("", f"phrase {number}") for number in range(200)]
    train, dev = split_by_source(texts, 0.5, seed=3)
    assert 60 < len(dev) < 140
    assert not {text for _, text in train} & {text for _, text in dev}
    assert without_held_out(texts, dev, CorpusReport(), "test") == train


def test_max_pairs_stops_reading() -> None:
    kept, _ = clean([(f"sentence {n}", f"phrase {n}") for n in range(9)], max_pairs=4)
    assert len(kept) == 4


TEXTS = st.text(alphabet="abc ABC.!", min_size=1, max_size=6)


@given(st.lists(st.tuples(TEXTS, TEXTS)), st.floats(0.1, 0.9), st.integers(0, 9))
def test_no_source_sentence_is_on_both_sides_of_a_split(pairs: list[Pair], fraction: float, seed: int) -> None:
    train, dev = split_by_source(pairs, fraction, seed)
    assert sorted(train + dev) == sorted(pairs)
    assert not {fold(source) for source, _ in train} & {fold(source) for source, _ in dev}


def test_pairs_with_a_held_out_side_leave_training() -> None:
    report = CorpusReport()
    pairs = [("Go!", "Va !"), ("Stay.", "Reste."), ("Leave.", "Allez !"), ("Allez", "go")]
    kept = without_held_out(pairs, [("go", "allez")], report, "test")
    assert kept == [("Stay.", "Reste."), ("Allez", "go")]
    assert report.dropped["test"]["in dev or test"] == 2


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
