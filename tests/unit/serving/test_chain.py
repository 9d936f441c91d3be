"""Two engines in a row: nothing is lost on the way, and the second engine's queue stays open for others."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from app.bundle.phrases import read_phrases, write_phrases
from app.bundle.store import Bundle
from app.engine.factory import run_engine
from app.engine.loop import Engine, EngineLimits
from app.engine.sequence import FinishReason, Hypothesis, Priority, SearchOptions
from app.errors import EngineOverloaded, StepFailed
from app.serving.chain import ChainEngine, ChainLimits
from app.serving.routes import Hop, Joining
from app.text.placeholder_finder import BUILT_IN
from app.translation.pivot import PivotText, join_bundles
from app.translation.translator import Translator
from tests.support.engines import PATIENCE, TOKENIZER, release, text_of, until
from tests.support.fakes import Machine, TextMachine, fake_bundle, fake_manifest, text_machine
from tests.support.markup_texts import HTML, check_tree, markup_in, random_soup, random_tree
from tests.support.placeholder_texts import PLACEHOLDERS

Chain = Callable[..., ChainEngine]


@pytest.fixture
def bundles(tmp_path: Path) -> tuple[Bundle, Bundle]:
    return fake_bundle(tmp_path, "fr", "en"), fake_bundle(tmp_path, "en", "de")


@pytest.fixture
def machines(bundles: tuple[Bundle, Bundle]) -> tuple[TextMachine, TextMachine]:
    first, second = bundles
    return text_machine(first, "upper"), text_machine(second, "copy")


@pytest.fixture
def chain(bundles: tuple[Bundle, Bundle], machines: tuple[TextMachine, TextMachine]) -> Iterator[Chain]:
    with ExitStack() as opened:
        bridge = opened.enter_context(ThreadPoolExecutor(1))

        def make(limits: ChainLimits | None = None, second_limits: EngineLimits | None = None) -> ChainEngine:
            first = opened.enter_context(run_engine(bundles[0], machines[0]))
            second = opened.enter_context(run_engine(bundles[1], machines[1], second_limits))
            return ChainEngine((first, second), PivotText(*bundles), bridge, limits or ChainLimits(64, 256))

        yield make


def submit(engine: ChainEngine, *texts: str, **options: object) -> "list[Future[list[Hypothesis]]]":
    return engine.submit_many([TOKENIZER.encode_source(text) for text in texts], **options)  # type: ignore[arg-type]


def held_by(machine: TextMachine) -> None:
    machine.hooks.gate = threading.Event()


def test_the_second_translates_what_the_first_wrote(chain: Chain) -> None:
    futures = submit(chain(), "le chat", "dort", "")
    assert [text_of(future) for future in futures[:2]] == ["LE CHAT", "DORT"]
    assert futures[2].result(PATIENCE)[0].token_ids == ()


class CountedGate(threading.Event):
    """Lets a number of steps through, and all others once it is set."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left >= 0 or super().wait(timeout)


def test_a_segment_joins_the_second_engine_before_the_first_has_ended_its_request(
    chain: Chain, machines: tuple[TextMachine, TextMachine]
) -> None:
    machines[0].hooks.gate = CountedGate(3)
    short, long = submit(chain(), "a", "b" * 400)
    assert text_of(short) == "A"
    assert not long.done()
    release(machines[0])
    assert text_of(long) == "B" * 400


def test_draws_share_the_first_translation(chain: Chain, machines: tuple[TextMachine, TextMachine]) -> None:
    options = [SearchOptions(temperature=1.0, seed=seed) for seed in range(3)]
    ids = TOKENIZER.encode_source("chat")
    for future in chain().submit_many([ids] * 3, options):
        future.result(PATIENCE)
    assert [rows for rows, _ in machines[0].hooks.encode_shapes] == [1]


def test_hypotheses_are_those_of_the_second(chain: Chain) -> None:
    (future,) = submit(chain(), "chat", options=SearchOptions(4, 3))
    found = future.result(PATIENCE)
    assert len(found) == 3
    assert TOKENIZER.decode(found[0].token_ids) == "CHAT"
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failing_step_fails_the_segments_and_no_later_ones(
    chain: Chain, machines: tuple[TextMachine, TextMachine], failing: int
) -> None:
    engine = chain()
    machines[failing].hooks.fail_next = RuntimeError("broken")
    errors = [future.exception(PATIENCE) for future in submit(engine, "one", "two")]
    assert any(isinstance(error, StepFailed) for error in errors)
    assert [text_of(future) for future in submit(engine, "three", "four")] == ["THREE", "FOUR"]


def test_a_cancelled_segment_frees_its_rows_in_either_engine(
    chain: Chain, machines: tuple[TextMachine, TextMachine]
) -> None:
    engine = chain(ChainLimits(1, 100))
    for machine in machines:
        held_by(machine)
        first, second = submit(engine, "one", "two")
        until(lambda steps=machine.hooks.step_rows: bool(steps))  # type: ignore[misc]
        first.cancel()
        release(machine)
        assert text_of(second) == "TWO"
        machine.hooks.gate = None
    until(lambda: engine._running == 0)


def test_a_full_second_queue_delays_and_does_not_refuse(
    chain: Chain, machines: tuple[TextMachine, TextMachine]
) -> None:
    engine = chain(ChainLimits(4, 1000), EngineLimits(max_rows=1, max_waiting=2))
    held_by(machines[1])
    futures = submit(engine, *(f"text {number}" for number in range(30)))
    until(lambda: machines[1].hooks.gate is not None and sum(map(len, engine._held.values())) >= 26)
    engine._limits = ChainLimits(4, 20)
    with pytest.raises(EngineOverloaded, match="the limit is 20"):
        submit(engine, "more")
    release(machines[1])
    assert [text_of(future) for future in futures] == [f"TEXT {number}" for number in range(30)]


