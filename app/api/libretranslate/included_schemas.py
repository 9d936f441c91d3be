"""What the OpenAPI page says of scores, alignment, choices and timing."""

from typing import Any, Final

from app.engine.sequence import FinishReason

_STRING: Final[dict[str, Any]] = {"type": "string"}
_NUMBER: Final[dict[str, Any]] = {"type": "number"}
SEGMENTS_SCHEMA: Final[dict[str, Any]] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["source", "text", "score", "finish_reason", "tokens"],
        "properties": {
            "source": _STRING,
            "text": _STRING,
            "score": {**_NUMBER, "description": "Sum of the log probabilities, normalised by length."},
            "finish_reason": {
                **_STRING,
                "enum": [reason.value for reason in FinishReason],
                "description": "`stop`: it is whole; anything else says why it was cut.",
            },
            "tokens": {
                "type": "array",
                "description": "Each token as the model writes it, the end token too, with its log probability.",
                "items": {"type": "object", "properties": {"text": _STRING, "score": _NUMBER}},
            },
        },
    },
}
FINISH_REASON_SCHEMA: Final[dict[str, Any]] = SEGMENTS_SCHEMA["items"]["properties"]["finish_reason"]
_RANGE: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "integer"},
    "minItems": 2,
    "maxItems": 2,
    "description": "Its characters in the whole text, from and up to (not included).",
}
CHOICES_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["range", "words"],
    "properties": {
        "range": {**_RANGE, "description": "The characters of `translatedText` in whose place the words could stand."},
        "words": {
            "type": "array",
            "description": "Likeliest first, what stands there among them.",
            "items": {
                "type": "object",
                "required": ["word", "score", "translatedText", "finish_reason"],
                "properties": {
                    "word": {**_STRING, "description": "Empty where the sentence could end."},
                    "score": {**_NUMBER, "description": "Log probability of its first token."},
                    "translatedText": {
                        **_STRING,
                        "description": "The whole translation with this word, which goes on from it greedily.",
                    },
                    "finish_reason": FINISH_REASON_SCHEMA,
                },
            },
        },
    },
}
_ALIGNED_TOKENS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "range": _RANGE,
            "id": {"type": "integer", "description": "The how manieth token of the whole text it is, from 0."},
        },
    },
}
ALIGNMENT_SCHEMA: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "object", "properties": {"tgt": _ALIGNED_TOKENS, "src": _ALIGNED_TOKENS}},
}
TIMING_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Only if asked for. The longest wait, encoding and decoding of a segment; the steps of all.",
    "properties": {
        "queue_seconds": {**_NUMBER, "description": "Until a segment got its place in the running batch."},
        "encode_seconds": _NUMBER,
        "decode_seconds": _NUMBER,
        "total_seconds": {**_NUMBER, "description": "From the request's arrival to its answer."},
        "steps": {"type": "integer"},
        "mean_batch_rows": {**_NUMBER, "description": "Hypotheses decoded together in a step, others' too."},
    },
}
