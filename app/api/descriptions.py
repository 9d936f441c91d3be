"""What the OpenAPI page says of POST /translate. Written by hand, because the endpoint reads four encodings itself."""

from typing import Any, Final

from app.api.asked import INCLUDES
from app.api.included import SERVER_TIMING_HEADER
from app.api.included_schemas import ALIGNMENT_SCHEMA, SEGMENTS_SCHEMA, TIMING_SCHEMA
from app.api.timeout import TIMEOUT_HEADER
from app.engine.sequence import MAX_NGRAM, MAX_SEED, MAX_TEMPERATURE, MAX_TOP_K, Priority

FINISH_REASON_HEADER: Final = "X-Finish-Reason"

_STRING: Final[dict[str, Any]] = {"type": "string"}

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

_FIELDS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["q", "source", "target"],
    "properties": {
        "q": {
            "description": "The text, or a list of texts.",
            "oneOf": [_STRING, {"type": "array", "items": _STRING, "minItems": 1}],
        },
        "source": {**_STRING, "description": "Code of its language, or `auto`.", "examples": ["en", "auto"]},
        "target": {**_STRING, "description": "Code of the language wanted.", "examples": ["fr"]},
        "format": {
            **_STRING,
            "enum": ["text", "html"],
            "default": "text",
            "description": "With `html`, tags stay where they are and only the text between them is translated.",
        },
        "alternatives": {
            "type": "integer",
            "default": 0,
            "description": "At most so many other translations: the next best of the beam, or, with a `temperature`, "
            "so many further draws, each with a seed derived from `seed`. Below 0 counts as 0.",
        },
        "beam_size": {
            "type": "integer",
            "minimum": 1,
            "description": "How many hypotheses the search keeps; absent: as the bundle says. 1 is fastest.",
        },
        "priority": {
            **_STRING,
            "enum": [priority.value for priority in Priority],
            "default": Priority.INTERACTIVE.value,
            "description": "`bulk` goes behind what is `interactive`, but never stands still: documents, corpora.",
        },
        "stream": {
            "type": "boolean",
            "default": False,
            "description": "Answer with server-sent events, for a single text; so does `Accept: text/event-stream`.",
        },
        "target_prefix": {
            **_STRING,
            "description": "How the translation begins; the model writes the rest. One line, for a single text.",
            "examples": ["Bonjour à"],
        },
        "no_repeat_ngram": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_NGRAM,
            "default": 0,
            "description": "So many tokens in a row never come twice in a translation; 0 allows it.",
        },
        "temperature": {
            "type": "number",
            "minimum": 0,
            "maximum": MAX_TEMPERATURE,
            "default": 0,
            "description": "Above 0, tokens are drawn instead of searched: the higher, the freer. Not with "
            "a `beam_size` above 1.",
        },
        "top_k": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_TOP_K,
            "default": 50,
            "description": "With a temperature: how many of the best tokens are drawn from.",
        },
        "seed": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_SEED,
            "description": "With a temperature: the same seed draws the same; absent, another each time.",
        },
        "include": {
            "description": "What else to answer; a list, or a string with commas. `scores`: every segment with its "
            "score, its `finish_reason` and the log probability of each token. `alignment`: which characters of the "
            "translation come from which of the text. `timing`: where the time went, also as the header "
            "`Server-Timing`.",
            "oneOf": [{"type": "array", "items": {**_STRING, "enum": list(INCLUDES)}}, _STRING],
            "examples": [["scores", "alignment"], "scores,timing"],
        },
        "api_key": {"type": ["string", "null"], "description": "Accepted and not needed."},
    },
}

_FORM_FIELDS: Final[dict[str, Any]] = {
    **_FIELDS,
    "properties": {
        **_FIELDS["properties"],
        "q": {**_STRING, "description": "The text; repeat the field for a list of texts."},
    },
}

