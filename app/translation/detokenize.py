"""What the engine wrote for a segment -> its text, with scores and alignment."""

from app.bundle.tokenizers import EOS_ID, Tokenizer
from app.engine.sequence import Hypothesis
from app.translation.alignment import SegmentAlignment, within, without_spaces
from app.translation.assembly import TranslatedSegment


class Reader:
    """Reads what one tokenizer's tokens say."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def read(self, segment: str, hypothesis: Hypothesis) -> TranslatedSegment:
        """:param segment: as the model read it."""
        decoded = self._tokenizer.decode(hypothesis.token_ids)
        text = decoded.strip()
        alignment = None
        if hypothesis.alignment is not None:
            lead = len(decoded) - len(decoded.lstrip())
            target_ranges = without_spaces(decoded, self._tokenizer.decode_ranges(hypothesis.token_ids))
            alignment = SegmentAlignment(
                source_ranges=without_spaces(segment, self._tokenizer.encode_ranges(segment)),
                target_ranges=within(target_ranges, lead, len(text)),
                places=hypothesis.alignment,
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
