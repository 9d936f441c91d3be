"""Noise makes small, repeatable changes to training sources, and leaves targets and dev sets unchanged."""

import json
import random
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.text.words import lower_capitals
from training.config import RunConfig
from training.data.clean import fold
from training.data.config import CorpusConfig, CorpusFile
from training.data.corpus import Pair
from training.data.dataset import TokenPairs
from training.data.noise import changes_for, noisy_pairs, remove_accents, remove_end, swap_letters
from training.data.prepare import load_run_tokenizer, prepare, read_dev

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)
SENTENCES = st.text(alphabet="aàeéiTPzß şй. !?'1", min_size=1, max_size=20)


@given(st.lists(st.tuples(SENTENCES, TEXTS), max_size=20), st.integers(0, 5))
@settings(deadline=None)
def test_targets_stay_and_the_same_seed_gives_the_same(pairs: list[Pair], seed: int) -> None:
    found = noisy_pairs(pairs, 0.7, "fr", str(seed))
    assert found == noisy_pairs(pairs, 0.7, "fr", str(seed))
    assert not Counter(target for _, target in found) - Counter(target for _, target in pairs)
    by_target: dict[str, set[str]] = {}
    for source, target in pairs:
        by_target.setdefault(target, set()).add(source)
    for noisy, target in found:
        possible = [
            source
            for source in by_target[target]
            if noisy in {change(source, random.Random()) for change in changes_for("fr")[:-1]}
            or Counter(noisy) == Counter(source)
        ]
        assert possible
        assert any(noisy != source for source in possible)


@given(TEXTS, st.integers())
@settings(deadline=None)
def test_a_swap_changes_two_letters_of_one_word(text: str, seed: int) -> None:
    found = swap_letters(text, random.Random(seed))
    places = [place for place, (old, new) in enumerate(zip(text, found, strict=True)) if old != new]
    if places:
        first, second = places
        assert second == first + 1
        assert (found[first], found[second]) == (text[second], text[first])
        # Python's isalpha knows fewer scripts.
        assert regex.fullmatch(r"\p{L}+", text[first - 1 : second + 1])
    else:
        assert found == text


@given(TEXTS)
@settings(deadline=None)
def test_only_accents_are_removed(text: str) -> None:
    def bare(some: str) -> str:
        return "".join(one for one in unicodedata.normalize("NFD", some) if unicodedata.category(one) != "Mn")

    assert bare(remove_accents(text, random.Random())) == bare(text)


def test_each_change() -> None:
    none = random.Random()
    lower, restore_case, *_ = changes_for("en")
    assert lower("Is Tom IN Paris?", none) == "is tom in paris?"
    assert restore_case("Tom and I are in Paris.", none) == "Tom and I are in paris."
    assert restore_case("Tom", none) == "Tom"  # one word in capitals is given to the model as it is
    assert restore_case("Élodie est à Paris.", none) == lower_capitals("ÉLODIE EST À PARIS.", "fr")
    assert remove_end("Où est-il ?", none) == "Où est-il"
    assert remove_end("3.5", none) == "3.5"
    assert remove_accents("Où est le garçon ? Йод, が", none) == "Ou est le garcon ? Йод, が"
    assert swap_letters("the cat", none) == "the cat"
    assert swap_letters("Tom went", random.Random(1)) in {"Tom wnet", "Tom wetn"}


def test_all_changes_occur_with_the_configured_share() -> None:
    pairs = [(f"Élodie mange la pomme de Tom à Paris, dit-{word}.", word) for word in map(str, range(4000))]
    found = noisy_pairs(pairs, 0.1, "fr", "1")
    assert 300 < len(found) < 500
    clean = {target: source for source, target in pairs}
    counts = Counter[str]()
    for noisy, target in found:
        named = {change(clean[target], random.Random()): change.__name__ for change in changes_for("fr")[:-1]}
        counts[named.get(noisy, "swap_letters")] += 1
    assert len(counts) == 5
    assert min(counts.values()) > 40


def test_texts_without_an_applicable_change_are_skipped() -> None:
    assert noisy_pairs([("1984", "1984"), ("...", "…")] * 50, 0.99, "en", "1") == []


def config(noise: float, dev_fraction: float = 0.0, repeat: int = 1) -> RunConfig:
    train, dev = (
        CorpusFile(name=name, path=f"{name}.tsv", licence="CC0", repeat=often)
        for name, often in (("words", repeat), ("measured", 1))
    )
    corpus = CorpusConfig(train=(train,), dev=() if dev_fraction else (dev,), dev_fraction=dev_fraction, noise=noise)
    return RunConfig(
        name="noisy",
        source="en",
        target="fr",
        corpus=corpus,
        tokenizer={"kind": "characters"},  # type: ignore[arg-type]
    )


def sources_of(run: Path, config: RunConfig) -> list[str]:
    pairs, tokenizer = TokenPairs.load(run / "train.npz"), load_run_tokenizer(config, run)
    return [tokenizer.decode(pairs.source.sentence(place).tolist()) for place in range(len(pairs))]


@pytest.mark.parametrize("dev_fraction", [0.0, 0.2])
def test_prepare_adds_noise_behind_the_clean_pairs_and_none_to_dev(tmp_path: Path, dev_fraction: float) -> None:
    lines = [f"form {number} From\tforme {number}\n" for number in range(10, 90)]
    (tmp_path / "words.tsv").write_text("".join(lines), encoding="utf-8")
    # What a slip makes of a training source must not be one that is measured on.
    slips = [f"from {number} From\tDe {number}\n" for number in range(10, 90)]
    (tmp_path / "measured.tsv").write_text("".join(slips), encoding="utf-8")
    clean, noisy = (config(noise, dev_fraction) for noise in (0.0, 0.9))
    prepare(clean, tmp_path, tmp_path / "clean")
    report = prepare(noisy, tmp_path, tmp_path / "noisy")
    without, found = sources_of(tmp_path / "clean", clean), sources_of(tmp_path / "noisy", noisy)
    assert found[: len(without)] == without
    counts = json.loads((tmp_path / "noisy" / "corpus.json").read_text(encoding="utf-8"))
    added = counts["noise"]["words"]
    assert 0 < added == len(found) - len(without) == counts["train"] - counts["kept"]["words"]
    assert f"again with noise {added}" in report.lines()[-1]
    for name in ("tokenizer.json", "dev.tsv", "dev.npz"):
        assert (tmp_path / "clean" / name).read_bytes() == (tmp_path / "noisy" / name).read_bytes()
    held_out = {fold(source) for source, _ in read_dev(tmp_path / "noisy")}
    assert held_out
    assert not held_out & set(map(fold, found))


def test_repeats_have_noise_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("Tom believes in miracles.\tTom croit aux miracles.\n", encoding="utf-8")
    (tmp_path / "measured.tsv").write_text("Yes.\tOui.\n", encoding="utf-8")
    chosen = config(0.5, repeat=40)
    prepare(chosen, tmp_path, tmp_path / "run")
    noisy = sources_of(tmp_path / "run", chosen)[40:]
    assert 10 <= len(noisy) <= 30
    assert len(set(noisy)) >= 5


def test_noise_needs_sources() -> None:
    file = CorpusFile(name="a", path="a", licence="CC0")
    with pytest.raises(ValidationError, match="noise needs both sides"):
        CorpusConfig(train=(file,), dev_fraction=0.1, sides="target", noise=0.1)
    with pytest.raises(ValidationError, match="less than 1"):
        CorpusConfig(train=(file,), dev_fraction=0.1, noise=1.0)