_JSON_EXAMPLES: Final[dict[str, Any]] = {
    "one text": {"value": {"q": "Good morning!", "source": "en", "target": "fr"}},
    "a list": {"value": {"q": ["Good morning!", "See you tomorrow."], "source": "en", "target": "fr"}},
    "alternatives": {"value": {"q": "Good morning!", "source": "auto", "target": "fr", "alternatives": 2}},
    "everything beside": {
        "value": {"q": "Good morning!", "source": "en", "target": "fr", "include": ["scores", "alignment", "timing"]}
    },
    "a given beginning": {
        "value": {"q": "Good morning!", "source": "en", "target": "fr", "target_prefix": "Bonne", "beam_size": 4}
    },
    "bulk": {"value": {"q": ["Good morning!"], "source": "en", "target": "fr", "priority": "bulk"}},
    "as events": {"value": {"q": "Good morning!", "source": "en", "target": "fr", "stream": True}},
    "drawn": {
        "value": {"q": "Good morning!", "source": "en", "target": "fr", "temperature": 0.8, "top_k": 20, "seed": 7}
    },
    "several draws of a given beginning": {
        "value": {
            "q": "Good morning!",
            "source": "en",
            "target": "fr",
            "target_prefix": "Bon",
            "temperature": 1.0,
            "alternatives": 3,
            "seed": 7,
        }
    },
    "html": {"value": {"q": "<p>Good <b>morning</b>!</p>", "source": "en", "target": "fr", "format": "html"}},
}
_FORM_EXAMPLE: Final[dict[str, Any]] = {"q": "Good morning!", "source": "en", "target": "fr"}

TRANSLATE_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {"schema": _FIELDS, "examples": _JSON_EXAMPLES},
        "application/x-www-form-urlencoded": {"schema": _FORM_FIELDS, "example": _FORM_EXAMPLE},
        "multipart/form-data": {"schema": _FORM_FIELDS, "example": _FORM_EXAMPLE},
    },
}

_DETECTED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["confidence", "language"],
    "properties": {"confidence": {"type": "integer", "minimum": 0, "maximum": 100}, "language": _STRING},
}
_STRINGS: Final[dict[str, Any]] = {"type": "array", "items": _STRING}

_TRANSLATED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["translatedText"],
    "properties": {
        "translatedText": {"oneOf": [_STRING, _STRINGS]},
        "alternatives": {
            "description": "Only if asked for: unique, best first (or in the order drawn), never the translation "
            "itself.",
            "oneOf": [_STRINGS, {"type": "array", "items": _STRINGS}],
        },
        "detectedLanguage": {
            "description": "Only with `auto`; for a list of texts one for each.",
            "oneOf": [_DETECTED, {"type": "array", "items": _DETECTED}],
        },
        "segments": {
            "description": "Only if `scores` are asked for; for a list of texts one list for each.",
            "oneOf": [SEGMENTS_SCHEMA, {"type": "array", "items": SEGMENTS_SCHEMA}],
        },
        "align": {
            "description": "Only if `alignment` is asked for; for a list of texts one list for each. From "
            "attention: each token of the translation with the token of the text looked at most.",
            "oneOf": [ALIGNMENT_SCHEMA, {"type": "array", "items": ALIGNMENT_SCHEMA}],
        },
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
                    "description": "`delta`: more of the text, never taken back, in whole words; `done`: the whole "
                    "answer, as without events, with `finish_reason` if something was cut; `error`: as ever.",
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
    ),
    408: error_entry("The body arrived too slowly.", "The body did not arrive within request_timeout_seconds (30)"),
    413: error_entry("The body is too long.", "Request body (3000000 bytes or more) exceeds max_body_bytes (2097152)"),
    415: error_entry("A content type that is not read here.", "Content type 'text/csv' is not supported; send ..."),
    429: {
        **error_entry("Too many segments wait; come back later.", "256 sequences wait, the limit is 256"),
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    },
    500: error_entry("Something unexpected.", "The server could not answer this request. ..."),
    503: error_entry("Nothing can be translated now.", "Nothing can be translated: no usable bundle in models"),
    504: error_entry(
        "The deadline passed before anything was translated.",
        "Nothing was translated within request_timeout_seconds (30); send less at once",
    ),
}
