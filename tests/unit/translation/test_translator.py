"""Text -> text through the real engine and fake graphs."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import Bundle
from app.bundle.tokenizers import EOS_ID
from app.engine.loop import Engine, EngineLimits
from app.engine.model import DecodingModel
from app.engine.sequence import FinishReason, Hypothesis
from app.errors import InvalidRequest, RequestCancelled, StepFailed
from app.translation.pending import Pending
from app.translation.translator import Translation, TranslationOptions, Translator
from tests.support.engines import TOKENIZER
from tests.support.fakes import TextMachine, fake_bundle, text_machine


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return fake_bundle(tmp_path_factory.mktemp("models"))


@pytest.fixture
def machine(bundle: Bundle) -> TextMachine:
    return text_machine(bundle, "upper")


@pytest.fixture
def translator(bundle: Bundle, machine: TextMachine) -> Iterator[Translator]:
    engine = Engine(machine, DecodingModel.of(bundle.manifest))
    engine.start()
    yield Translator(bundle, engine)
    engine.stop(drain=False)


@pytest.fixture(scope="module")
def copier(bundle: Bundle) -> Iterator[Translator]:
    engine = Engine(text_machine(bundle, "copy"), DecodingModel.of(bundle.manifest))
    engine.start()
    yield Translator(bundle, engine)
    engine.stop(drain=False)


def test_everything_around_the_segments_comes_back(translator: Translator) -> None:
    text = "  Good morning. How are you?\r\n\r\n\t- Fine,   thanks\u2028 12 € 😀\n"
    assert translator.translate([text])[0].text == text.upper()


def test_texts_keep_their_order_and_number(translator: Translator) -> None:
    texts = ["one", "", "two. two.", "!", "one"]
    assert [translation.text for translation in translator.translate(texts)] == ["ONE", "", "TWO. TWO.", "!", "ONE"]
    assert translator.translate([]) == []


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="aé. !?\n\t-,'«»", max_size=80))
def test_a_model_that_copies_gives_the_text_back(copier: Translator, text: str) -> None:
    assert copier.translate([text])[0].text == text


def test_a_segment_is_translated_once_in_a_request(translator: Translator) -> None:
    plan = translator.prepare(["Yes. No. Yes.", "Yes."])
    assert plan.segments == ("Yes.", "No.")


def test_a_segment_longer_than_the_model_may_see_is_split_and_not_cut(translator: Translator) -> None:
    text = "word " * 400 + "end."
    plan = translator.prepare([text])
    assert len(plan.segments) > 1
    assert max(map(len, plan.sources)) <= 512
    translation = translator.translate([text])[0]
    assert translation.text == text.upper()
    assert translation.is_complete


def test_a_translation_that_hits_the_cap_says_so(bundle: Bundle) -> None:
    model = replace(DecodingModel.of(bundle.manifest), max_target_tokens=3)
    engine = Engine(text_machine(bundle, "copy"), model)
    engine.start()
    try:
        translation = Translator(bundle, engine).translate(["Hello you. \n Bye."])[0]
    finally:
        engine.stop(drain=False)
    assert translation.text == "Hel \n Bye"
    assert [segment.finish_reason for segment in translation.segments] == [FinishReason.LENGTH] * 2
    assert not translation.is_complete


def test_a_translation_that_goes_round_in_circles_says_so(bundle: Bundle) -> None:
    endless = text_machine(bundle, "copy")
    endless._map[EOS_ID] = TOKENIZER.encode("x")[0]  # instead of an end
    engine = Engine(endless, DecodingModel.of(bundle.manifest))
    engine.start()
    try:
        translation = Translator(bundle, engine).translate(["Hello you."])[0]
    finally:
        engine.stop(drain=False)
    assert translation.text == "Hello you.x"
    assert translation.cut_reasons == {FinishReason.REPETITION}


def test_alternatives_are_unique_and_never_the_translation(translator: Translator) -> None:
    translation = translator.translate(["Hello. Bye."], TranslationOptions(alternatives=3))[0]
    assert translation.text == "HELLO. BYE."
    assert 1 <= len(translation.alternatives) <= 3
    assert len({translation.text, *translation.alternatives}) == len(translation.alternatives) + 1
    assert translator.translate(["42"], TranslationOptions(alternatives=3))[0].alternatives == ()


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_beam_size(translator: Translator, machine: TextMachine, beam_size: int) -> None:
    options = TranslationOptions(beam_size=beam_size)
    assert translator.translate(["Hello"], options)[0].text == "HELLO"
    assert max(machine.hooks.step_rows) == beam_size
    with pytest.raises(InvalidRequest, match="beam_size is 0"):
        translator.prepare(["Hello"], TranslationOptions(beam_size=0))


def test_html_keeps_its_markup(translator: Translator) -> None:
    document = (
        '<p class="intro">Fish &amp; <b>chips</b> are 3 &lt; 4.</p>\n<!-- no -->&nbsp;<script>var a = "x";</script>'
    )
    translated = translator.translate([document], TranslationOptions(text_format="html"))[0].text
    assert translated == (
        '<p class="intro">FISH &amp; <b>CHIPS</b> ARE 3 &lt; 4.</p>\n<!-- no -->&nbsp;<script>var a = "x";</script>'
    )


ALIGNED = TranslationOptions(alignment=True)


def read(text: str, answer: str, translation: Translation) -> list[tuple[str, str]]:
    """Each group of an alignment as (source characters, target characters)."""
    return [
        (
            "".join(text[token.start : token.end] for token in group.source),
            "".join(answer[token.start : token.end] for token in group.target),
        )
        for group in translation.alignment
    ]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aé. !?\n\t-,'«»", max_size=60), st.sampled_from([1, 3]))
def test_a_model_that_copies_is_aligned_character_by_character(copier: Translator, text: str, beam_size: int) -> None:
    options = TranslationOptions(beam_size=beam_size, alignment=True)
    (translation,) = copier.translate([text], options)
    groups = translation.alignment
    assert all(group.source == group.target for group in groups)
    covered = [text[token.start : token.end] for group in groups for token in group.source]
    visible = "".join(segment.source for segment in translation.segments)
    # A quotation mark without its other half is taken out of the segment; a token of the letters round it may span it.
    without_marks = str.maketrans("", "", "«»")
    shown = "".join("".join(covered).split())  # two words that no token stands for are one
    assert shown.translate(without_marks) == "".join(visible.split()).translate(without_marks)
    numbers = [token.number for group in groups for token in group.target]
    assert numbers == sorted(set(numbers))


def test_an_alignment_runs_across_segments_and_backwards(bundle: Bundle) -> None:
    engine = Engine(text_machine(bundle, "reverse"), DecodingModel.of(bundle.manifest))
    engine.start()
    try:
        (translation,) = Translator(bundle, engine).translate(["ab cd\n 12\tef"], ALIGNED)
    finally:
        engine.stop(drain=False)
    assert translation.text == "dc ba\n 12\tfe"
    found = [
        (token.start, other.start)
        for group in translation.alignment
        for token in group.source
        for other in group.target
    ]
    assert found == [(4, 0), (3, 1), (1, 3), (0, 4), (11, 10), (10, 11)]


def test_an_alignment_of_html_counts_in_the_document(translator: Translator) -> None:
    document = "<p>Fish &amp; <b>chips &eacute;</b>t&eacute; so &lt; that.</p>"
    (translation,) = translator.translate([document], TranslationOptions(text_format="html", alignment=True))
    pairs = read(document, translation.text, translation)
    assert "".join(source for source, _ in pairs) == "Fish&amp;chips&eacute;t&eacute;so&lt;that."
    assert all(target == source.upper() or source.startswith("&") for source, target in pairs)
    assert ("&amp;", "&amp;") in pairs
    assert ("&eacute;", "É") in pairs


def test_nothing_is_aligned_unasked(translator: Translator) -> None:
    (translation,) = translator.translate(["Hello."])
    assert translation.alignment == ()
    assert [segment.alignment for segment in translation.segments] == [None]
    assert translation.segments[0].tokens == (*"HELLO.", "</s>")
    assert len(translation.segments[0].token_scores) == 7


def test_a_failed_step_is_an_error_and_the_next_request_works(translator: Translator, machine: TextMachine) -> None:
    machine.hooks.fail_next = RuntimeError("no memory")
    with pytest.raises(StepFailed, match="no memory"):
        translator.translate(["Hello. Bye."])
    assert translator.translate(["Hello."])[0].text == "HELLO."


@pytest.mark.parametrize("beam_size", [1, 3])
def test_at_the_deadline_everything_comes_back_as_far_as_it_is(bundle: Bundle, beam_size: int) -> None:
    machine = text_machine(bundle, "upper")
    machine.hooks.delay_seconds = 0.01
    engine = Engine(machine, DecodingModel.of(bundle.manifest), EngineLimits(max_rows=2 * beam_size))
    engine.start()
    text = f"Yes.\n{'b' * 300}\nNever started."
    try:
        options = TranslationOptions(beam_size=beam_size)
        # Two sentences have rows at once; the first ends and the third waits for its row until the deadline.
        pending = Translator(bundle, engine).translate([f"{'a' * 300}\n{text}"], options, timeout_seconds=0.4)[0]
    finally:
        engine.stop(drain=False)
    lines = pending.text.split("\n")
    assert 0 < len(lines[0]) < 300
    assert set(lines[0]) == {"A"}
    assert lines[1] == "YES."
    assert 0 < len(lines[2]) < 300
    assert set(lines[2]) == {"B"}
    assert lines[3] == "Never started."
    assert [(segment.finish_reason.value, segment.is_source) for segment in pending.segments] == [
        ("deadline", False),
        ("stop", False),
        ("deadline", False),
        ("deadline", True),
    ]
    assert pending.cut_reasons == {FinishReason.DEADLINE}


def test_cancelling_frees_the_rows(translator: Translator, machine: TextMachine) -> None:
    machine.hooks.gate = threading.Event()
    pending = translator.submit(translator.prepare(["Hello. Bye."]))
    pending.cancel()
    machine.hooks.gate.set()
    with pytest.raises(RequestCancelled):
        pending.done.result(5)
    assert translator.translate(["Again"], timeout_seconds=5)[0].text == "AGAIN"


def test_an_empty_reading_does_not_drop_the_segment(bundle: Bundle) -> None:
    class Silent:
        def submit_many(
            self,
            sources: object,
            options: object = None,
            deadline: object = None,
            priority: object = None,
            listeners: object = None,
        ) -> list[Future[list[Hypothesis]]]:
            future: Future[list[Hypothesis]] = Future()
            future.set_result([Hypothesis((), -1.0, (-1.0,), FinishReason.STOP)])
            return [future]

        def answer_late(self) -> None: ...

    assert Translator(bundle, Silent()).translate(["Hello"])[0].text == "Hello"


def test_pending_is_done_once_whatever_the_order() -> None:
    futures: list[Future[list[Hypothesis]]] = [Future(), Future(), Future()]
    pending = Pending(futures)
    futures[1].set_exception(StepFailed("one"))
    assert pending.done.done()
    futures[0].set_exception(StepFailed("two"))
    futures[2].set_result([])
    with pytest.raises(StepFailed, match="one"):
        pending.done.result(0)
    assert Pending([]).done.done()
