"""Converted bundles in the engine and the translator: every mode, alone and in a batch, to the last bit."""

import pytest

from app.bundle.store import Bundle
from app.engine.factory import run_engine
from app.engine.sequence import Hypothesis, SearchOptions
from app.engine.sessions import OnnxGraphs
from app.translation.translator import TranslationOptions, Translator
from tests.support.marian_models import sentences

PLAIN = {
    "greedy": SearchOptions(align=True),
    "greedy with a prefix": SearchOptions(prefix=(270, 300, 310), align=True),
    "beam": SearchOptions(beam_size=3, hypotheses=3, align=True),
    "sampling": SearchOptions(temperature=1.3, top_k=8, seed=7),
    "alternatives": SearchOptions(beam_size=4, hypotheses=4, branching=True, prefix=(280,)),
    "no repetition": SearchOptions(beam_size=2, no_repeat_ngram=2),
}


def outcome(found: list[Hypothesis]) -> list[tuple[object, ...]]:
    return [(one.token_ids, one.score, one.token_scores, one.alignment, one.finish_reason) for one in found]


@pytest.mark.parametrize("mode", list(PLAIN))
def test_a_sentence_has_the_same_answer_alone_and_in_a_batch(converted: Bundle, mode: str) -> None:
    sources = [converted.tokenizer.encode_source(text) for text in sentences(14, 5)]
    assert len({len(source) // 16 for source in sources}) > 1  # of several padded widths
    graphs = OnnxGraphs(converted, provider="cpu", threads=1)
    with run_engine(converted, graphs) as engine:
        together = [future.result() for future in engine.submit_many(sources, PLAIN[mode])]
        alone = [engine.submit(source, PLAIN[mode]).result() for source in sources]
        mixed = engine.submit_many(sources, [*PLAIN.values(), *PLAIN.values(), *PLAIN.values()][: len(sources)])
        for future in mixed:
            future.result()
    assert list(map(outcome, together)) == list(map(outcome, alone))
    assert sum(len(found[0].token_ids) for found in together) > 3 * len(sources)


def test_alignment_points_into_the_source(converted: Bundle) -> None:
    source = converted.tokenizer.encode_source("the old house of the child")
    with run_engine(converted) as engine:
        (found,) = engine.submit(source, SearchOptions(align=True)).result()
    assert found.alignment is not None
    assert len(found.alignment) == len(found.token_ids)
    assert all(0 <= offset < len(source) - 1 for offset in found.alignment)


def test_unknown_and_start_are_never_written(converted: Bundle) -> None:
    entry = converted.manifest.tokenizer
    sources = [converted.tokenizer.encode_source(text) for text in sentences(8, 6)]
    options = SearchOptions(beam_size=8, hypotheses=8)
    with run_engine(converted) as engine:
        found = [future.result() for future in engine.submit_many(sources, options)]
    written = {token for hypotheses in found for one in hypotheses for token in one.token_ids}
    assert len(written) > 20
    assert not written & {entry.unk_id, entry.bos_id, entry.eos_id}


def test_a_translation_ends_with_the_length_of_its_own_source(converted: Bundle) -> None:
    short = converted.tokenizer.encode_source("tree")
    long = converted.tokenizer.encode_source("the tree and the river in the morning of a long day")
    with run_engine(converted) as engine:
        found = [future.result()[0] for future in engine.submit_many([short, long], SearchOptions(loop_guard=False))]
    for source, one in zip((short, long), found, strict=True):
        assert len(one.token_ids) <= 2 * len(source) + 10


def test_the_translator_gives_text_with_its_lines_and_tokens(converted: Bundle) -> None:
    with run_engine(converted) as engine:
        translator = Translator(converted, engine)
        text = "the old house.\n\n  a child sleeps 😀"
        plan = translator.prepare([text], TranslationOptions(alternatives=1, beam_size=2))
        pending = translator.submit(plan)
        pending.done.result(30)
        (found,) = translator.finish(plan, pending)
    assert found.text.count("\n") == 2
    assert "\ufffd" not in found.text


def test_a_lone_row_is_not_computed_twice(converted: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    assert converted.manifest.lone_row == "alone"
    monkeypatch.setattr("app.engine.sessions._paired", lambda feed, rows: pytest.fail("a copy was made"))
    with run_engine(converted) as engine:
        (found,) = engine.submit(converted.tokenizer.encode_source("the old house"), SearchOptions()).result()
    assert found.token_ids
