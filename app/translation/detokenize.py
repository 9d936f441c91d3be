"""A hypothesis of the engine -> the text of a segment, with scores and alignment."""

from app.bundle.tokenizers import EOS_ID, Tokenizer
from app.engine.sequence import Hypothesis
from app.translation.alignment import SegmentAlignment, clip_ranges, strip_ranges
from app.translation.assembly import TranslatedSegment


class Detokenizer:
    """Reads hypotheses in the tokens of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def detokenize(self, segment: str, hypothesis: Hypothesis) -> TranslatedSegment:
        """Joins the tokens of a hypothesis.

        Args:
            segment: As the model read it.
            hypothesis: Its translation; with an alignment, the segment's tokens are aligned with the text's.
        """
        decoded = self._tokenizer.decode(hypothesis.token_ids)
        text = decoded.strip()
        alignment = None
        if hypothesis.alignment is not None:
            lead = len(decoded) - len(decoded.lstrip())
            target_ranges = strip_ranges(decoded, self._tokenizer.decode_ranges(hypothesis.token_ids))
            alignment = SegmentAlignment(
                source_ranges=strip_ranges(segment, self._tokenizer.encode_ranges(segment)),
                target_ranges=clip_ranges(target_ranges, lead, len(text)),
                sources=hypothesis.alignment,
            )
        ended = (EOS_ID,) * (len(hypothesis.token_scores) - len(hypothesis.token_ids))
        return TranslatedSegment(
            source=segment,
            text=text,
            score=hypothesis.score,
            finish_reason=hypothesis.finish_reason,
            token_ids=hypothesis.token_ids,
            tokens=tuple(self._tokenizer.pieces((*hypothesis.token_ids, *ended))),
            token_scores=hypothesis.token_scores,
            alignment=alignment,
            timing=hypothesis.timing,
        )
