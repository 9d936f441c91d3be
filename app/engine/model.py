"""What the engine must know of a model: how its states move, its special ids, its length limits."""

import math
from dataclasses import dataclass
from typing import Final

from app.bundle.manifest import EncoderRows, Manifest
from app.bundle.signature import StateSpec
from app.bundle.tokenizers.tokenizer import Tokenizer
from app.engine.repetition import TokenWords
from app.errors import LimitExceeded

# A translation longer than this many deviations over the mean is a model that repeats itself, not a long translation.
_DEVIATIONS: Final = 4.0
# Very short sources vary more than their ratio says ("OK." -> "D'accord.").
_SPARE_TOKENS: Final = 10


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model, as far as decoding is concerned.

    ``encoder_rows``: ``one`` where nothing is won by encoding several sources together. ``words``: of the
    vocabulary; None where tokens are characters, or nobody cares how often a phrase is said.
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
    encoder_rows: EncoderRows = "any"
    words: TokenWords | None = None

    @classmethod
    def of(cls, manifest: Manifest, tokenizer: Tokenizer | None = None) -> "ModelFacts":
        """:param tokenizer: with it no translation says a phrase three times in a row that its source does not."""
        words = None
        if tokenizer is not None and tokenizer.kind != "characters":
            words = TokenWords(tokenizer.written())
        return cls(
            states=manifest.signature.states,
            vocabulary_size=manifest.tokenizer.vocabulary_size,
            pad_id=manifest.tokenizer.pad_id,
            bos_id=manifest.tokenizer.bos_id,
            eos_id=manifest.tokenizer.eos_id,
            max_source_tokens=manifest.limits.max_source_tokens,
            max_target_tokens=manifest.limits.max_target_tokens,
            length_ratio_mean=manifest.length_ratio.mean,
            length_ratio_deviation=manifest.length_ratio.deviation,
            encoder_rows=manifest.encoder_rows,
            words=words,
        )

    def target_cap(self, source_tokens: int, asked: int | None = None, prefix_tokens: int = 0) -> int:
        """The most target tokens (eos not counted) that a source of so many tokens may get.

        ``min(max_target_tokens, asked, ceil(source * (mean + 4 * deviation)) + 10)``: the deviation is that of the
        ratio of single pairs, so it grows with the source. The caller may only lower the cap. A prefix that makes the
        translation longer than is likely leaves room for 10 tokens.

        :raises LimitExceeded: the prefix leaves no room at all.
        """
        most = min(self.max_target_tokens, asked if asked is not None else self.max_target_tokens)
        if prefix_tokens >= most:
            raise LimitExceeded("tokens of the prefix", most - 1, prefix_tokens)
        ratio = self.length_ratio_mean + _DEVIATIONS * self.length_ratio_deviation
        likely = math.ceil(source_tokens * ratio) + _SPARE_TOKENS
        return min(most, max(likely, prefix_tokens + _SPARE_TOKENS))
