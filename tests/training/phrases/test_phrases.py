"""Phrases are counted in parallel text, the likeliest translation is chosen, and a bundle gets the table."""

import gzip
import random
from pathlib import Path

import numpy as np
import pytest

from app.bundle.phrases import PHRASES_FILE
from app.bundle.store import load_bundle, save_bundle
from tests.support.fakes import fake_contents, fake_manifest
from training.config import RunConfig, load_config
from training.errors import CorpusError
from training.phrases import build
from training.phrases.build import add_phrases
from training.phrases.choose import choose_phrases
from training.phrases.extract import PhraseCounts, add_whole, count_phrases
from training.phrases.word_alignment import align_words

WORDS = {"house": "maison", "dog": "chien", "red": "rouge", "eats": "mange", "sleeps": "dort", "here": "ici"}


def sentences(count: int) -> list[tuple[str, str]]:
    """Sentences word by word, in another order, with an article that the source does not have."""
    chance = random.Random(3)
    found = []
    for _ in range(count):
        chosen = chance.sample(sorted(WORDS), 3)
        translated = [WORDS[word] for word in reversed(chosen)]
        found.append((" ".join(chosen).capitalize() + ".", ("la " + " ".join(translated)).capitalize() + "."))
    return found


def test_words_are_aligned_with_their_translations() -> None:
    sources = [np.array(one, np.int32) for one in ([1, 2], [2, 3], [1, 3], [1])]
    targets = [np.array(one, np.int32) for one in ([20, 10], [30, 20], [30, 10], [10])]
    assert [links.tolist() for links in align_words(sources, targets, iterations=20)] == [[1, 0], [1, 0], [1, 0], [0]]
    assert align_words([], []) == []


def test_words_get_the_translations_of_sentences() -> None:
    table = dict(choose_phrases(count_phrases(sentences(200), []), "en", "fr", 1000))
    assert {word: table[word] for word in WORDS} == WORDS


def test_what_stands_whole_counts_more_than_what_stands_in_sentences() -> None:
    counts = PhraseCounts()
    counts.aligned["home"].update({"maison": 30, "chez": 10})
    for _ in range(5):
        add_whole(counts.whole, "Home", "Accueil")
    assert dict(choose_phrases(counts, "en", "fr", 10)) == {"home": "Accueil"}


def test_the_commonest_words_are_left_to_the_model_unless_found_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.phrases.choose._COMMONEST", 2)
    counts = PhraseCounts()
    for word, count in [("no", 90), ("yes", 80), ("house", 70)]:
        counts.aligned[word]["mot"] = count
    add_whole(counts.whole, "Yes", "Oui")
    assert dict(choose_phrases(counts, "en", "fr", 10)).keys() == {"yes", "house"}


@pytest.fixture(autouse=True)
def _few_common_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.phrases.choose._COMMONEST", 0)


@pytest.mark.parametrize(
    ("aligned", "phrase", "languages", "wanted"),
    [
        ({"la maison": 3, "Maison": 1, "maison": 1}, "house", ("en", "fr"), "maison"),
        ({"l'eau": 3, "de l'eau": 2}, "water", ("en", "fr"), "eau"),
        ({"grande": 6, "grand": 5, "grands": 1, "gros": 6}, "big", ("en", "fr"), "grand"),
        ({"das Haus": 3, "Haus": 3, "haus": 1}, "house", ("en", "de"), "Haus"),
        ({"Speichern": 2, "speichern": 2}, "save", ("en", "de"), "speichern"),
        ({"roja": 5, "rojo": 4, "colorado": 6}, "red", ("en", "es"), "rojo"),
        ({"the house": 2, "house": 2}, "maison", ("fr", "en"), "house"),
        ({"à": 9, "nager": 4}, "to swim", ("en", "fr"), "nager"),
        ({"à": 9}, "to swim", ("en", "fr"), None),
        ({"un": 1}, "rare", ("en", "fr"), None),
        ({str(number): 2 for number in range(20)}, "vague", ("en", "fr"), None),
        ({"salut toi": 2}, "hello you", ("en", "fr"), None),
        ({"salut toi": 3}, "hello you", ("en", "fr"), "salut toi"),
        ({"Hello": 9, "bonjour": 3}, "hello", ("en", "fr"), "bonjour"),
        ({"peux": 9}, "can'", ("en", "fr"), None),
        ({"1": 9}, "1", ("en", "fr"), None),
    ],
)
def test_the_form_of_a_dictionary_is_chosen(
    aligned: dict[str, int], phrase: str, languages: tuple[str, str], wanted: str | None
) -> None:
    counts = PhraseCounts()
    counts.aligned[phrase].update(aligned)
    assert dict(choose_phrases(counts, *languages, 100)).get(phrase) == wanted


