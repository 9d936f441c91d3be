"""The ranges of tokens, added up from the pieces, are those of decoding one token more each time."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import load_bundle
from app.bundle.tokenizers import Tokenizer

MODELS = Path(__file__).parents[3] / "models"


@cache
def shipped_tokenizer(folder: str) -> Tokenizer:
    return load_bundle(MODELS / folder).tokenizer


# Up to 270 are special ids, tags and bytes.
@pytest.mark.parametrize("folder", ["en-fr", "fr-en", "de-es-en"])
@settings(max_examples=300, deadline=None)
@given(ids=st.lists(st.one_of(st.integers(0, 270), st.integers(0, 7999)), max_size=8))
def test_ranges_are_those_of_texts_that_grow_by_one_token(folder: str, ids: list[int]) -> None:
    found = shipped_tokenizer(folder)
    ids = [one for one in ids if one < found.vocabulary_size]
    ranges = found.decode_ranges(ids)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(found.__dict__, "_pieces", ["\ufffe"] * found.vocabulary_size)  # so that no piece is its text
        assert found.decode_ranges(ids) == ranges
