"""A model as the engine sees it: its graphs as calls on arrays, its special ids and its length limits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from app.bundle.manifest import EncoderRows, Manifest
from app.bundle.signature import StateSpec
from app.bundle.tokenizers import PairedTokenizer, Tokenizer
from app.engine.candidates import OutputLayer
from app.engine.repetition import TokenWords
from app.errors import InvalidRequest, LimitExceeded

# A translation longer than the mean by this many standard deviations repeats itself; it is not just a long translation.
_DEVIATIONS: Final = 4.0
# Very short sources vary more than their ratio says ("OK." -> "D'accord.").
_SPARE_TOKENS: Final = 10

Arrays = dict[str, NDArray[np.generic]]


class Encoded(NamedTuple):
    """The outputs of the encoder.

    Attributes:
        memory: by name, ``[rows, source, ...]``; empty for a model without attention.
        states: by name, the first states ``[rows, ...]``.
    """

    memory: Arrays
    states: Arrays

    def part(self, start: int, end: int) -> "Encoded":
        """The rows from ``start`` up to ``end``, as views."""
        return Encoded(
            {name: array[start:end] for name, array in self.memory.items()},
            {name: array[start:end] for name, array in self.states.items()},
        )


class Stepped(NamedTuple):
    """The outputs of one decoder step.

    Attributes:
        scores: float32 ``[rows, best_k]``, best first.
        score_ids: int64 ``[rows, best_k]``, the tokens of ``scores``.
        next_states: by the name of the state (without ``next_``), only those that change.
        attention: float32 ``[rows, source]``, None without memory.
    """

    scores: NDArray[np.float32]
    score_ids: NDArray[np.int64]
    next_states: Arrays
    attention: NDArray[np.float32] | None


class Graphs(Protocol):
    """The two graphs of a model. Every array returned belongs to the caller, which may write into it."""

    def encode(self, source_ids: NDArray[np.int32], source_lengths: NDArray[np.int32]) -> Encoded:
        """Run the encoder.

        Args:
            source_ids: ``[rows, source]``, padded behind each row's length.
            source_lengths: ``[rows]``.
        """
        ...

    def decode_step(
        self,
        token_ids: NDArray[np.int32],
        states: Mapping[str, NDArray[np.generic]],
        memory: Mapping[str, NDArray[np.generic]],
        source_lengths: NDArray[np.int32],
        best_k: int,
    ) -> Stepped:
        """Run the decoder step.

        Args:
            token_ids: ``[rows]``, the tokens written last; bos at first.
            states: by name, ``[rows, ...]``.
            memory: by name, ``[rows, source, ...]``; ``source_mask`` and the candidates may be among them.
            source_lengths: ``[rows]``.
            best_k: how many candidates to return for each row.
        """
        ...


@dataclass(frozen=True, slots=True)
class DecodingModel:
    """The properties of a model that decoding depends on.

    Attributes:
        source_vocabulary_size: the number of ids of sources; None for that of targets.
        max_target_ratio: see ``Limits``; None where the length ratio limits the target.
        encoder_rows: ``one`` where encoding several sources together saves nothing.
        has_source_mask: whether the decoder step reads a mask of the padding.
        source_axes: by memory, which of its axes is ``source``; 1 where there is no entry.
        words: the words of the vocabulary, for the phrase guard; None where tokens are characters, or without a guard.
        source_words: those of the sources' vocabulary, where it is another.
        output: with a shortlist, whose candidates alone are searched; None to search the whole vocabulary.
    """

    states: tuple[StateSpec, ...]
    vocabulary_size: int
    pad_id: int
    bos_id: int
    eos_id: int
    max_source_tokens: int
    max_target_tokens: int
    length_ratio_mean: float
    length_ratio_deviation: float
    source_vocabulary_size: int | None = None
    max_target_ratio: float | None = None
    encoder_rows: EncoderRows = "any"
    has_source_mask: bool = False
    source_axes: Mapping[str, int] = field(default_factory=dict)
    words: TokenWords | None = None
    source_words: TokenWords | None = None
    output: OutputLayer | None = None

    @classmethod
    def of(cls, manifest: Manifest, tokenizer: Tokenizer | None = None) -> "DecodingModel":
        """The properties that a manifest states.

        Args:
            manifest: of the bundle.
            tokenizer: with it, no translation repeats a phrase three times in a row that its source does not.
        """
        words = source_words = None
        if tokenizer is not None and tokenizer.kind != "characters":
            words = TokenWords(tokenizer.token_bytes())
            if isinstance(tokenizer, PairedTokenizer):
                source_words = TokenWords(tokenizer.first.token_bytes())
        ratio = manifest.length_ratio
        return cls(
            states=manifest.signature.states,
            vocabulary_size=manifest.tokenizer.vocabulary_size,
            pad_id=manifest.tokenizer.pad_id,
            bos_id=manifest.tokenizer.bos_id,
            eos_id=manifest.tokenizer.eos_id,
            max_source_tokens=manifest.limits.max_source_tokens,
            max_target_tokens=manifest.limits.max_target_tokens,
            length_ratio_mean=0.0 if ratio is None else ratio.mean,
            length_ratio_deviation=0.0 if ratio is None else ratio.deviation,
            source_vocabulary_size=manifest.source_vocabulary_size,
            max_target_ratio=manifest.limits.max_target_ratio,
            encoder_rows=manifest.encoder_rows,
            has_source_mask=manifest.signature.has_source_mask,
            source_axes=manifest.signature.source_axes,
            words=words,
            source_words=source_words,
        )

    def check_ids(self, source_ids: tuple[int, ...], prefix: tuple[int, ...]) -> None:
        """Refuse ids that the graphs cannot read: within a graph they would fail the step of every row.

        Raises:
            InvalidRequest: the source is empty, or an id lies outside the vocabulary.
            LimitExceeded: the source is too long.
        """
        if not source_ids:
            raise InvalidRequest("a source has no tokens, not even an eos")
        if len(source_ids) > self.max_source_tokens:
            raise LimitExceeded("source tokens", self.max_source_tokens, len(source_ids))
        source_size = self.source_vocabulary_size or self.vocabulary_size
        for name, given, size in (("source", source_ids, source_size), ("prefix", prefix, self.vocabulary_size)):
            if given and (min(given) < 0 or max(given) >= size):
                raise InvalidRequest(
                    f"{name} ids go from {min(given)} to {max(given)}, the vocabulary from 0 to {size - 1}"
                )

    def target_cap(self, source_tokens: int, requested: int | None = None, prefix_tokens: int = 0) -> int:
        """The most target tokens (eos not counted) for a source of ``source_tokens`` tokens.

        ``min(max_target_tokens, requested, ceil(source * ratio) + 10)``, where the ratio is ``max_target_ratio``, or
        else ``mean + 4 * deviation``: the deviation is that of the
        ratio of single pairs, so it grows with the source. A request can only lower the cap. A prefix that makes the
        translation longer than is likely leaves room for 10 tokens.

        Raises:
            LimitExceeded: the prefix leaves no room.
        """
        most = min(self.max_target_tokens, requested if requested is not None else self.max_target_tokens)
        if prefix_tokens >= most:
            raise LimitExceeded("tokens of the prefix", most - 1, prefix_tokens)
        ratio = self.max_target_ratio or self.length_ratio_mean + _DEVIATIONS * self.length_ratio_deviation
        likely = math.ceil(source_tokens * ratio) + _SPARE_TOKENS
        return min(most, max(likely, prefix_tokens + _SPARE_TOKENS))
