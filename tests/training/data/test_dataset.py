"""Batches: every pair once an epoch, few shapes, the same order for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.tokenizers import BOS_ID, EOS_ID, PAD_ID, SentencePieceTokenizer
from training.data.config import TokenizerConfig
from training.data.dataset import Batch, BatchPlan, Side, TokenPairs, length_ratio
from training.data.resegmentation import Resegmentation
from training.data.tokenizer import learn_tokenizer, tag_piece

SENTENCES = st.lists(st.integers(4, 30), max_size=9)


def token_pairs(pairs: list[tuple[list[int], list[int]]]) -> TokenPairs:
    return TokenPairs(Side.from_sentences(s for s, _ in pairs), Side.from_sentences(t for _, t in pairs))


def rows_of(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """The pairs of a batch, read back from its arrays; checks the layout of the arrays."""
    found = []
    for row in range(len(batch.source_ids)):
        target = batch.target_ids[row][batch.target_ids[row] != PAD_ID].tolist()
        if not target:
            continue
        length = int(batch.source_lengths[row])
        assert batch.source_ids[row, length - 1] == EOS_ID
        assert not batch.source_ids[row, length:].any()
        assert target[-1] == EOS_ID
        assert batch.input_ids[row, : len(target)].tolist() == [BOS_ID, *target[:-1]]
        found.append((batch.source_ids[row, : length - 1].tolist(), target[:-1]))
    return found


@given(st.lists(st.tuples(SENTENCES, SENTENCES), max_size=40), st.integers(0, 5), st.integers(0, 3))
@settings(max_examples=60)
def test_every_pair_that_fits_comes_once(pairs: list[tuple[list[int], list[int]]], seed: int, epoch: int) -> None:
    plan = BatchPlan(token_pairs(pairs), (4, 7), 14)
    batches = list(plan.batches(seed, epoch))
    assert len(batches) == plan.batches_per_epoch
    widest = {3: 4, 2: 7}
    for batch in batches:
        rows, source = batch.source_ids.shape
        assert batch.input_ids.shape == batch.target_ids.shape
        assert max(source, batch.target_ids.shape[1]) <= widest[rows]
    assert len({(batch.source_ids.shape, batch.target_ids.shape) for batch in batches}) <= 2
    found = [pair for batch in batches for pair in rows_of(batch)]
    fitting = [pair for pair in pairs if max(len(pair[0]), len(pair[1])) + 1 <= 7]
    assert sorted(found) == sorted(fitting)
    assert plan.left_out == len(pairs) - len(fitting)
    assert sum(batch.target_tokens for batch in batches) == sum(len(target) + 1 for _, target in fitting)


def test_a_continued_epoch_yields_the_remaining_batches() -> None:
    pairs = token_pairs([([4] * (n % 6), [5] * (n % 5)) for n in range(50)])
    plan = BatchPlan(pairs, (4, 8), 16)
    whole, rest = list(plan.batches(3, 1)), list(plan.batches(3, 1, skip=5))
    assert len(rest) == len(whole) - 5
    for left, right in zip(whole[5:], rest, strict=True):
        np.testing.assert_array_equal(left.source_ids, right.source_ids)
    other = list(plan.batches(3, 2))
    assert any(not np.array_equal(a.source_ids, b.source_ids) for a, b in zip(whole, other, strict=True))


def test_length_ratio_counts_eos() -> None:
    mean, deviation = length_ratio(token_pairs([([4], [5, 5, 5]), ([4], [5])]))
    assert mean == 1.5
    assert deviation == 0.5


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_resegmentation_keeps_the_text_and_draws_anew_each_epoch(algorithm: str) -> None:
    texts = [f"the {word}s of my {other}s are {word}ing" for word in WORDS for other in WORDS]
    config = TokenizerConfig.model_validate({"algorithm": algorithm, "vocabulary_size": 292})
    tokenizer = learn_tokenizer(texts, config, seed=1, targets=("fr", "de"))
    assert isinstance(tokenizer, SentencePieceTokenizer)
    tag = tokenizer.id_of(tag_piece("fr"))
    pairs = TokenPairs.encode([(text, text[::-1]) for text in texts], tokenizer, [tag] * len(texts))
    longest = int(max(pairs.source.lengths.max(), pairs.target.lengths.max()))
    widths = (longest // 2, longest + 1)
    plan = BatchPlan(pairs, widths, 8 * widths[1], resegmentation=Resegmentation(tokenizer, 0.3))
    assert not plan.left_out
    seen = []
    for epoch in (0, 0, 1):
        found: dict[str, list[int]] = {}
        for batch in plan.batches(7, epoch):
            assert batch.source_ids.shape[1] in widths
            for source, target in rows_of(batch):
                assert source[0] == tag
                assert tokenizer.decode(target) == tokenizer.decode(source[1:])[::-1]
                found[tokenizer.decode(source[1:])] = source
        assert set(found) == set(texts)
        seen.append(found)
    assert seen[0] == seen[1]
    assert sum(seen[0][text] != seen[2][text] for text in texts) > len(texts) / 4
    # Going on in the middle of an epoch draws the same.
    assert [rows_of(batch) for batch in plan.batches(7, 0, skip=2)] == [rows_of(batch) for batch in plan.batches(7, 0)][
        2:
    ]


WORDS = ("walk", "talk", "paint", "garden", "hammer", "light", "water", "number")
