"""The cache changes no answer, except that nothing is decoded twice."""

import gc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import Bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.engine.sequence import FinishReason, Hypothesis, Priority, SearchOptions
from app.serving.cache import Cache
from app.serving.coalescing import Answer, CachedEngine
from app.settings import Settings
from app.text.placeholder_finder import Terms
from app.translation.assembly import Translation
from app.translation.translator import TranslationOptions, Translator
from tests.support.engines import PATIENCE, TOKENIZER, Start, text_of, until
from tests.support.fakes import HashMachine, TextMachine, fake_bundle, text_machine
from tests.support.service import fake_models, running_service

MIB = 1024**2
Ask = Callable[..., Answer]


class Submitter:
    """A cached engine, and what it has counted."""

    def __init__(self, engine: Engine, max_bytes: int = MIB) -> None:
        self.engine = engine
        self.cache = Cache(max_bytes)
        self.cached = CachedEngine(engine, self.cache, "version 1")

    def __call__(self, text: str = "hello", deadline: float | None = None, **options: object) -> Answer:
        priority = options.pop("priority", Priority.INTERACTIVE)
        listener = options.pop("listener", None)
        (future,) = self.cached.submit_many(
            [TOKENIZER.encode_source(text)],
            SearchOptions(**options),  # type: ignore[arg-type]
            deadline,
            priority,  # type: ignore[arg-type]
            [listener],  # type: ignore[list-item]
        )
        return future

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.cached.hits, self.cached.waits, self.cached.misses


def test_what_is_cached_is_not_decoded_again(start: Start) -> None:
    machine = TextMachine(TOKENIZER, "upper")
    ask = Submitter(start(machine))
    first = ask().result(PATIENCE)
    steps = len(machine.hooks.step_rows)
    again = ask().result(PATIENCE)
    assert again == first
    assert (first[0].timing is None, again[0].timing is None) == (False, True)
    assert len(machine.hooks.step_rows) == steps
    assert ask.counts == (1, 0, 1)
    assert text_of(ask("hello!")) == "HELLO!"
    ask(no_repeat_ngram=3).result(PATIENCE)
    assert ask.counts == (1, 0, 3)


ANY_OPTIONS = st.builds(
    lambda beam, hypotheses, align, ngram, prefix, most: SearchOptions(
        beam, min(beam, hypotheses), align=align, no_repeat_ngram=ngram, prefix=prefix, max_target_tokens=most
    ),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([0, 2]),
    st.lists(st.integers(4, 11), max_size=2).map(tuple),
    st.sampled_from([None, 5]),
)
SOURCE = st.lists(st.integers(4, 6), max_size=3).map(lambda ids: (*ids, 2))
REQUEST = st.tuples(st.lists(SOURCE, min_size=1, max_size=3), ANY_OPTIONS)


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Engine, Engine]]:
    engines = tuple(Engine(machine, machine.model) for machine in (HashMachine(), HashMachine()))
    for engine in engines:
        engine.start()
    yield engines  # type: ignore[misc]
    for engine in engines:
        engine.stop(drain=False)


@settings(max_examples=60, deadline=None)
@given(st.lists(REQUEST, max_size=12), st.integers(0, 2000), st.randoms(use_true_random=False))
def test_with_and_without_a_cache_the_answers_are_the_same(
    machines: tuple[Engine, Engine],
    requests: list[tuple[list[tuple[int, ...]], SearchOptions]],
    size: int,
    random: object,
) -> None:
    plain = [machines[0].submit_many(sources, options) for sources, options in requests]
    ask = Submitter(machines[1], max_bytes=size)  # so small that most is dropped, or all is kept for a while
    cached = []
    for number, (sources, options) in enumerate(requests):
        cached.append(ask.cached.submit_many(sources, options))
        if random.random() < 0.3:  # type: ignore[attr-defined]
            for future in cached[random.randint(0, number)]:  # type: ignore[attr-defined]
                future.result(PATIENCE)
    for expected, found in zip(plain, cached, strict=True):
        assert [one.result(PATIENCE) for one in found] == [one.result(PATIENCE) for one in expected]
    assert sum(ask.counts) == sum(len(sources) for sources, _ in requests)


def untimed(translations: list[Translation]) -> list[Translation]:
    return [
        replace(one, segments=tuple(replace(segment, timing=None) for segment in one.segments)) for one in translations
    ]


