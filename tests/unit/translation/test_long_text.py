"""A document of 100 KB in one request: whole, in order, and without a spike in memory."""

import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from app.engine.sequence import FinishReason, Hypothesis, SearchOptions
from app.settings import Settings
from app.text.inline import TextFormat
from app.translation.translator import TranslationOptions, Translator
from tests.support.engines import TOKENIZER
from tests.support.fakes import fake_bundle
from tests.support.growth import assert_no_faster_than_length
from tests.support.service import RunningService, fake_models, running_service

BYTES = 100_000


def document(text_format: TextFormat) -> str:
    found: list[str] = []
    length = 0
    while length < BYTES:
        number = len(found)
        text = f"Sentence {number} says that nothing is lost. Another one, {number * 7}, follows it!"
        if text_format == "html":
            bold = text.replace("nothing", "<b>nothing</b>")
            text = f'<p id="{number}">{bold} <a href="/{number}">More &amp; so</a></p>'
        found.append(text + ("\r\n" if number % 3 else "\n\n\t- "))
        length += len(found[-1])
    return "".join(found)


class Loud:
    """An engine that answers at once, in capitals."""

    def submit_many(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions | Sequence[SearchOptions] | None = None,
        deadline: float | None = None,
        priority: object = None,
        listeners: object = None,
    ) -> list[Future[list[Hypothesis]]]:
        assert isinstance(options, Sequence)
        return [self._answer(source, search) for source, search in zip(sources, options, strict=True)]

    def answer_late(self) -> None: ...

    def _answer(self, source: Sequence[int], search: SearchOptions) -> Future[list[Hypothesis]]:
        written = tuple(TOKENIZER.encode(TOKENIZER.decode(source).upper()))
        attended = tuple(range(len(written))) if search.align else None
        future: Future[list[Hypothesis]] = Future()
        scores = (-1.0,) * (len(written) + 1)
        future.set_result([Hypothesis(written, -1.0, scores, FinishReason.STOP, attended)])
        return future


def in_capitals(text: str, text_format: TextFormat) -> str:
    if text_format == "text":
        return text.upper()
    found = text.upper()
    for tag in ("p", "b", "a"):
        found = found.replace(f"<{tag.upper()}", f"<{tag}").replace(f"</{tag.upper()}", f"</{tag}")
    return found.replace("ID=", "id=").replace("HREF=", "href=").replace("&AMP;", "&amp;")


@pytest.mark.parametrize("text_format", ["text", "html"])
def test_a_long_document_comes_back_whole(tmp_path: Path, text_format: TextFormat) -> None:
    text = document(text_format)
    translator = Translator(fake_bundle(tmp_path), Loud())
    options = TranslationOptions(text_format=text_format)
    translator.translate(["Hello."])
    (translation,) = translator.translate([text], options)
    assert translation.text == in_capitals(text, text_format)


def test_a_long_document_takes_little_memory(tmp_path: Path) -> None:
    translator = Translator(fake_bundle(tmp_path), Loud())
    translator.translate(["Hello."])
    tracemalloc.start()
    try:
        translator.translate([document("html")[: BYTES // 2]], TranslationOptions(text_format="html"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What the engine holds of every token is in it: its ids, scores and alignment.
    assert peak < 30e6, f"{peak / 1e6:.0f} MB"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with running_service(Settings(models_dir=fake_models(tmp_path, ("en", "fr")))) as running:
        yield running


def test_a_long_document_is_within_the_limits(service: RunningService) -> None:
    # Each sentence is decoded once, however often it stands in the text: the test is about limits, not the engine.
    text = "Nothing is lost here. So many sentences!\n" * 2500
    answer = service.client.post("/translate", json={"q": text, "source": "en", "target": "fr"})
    assert answer.status_code == 200
    assert answer.json() == {"translatedText": text.upper()}


UNITS = [
    *(
        ",",
        "a,",
        "a 😀.",
        "a\u200b",
        "😀 ",
        "(",
        "“a",
        "a”",
        "<b>",
        "</b>",
        "<",
        "&",
        "1.",
        "1,",
        "a_",
        "@a.",
        "a@a.",
        "//",
    ),
    *(
        "{",
        "{a, b, ",
        "}",
        "[",
        "](",
        "%",
        "%%",
        "$",
        "a-",
        "- ",
        "\n",
        "\n\n",
        "\r\n",
        "A ",
        "AB",
        "Ab ",
        "é\u0301",
        "北京 ",
    ),
    *(
        "https://a",
        "www.a.",
        "::",
        "2001:",
        "a:b",
        "\u2068",
        "\u00ad",
        "…",
        "?!",
        ". ",
        "Dr. ",
        "a.a",
        "^",
        "\\n",
        "~",
        "`",
    ),
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("text_format", ["text", "html"])
def test_preparing_takes_as_long_as_its_text(tmp_path: Path, unit: str, text_format: TextFormat) -> None:
    translator = Translator(fake_bundle(tmp_path), Loud())
    options = TranslationOptions(text_format=text_format)
    assert_no_faster_than_length(lambda text: translator.prepare([text], options), unit * (600 // len(unit)))
