"""What a request may have beside its translations: scores, alignment, choices, timing. Nothing of it comes unasked."""

from collections.abc import Sequence

from app.engine.sequence import Timing
from app.translation.alignment import AlignedToken
from app.translation.translator import Translation
from app.translation.word_choices import Choices

SERVER_TIMING_HEADER = "Server-Timing"


def scores_of(translation: Translation) -> list[dict[str, object]]:
    """Every segment of a text, with its score, the reason for its end, and the score of each token."""
    return [
        {
            "source": segment.source,
            "text": segment.text,
            "score": segment.score,
            "finish_reason": segment.finish_reason.value,
            "tokens": [
                {"text": text, "score": score} for text, score in zip(segment.tokens, segment.token_scores, strict=True)
            ],
        }
        for segment in translation.segments
    ]


def alignment_of(translation: Translation) -> list[dict[str, object]]:
    """In nmt-wizard's shape."""
    return [
        {"tgt": [_token(token) for token in group.target], "src": [_token(token) for token in group.source]}
        for group in translation.alignment
    ]


def _token(token: AlignedToken) -> dict[str, object]:
    return {"range": [token.start, token.end], "id": token.number}


def choices_of(choices: Choices) -> dict[str, object]:
    """What else could stand at a place."""
    return {
        "range": [choices.start, choices.end],
        "words": [
            {
                "word": choice.word,
                "score": choice.score,
                "translatedText": choice.text,
                "finish_reason": choice.finish_reason.value,
            }
            for choice in choices.words
        ],
    }


def timing_of(translations: Sequence[Translation], total_seconds: float) -> dict[str, float]:
    """The longest wait, encoding and decoding of a segment, and the steps of all segments."""
    # A segment that stands in several texts was translated once.
    found = (segment.timing for translation in translations for segment in translation.segments)
    timings: list[Timing] = list({id(timing): timing for timing in found if timing is not None}.values())
    steps = sum(timing.steps for timing in timings)
    return {
        "queue_seconds": max((timing.queue_seconds for timing in timings), default=0.0),
        "encode_seconds": max((timing.encode_seconds for timing in timings), default=0.0),
        "decode_seconds": max((timing.decode_seconds for timing in timings), default=0.0),
        "total_seconds": total_seconds,
        "steps": steps,
        "mean_batch_rows": sum(timing.step_rows for timing in timings) / steps if steps else 0.0,
    }


def server_timing(timing: dict[str, float]) -> str:
    """The header of the same name (W3C Server Timing), in milliseconds."""
    return ", ".join(
        f"{name};dur={1000 * timing[f'{name}_seconds']:.3f}" for name in ("queue", "encode", "decode", "total")
    )
