"""Codes in any spelling find the language that is served."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.codes import find_served

SERVED = ("de", "en", "fr", "he", "id", "nb", "nn", "pt", "pt-br", "sr", "zh", "zh-hant")


@pytest.mark.parametrize(
    ("code", "served"),
    [
        ("EN", "en"),
        ("en-GB", "en"),
        ("en_us", "en"),
        ("fr-CA", "fr"),
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("zh_Hans", "zh"),
        ("ZH-HANS-SG", "zh"),
        ("zh-TW", "zh-hant"),
        ("zh_HK", "zh-hant"),
        ("zt", "zh-hant"),
        ("ZH-HANT", "zh-hant"),
        ("zh-Hant-TW", "zh-hant"),
        ("zh-CHT", "zh-hant"),
        ("pt", "pt"),
        ("pt-PT", "pt"),
        ("pt-BR", "pt-br"),
        ("pb", "pt-br"),
        ("no", "nb"),
        ("nb-NO", "nb"),
        ("nn", "nn"),
        ("iw", "he"),
        ("in", "id"),
        ("sr-Cyrl", "sr"),
        ("sr-Latn", None),
        (" fr ", "fr"),
        ("it", None),
        ("", None),
        ("-", None),
        ("f" * 10_000, None),
        ("zh-Latn", None),
        ("fr-Cyrl", None),
        ("fr-Latn", "fr"),
    ],
)
def test_codes(code: str, served: str | None) -> None:
    assert find_served(code, SERVED) == served


def test_spellings_of_bundles() -> None:
    assert find_served("no", ["no"]) == find_served("NB", ["no"]) == "no"
    assert find_served("pt", ["pt-br"]) == "pt-br"
    assert find_served("zh", ["zh-Hans"]) == find_served("zh-cn", ["zh-Hans"]) == "zh-Hans"
    assert find_served("zh-tw", ["zh_hant"]) == "zh_hant"
    assert find_served("zh-tw", ["zh"]) is None


@given(st.sampled_from(SERVED), st.sampled_from(["-", "_"]), st.booleans())
def test_a_served_code_finds_itself(code: str, joint: str, is_upper: bool) -> None:
    spelled = code.replace("-", joint)
    assert find_served(spelled.upper() if is_upper else spelled, SERVED) == code


@given(st.text(max_size=40))
def test_any_text_is_answered(code: str) -> None:
    assert find_served(code, SERVED) in (*SERVED, None)
