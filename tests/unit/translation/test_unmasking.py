"""Placeholders come back whatever the model writes: one copies, one reads backwards, one writes anything."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.bundle.store import Bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.engine.sequence import FinishReason, Hypothesis, SearchOptions
from app.text.inline import extract_flows
from app.text.masking import Masked, TextRules, hide_placeholders, mask
from app.text.placeholder_finder import BUILT_IN
from app.text.tag_roles import NO_RULES
from app.translation.alignment import SegmentAlignment
from app.translation.assembly import WholeParts
from app.translation.pending import Pending
from app.translation.translator import TranslationOptions, Translator
from app.translation.unmasking import restore
from tests.support.engines import TOKENIZER
from tests.support.fakes import fake_bundle, text_machine
from tests.support.placeholder_texts import PLACEHOLDERS, SENTENCES, TEXTS

RULES = TextRules(("en", "fr"))


def masked_of(text: str, language: str = "en") -> Masked:
    rules = TextRules((language, "fr"))
    hidden, kept = hide_placeholders(text, rules)
    return mask(text, hidden, kept, rules)


def by_words(source: str, target: str, *pairs: tuple[int, int]) -> SegmentAlignment:
    """Tokens are words; each pair is (target word, source word)."""

    def ranges(text: str) -> tuple[tuple[int, int], ...]:
        found, start = [], 0
        for word in text.split():
            start = text.index(word, start)
            found.append((start, start + len(word)))
            start += len(word)
        return tuple(found)

    sources = dict(pairs)
    targets = ranges(target)
    return SegmentAlignment(ranges(source), targets, tuple(sources.get(number, 0) for number in range(len(targets))))


def restored(text: str, written: str, *pairs: tuple[int, int]) -> str:
    masked = masked_of(text)
    found = restore(masked, written, by_words(masked.read, written, *pairs) if pairs else None)
    assert found is not None
    assert len(found.offsets) == len(written) + 1
    assert all(one <= other for one, other in pairwise(found.offsets))
    return found.text


def test_a_stand_in_that_came_back() -> None:
    assert restored("Ask {name}.", "Demande à Tom.") == "Demande à {name}."
    assert restored("See %s and %s", "Voir 250 et 37") == "Voir %s et %s"


def test_a_stand_in_that_came_back_twice() -> None:
    assert restored("Ask {name}.", "Tom, demande à Tom.") == "{name}, demande à."
    assert restored("Ask {name}.", "Tom, demande à Tom.", (0, 0), (1, 0), (2, 0), (3, 1)) == ", demande à {name}."


def test_a_stand_in_that_became_another_name_or_number() -> None:
    assert restored("Ask {name} now", "Demande à Thomas maintenant", (0, 0), (1, 1), (2, 1), (3, 2)) == (
        "Demande à {name} maintenant"
    )


def test_a_stand_in_that_is_gone_goes_behind_what_was_written_for_it() -> None:
    assert restored("Ask {name} now", "Demande lui vite", (0, 0), (1, 1), (2, 2)) == "Demande lui {name} vite"
    assert restored("Ask {name} now.", "Demande vite.", (0, 0), (1, 2)) == "Demande {name} vite."
    assert restored("{name} is here.", "Il est là.", (0, 2), (1, 1), (2, 2)) == "{name} Il est là."


def test_an_answer_that_spoils_an_address_keeps_it_apart() -> None:
    assert restored("Open www.example.com now", "Ouvre Tom's vite") == "Ouvre www.example.com 's vite"


class Hostile:
    """An engine whose model writes anything: what it read in random order, halved or doubled, and words of its own."""

    _OWN = (*PLACEHOLDERS, "Tom", "37", "250", "word", "{", "%", "@", "/", ".", "<", "é", "", " ")

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def submit_many(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions | Sequence[SearchOptions] | None = None,
        deadline: float | None = None,
        priority: object = None,
        listeners: object = None,
    ) -> list[Future[list[Hypothesis]]]:
        assert isinstance(options, Sequence)
        futures = []
        for source, search in zip(sources, options, strict=True):
            future: Future[list[Hypothesis]] = Future()
            future.set_result([self._hypothesis(source, search) for _ in range(search.hypotheses)])
            futures.append(future)
        return futures

    def answer_late(self) -> None: ...

    def _hypothesis(self, source: Sequence[int], search: SearchOptions) -> Hypothesis:
        random = self._random
        words = TOKENIZER.decode(source).split(" ")
        words += random.choices(self._OWN, k=random.randrange(4))
        random.shuffle(words)
        words = words[: random.randrange(len(words) + 1)] + words[: random.randrange(3)]
        token_ids = [*search.prefix, *TOKENIZER.encode(random.choice([" ", "", "-"]).join(words))]
        token_ids = [token_id for token_id in token_ids if token_id > 3]
        attended = tuple(random.randrange(len(source)) for _ in token_ids)
        scores = (-1.0,) * (len(token_ids) + 1)
        return Hypothesis(tuple(token_ids), -1.0, scores, FinishReason.STOP, attended if search.align else None)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return fake_bundle(tmp_path_factory.mktemp("models"))


def find_kept(text: str, translator: Translator) -> list[str]:
    """Returns placeholders; those side by side are one, unless something was taken out that may come between."""
    flows = list(extract_flows(text, "text", NO_RULES, None, translator._rules))
    has_asides = [flow.text for flow in flows] != [text] or flows[0].tags
    return list(BUILT_IN.count(text).elements()) if has_asides else hide_placeholders(text, RULES)[1]


@settings(max_examples=500, deadline=None)
@given(st.one_of(TEXTS, SENTENCES), st.integers(0, 2**32), st.booleans(), st.integers(0, 3), st.sampled_from([1, 3]))
@example("%s%1$s%s🏸one", 0, False, 0, 1)
def test_whatever_the_model_does(
    bundle: Bundle, text: str, seed: int, align: bool, alternatives: int, beam_size: int
) -> None:
    options = TranslationOptions(beam_size=beam_size, alignment=align, alternatives=alternatives)
    hostile = Translator(bundle, Hostile(seed))
    plan = hostile.prepare([text], options)
    (translation,) = hostile.translate([text], options)
    for segment in translation.segments:
        if plan.masked[plan.segments.index(segment.source)] is not None:
            before = BUILT_IN.count(segment.source)
            assert not before - BUILT_IN.count(segment.text)
            assert all(segment.text[start:end] in before for start, end in BUILT_IN.find_syntax(segment.text))
    kept = find_kept(text, hostile)
    for whole in (translation.text, *translation.alternatives):
        assert not Counter(kept) - Counter({placeholder: whole.count(placeholder) for placeholder in kept})
    for group in translation.alignment:
        assert all(0 <= token.start < token.end <= len(text) for token in group.source)
        assert all(0 <= token.start <= token.end <= len(translation.text) for token in group.target)


@settings(max_examples=200, deadline=None)
@given(SENTENCES, st.integers(0, 2**32))
def test_without_attention_too(bundle: Bundle, text: str, seed: int) -> None:
    blind = Translator(bundle, Hostile(seed))
    blind._planner.has_attention = False
    (translation,) = blind.translate([text])
    for placeholder, times in Counter(find_kept(text, blind)).items():
        assert translation.text.count(placeholder) >= times


@pytest.fixture(scope="module")
def copier(bundle: Bundle) -> Iterator[Translator]:
    engine = Engine(text_machine(bundle, "copy"), DecodingModel.of(bundle.manifest))
    engine.start()
    yield Translator(bundle, engine)
    engine.stop(drain=False)


@settings(max_examples=150, deadline=None)
@given(SENTENCES, st.sampled_from([1, 3]))
def test_a_model_that_copies_gives_the_text_back(copier: Translator, text: str, beam_size: int) -> None:
    options = TranslationOptions(beam_size=beam_size, alignment=True)
    (translation,) = copier.translate([text], options)
    assert translation.text == text
    assert all(
        (source.start, source.end) == (target.start, target.end)
        for group in translation.alignment
        for source in group.source
        for target in group.target
        if target.end - target.start == 1 == source.end - source.start
    )


def test_a_placeholder_is_aligned_with_itself(copier: Translator) -> None:
    text = "Ask {name} now."
    (translation,) = copier.translate([text], TranslationOptions(alignment=True))
    ranges = {(token.start, token.end) for group in translation.alignment for token in group.target}
    assert (4, 10) in ranges
    assert "".join(translation.segments[0].tokens) == "Ask {name} now.</s>"
    assert len(translation.segments[0].tokens) == len(translation.segments[0].token_scores)


def test_nothing_is_aligned_unasked(copier: Translator) -> None:
    (translation,) = copier.translate(["Ask {name} now."])
    assert translation.alignment == ()
    assert translation.segments[0].alignment is None


def test_a_model_that_reads_backwards_loses_nothing(bundle: Bundle) -> None:
    engine = Engine(text_machine(bundle, "reverse"), DecodingModel.of(bundle.manifest))
    engine.start()
    try:
        (translation,) = Translator(bundle, engine).translate(["ab {name} cd"])
    finally:
        engine.stop(drain=False)
    assert translation.text == "dc moT {name} ba"


def test_nothing_but_placeholders_is_not_translated(copier: Translator) -> None:
    for text in ("{first} {last}", "%s: 12 - %d", "https://example.com/a?b=c", "@user #tag!"):
        assert copier.prepare([text]).segments == ()
        assert copier.translate([text])[0].text == text


def test_a_text_without_any_goes_the_way_it_always_went(copier: Translator) -> None:
    texts = ["Good morning. How are you?", "It costs 3.50, Tom."]
    with_masks, without = copier.prepare(texts), copier.prepare(texts, TranslationOptions(placeholders=False))
    assert with_masks == without
    assert with_masks.masked == (None, None, None)
    plain = replace(copier._planner.choose_search(TranslationOptions()), spares=True)
    assert with_masks.options == (plain, plain, replace(plain, align=copier._planner.has_attention))


def test_the_same_words_around_other_placeholders_are_other_segments(copier: Translator) -> None:
    plan = copier.prepare(["Ask {a}. Ask {b}. Ask {a}."])
    assert plan.segments == ("Ask {a}.", "Ask {b}.")
    assert copier.translate(["Ask {a}. Ask {b}. Ask {a}."])[0].text == "Ask {a}. Ask {b}. Ask {a}."


def test_in_html(copier: Translator) -> None:
    document = "<p>Ask {name} &amp; see https://example.com/?a=b now.</p>"
    assert copier.translate([document], TranslationOptions(text_format="html"))[0].text == document


def test_a_text_in_capitals_is_read_in_small_letters_and_written_in_capitals(copier: Translator) -> None:
    text = "PLEASE USE {name}, I SAID. Then stop. NASA! DO NOT TOUCH ÉTÉ!"
    plan = copier.prepare([text])
    assert [None if masked is None else masked.read for masked in plan.masked] == [
        "Please use Tom, I said.",
        None,
        None,
        "Do not touch été!",
    ]
    (translation,) = copier.translate([text], TranslationOptions(alignment=True))
    assert translation.text == text
    assert all(group.source == group.target for group in translation.alignment)


def test_a_capital_that_is_two_characters_moves_what_is_behind_it() -> None:
    masked = masked_of("DIE STRASSE {name}", "de")
    assert masked.in_capitals
    found = restore(masked, "Die Straße 37", None)
    assert found is not None
    assert found.text == "DIE STRASSE {name}"
    assert [found.text[offset] for offset in found.offsets[8:11]] == ["S", "E", " "]


def test_a_prefix_with_a_placeholder(copier: Translator, bundle: Bundle) -> None:
    (translation,) = copier.translate(["Hello {name}, how are you?"], TranslationOptions(target_prefix="Dear {name}, "))
    assert translation.text.startswith("Dear {name},")
    assert translation.text.count("{name}") == 1


@settings(max_examples=200, deadline=None)
@given(SENTENCES, st.integers(0, 2**32), st.sampled_from(["Tom", "37 is", "word"]))
def test_a_prefix_stays_what_it_is(bundle: Bundle, text: str, seed: int, prefix: str) -> None:
    (translation,) = Translator(bundle, Hostile(seed)).translate([text], TranslationOptions(target_prefix=prefix))
    for segment in translation.segments[:1]:
        assert segment.is_source or segment.text.startswith(prefix)


@settings(max_examples=60, deadline=None)
@given(SENTENCES)
def test_what_is_sent_early_is_the_beginning_of_the_answer(copier: Translator, text: str) -> None:
    plan = copier.prepare([f"Before. {text}. Behind."])
    pending = copier.submit(plan)
    pending.done.result(20)
    answer = copier.finish(plan, pending)[0].text
    for unfinished in range(len(plan.segments)):
        futures = list(pending._futures)
        futures[unfinished] = Future()
        settled = {unfinished: plan.sources[unfinished][:5]}
        assert answer.startswith(copier.read_settled(plan, 0, Pending(futures), settled, WholeParts()))
