"""Loops: seen when they close, cut where they begin, and never seen where the source repeats itself too."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.batch import Batch
from app.engine.model import DecodingModel
from app.engine.prefetch import encode_sources
from app.engine.repetition import LoopGuard, TokenWords, count_repeats, find_blocked_tokens
from app.engine.sequence import FinishReason, SearchOptions, Sequence
from tests.support.engines import PATIENCE, TOKENIZER, Start
from tests.support.fakes import HashMachine, TextMachine
from tests.unit.engine.search.test_search import decode

TOKENS = st.lists(st.integers(4, 7), max_size=30)


@pytest.mark.parametrize(
    ("token_ids", "excess"),
    [
        ([5] * 7, 0),
        ([5] * 8, 7),
        ([9, 5, 6] + [5, 6] * 3, 6),
        ([5, 6] * 3, 0),
        ([5, 6, 7] * 4, 9),
        ([5, 6, 7, 8] * 4, 12),
        ([5, 6, 7, 8] * 3, 0),
        ([4, 5, 6, 7, 8] * 6, 0),  # longer blocks are no loop
    ],
)
def test_what_a_loop_is(token_ids: list[int], excess: int) -> None:
    assert LoopGuard([11, 12, 13]).excess(token_ids) == excess


def test_a_source_that_repeats_itself_may_be_followed() -> None:
    guard = LoopGuard([11, 12, 12, 12, 12, 12])
    assert guard.excess([5, 6] * 9) == 0
    assert guard.excess([5, 6] * 10) == 18


@given(TOKENS)
def test_most_repeats_is_what_counting_gives(token_ids: list[int]) -> None:
    found = 1
    for block in range(1, 5):
        for start in range(len(token_ids)):
            times = 1
            while (
                token_ids[start + times * block : start + (times + 1) * block] == token_ids[start : start + block]
                and len(token_ids) >= start + (times + 1) * block
            ):
                times += 1
            found = max(found, times)
    assert count_repeats(token_ids) == found


@given(TOKENS, st.integers(1, 4))
def test_blocked_tokens_are_those_that_would_repeat(token_ids: list[int], size: int) -> None:
    grams = [tuple(token_ids[start : start + size]) for start in range(len(token_ids) - size + 1)]
    expected = {token for token in range(4, 8) if tuple([*token_ids, token][-size:]) in grams}
    assert find_blocked_tokens(token_ids, size) == expected


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_engine_cuts_a_loop_where_it_begins(start: Start, beam_size: int) -> None:
    machine = TextMachine(TOKENIZER)
    machine._map[2] = TOKENIZER.encode("x")[0]  # an x instead of the end, again and again
    options = SearchOptions(beam_size=beam_size, align=True)
    (found, *_) = start(machine).submit(TOKENIZER.encode_source("abc"), options).result(PATIENCE)
    assert (TOKENIZER.decode(found.token_ids), found.finish_reason) == ("abcx", FinishReason.REPETITION)
    assert len(found.token_scores) == 4
    assert found.alignment == (0, 1, 2, 0)


def test_a_loop_of_the_source_is_no_loop(start: Start) -> None:
    text = "no no no no no no no no no no!"
    found = start(TextMachine(TOKENIZER)).submit(TOKENIZER.encode_source(text)).result(PATIENCE)[0]
    assert (TOKENIZER.decode(found.token_ids), found.finish_reason) == (text, FinishReason.STOP)


def test_the_guard_can_be_left_out(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    machine._map[2] = TOKENIZER.encode("x")[0]
    options = SearchOptions(loop_guard=False, max_target_tokens=12)
    found = start(machine).submit(TOKENIZER.encode_source("abc"), options).result(PATIENCE)[0]
    assert (TOKENIZER.decode(found.token_ids), found.finish_reason) == ("abc" + "x" * 9, FinishReason.LENGTH)


@given(st.integers(0, 40), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_no_ngram_comes_twice(seed: int, beam_size: int, size: int) -> None:
    machine = HashMachine(vocabulary_size=8, seed=seed, end_bias=-3.0)
    options = SearchOptions(beam_size=beam_size, hypotheses=beam_size, no_repeat_ngram=size)
    for hypothesis in decode(machine, options, 20):
        ids = hypothesis.token_ids
        grams = [ids[start : start + size] for start in range(len(ids) - size + 1)]
        assert len(set(grams)) == len(grams)
        # Where everything is forbidden the reason says so; otherwise it ended as ever.
        assert hypothesis.finish_reason in (FinishReason.STOP, FinishReason.LENGTH, FinishReason.REPETITION)


def test_a_beam_falls_back_to_another_hypothesis() -> None:
    """The best path goes round in circles; one that ends is taken instead, however much worse it is."""
    for seed in range(30):
        machine = HashMachine(vocabulary_size=6, seed=seed, end_bias=-2.0)
        found = decode(machine, SearchOptions(beam_size=4, hypotheses=4), 20)
        reasons = [hypothesis.finish_reason for hypothesis in found]
        assert FinishReason.REPETITION not in reasons[: reasons.count(FinishReason.STOP)]


WRITTEN = [
    *(b"", b"", b"", b" ?", b",", b"0", b" non", b" Non", b" la", b" vo"),
    *(b"ix", b" voix", b" 1", b"\xc3", b"\xa9", b' "', b"non"),
]
WORDS = TokenWords(WRITTEN)


@pytest.mark.parametrize(
    ("token_ids", "closing"),
    [
        ([], set()),
        ([6], set()),
        ([6, 6], {6, 7}),
        ([7, 4, 6], {6, 7}),  # "Non, non" and now " non" or " Non"
        ([7, 4, 6, 4], {6, 7}),
        ([8, 6, 4, 8, 6], set()),
        ([8, 6, 8, 6, 8], {6, 7}),
        ([8, 9, 10, 8, 11, 8], {11}),  # the same word, cut otherwise
        ([8, 9, 10, 8, 11, 8, 9], {10}),
        ([11, 9], set()),
        ([12, 5, 5, 5, 5], set()),  # zeros
        ([12, 12], set()),
        ([12, 6, 12, 6, 12], {6, 7}),
        ([15, 16, 15, 16], {6, 7}),  # behind the third punctuation a token without a space
        ([15, 16, 15, 16, 15], {6, 7, 16}),
        ([13, 14, 13, 14], set()),  # letters of one word
    ],
)
def test_what_would_stand_three_times_in_a_row(token_ids: list[int], closing: set[int]) -> None:
    assert LoopGuard([6, 8, 9], WORDS).closing_tokens_after(token_ids) == closing
    assert LoopGuard([6, 8, 9]).closing_tokens_after(token_ids) == set()
    # A source that says something three times may be followed.
    assert LoopGuard([6, 11, 4, 9, 10, 11, 8], WORDS).closing_tokens_after(token_ids) == set()


def says_thrice(token_ids: tuple[int, ...]) -> bool:
    """By counting words, as a reader would."""
    words = WORDS.text(token_ids).split()
    return any(
        words[start : start + length] * 3 == words[start : start + 3 * length]
        and not all(word.isdigit() for word in words[start : start + length])
        for length in range(1, 5)
        for start in range(len(words) - 3 * length + 1)
    )


@given(st.lists(st.sampled_from([4, 6, 7, 8, 9, 10, 11, 12, 15, 16]), max_size=30))
def test_what_is_passed_over_is_what_counting_finds(drawn: list[int]) -> None:
    guard = LoopGuard([6, 8, 9], WORDS)
    token_ids: list[int] = []
    for token_id in drawn:
        closes = says_thrice((*token_ids, token_id))
        # A word is not whole yet where it may go on: "vo" may become "voix".
        assert (token_id in guard.closing_tokens_after(token_ids)) == closes
        if not closes:
            token_ids.append(token_id)


class Stuck(HashMachine):
    """Goes round in circles: the score of a token hardly depends on those before."""

    def __init__(self, seed: int) -> None:
        super().__init__(vocabulary_size=13, seed=seed, end_bias=-9.0)
        self._table[:] = 0.95 * self._table[:1] + 0.05 * self._table
        self._table[:, :2] = -60.0

    @property
    def model(self) -> DecodingModel:
        return replace(super().model, words=WORDS, max_target_tokens=40)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 4]), st.booleans(), st.integers(2, 5))
def test_no_phrase_stands_three_times_whatever_the_model_wants(seed: int, beam: int, prefix: bool, count: int) -> None:
    machine = Stuck(seed)
    options = SearchOptions(beam_size=beam, prefix=(6,) if prefix else ())
    sources = [tuple(range(6, 6 + length)) for length in range(2, 2 + count)]
    alone = [decode(machine, options, 40, source) for source in sources]
    for hypotheses in alone:
        assert not says_thrice(hypotheses[0].token_ids)
    # Together they are what they are alone.
    batch = Batch(machine, machine.model)
    sequences = [Sequence(source, options, 40, None) for source in sources]
    batch.join(sequences, encode_sources(machine, machine.model.pad_id, sequences))
    found: dict[Sequence, object] = {}
    while len(found) < len(sequences):
        for ended in batch.advance(batch.decode_step()):
            found[ended.sequence] = ended.outcome
            batch.leave([ended.sequence])
    assert [found[sequence] for sequence in sequences] == alone
