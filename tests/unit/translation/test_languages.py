"""What differs between languages: spaces between sentences, the ends of sentences, quotation marks, capitals."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.bundle.store import Bundle, load_bundle, save_bundle
from app.bundle.tokenizers import CharacterTokenizer
from app.engine.factory import run_engine
from app.engine.sequence import FinishReason
from app.text.masking import TextRules
from app.text.words import is_in_capitals, lower_capitals, raise_letter
from app.translation.assembly import TranslatedSegment
from app.translation.postedit import postedit
from app.translation.translator import TranslationOptions, Translator
from tests.support.fakes import TextMachine, fake_contents, fake_manifest

LETTERS = "你好。今天气很！去哪里？我在家再见，、「」こんにちはGoodbye morning.Hello there!?<>/bpCAT IS BIG\n\u00a0"


@contextmanager
def copier(folder: Path, source: str, target: str) -> Iterator[Translator]:
    """A model that copies."""
    tokenizer = CharacterTokenizer(sorted(set(LETTERS)))
    manifest = fake_manifest(source, target, tokenizer.vocabulary_size)
    save_bundle(folder / "it", manifest, {**fake_contents(), "tokenizer.json": tokenizer.to_bytes()}, lambda _: None)
    bundle: Bundle = load_bundle(folder / "it")
    with run_engine(bundle, TextMachine(tokenizer, "copy")) as engine:
        yield Translator(bundle, engine)


@pytest.mark.parametrize("source", ["zh", "zh-hant", "ja"])
def test_sentences_get_the_spaces_that_the_target_has(tmp_path: Path, source: str) -> None:
    with copier(tmp_path, source, "en") as translator:
        (text, lines, one) = translator.translate(["你好。再见！我在家。", "你好。\n再见。", "你好"])
        assert text.text == "你好。 再见！ 我在家。"
        assert lines.text == "你好。\n再见。"
        assert one.text == "你好"
        options = TranslationOptions(text_format="html")
        (page,) = translator.translate(["<p><b>你好。</b>再见！</p>"], options)
        assert page.text == "<p><b>你好。</b> 再见！</p>"


def test_sentences_lose_the_spaces_that_the_target_has_not(tmp_path: Path) -> None:
    with copier(tmp_path, "en", "zh") as translator:
        (text, lines, page) = (
            translator.translate(["Hello there. Goodbye!", "Hello there.\n\nGoodbye!"])
            + translator.translate(["<p>Hello there. <b>Goodbye!</b></p>"], TranslationOptions(text_format="html"))
        )  # fmt: skip
        assert text.text == "Hello there.Goodbye!"
        assert lines.text == "Hello there.\n\nGoodbye!"
        assert page.text == "<p>Hello there.<b>Goodbye!</b></p>"


def test_alignment_knows_of_the_spaces(tmp_path: Path) -> None:
    with copier(tmp_path, "zh", "en") as translator:
        (found,) = translator.translate(["你好。再见！"], TranslationOptions(alignment=True))
    for group in found.alignment:
        for source, target in zip(group.source, group.target, strict=True):
            assert "你好。再见！"[source.start : source.end] == found.text[target.start : target.end]


def corrected(source: str, target: str, languages: tuple[str, str], keeps_form: bool = False) -> str:
    segment = TranslatedSegment(source, target, -1.0, FinishReason.STOP)
    return postedit(segment, TextRules(languages), keeps_form).text


@pytest.mark.parametrize(
    ("languages", "source", "target", "wanted"),
    [
        (("en", "zh"), "Where?", "在哪里？", "在哪里？"),
        (("en", "zh"), "Where?", "在哪里。", "在哪里？"),
        (("en", "ja"), "Where?", "どこ", "どこ？"),
        (("en", "ja"), "It is here.", "ここです", "ここです。"),
        (("zh", "fr"), "在哪里？", "Où", "Où ?"),
        (("zh", "en"), "我在家。", "I am at home", "I am at home."),
        (("en", "ar"), "Where is he?", "أين هو", "أين هو؟"),
        (("ar", "en"), "أين هو؟", "Where is he.", "Where is he?"),
        (("en", "fa"), "Where?", "کجا؟", "کجا؟"),
        (("en", "el"), "Where?", "Πού", "Πού;"),
        (("en", "el"), "Where?", "Πού;", "Πού;"),
        (("el", "en"), "Πού;", "Where.", "Where?"),
        (("en", "hi"), "He is here.", "वह यहाँ है", "वह यहाँ है।"),
        (("hi", "en"), "वह यहाँ है।", "He is here", "He is here."),
        (("en", "bn"), "Settings", "সেটিংস।", "সেটিংস"),
        (("en", "zh"), "Settings", "设置。", "设置"),
        (("fr", "es"), "Où ?", "Dónde.", "¿Dónde?"),
    ],
)
def test_the_end_of_a_sentence_is_written_as_the_target_does(
    languages: tuple[str, str], source: str, target: str, wanted: str
) -> None:
    assert corrected(source, target, languages) == wanted


@pytest.mark.parametrize(("source", "target"), [("Go!", "走！"), ("Go.", "走。"), ("Go...", "走..."), ("Go", "走")])
def test_the_same_form_is_not_changed(source: str, target: str) -> None:
    assert corrected(source, target, ("en", "zh"), keeps_form=True) == target


@pytest.mark.parametrize(
    ("language", "wanted"),
    [("pl", "„Tak”"), ("cs", "„Tak“"), ("ru", "«Tak»"), ("sv", "”Tak”"), ("pt-br", "“Tak”"), ("ta", '"Tak"')],
)
def test_quotation_marks_of_two_styles_become_those_of_the_target(language: str, wanted: str) -> None:
    assert corrected('"Yes"', "„Tak»", ("en", language)) == wanted


def test_capitals() -> None:
    assert is_in_capitals("THE CAT SLEEPS")
    assert not is_in_capitals("NASA 宣布新 CIA 计划")
    assert not is_in_capitals("ناسا NASA CIA")
    assert lower_capitals("ISPARTA İLİ IĞDIR", "tr") == "Isparta ili ığdır"
    assert lower_capitals("Ο ΔΡΟΜΟΣ ΤΟΥΣ", "el") == "Ο δρομος τους"
    assert "".join(raise_letter(one, "tr") for one in "ili ığdır") == "İLİ IĞDIR"
    assert "".join(raise_letter(one, "el") for one in "Ο δρόμος") == "Ο ΔΡΟΜΟΣ"
    assert raise_letter("ß", "de") == "SS"