def test_whatever_a_request_may_ask_for(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path)
    engine = Engine(text_machine(bundle), DecodingModel.of(bundle.manifest))
    engine.start()
    plain = Translator(bundle, engine)
    cached = Translator(bundle, CachedEngine(engine, Cache(MIB), "1"))
    texts = ["A cat {name} sat. Hello <b>you</b> there.", "Hello you there. A cat {name} sat."]
    try:
        for options in (
            TranslationOptions(),
            TranslationOptions(text_format="html"),
            TranslationOptions(beam_size=4),
            TranslationOptions(alternatives=2),
            TranslationOptions(alignment=True),
            TranslationOptions(placeholders=False),
            TranslationOptions(terms=Terms({"cat": "matou"})),
            TranslationOptions(terms=Terms({"cat": "chatte"})),
            TranslationOptions(temperature=1.0, seed=3, alternatives=1),
        ):
            for _ in range(2):
                assert untimed(cached.translate(texts, options)) == untimed(plain.translate(texts, options))
    finally:
        engine.stop(drain=False)


def hypothesis_of(size: int) -> Hypothesis:
    return Hypothesis(tuple(range(size)), -1 / 3, (0.1, -1e-300) * size, FinishReason.LENGTH, tuple(range(size)))


def test_it_is_bounded_and_the_least_recently_used_goes() -> None:
    cache = Cache(20_000)
    for number in range(100):
        cache.keep(b"%032d" % number, [hypothesis_of(20)])
        assert cache.find(b"%032d" % 0) == [hypothesis_of(20)]
        assert 0 < cache.bytes <= 20_000
    assert 10 < len(cache) < 50
    assert cache.find(b"%032d" % 1) is None
    assert cache.find(b"%032d" % 99) == [hypothesis_of(20)]
    cache.keep(b"huge", [hypothesis_of(5000)])
    assert cache.find(b"huge") is None


def test_nothing_holds_an_engine_that_is_done(tmp_path: Path) -> None:
    machine = TextMachine(TOKENIZER)
    engine = Engine(machine, machine.model)
    engine.start()
    ask = Submitter(engine)
    futures = [ask(), ask(), ask("other")]
    futures[2].cancel()
    for future in futures[:2]:
        future.result(PATIENCE)
    engine.stop()
    gone = weakref.ref(machine)
    gc.disable()
    try:
        del engine, ask, machine, futures, future
        assert gone() is None
    finally:
        gc.enable()


def test_the_service_counts_and_the_probe_asks_the_engine_itself(tmp_path: Path) -> None:
    models = fake_models(tmp_path / "models", ("en", "fr"))
    with running_service(Settings(models_dir=models, cache_mib=1, probe_seconds=0.05)) as running:
        hello = {"q": "Hello.", "source": "en", "target": "fr"}
        for expected in ("HELLO.", "HELLO."):
            assert running.client.post("/translate", json=hello).json() == {"translatedText": expected}
        metrics = running.client.get("/metrics").text
        for outcome, count in (("hit", 1), ("wait", 0), ("miss", 1)):
            assert f'passerelle_cache_segments_total{{bundle="en-fr",outcome="{outcome}"}} {count}.0' in metrics
        assert "passerelle_cache_entries 1.0" in metrics
        hooks = running.graphs.opened["en-fr"].hooks
        hooks.fail_encode = RuntimeError("broken")
        assert running.client.post("/translate", json={**hello, "q": "New."}).status_code == 500
        assert running.client.get("/ready").status_code == 503
        before = len(hooks.encode_shapes)
        until(lambda: len(hooks.encode_shapes) > before + 1)
        assert running.client.get("/ready").status_code == 503
        assert running.client.post("/translate", json=hello).json() == {"translatedText": "HELLO."}
        hooks.fail_encode = None
        until(lambda: running.client.get("/ready").status_code == 200)


def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    with running_service(Settings(models_dir=fake_models(tmp_path, ("en", "fr")))) as running:
        assert "passerelle_cache" not in running.client.get("/metrics").text


def test_bundles_of_one_name_differ_by_version(start: Start, tmp_path: Path) -> None:
    bundle: Bundle = fake_bundle(tmp_path)
    cache = Cache(MIB)
    answers = []
    for version, machine in (("1", "upper"), ("2", "reverse"), ("1", "copy")):
        engine = start(text_machine(bundle, machine))  # type: ignore[arg-type]
        answers.append(Translator(bundle, CachedEngine(engine, cache, version)).translate(["Hello"])[0].text)
    assert answers == ["HELLO", "olleH", "HELLO"]
