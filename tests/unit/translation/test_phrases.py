"""A segment that is a phrase of the bundle's table gets the table's translation in place of the model's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bundle.phrases import PHRASES_FILE, write_phrases
from app.bundle.store import load_bundle, save_bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.translation.translator import TranslationOptions, Translator
from tests.support.fakes import fake_contents, fake_manifest, text_machine

PHRASES = {"house": "maison", "hello": "bonjour", "good morning to you": "bien le bonjour"}


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Translator]:
    folder: Path = tmp_path_factory.mktemp("models") / "en-fr"
    contents = fake_contents() | {PHRASES_FILE: write_phrases({("en", "fr"): PHRASES.items()})}
    save_bundle(folder, fake_manifest(), contents, verify=lambda _: None)
    bundle = load_bundle(folder)
    engine = Engine(text_machine(bundle, "upper"), DecodingModel.of(bundle.manifest))
    engine.start()
    yield Translator(bundle, engine)
    engine.stop(drain=False)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("house", "maison"),
        ("House", "Maison"),
        ("Hello! A house is here. House?", "Bonjour ! A HOUSE IS HERE. Maison ?"),
        ("Good morning to you:", "Bien le bonjour :"),
        ("- hello\n- the house", "- bonjour\n- THE HOUSE"),
        ("{hello}", "{hello}"),
    ],
)
def test_the_table_comes_first(translator: Translator, source: str, wanted: str) -> None:
    assert translator.translate([source])[0].text == wanted


def test_tags_around_a_phrase_stay(translator: Translator) -> None:
    options = TranslationOptions(text_format="html", alignment=True)
    (translation,) = translator.translate(["<p><b>House</b></p><p>a <i>house</i></p>"], options)
    assert translation.text.replace("MAISON", "Maison") in (
        "<p><b>Maison</b></p><p>A <i>HOUSE</i></p>",
        "<p><b>HOUSE</b></p><p>A <i>HOUSE</i></p>",
    )


def test_it_is_aligned_as_a_whole(translator: Translator) -> None:
    (translation,) = translator.translate(["good morning to you"], TranslationOptions(alignment=True))
    (group,) = translation.alignment
    assert [(one.start, one.end) for one in (*group.target, *group.source)] == [(0, 15), (0, 19)]


def test_the_models_own_translation_is_an_alternative(translator: Translator) -> None:
    (translation,) = translator.translate(["house"], TranslationOptions(beam_size=2, alternatives=1))
    assert (translation.text, translation.alternatives) == ("maison", ("HOUSE",))
    assert translation.segments[0].is_restored
    assert translation.is_complete


def test_a_given_beginning_is_the_models_to_continue(translator: Translator) -> None:
    (translation,) = translator.translate(["house"], TranslationOptions(target_prefix="HO"))
    assert translation.text == "HOUSE"