def test_of_two_entries_of_a_lexicon_the_commoner_word_is_chosen() -> None:
    counts = PhraseCounts()
    counts.lexicon["mot de passe"].update({"countersign": 1, "password": 1, "watchword": 1})
    counts.aligned["code"].update({"password": 3, "code": 9})
    assert dict(choose_phrases(counts, "fr", "en", 10))["mot de passe"] == "password"


def test_whole_pairs_are_short_and_nothing_but_words() -> None:
    counts = PhraseCounts()
    for source, target in [
        ("Delete Account!", "¡Borrar cuenta!"),
        ("a b c d e", "a b c d e"),
        ("{n} files", "{n} fichiers"),
        ("Save", "<b>Guardar</b>"),
    ]:
        add_whole(counts.whole, source, target)
    assert {phrase: dict(found) for phrase, found in counts.whole.items()} == {"delete account": {"Borrar cuenta": 1}}


def test_words_come_before_phrases_and_only_so_many() -> None:
    counts = PhraseCounts()
    for phrase, count in [("a b", 9), ("rare", 2), ("usual", 8), ("other", 5)]:
        counts.aligned[phrase]["mot"] = count
    assert [phrase for phrase, _ in choose_phrases(counts, "xx", "fr", 3)] == ["usual", "other", "rare"]


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    def write(name: str, pairs: list[tuple[str, str]]) -> None:
        (tmp_path / name).write_bytes(gzip.compress("".join(f"{a}\t{b}\n" for a, b in pairs).encode()))

    write("text.tsv.gz", [*sentences(200), ("Good night", "Bonne nuit"), ("Good night.", "Bonne nuit.")])
    write("lexicon.tsv.gz", [("cat", "chat")])
    write("dev.tsv.gz", [("Good night!", "Bonne nuit !")])
    path = tmp_path / "phrases.toml"
    files = [("train", "text"), ("train", "lexicon"), ("dev", "dev")]
    path.write_text(
        'name = "phrases"\nsource = "en"\ntarget = "fr"\n'
        + "".join(
            f'[[corpus.{kind}]]\nname = "{name}"\npath = "{name}.tsv.gz"\ncolumns = ["en", "fr"]\nlicence = "CC0"\n'
            for kind, name in files
        )
    )
    return load_config(path)


@pytest.mark.parametrize(("pair", "found"), [(("en", "fr"), ("cat", "chat")), (("fr", "en"), ("chat", "cat"))])
def test_a_bundle_gets_a_table_in_either_direction(
    pair: tuple[str, str],
    found: tuple[str, str],
    config: RunConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build, "opens", lambda folder: None)  # the graphs of the fake are none
    folder = tmp_path / "bundle"
    contents = fake_contents() | {"MODEL_CARD.md": b"# Card\n\n## Phrase table\n\nold\n\n## Last\n\nend\n"}
    save_bundle(folder, fake_manifest(*pair), contents, verify=lambda _: None)
    for _ in range(2):
        sizes = add_phrases(config, tmp_path, folder)
    phrases = load_bundle(folder).phrases
    assert phrases.find(found[0]) == found[1]
    assert phrases.find("house" if pair[0] == "en" else "maison") == ("maison" if pair[0] == "en" else "house")
    assert phrases.find("good night" if pair[0] == "en" else "bonne nuit") is None  # it is measured with
    assert list(sizes) == [pair]
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.count("## Phrase table") == 1
    assert "## Last\n\nend" in card
    assert "| lexicon | CC0 |" in card
    assert PHRASES_FILE in load_bundle(folder).manifest.files


def test_a_corpus_of_other_languages_is_refused(config: RunConfig, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    save_bundle(folder, fake_manifest("en", "de"), fake_contents(), verify=lambda _: None)
    with pytest.raises(CorpusError, match="no file of the corpus has both languages"):
        add_phrases(config, tmp_path, folder)