def test_held_segments_end_at_their_deadline(chain: Chain, machines: tuple[TextMachine, TextMachine]) -> None:
    engine = chain(ChainLimits(1, 1000))
    held_by(machines[1])
    deadline = time.monotonic() + 2
    futures = submit(engine, "one", "two", deadline=deadline, priority=Priority.BULK)
    until(lambda: sum(map(len, engine._held.values())) == 1 or time.monotonic() > deadline)
    until(lambda: time.monotonic() > deadline)
    engine.answer_late()
    reasons = [future.result(PATIENCE)[0].finish_reason for future in futures]
    assert reasons == [FinishReason.DEADLINE] * 2
    release(machines[1])


def test_a_text_too_long_for_the_second_model_is_translated_in_parts(tmp_path: Path) -> None:
    bundles = [fake_bundle(tmp_path, "fr", "en"), fake_bundle(tmp_path, "en", "de")]
    manifest = bundles[1].manifest
    limits = manifest.limits.model_copy(update={"max_source_tokens": 30})
    short = replace(bundles[1], manifest=manifest.model_copy(update={"limits": limits}))
    text = "one two, three four five six seven; eight nine ten eleven"
    with (
        run_engine(bundles[0], text_machine(bundles[0], "copy")) as first,
        run_engine(short, text_machine(short, "upper")) as second,
        ThreadPoolExecutor(1) as bridge,
    ):
        engine = ChainEngine((first, second), PivotText(bundles[0], short), bridge, ChainLimits(64, 256))
        (future,) = engine.submit_many([TOKENIZER.encode_source(text)], SearchOptions(2, 2, align=True))
        best, _ = future.result(PATIENCE)
    assert TOKENIZER.decode(best.token_ids) == text.upper()
    assert best.alignment is not None
    written = TOKENIZER.decode(best.token_ids)
    assert len(best.alignment) == len(best.token_ids) == len(best.token_scores) - 1
    assert all(text[one].upper() == written[at] for at, one in enumerate(best.alignment) if one < len(text))


@pytest.mark.parametrize("machines_of_both", [("copy", "upper"), ("upper", "copy"), ("reverse", "upper")])
def test_round_trips_through_a_pivot_lose_no_placeholder_and_no_tag(
    tmp_path: Path, machines_of_both: tuple[Machine, Machine]
) -> None:
    """2,000 documents there and back: half of them trees of HTML, a quarter tag soup and a quarter plain text."""
    random = Random(repr(machines_of_both))
    with ExitStack() as opened:
        bridge = opened.enter_context(ThreadPoolExecutor(1))

        def translator(source: str, target: str) -> Translator:
            hops = []
            for pair, machine in zip(((source, "en"), ("en", target)), machines_of_both, strict=True):
                bundle = fake_bundle(tmp_path, *pair)
                engine: Engine = opened.enter_context(run_engine(bundle, text_machine(bundle, machine)))
                hops.append(Hop(bundle, engine))
            return Joining(bridge, ChainLimits(256, 10**6), BUILT_IN).serve(hops[0], hops[1]).translator

        there, back = translator("fr", "de"), translator("de", "fr")
        trees = [random_tree(random, depth=3) for _ in range(340)]
        soups = [random_soup(random) for _ in range(165)]
        texts = [" ".join(random.choices([*PLACEHOLDERS, "le", "Chat", "dort.", "37", "Tom"], k=8)) for _ in range(165)]
        for document, first in zip(trees, there.translate(trees, HTML), strict=True):
            check_tree(document, first)
            (second,) = back.translate([first.text], HTML)
            check_tree(document, second)
        for document, first in zip(soups, there.translate(soups, HTML), strict=True):
            (second,) = back.translate([first.text], HTML)
            assert markup_in(second.text) == markup_in(first.text) == markup_in(document)
        for document, first in zip(texts, there.translate(texts), strict=True):
            (second,) = back.translate([first.text])
            for text in (first.text, second.text):
                assert not BUILT_IN.count(document) - BUILT_IN.count(text), text


def test_phrases_go_through_both_tables(tmp_path: Path) -> None:
    first, second = fake_bundle(tmp_path, "fr", "en"), fake_bundle(tmp_path, "en", "de")
    path = tmp_path / "phrases"
    path.write_bytes(write_phrases({("fr", "en"): [("maison", "house")], ("en", "de"): [("house", "Haus")]}))
    tables = read_phrases(path)
    first, second = (replace(bundle, all_phrases=tables) for bundle in (first, second))
    assert join_bundles(first, second).phrases.find("Maison !") == "Haus"
    source_ids = first.tokenizer.encode_source("maison")
    written = Hypothesis((), -1.0, (), FinishReason.STOP)
    assert PivotText(first, second).read(source_ids, [written]).text == "house"


def test_joined_bundles_have_the_limits_of_both(tmp_path: Path) -> None:
    first, second = fake_bundle(tmp_path, "fr", "en"), fake_bundle(tmp_path, "en", "de")
    joined = join_bundles(first, second)
    assert (joined.manifest.source, joined.manifest.target) == ("fr", "de")
    assert joined.manifest.limits == fake_manifest().limits
    assert joined.tokenizer.encode_source("é") == first.tokenizer.encode_source("é")
    assert Counter(joined.tokenizer.readable_characters()) == Counter(second.tokenizer.readable_characters())
