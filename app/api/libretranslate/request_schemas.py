"""What the OpenAPI page says of the fields of a request. Written by hand, because four encodings are read here."""

from typing import Any, Final

from app.api.libretranslate.translation_request import DEFAULT_CHOICES, DEFAULT_COMPLETIONS, INCLUDES
from app.engine.sequence import MAX_NGRAM, MAX_SEED, MAX_TEMPERATURE, MAX_TOP_K, Priority

_STRING: Final[dict[str, Any]] = {"type": "string"}

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
            "description": "With `html`, tags within a sentence do not cut it; they go where the words go that they "
            'stand at. `code`, `pre`, `script` and what has `translate="no"` are not translated.',
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
            "description": "Answer with server-sent events; so does `Accept: text/event-stream`.",
        },
        "target_prefix": {
            **_STRING,
            "description": "How the translation begins; the model writes the rest. One line, for a single text.",
            "examples": ["Bonjour à"],
        },
        "glossary": {
            "type": "object",
            "additionalProperties": _STRING,
            "description": "Terms and the translation that each must have, as it is written here. Whole words are "
            "found; a term in small letters also with a capital, or in capitals. Terms of which it is not known where "
            "they belong are named in the header `X-Glossary-Unplaced`.",
            "examples": [{"cottage cheese": "faisselle"}],
        },
        "alternatives_at": {
            "type": "integer",
            "minimum": 0,
            "description": "A character of the translation: what else could stand there? The answer has `choices`. "
            "The token with this character is asked about, so best is the first of a word; the place behind a sentence "
            "asks what could come instead of its end. For a single text.",
        },
        "choices": {
            "type": "integer",
            "minimum": 1,
            "default": DEFAULT_CHOICES,
            "description": "With `alternatives_at`: how many words, at most (`PASSERELLE_MAX_BEAM_SIZE`).",
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
        "api_key": {"type": ["string", "null"], "description": "Needed where the service has keys."},
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
    "other words at a place": {
        "value": {"q": "Good morning!", "source": "en", "target": "fr", "alternatives_at": 0, "choices": 3}
    },
    "terms of your own": {
        "value": {
            "q": "I like cottage cheese.",
            "source": "en",
            "target": "fr",
            "glossary": {"cottage cheese": "faisselle"},
        }
    },
    "bulk": {"value": {"q": ["Good morning!"], "source": "en", "target": "fr", "priority": "bulk"}},
    "as events": {"value": {"q": "Good morning!", "source": "en", "target": "fr", "stream": True}},
    "a list as events": {"value": {"q": ["Good morning!", "Bye."], "source": "en", "target": "fr", "stream": True}},
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


def body_of(schema: dict[str, Any], examples: dict[str, Any], form_example: dict[str, Any]) -> dict[str, Any]:
    """A request body in every encoding that is read."""
    return {
        "required": True,
        "content": {
            "application/json": {"schema": schema, "examples": examples},
            "application/x-www-form-urlencoded": {"schema": schema, "example": form_example},
            "multipart/form-data": {"schema": schema, "example": form_example},
        },
    }


_PREFIX_EXAMPLE: Final[dict[str, Any]] = {"q": "Good morning!", "source": "en", "target": "fr", "target_prefix": "Bon"}
COMPLETE_BODY: Final = body_of(
    {
        "type": "object",
        "required": ["q", "source", "target"],
        "properties": {
            "q": {**_STRING, "description": "The text that is being translated."},
            "source": _FIELDS["properties"]["source"],
            "target": _FIELDS["properties"]["target"],
            "target_prefix": {
                **_STRING,
                "default": "",
                "description": "What is typed of the translation so far; it may end within a word.",
                "examples": ["Où est la ga"],
            },
            "n": {
                "type": "integer",
                "minimum": 1,
                "default": DEFAULT_COMPLETIONS,
                "description": "How many completions, at most (`PASSERELLE_MAX_BEAM_SIZE`).",
            },
            "priority": _FIELDS["properties"]["priority"],
            "api_key": _FIELDS["properties"]["api_key"],
        },
    },
    {
        "within a word": {"value": _PREFIX_EXAMPLE},
        "nothing typed yet": {"value": {"q": "Good morning!", "source": "auto", "target": "fr", "n": 2}},
    },
    _PREFIX_EXAMPLE,
)
