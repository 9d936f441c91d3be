"""The reference decoder: plain greedy and beam search with the Keras model, one sentence at a time.

The engine's results are compared with it. It is written to be read and shares no code with the engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bundle.tokenizers import BOS_ID, EOS_ID
from training.model.decoder import Source
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class ReferenceHypothesis:
    """A decoded sequence.

    Attributes:
        token_ids: Without bos and eos.
        total: Sum of the log probabilities in nats, eos included.
        stopped: Whether eos was reached.
    """

    token_ids: tuple[int, ...]
    total: float
    stopped: bool

    def normalised(self, length_penalty: float) -> float:
        """Returns the length-normalised score (Wu et al. 2016, arXiv:1609.08144, equation 14, without coverage)."""
        length = len(self.token_ids) + self.stopped
        return float(self.total / ((5.0 + length) / 6.0) ** length_penalty)


class ReferenceDecoder:
    """Decodes one source at a time with ``model.encode`` and ``model.step``."""

    def __init__(self, model: EncoderDecoder) -> None:
        self.model = model

    def greedy(self, source_ids: list[int], cap: int, prefix: Sequence[int] = ()) -> ReferenceHypothesis:
        """Takes the best token at each step after ``prefix``, until eos or until there are ``cap`` tokens."""
        states, memories, lengths = self._begin(source_ids, prefix)
        tokens = list(prefix)
        token, total = tokens[-1] if tokens else BOS_ID, 0.0
        while True:
            scores, states = self._step([token], states, memories, lengths)
            token = int(np.argmax(scores[0]))
            total += float(scores[0, token])
            if token == EOS_ID:
                return ReferenceHypothesis(tuple(tokens), total, True)
            tokens.append(token)
            if len(tokens) == cap:
                return ReferenceHypothesis(tuple(tokens), total, False)

    def beam(
        self, source_ids: list[int], cap: int, beam_size: int, length_penalty: float, prefix: Sequence[int] = ()
    ) -> ReferenceHypothesis:
        """Searches with a beam.

        The search starts with ``prefix`` at score 0 and keeps the ``beam_size`` best continuations. An eos among the
        first ``beam_size`` candidates finishes its hypothesis. The search ends when the best live hypothesis, if it
        ended at once, would not beat the best finished one.
        """
        states, memories, lengths = self._begin(source_ids, prefix)
        live = [ReferenceHypothesis(tuple(prefix), 0.0, False)]
        best: ReferenceHypothesis | None = None
        while live:
            rows = len(live)
            last = [hypothesis.token_ids[-1] if hypothesis.token_ids else BOS_ID for hypothesis in live]
            each = {name: np.repeat(memory, rows, 0) for name, memory in memories.items()}
            scores, states = self._step(last, states, each, np.repeat(lengths, rows, 0))
            totals = np.array([hypothesis.total for hypothesis in live])[:, None] + scores
            order = np.argsort(-totals, axis=None, kind="stable")[: 2 * beam_size]
            at_cap = len(live[0].token_ids) == cap
            following: list[ReferenceHypothesis] = []
            parents: list[int] = []
            for rank, flat in enumerate(order):
                parent, token = divmod(int(flat), scores.shape[1])
                tokens, total = live[parent].token_ids, float(totals[parent, token])
                if token == EOS_ID and rank < beam_size:
                    best = _better(best, ReferenceHypothesis(tokens, total, True), length_penalty)
                elif token != EOS_ID and not at_cap and len(following) < beam_size:
                    following.append(ReferenceHypothesis((*tokens, token), total, False))
                    parents.append(parent)
            if at_cap and best is None:
                return max(live, key=lambda hypothesis: hypothesis.normalised(length_penalty))
            states = [state[parents] for state in states]
            live = following
            if best is not None and live:
                hope = ReferenceHypothesis(live[0].token_ids, live[0].total, True)
                if hope.normalised(length_penalty) <= best.normalised(length_penalty):
                    break
        assert best is not None  # live runs out only at the cap, which returns above, or after an eos
        return best

    def _begin(self, source_ids: list[int], prefix: Sequence[int]) -> tuple[list[Any], dict[str, Any], Any]:
        """Encodes the source and reads all but the last token of the prefix."""
        states, memories, lengths = self._encode(source_ids)
        for token in [BOS_ID, *prefix][:-1]:
            _, states = self._step([token], states, memories, lengths)
        return states, memories, lengths

    def _encode(self, source_ids: list[int]) -> tuple[list[Any], dict[str, Any], Any]:
        ids, lengths = np.array([source_ids], np.int32), np.array([len(source_ids)], np.int32)
        memories, states = self.model.encode(ids, lengths)
        read = {name: to_numpy(memory) for name, memory in memories.items()}
        return [to_numpy(state) for state in states], read, lengths

    def _step(
        self, tokens: list[int], states: list[Any], memories: dict[str, Any], lengths: Any
    ) -> tuple[Scores, list[Any]]:
        """Returns log probabilities ``[rows, vocabulary]`` and the new states."""
        logits, states, _ = self.model.step(np.array(tokens, np.int32), states, Source.of(memories, lengths))
        return log_softmax(to_numpy(logits)), [to_numpy(state) for state in states]


def log_softmax(logits: NDArray[Any]) -> Scores:
    """Returns log probabilities over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _better(best: ReferenceHypothesis | None, other: ReferenceHypothesis, length_penalty: float) -> ReferenceHypothesis:
    if best is None or other.normalised(length_penalty) > best.normalised(length_penalty):
        return other
    return best
