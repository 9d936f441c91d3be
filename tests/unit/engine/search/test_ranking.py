"""The short ways of a beam: ranking in lists equals ranking in arrays, and words grow as they would be joined."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.repetition import LiveWords, LoopGuard, TokenWords
from app.engine.search.beam import Beam, BeamSearch
from app.engine.sequence import LiveHypothesis, SearchOptions, Sequence
from tests.support.fakes import HashMachine

WRITTEN = (b"", b"", b"", b" a", b"a", b" b", b",", b" -", b"b", b" 1", b"\xe2", b" A")
WORDS = TokenWords(WRITTEN)
NUMBERS = st.sampled_from((-0.5, -0.5, -1.0, -2.5, -1e-7, float("-inf"), float("nan")))
TOKENS = st.lists(st.integers(3, len(WRITTEN) - 1), max_size=130)


@settings(max_examples=500, deadline=None)
@given(
    scores=st.lists(st.lists(NUMBERS, min_size=6, max_size=6), min_size=1, max_size=3),
    totals=st.lists(st.sampled_from((0.0, -1.0, -0.3)), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_lists_rank_as_arrays_do(scores: list[list[float]], totals: list[float], seed: int) -> None:
    model = replace(HashMachine(len(WRITTEN)).model, words=WORDS)
    search = BeamSearch(Sequence((3, 4, 2), SearchOptions(3), 20, None), [0, 1, 2], model, has_attention=False)
    live = tuple(LiveHypothesis((3, 5, 3, 5, 3 + row), (-1.0,) * 5, totals[row]) for row in range(len(scores)))
    search.beam = Beam(live)
    array = np.array(scores, np.float32)
    ids = np.random.default_rng(seed).permuted(np.tile(np.arange(2, 12), (len(scores), 1)), axis=1)[:, :6]
    allowed = search._block(array, ids)
    sums = (np.array([one.total for one in live])[:, None] + allowed).ravel()
    order = [one for one in np.argsort(-sums, kind="stable").tolist() if np.isfinite(sums[one])]
    expected = [(one // 6, int(ids.ravel()[one]), float(array.ravel()[one])) for one in order[:6]]
    assert search._rank(array, ids) == expected


@settings(max_examples=300, deadline=None)
@given(TOKENS, TOKENS)
def test_words_grow_as_they_would_be_joined(token_ids: list[int], others: list[int]) -> None:
    guard = LoopGuard([3], WORDS)
    words = LiveWords(guard)
    live: tuple[LiveHypothesis, ...] = (LiveHypothesis((), (), 0.0),)
    for token_id, other in zip(token_ids, others, strict=False):
        before = live
        live = tuple(before[parent].extend(new, 0.0, 0) for parent, new in ((len(before) - 1, token_id), (0, other)))
        words.follow(before, live, [len(before) - 1, 0])
        for index, one in enumerate(live):
            assert words.closing_tokens(live, index) == guard.closing_tokens_after(one.token_ids)
