"""What the OpenAPI page says of POST /v2/translate. Written by hand, because four encodings are read here."""

from typing import Any, Final

from app.api.deepl.errors import (
    COMMON_RESPONSES,
    GLOSSARY_NOT_FOUND,
    GLOSSARY_WITHOUT_SOURCE,
    QUOTA_EXCEEDED,
    QUOTA_STATUS,
    TEXT_MISSING,
    error_entry,
)
from app.api.deepl.translation_request import FORMALITIES, MODEL_TYPES, SPLIT_SENTENCES
from app.api.libretranslate import descriptions
from app.api.libretranslate.request_schemas import body_of

TRANSLATE_DESCRIPTION: Final = """\
JSON, a form (with `text` or `text[]` repeated), or the query string, also by GET. Codes are read in any case. Texts
come back in their order. Known fields with unknown values are refused; unknown fields are ignored, and so is `context`.
No target has forms of politeness, so `more` and `less` are refused; `prefer_more` and `prefer_less` change nothing.

White space, line breaks, tags and attributes come back, every one of them. A tag within a sentence does not cut it: it
goes where the words went that it stood at.
"""

_STRING: Final[dict[str, Any]] = {"type": "string"}
_FLAG: Final[dict[str, Any]] = {"oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["0", "1"]}]}
_TAGS: Final[dict[str, Any]] = {
    "oneOf": [{"type": "array", "items": _STRING}, _STRING],
}
_FIELDS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["text", "target_lang"],
    "properties": {
        "text": {
            "description": "The texts, or one.",
            "oneOf": [{"type": "array", "items": _STRING, "minItems": 1}, _STRING],
        },
        "target_lang": {
            **_STRING,
            "description": "The language wanted; a regional one such as `EN-US` is taken for its language.",
            "examples": ["FR", "EN-GB"],
        },
        "source_lang": {**_STRING, "description": "Empty or absent: detected for each text.", "examples": ["EN"]},
        "tag_handling": {
            **_STRING,
            "enum": ["xml", "html"],
            "description": "With `html` the names of the tags say which end a sentence; `code`, `pre`, `script` and "
            'whatever has `translate="no"` are not translated. With `xml` no name is special, and an element that '
            "stands among elements only ends a sentence (`outline_detection`).",
        },
        "split_sentences": {
            **_STRING,
            "enum": [name for name in SPLIT_SENTENCES if name],
            "description": "`0`: a text is one sentence. `1`: sentences end with their mark or their line. "
            "`nonewlines`: with their mark, or at a blank line. Without it, `nonewlines` in HTML and else `1`.",
        },
        "preserve_formatting": {
            **_FLAG,
            "description": "A translation begins with a capital if its sentence does, and ends with the same mark.",
        },
        "formality": {**_STRING, "enum": list(FORMALITIES), "default": "default"},
        "ignore_tags": {**_TAGS, "description": "What stands in them is not translated, and read as one word."},
        "splitting_tags": {**_TAGS, "description": "They end a sentence."},
        "non_splitting_tags": {**_TAGS, "description": "They do not."},
        "outline_detection": {
            **_FLAG,
            "description": "False: in XML only `splitting_tags` end a sentence.",
            "default": True,
        },
        "context": {**_STRING, "description": "Accepted without effect."},
        "model_type": {
            **_STRING,
            "enum": list(MODEL_TYPES),
            "description": "There is one model; the answer says `model_type_used`.",
        },
        "glossary_id": {
            **_STRING,
            "description": "A glossary of these two languages; `source_lang` must be given. Terms of which it is not "
            "known where they belong are named in the header `X-Glossary-Unplaced`.",
        },
        "show_billed_characters": {**_FLAG, "description": "They are always shown."},
    },
}
_ENGLISH: Final[dict[str, Any]] = {"text": ["Good morning!", "See you tomorrow."], "target_lang": "FR"}
TRANSLATE_BODY: Final = body_of(
    _FIELDS,
    {
        "texts": {"value": {**_ENGLISH, "source_lang": "EN"}},
        "any language": {"value": _ENGLISH},
        "html": {"value": {"text": ["<p>Good <b>morning</b>!</p>"], "target_lang": "FR", "tag_handling": "html"}},
        "xml": {
            "value": {
                "text": ['Good morning, <x id="1"></x>!'],
                "source_lang": "EN",
                "target_lang": "FR",
                "tag_handling": "xml",
                "ignore_tags": ["x"],
            }
        },
    },
    {"text": "Good morning!", "target_lang": "FR"},
)

_TRANSLATIONS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["translations"],
    "properties": {
        "translations": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detected_source_language", "text", "billed_characters"],
                "properties": {
                    "detected_source_language": {
                        **_STRING,
                        "description": "The `source_lang` given, or what was detected.",
                    },
                    "text": _STRING,
                    "billed_characters": {"type": "integer", "minimum": 0},
                    "model_type_used": {**_STRING, "description": "Only if a `model_type` was given."},
                },
            },
        }
    },
}
TRANSLATE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The translations.",
        "headers": {
            descriptions.FINISH_REASON_HEADER: descriptions.TRANSLATE_RESPONSES[200]["headers"][
                descriptions.FINISH_REASON_HEADER
            ],
            "X-Trace-ID": {
                "description": "A number of this answer, on every answer; the log has it beside failures.",
                "schema": _STRING,
                "example": "3f0c9f3b1d5e4a7c8b2a6d9e0f1c2b3a",
            },
        },
        "content": {
            "application/json": {
                "schema": _TRANSLATIONS,
                "examples": {
                    "texts": {
                        "value": {
                            "translations": [
                                {"detected_source_language": "EN", "text": "Bonjour !", "billed_characters": 13},
                                {"detected_source_language": "EN", "text": "À demain.", "billed_characters": 17},
                            ]
                        }
                    }
                },
            }
        },
    },
    400: error_entry(
        "A field is missing, malformed, or has a value that is not served.",
        TEXT_MISSING,
        ("Value for 'target_lang' not supported.", "ZZ is not among those served: EN, FR"),
        "Target language 'FR' doesn't support formality.",
        GLOSSARY_WITHOUT_SOURCE,
        GLOSSARY_NOT_FOUND,
    ),
    **COMMON_RESPONSES,
    429: {
        **error_entry("Too many segments wait; come back later.", "256 sequences wait, the limit is 256"),
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    },
    QUOTA_STATUS: error_entry(
        "The characters are used up.",
        (
            QUOTA_EXCEEDED,
            "990 characters are counted, and 13 more exceed deepl_character_limit (1000)",
        ),
    ),
    503: error_entry("Nothing can be translated now.", "Nothing can be translated: no usable bundle in models"),
    504: error_entry(
        "The deadline passed before anything was translated.",
        "Nothing was translated within request_timeout_seconds (30); send less at once",
    ),
}
