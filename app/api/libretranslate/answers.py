"""What answers in LibreTranslate's dialect hold, as types that the OpenAPI page describes, and how they are built."""

from typing import Annotated, Any, Final, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from app.api.call import TIMEOUT_HEADER
from app.api.responses import FINISH_REASON_HEADER, REPAIRED_HEADER, RETRY_AFTER_HEADER
from app.engine.sequence import FinishReason
from app.serving.jobs import JobTiming
from app.text.codes import format_code
from app.text.detection import Detection
from app.translation.alignment import AlignedToken
from app.translation.assembly import Translation
from app.translation.word_choices import Choices

SERVER_TIMING_HEADER: Final = "Server-Timing"
TIMEOUT_PARAMETER: Final[list[dict[str, Any]]] = [
    {
        "name": TIMEOUT_HEADER,
        "in": "header",
        "required": False,
        "description": "How long to wait for the answer. It can only shorten the limit of the service "
        "(`PASSERELLE_REQUEST_TIMEOUT_SECONDS`).",
        "schema": {"type": "number", "exclusiveMinimum": 0},
        "example": 2.5,
    }
]

_FinishReason = Annotated[FinishReason, Field(description="`stop`: it is whole; anything else says why it was cut.")]
_Range = Annotated[list[int], Field(min_length=2, max_length=2)]
_CHARACTERS: Final = "Its characters in the whole text, from and up to (not included)."


class DetectedLanguage(TypedDict):
    confidence: Annotated[int, Field(ge=0, le=100)]
    language: str


class ScoredToken(TypedDict):
    text: str
    score: float


class ScoredSegment(TypedDict):
    source: str
    text: str
    score: Annotated[float, Field(description="Sum of the log probabilities, normalised by length.")]
    finish_reason: _FinishReason
    tokens: Annotated[
        list[ScoredToken],
        Field(description="Each token as the model writes it, the end token too, with its log probability."),
    ]
    pivot: NotRequired[
        Annotated[
            str,
            Field(
                description="Only where two models translated, through this language: `score` is then the sum of both "
                "models' scores, and `tokens` are those of the second."
            ),
        ]
    ]


class TokenRange(TypedDict):
    range: Annotated[_Range, Field(description=_CHARACTERS)]
    id: Annotated[int, Field(description="Its number among the tokens of the whole text, from 0.")]


class AlignedRanges(TypedDict):
    """In nmt-wizard's shape."""

    tgt: list[TokenRange]
    src: list[TokenRange]


class WordChoice(TypedDict):
    word: Annotated[str, Field(description="Empty where the sentence could end.")]
    score: Annotated[float, Field(description="Log probability of its first token.")]
    translatedText: Annotated[
        str, Field(description="The whole translation with this word, which goes on from it greedily.")
    ]
    finish_reason: _FinishReason


class WordChoices(TypedDict):
    range: Annotated[_Range, Field(description="The characters of `translatedText` that the words could replace.")]
    words: Annotated[list[WordChoice], Field(description="Likeliest first, the word that is there among them.")]


class RequestTiming(TypedDict):
    queue_seconds: Annotated[float, Field(description="Until a segment got its row in the running batch.")]
    encode_seconds: float
    decode_seconds: float
    total_seconds: Annotated[float, Field(description="From the request's arrival to its answer.")]
    steps: int
    mean_batch_rows: Annotated[float, Field(description="Hypotheses decoded together in a step, others' too.")]


class Translated(TypedDict):
    """The answer of POST /translate."""

    translatedText: str | list[str]
    alternatives: NotRequired[
        Annotated[
            list[str] | list[list[str]],
            Field(
                description="Only if requested: unique, best first (or in the order drawn), never the translation "
                "itself."
            ),
        ]
    ]
    detectedLanguage: NotRequired[
        Annotated[
            DetectedLanguage | list[DetectedLanguage],
            Field(description="Only with `auto`; for a list of texts one for each."),
        ]
    ]
    segments: NotRequired[
        Annotated[
            list[ScoredSegment] | list[list[ScoredSegment]],
            Field(description="Only if `scores` are requested; for a list of texts one list for each."),
        ]
    ]
    align: NotRequired[
        Annotated[
            list[AlignedRanges] | list[list[AlignedRanges]],
            Field(
                description="Only if `alignment` is requested; for a list of texts one list for each. From attention: "
                "each token of the translation with the token of the text looked at most."
            ),
        ]
    ]
    choices: NotRequired[Annotated[WordChoices, Field(description="Only with `alternatives_at`.")]]
    timing: NotRequired[
        Annotated[
            RequestTiming,
            Field(
                description="Only if requested. The longest wait, encoding and decoding of a segment; the steps of all."
            ),
        ]
    ]
    finish_reason: NotRequired[Annotated[str, Field(description="Only in events, if something was cut: why.")]]
    glossary_unplaced: NotRequired[
        Annotated[
            list[str],
            Field(description="Only in events: the terms of the glossary whose offset in the translation was guessed."),
        ]
    ]


