"""Pairs in another language are found; short texts and names are kept."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from training.config import RunConfig
from training.data.config import CorpusConfig, CorpusFile
from training.data.language_check import REASON, LanguageCheck
from training.data.prepare import prepare, read_dev

GERMAN = "Das Kanadische Konsulat in Düsseldorf organisiert eine Sonderreise nach Montreal."
ITALIAN = "Ciò conclude il turno di votazioni di questa mattina."


@pytest.fixture(scope="module")
def check() -> LanguageCheck:
    return LanguageCheck("en", "fr")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (GERMAN, "Le consulat du Canada à Düsseldorf organise un voyage spécial à Montréal."),
        ("That concludes the vote of this morning.", ITALIAN),
        ("That concludes the vote of this morning.", "That concludes the vote of this morning."),
        ("Le gouvernement du Canada ouvre la séance.", "The government of Canada opens the meeting."),
        ("Привет, как у тебя дела сегодня?", "Salut, comment vas-tu aujourd'hui ?"),
        ("我不知道他什么时候会来这里。", "Je ne sais pas quand il viendra."),
    ],
)
def test_a_side_in_another_language_is_found(check: LanguageCheck, source: str, target: str) -> None:
    assert check.objection(source, target) == REASON


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("I promise you that I will ask you once again.", "Je vous promets de vous le demander encore une fois."),
        ("Guten Tag.", "Bonjour."),  # too short to be sure of
        ("Tom", "Тома"),
        ("", ""),
        ("1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14"),
    ],
)
def test_right_or_uncertain_pairs_stay(check: LanguageCheck, source: str, target: str) -> None:
    assert check.objection(source, target) is None


def test_an_unsupported_language_is_not_checked() -> None:
    check = LanguageCheck("xx", "fr")
    assert check.objection(GERMAN, "Le consulat organise un voyage spécial.") is None
    assert check.objection(GERMAN, ITALIAN) == REASON


def config(check_language: bool) -> RunConfig:
    file = {"licence": "CC0", "columns": ("en", "fr")}
    return RunConfig(
        name="web",
        source="en",
        target="fr",
        corpus=CorpusConfig(
            check_language=check_language,
            train=(CorpusFile.model_validate({"name": "web", "path": "web.tsv", **file}),),
            dev=(CorpusFile.model_validate({"name": "measured", "path": "dev.tsv", **file}),),
        ),
        tokenizer={"kind": "characters"},  # type: ignore[arg-type]
    )


def test_prepare_drops_them_from_training_alone(tmp_path: Path) -> None:
    good = "That concludes the vote.\tCela met fin au vote.\n"
    (tmp_path / "web.tsv").write_text(f"{good}That concludes the vote of today.\t{ITALIAN}\n", encoding="utf-8")
    (tmp_path / "dev.tsv").write_text(f"This sentence is measured.\t{GERMAN}\n", encoding="utf-8")
    for check_language in (False, True):
        prepare(config(check_language), tmp_path, tmp_path / "run")
        counts = json.loads((tmp_path / "run" / "corpus.json").read_text(encoding="utf-8"))
        assert counts["train"] == (1 if check_language else 2)
        assert counts["dropped"] == ({"web": {REASON: 1}} if check_language else {})
        assert read_dev(tmp_path / "run") == [("This sentence is measured.", GERMAN)]


def test_one_side_alone_cannot_be_checked() -> None:
    file = CorpusFile(name="a", path="a", licence="CC0")
    with pytest.raises(ValidationError, match="check_language needs both sides"):
        CorpusConfig(train=(file,), dev_fraction=0.1, sides="target", check_language=True)
