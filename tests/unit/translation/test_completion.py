"""Completing what is typed, and other words at an offset: both through the real engine."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.bundle.store import Bundle
from app.bundle.tokenizers import CharacterTokenizer, Tokenizer
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.engine.sequence import FinishReason
from app.errors import InvalidRequest
from app.settings import Settings
from app.text.placeholder_finder import BUILT_IN
from app.translation.completion import Completer, Completion
from app.translation.translator import TranslationOptions, Translator
from app.translation.word_choices import Choices, Chooser
from tests.support.engines import PATIENCE
from tests.support.fakes import HashMachine, TextMachine, fake_bundle, text_machine
from tests.support.service import RunningService, fake_models, running_service
from tests.unit.bundle.test_tokenizer import USUAL
from tests.unit.translation.test_prefix_constraint import TYPED, WORDS


@dataclass
class Desk:
    """Everything that uses one engine."""

    engine: Engine
    translator: Translator
    completer: Completer
    chooser: Chooser

    @classmethod
    def at(cls, bundle: Bundle, machine: HashMachine | TextMachine) -> "Desk":
        model = replace(DecodingModel.of(bundle.manifest), states=machine.model.states)
        engine = Engine(machine, replace(model, vocabulary_size=bundle.tokenizer.vocabulary_size))
        engine.start()
        translator = Translator(bundle, engine)
        return cls(engine, translator, Completer(bundle, engine, translator), Chooser(bundle, engine))

    def complete(self, text: str, typed: str, count: int = 3) -> list[Completion]:
        draft = self.completer.prepare(text, typed, count, 2 * count)
        pending = self.completer.submit(draft)
        pending.done.result(PATIENCE)
        return self.completer.finish(draft, pending)

    def choose(self, text: str, offset: int, count: int = 4, **options: Any) -> tuple[str, Choices]:
        plan = self.translator.prepare([text], TranslationOptions(**options))
        pending = self.translator.submit(plan)
        pending.done.result(PATIENCE)
        (translation,) = self.translator.finish(plan, pending)
        request = self.chooser.prepare(plan, translation, offset, count)
        pending = self.chooser.submit(request)
        pending.done.result(PATIENCE)
        return translation.text, self.chooser.finish(request, pending)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return fake_bundle(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def upper(bundle: Bundle) -> Iterator[Desk]:
    desk = Desk.at(bundle, text_machine(bundle, "upper"))
    yield desk
    desk.engine.stop(drain=False)


@pytest.fixture(scope="module", params=[USUAL, CharacterTokenizer("abt ehé'."), WORDS], ids=lambda one: str(one.kind))
def random_desk(request: pytest.FixtureRequest, bundle: Bundle) -> Iterator[Desk]:
    """Uses a model that writes nonsense, so that every token comes up."""
    tokenizer: Tokenizer = request.param
    machine = HashMachine(vocabulary_size=tokenizer.vocabulary_size, seed=4, end_bias=3.0)
    entry = bundle.manifest.tokenizer.model_copy(update={"vocabulary_size": tokenizer.vocabulary_size})
    manifest = bundle.manifest.model_copy(update={"tokenizer": entry})
    desk = Desk.at(replace(bundle, manifest=manifest, tokenizer=tokenizer), machine)
    yield desk
    desk.engine.stop(drain=False)


@given(typed=TYPED, count=st.integers(1, 4))
@example(typed="the cat. A do", count=3)
@example(typed="the cat. ", count=3)
@example(typed="don’t", count=2)
@example(typed="x" * 100, count=2)
@settings(max_examples=60, deadline=None)
def test_every_completion_begins_with_what_is_typed(random_desk: Desk, typed: str, count: int) -> None:
    found = random_desk.complete("The cat sleeps. The dog too.", typed, count)
    assert len(found) <= count
    assert len({completion.text for completion in found}) == len(found)
    assert all(completion.text.startswith(typed) for completion in found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_completions(upper: Desk) -> None:
    assert upper.complete("Hello you. Bye.", "HEL")[0].text == "HELLO YOU."
    assert upper.complete("Hello you. Bye.", "HELLO YOU. ")[0].text == "HELLO YOU. BYE."
    assert upper.complete("Hello you. Bye.", "Good day. B")[0].text == "Good day. BYE."
    assert upper.complete("Hello you. Bye.", "One. Two. Thr")[0].text.startswith("One. Two. Thr")
    first = upper.complete("Hello", "")[0]
    assert (first.text, first.finish_reason) == ("HELLO", FinishReason.STOP)
    assert [one.text for one in upper.complete("42", "4")] == ["42"]
    assert upper.complete("42", "5") == []


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("", "ASK {name} NOW %s."),
        ("AS", "ASK {name} NOW %s."),
        ("ASK {", "ASK {name} NOW %s."),
        ("ASK {na", "ASK {name} NOW %s."),
        ("ASK {name}", "ASK {name} NOW %s."),
        ("ASK {name} N", "ASK {name} NOW %s."),
        ("ASK {name} NOW %", "ASK {name} NOW %s."),
        ("ASK {name} NOW %s.", "ASK {name} NOW %s."),
    ],
)
def test_completions_have_the_placeholders(upper: Desk, typed: str, wanted: str) -> None:
    assert upper.complete("ask {name} now %s.", typed)[0].text == wanted


@given(typed=st.text("{}name%sASK .", max_size=12))
@settings(max_examples=60, deadline=None)
def test_typed_placeholders(random_desk: Desk, typed: str) -> None:
    for completion in random_desk.complete("The cat {name} %s.", typed):
        assert completion.text.startswith(typed)
        # What is typed may break a placeholder, or add to it.
        assert {"{name}", "%s"} <= set(BUILT_IN.count(completion.text)) or "{" in typed or "%" in typed


@given(typed=st.text("aé. !?\n\t-,'«»", max_size=30))
@settings(max_examples=40, deadline=None)
def test_typed_line_breaks_and_punctuation(upper: Desk, typed: str) -> None:
    assert all(one.text.startswith(typed) for one in upper.complete("Aé. B! C", typed))


def test_other_words(upper: Desk) -> None:
    text, choices = upper.choose("Good morning. How are you?", 18)
    assert text == "GOOD MORNING. HOW ARE YOU?"
    assert text[choices.start : choices.end] == "ARE"
    assert choices.words[0].text == text
    assert choices.words[0].word == "ARE"
    assert [word.score for word in choices.words] == [-0.125, -8.125, -16.125, -24.125]
    assert choices.words[1].word == "BRE"  # the machine's second best is the next letter
    assert choices.words[1].text == "GOOD MORNING. HOW BRE YOU?"


def test_other_words_within_a_word_and_at_the_ends(upper: Desk) -> None:
    _, inside = upper.choose("Hello you. Bye.", 2)
    assert (inside.start, inside.end) == (2, 5)
    assert inside.words[1].text == "HEMLO YOU. BYE."
    _, at_end = upper.choose("Hello you. Bye.", 15)
    assert (at_end.start, at_end.end) == (15, 15)
    assert (at_end.words[0].word, at_end.words[0].text) == ("", "HELLO YOU. BYE.")
    _, space = upper.choose("Hello you. Bye.", 5)
    assert space.words[0].text == "HELLO YOU. BYE."
    for offset in (16, 1000):
        with pytest.raises(InvalidRequest, match=rf"alternatives_at is {offset}, .*\(15 characters\)"):
            upper.choose("Hello you. Bye.", offset)
    with pytest.raises(InvalidRequest, match="alternatives_at is 8"):
        upper.choose("Hello.    You.", 8)  # among the spaces


def test_other_words_between_tags(upper: Desk) -> None:
    text, choices = upper.choose("<p>Fish &amp; <b>chips</b></p>", 17, text_format="html")
    assert text == "<p>FISH &amp; <b>CHIPS</b></p>"
    assert text[choices.start : choices.end] == "CHIPS"
    assert choices.words[1].text == "<p>FISH &amp; <b>DHIPS</b></p>"


@given(offset=st.integers(0, 60), count=st.integers(1, 5), seed=st.integers(0, 3))
@example(offset=6, count=5, seed=2)  # behind a byte that begins a character and does not end it
@settings(max_examples=60, deadline=None)
def test_other_words_change_nothing_before_them(random_desk: Desk, offset: int, count: int, seed: int) -> None:
    try:
        text, choices = random_desk.choose(f"The cat {seed} sleeps. The dog.", offset, count)
    except InvalidRequest:
        return
    assert 1 <= len(choices.words) <= count
    assert 0 <= choices.start <= choices.end <= len(text)
    for word in choices.words:
        assert word.text.startswith(text[: choices.start].rstrip())
    scores = [word.score for word in choices.words]
    assert scores == sorted(scores, reverse=True)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"), ("de", "fr"))
    with running_service(Settings(models_dir=models)) as running:
        yield running


def post(service: RunningService, path: str, **fields: Any) -> Any:
    return service.client.post(path, json={"q": "Hello you.", "source": "en", "target": "fr", **fields})


def test_complete_over_http(service: RunningService) -> None:
    answer = post(service, "/complete", target_prefix="HEL", n=2)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["completions"]
    assert set(first) == {"text", "score", "finish_reason"}
    assert (first["text"], first["finish_reason"]) == ("HELLO YOU.", "stop")
    assert second["text"].startswith("HEL")
    detected = post(service, "/complete", q="Wir haben heute leider keine Zeit.", source="auto").json()
    assert detected["detectedLanguage"]["language"] == "de"
    assert post(service, "/complete", source="fr", target_prefix="Hel").json()["completions"][0]["text"] == "Hello you."
    assert post(service, "/complete", source="fr", target_prefix="x").json() == {"completions": []}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"q": ["a"]}, "q parameter is a list"),
        ({"n": 9}, "n is 9, it must be 1 to 8"),
        ({"n": 0}, "n is 0"),
        ({"target_prefix": 5}, "target_prefix parameter is a number"),
        ({"target": "zz"}, "zz is not supported"),
        ({"target_prefix": "x" * 600}, "tokens of the prefix (600)"),
    ],
)
def test_what_cannot_be_completed(service: RunningService, fields: dict[str, Any], said: str) -> None:
    answer = post(service, "/complete", **fields)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_other_words_over_http(service: RunningService) -> None:
    body = post(service, "/translate", alternatives_at=6, choices=2).json()
    assert list(body) == ["translatedText", "choices"]
    assert body["choices"]["range"] == [6, 10]
    assert [word["word"] for word in body["choices"]["words"]] == ["YOU.", "ZOU."]
    with service.client.stream(
        "POST",
        "/translate",
        json={"q": "Hello you.", "source": "en", "target": "fr", "alternatives_at": 6, "choices": 2, "stream": True},
    ) as events:
        assert '"choices":{"range":[6,10]' in "".join(events.iter_text())
    for fields, said in (
        ({"alternatives_at": 99}, "alternatives_at is 99"),
        ({"alternatives_at": -1}, "alternatives_at is -1"),
        ({"alternatives_at": 0, "q": ["a", "b"]}, "single text"),
        ({"alternatives_at": 0, "choices": 9}, "choices is 9, it must be 1 to 8"),
        ({"alternatives_at": 0, "source": "fr"}, "a text that is translated"),
    ):
        answer = post(service, "/translate", **fields)
        assert answer.status_code == 400
        assert said in answer.json()["error"]


def test_late_completions(tmp_path: Path) -> None:
    models = fake_models(tmp_path, ("en", "fr"))
    with running_service(Settings(models_dir=models)) as service:
        service.graphs.opened["en-fr"].hooks.delay_seconds = 0.02
        late = {"X-Request-Timeout-Seconds": "0.3"}
        fields = {"q": "a" * 100, "source": "en", "target": "fr", "target_prefix": "A"}
        answer = service.client.post("/complete", json=fields, headers=late)
        assert answer.headers["x-finish-reason"] == "deadline"
        assert answer.json()["completions"][0]["finish_reason"] == "deadline"
        del fields["target_prefix"]
        answer = service.client.post("/translate", json={**fields, "alternatives_at": 50}, headers=late)
        assert answer.status_code == 200
        assert answer.headers["x-finish-reason"] == "deadline"
        assert list(answer.json()) == ["translatedText"]
