"""What the OpenAPI page says of POST /translate, its answers above all."""

from typing import Any, Final

from app.api.libretranslate.included import SERVER_TIMING_HEADER
from app.api.libretranslate.included_schemas import ALIGNMENT_SCHEMA, CHOICES_SCHEMA, SEGMENTS_SCHEMA, TIMING_SCHEMA
from app.api.timeout import TIMEOUT_HEADER

FINISH_REASON_HEADER: Final = "X-Finish-Reason"

_STRING: Final[dict[str, Any]] = {"type": "string"}

# The groups of the page, in this order.
TAGS: Final[list[dict[str, Any]]] = [
    {"name": "LibreTranslate", "description": "What LibreTranslate's clients ask for, and more in optional fields."},
    {
        "name": "DeepL",
        "description": "What DeepL's clients ask for, version 2 of its interface. Any key will do, so give one, such "
        "as `DeepL-Auth-Key any`, behind *Authorize*, unless the service has keys.",
    },
    {"name": "Passerelle", "description": "Fields and endpoints of its own."},
    {"name": "operation", "description": "For whoever runs the service."},
]

TRANSLATE_SUMMARY: Final = """\
The same fields may come as JSON, as an urlencoded form, as a multipart form, or as a query string with an empty body
(`POST /translate?q=Hello&source=en&target=fr`). A list of texts gives a list of translations, in the same order. Line
breaks, white space and what has no letters come back as they are. Unknown fields are ignored.

What is not finished at the deadline of the request comes back as far as it is, with status 200 and the header
`X-Finish-Reason: deadline`; a sentence that was not begun comes back as it was sent.

Every error is `{"error": "..."}`.
"""

TRANSLATE_PARAMETERS: Final[list[dict[str, Any]]] = [
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

DETECTED_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["confidence", "language"],
    "properties": {"confidence": {"type": "integer", "minimum": 0, "maximum": 100}, "language": _STRING},
}
_STRINGS: Final[dict[str, Any]] = {"type": "array", "items": _STRING}

_TRANSLATED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["translatedText"],
    "properties": {
        "translatedText": {"anyOf": [_STRING, _STRINGS]},
        "alternatives": {
            "description": "Only if asked for: unique, best first (or in the order drawn), never the translation "
            "itself.",
            "anyOf": [_STRINGS, {"type": "array", "items": _STRINGS}],
        },
        "detectedLanguage": {
            "description": "Only with `auto`; for a list of texts one for each.",
            "anyOf": [DETECTED_SCHEMA, {"type": "array", "items": DETECTED_SCHEMA}],
        },
        "segments": {
            "description": "Only if `scores` are asked for; for a list of texts one list for each.",
            "anyOf": [SEGMENTS_SCHEMA, {"type": "array", "items": SEGMENTS_SCHEMA}],
        },
        "align": {
            "description": "Only if `alignment` is asked for; for a list of texts one list for each. From "
            "attention: each token of the translation with the token of the text looked at most.",
            "anyOf": [ALIGNMENT_SCHEMA, {"type": "array", "items": ALIGNMENT_SCHEMA}],
        },
        "choices": {**CHOICES_SCHEMA, "description": "Only with `alternatives_at`."},
        "timing": TIMING_SCHEMA,
    },
}

ERROR_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {**_STRING, "description": "What is wrong, for people."}},
}


def error_entry(description: str, *examples: str) -> dict[str, Any]:
    """The description of one error status, with its sentences as examples."""
    shown = {f"example {number}": {"value": {"error": text}} for number, text in enumerate(examples, start=1)}
    return {"description": description, "content": {"application/json": {"schema": ERROR_SCHEMA, "examples": shown}}}


TRANSLATE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The translation, in the shape of `q`.",
        "headers": {
            FINISH_REASON_HEADER: {
                "description": "Only if a translation was cut: why, with commas between several reasons. `length`: "
                "at the longest that the model may write; `deadline`: the time was over; `repetition`: where it began "
                "to repeat itself without end.",
                "schema": _STRING,
                "example": "deadline",
            },
            SERVER_TIMING_HEADER: {
                "description": "Only if `timing` is asked for: `queue`, `encode`, `decode`, `total`, in milliseconds.",
                "schema": _STRING,
                "example": "queue;dur=0.210, encode;dur=1.500, decode;dur=9.800, total;dur=12.400",
            },
        },
        "content": {
            "application/json": {
                "schema": _TRANSLATED,
                "examples": {
                    "one text": {"value": {"translatedText": "Bonjour !"}},
                    "a list": {"value": {"translatedText": ["Bonjour !", "À demain."]}},
                    "alternatives": {
                        "value": {
                            "translatedText": "Bonjour !",
                            "alternatives": ["Bon matin !", "Bonjour."],
                            "detectedLanguage": {"confidence": 100, "language": "en"},
                        }
                    },
                    "other words at a place": {
                        "value": {
                            "translatedText": "Bonjour !",
                            "choices": {
                                "range": [0, 7],
                                "words": [
                                    {
                                        "word": "Bonjour",
                                        "score": -0.3,
                                        "translatedText": "Bonjour !",
                                        "finish_reason": "stop",
                                    },
                                    {
                                        "word": "Salut",
                                        "score": -1.7,
                                        "translatedText": "Salut !",
                                        "finish_reason": "stop",
                                    },
                                ],
                            },
                        }
                    },
                    "scores and alignment": {
                        "value": {
                            "translatedText": "Bonjour !",
                            "segments": [
                                {
                                    "source": "Hello!",
                                    "text": "Bonjour !",
                                    "score": -0.31,
                                    "finish_reason": "stop",
                                    "tokens": [
                                        {"text": "\u2581Bonjour", "score": -0.3},
                                        {"text": "\u2581!", "score": -0.1},
                                        {"text": "</s>", "score": -0.01},
                                    ],
                                }
                            ],
                            "align": [
                                {"tgt": [{"range": [0, 7], "id": 0}], "src": [{"range": [0, 5], "id": 0}]},
                                {"tgt": [{"range": [8, 9], "id": 1}], "src": [{"range": [5, 6], "id": 1}]},
                            ],
                        }
                    },
                },
            },
            "text/event-stream": {
                "schema": {
                    **_STRING,
                    "description": "`delta`: more of the text, never taken back, in whole words, for a list with the "
                    "`index` of the text; `done`: the whole answer, as without events, with `finish_reason` if "
                    "something was cut; `error`: as ever.",
                },
                "example": 'event: delta\ndata: {"text":"Bonjour"}\n\nevent: delta\ndata: {"text":" !"}\n\n'
                'event: done\ndata: {"translatedText":"Bonjour !"}\n\n',
            },
        },
    },
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
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
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