def describe_detection(detection: Detection) -> DetectedLanguage:
    return {"confidence": detection.confidence, "language": format_code(detection.language)}


def describe_segments(translation: Translation) -> list[ScoredSegment]:
    """Every segment of a text, with its score, its finish reason, and the score of each token."""
    found: list[ScoredSegment] = [
        {
            "source": segment.source,
            "text": segment.text,
            "score": segment.score,
            "finish_reason": segment.finish_reason,
            "tokens": [
                {"text": text, "score": score} for text, score in zip(segment.tokens, segment.token_scores, strict=True)
            ],
        }
        for segment in translation.segments
    ]
    if translation.pivot is not None:
        for one in found:
            one["pivot"] = translation.pivot
    return found


def describe_alignment(translation: Translation) -> list[AlignedRanges]:
    return [
        {"tgt": [_token(token) for token in group.target], "src": [_token(token) for token in group.source]}
        for group in translation.alignment
    ]


def describe_choices(choices: Choices) -> WordChoices:
    return {
        "range": [choices.start, choices.end],
        "words": [
            {
                "word": choice.word,
                "score": choice.score,
                "translatedText": choice.text,
                "finish_reason": choice.finish_reason,
            }
            for choice in choices.words
        ],
    }


def describe_timing(timing: JobTiming, total_seconds: float) -> RequestTiming:
    return {
        "queue_seconds": timing.queue_seconds,
        "encode_seconds": timing.encode_seconds,
        "decode_seconds": timing.decode_seconds,
        "total_seconds": total_seconds,
        "steps": timing.steps,
        "mean_batch_rows": timing.mean_batch_rows,
    }


def server_timing(timing: RequestTiming) -> str:
    """Write the header of the same name (W3C Server Timing), in milliseconds."""
    seconds = {
        "queue": timing["queue_seconds"],
        "encode": timing["encode_seconds"],
        "decode": timing["decode_seconds"],
        "total": timing["total_seconds"],
    }
    return ", ".join(f"{name};dur={1000 * value:.3f}" for name, value in seconds.items())


def _token(token: AlignedToken) -> TokenRange:
    return {"range": [token.start, token.end], "id": token.number}


_ERROR_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What is wrong, for people."}},
}


def error_entry(description: str, *examples: str) -> dict[str, Any]:
    """Describe one error status, with its sentences as examples."""
    shown = {f"example {number}": {"value": {"error": text}} for number, text in enumerate(examples, start=1)}
    return {"description": description, "content": {"application/json": {"schema": _ERROR_SCHEMA, "examples": shown}}}


FINISH_REASON_ENTRY: Final[dict[str, Any]] = {
    FINISH_REASON_HEADER: {
        "description": "Only if a translation was cut: why, with commas between several reasons. `length`: "
        "at the longest that the model may write; `deadline`: the time was over; `repetition`: where it began "
        "to repeat itself without end.",
        "schema": {"type": "string"},
        "example": "deadline",
    },
    REPAIRED_HEADER: {
        "description": "Only if something was wrong in what a model wrote first: each kind of fault with how many "
        "segments had it (`character stand-in number letters word bracket quote repetition end`)"
        ". It was corrected, or another translation of the model, or the source, stands for it.",
        "schema": {"type": "string"},
        "example": "number=1, quote=2",
    },
}
ERROR_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    400: error_entry(
        "A field is missing, malformed or over a limit, or the languages are not served.",
        "Invalid request: missing q parameter",
        "zz is not supported",
        "Spanish (es) is not available as a target language from German (de)",
        "Invalid request: request (50001) exceeds text limit (50000)",
        "Invalid request: alternatives parameter must be <= 3",
        "Please contact the server operator to get an API key",
    ),
    403: error_entry(
        "Where the service has keys: there is no such key, or its characters are used up.",
        "Invalid API key",
        "999 characters are counted, and 50 more exceed characters of weblate (1000)",
    ),
    408: error_entry("The body arrived too slowly.", "The body did not arrive within request_timeout_seconds (30)"),
    413: error_entry("The body is too long.", "Request body (3000000 bytes or more) exceeds max_body_bytes (2097152)"),
    415: error_entry("A content type that is not read here.", "Content type 'text/csv' is not supported; send ..."),
    429: {
        **error_entry(
            "Too many segments wait, or too many requests came from one caller; come back later.",
            "256 sequences wait, the limit is 256",
            "Slowdown: 60 per 1 minute",
        ),
        "headers": RETRY_AFTER_HEADER,
    },
    500: error_entry("Something unexpected.", "The server could not answer this request. ..."),
    503: error_entry(
        "Nothing can be translated now, or too much of other requests is being read; come back later.",
        "Nothing can be translated: no usable bundle in models",
        "Bodies of 267999232 bytes are being read, and 2000000 more exceed max_bodies_mib (256); come back later",
    ),
    504: error_entry(
        "The deadline passed before anything was translated.",
        "Nothing was translated within request_timeout_seconds (30); send less at once",
    ),
}
