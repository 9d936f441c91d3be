"""Every alternative has the terms of the glossary, whatever the model writes; one whose offset is guessed is named."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import Bundle
from app.text.inline import TextFormat
from app.text.placeholder_finder import Terms
from app.translation.translator import TranslationOptions, Translator
from tests.support.fakes import fake_bundle
from tests.unit.translation.test_unmasking import Hostile

TERMS = Terms({"cottage cheese": "faisselle", "door": "portail", "London": "Londres"})
WRITTEN = {"cottage cheese": "faisselle", "door": "portail", "London": "Londres"}
SENTENCES = (
    "I like cottage cheese.",
    "The door is in London.",
    "Open the door, please!",
    "We ate cottage cheese at the door of the house in London.",
    "Good night.",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder: Path = tmp_path_factory.mktemp("models")
    return fake_bundle(folder)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=3),
    st.integers(0, 2**32),
    st.integers(1, 3),
    st.sampled_from([1, 4]),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from(["text", "html"]),
)
def test_every_alternative_has_the_terms(
    bundle: Bundle,
    sentences: list[str],
    seed: int,
    alternatives: int,
    beam_size: int,
    temperature: float,
    text_format: TextFormat,
) -> None:
    text = " ".join(sentences)
    options = TranslationOptions(
        beam_size=1 if temperature else beam_size,
        alternatives=alternatives,
        temperature=temperature,
        text_format=text_format,
        terms=TERMS,
    )
    (translation,) = Translator(bundle, Hostile(seed)).translate([text], options)
    for whole in (translation.text, *translation.alternatives):
        for term, written in WRITTEN.items():
            # A segment that could not be translated is the source, with its terms, and says so.
            assert whole.count(written) + whole.count(term) == text.count(term)
    for segment in translation.segments:
        left = [term for term in WRITTEN if term in segment.text]
        assert set(left) <= set(segment.unaligned_terms)
