"""What the OpenAPI page says of /v2/document."""

from typing import Any, Final

from app.api.deepl.errors import COMMON_RESPONSES, QUOTA_EXCEEDED, QUOTA_STATUS, error_entry
from app.api.upload import BINARY
from app.files.formats.registry import SUFFIXES

NOT_FOUND: Final = "Document not found"
NOT_DONE: Final = "Document translation is not done"
BUSY: Final = "Too many documents"

UPLOAD_DESCRIPTION: Final = f"""\
Reads {", ".join(f"`{suffix}`" for suffix in SUFFIXES)}, by how the name ends; a document comes back in the format in
which it was sent. It is translated in the background, behind single texts. The answer has what is needed to ask for it;
the translation is deleted when it is fetched, or after `PASSERELLE_FILE_KEEP_SECONDS`.

Characters count against the quota, without tags; if so many are not left, the document ends with the status `error`.
"""
_STRING: Final[dict[str, Any]] = {"type": "string"}
_ID: Final = "8B1C0E3AA6E14F1C9C1D2E4B7A5F6D10"
_KEY: Final = "0CB0054F1C132C1625B392EADDA41CB754A742822F6877173029A6C487E7F60A"

UPLOAD_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "target_lang"],
                "properties": {
                    "file": {**BINARY, "description": "The document, with its name."},
                    "target_lang": {**_STRING, "description": "The language wanted.", "examples": ["FR", "EN-GB"]},
                    "source_lang": {**_STRING, "description": "Empty or absent: detected.", "examples": ["EN"]},
                    "filename": {**_STRING, "description": "Its name, instead of that of the file."},
                    "formality": {**_STRING, "description": "As for texts."},
                    "output_format": {**_STRING, "description": "None but the format in which it was sent."},
                },
            },
            "example": {"file": "Good morning!", "target_lang": "FR", "source_lang": "EN"},
        }
    },
}
UPLOAD_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "It is in line.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["document_id", "document_key"],
                    "properties": {"document_id": _STRING, "document_key": _STRING},
                },
                "example": {"document_id": _ID, "document_key": _KEY},
            }
        },
    },
    400: error_entry(
        "A field is missing or not supported.",
        "Parameter 'file' not specified",
        ("Value for 'target_lang' not supported.", "ZZ is not among those served: EN, FR"),
        "Invalid request: file format not supported",
    ),
    **COMMON_RESPONSES,
    408: error_entry("The document arrived too slowly.", "The file did not arrive within file_timeout_seconds (600)"),
    413: error_entry("It is too large.", "The file (11000000 bytes) exceeds max_file_bytes (10485760)"),
    429: error_entry("Come back later.", f"{BUSY}: 8 files are translated or wait, max_files is 8"),
    QUOTA_STATUS: error_entry("No character is left.", (QUOTA_EXCEEDED, "deepl_character_limit (500000) is reached")),
    503: error_entry("Nothing can be translated now.", "Nothing can be translated: no usable bundle in models"),
}

STATUS_PARAMETERS: Final[list[dict[str, Any]]] = [
    {"name": "document_id", "in": "path", "required": True, "schema": _STRING, "example": _ID}
]
STATUS_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        kind: {
            "schema": {"type": "object", "required": ["document_key"], "properties": {"document_key": _STRING}},
            "example": {"document_key": _KEY},
        }
        for kind in ("application/json", "application/x-www-form-urlencoded")
    },
}
_MALFORMED: Final = error_entry("The body cannot be read.", "Invalid JSON format")
_UNKNOWN: Final = error_entry("No such document with this key, or it was fetched or deleted.", NOT_FOUND)
STATUS_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "How far it is.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["document_id", "status"],
                    "properties": {
                        "document_id": _STRING,
                        "status": {**_STRING, "enum": ["queued", "translating", "done", "error"]},
                        "seconds_remaining": {"type": "integer", "minimum": 0, "description": "An estimate."},
                        "billed_characters": {"type": "integer", "minimum": 0},
                        "error_message": _STRING,
                    },
                },
                "examples": {
                    "translating": {"value": {"document_id": _ID, "status": "translating", "seconds_remaining": 20}},
                    "done": {"value": {"document_id": _ID, "status": "done", "billed_characters": 1337}},
                    "error": {"value": {"document_id": _ID, "status": "error", "error_message": QUOTA_EXCEEDED}},
                },
            }
        },
    },
    400: _MALFORMED,
    404: _UNKNOWN,
    **COMMON_RESPONSES,
}
RESULT_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The document.", "content": {"application/octet-stream": {"schema": BINARY}}},
    400: _MALFORMED,
    404: _UNKNOWN,
    **COMMON_RESPONSES,
    503: error_entry("It is not done yet, or it failed.", NOT_DONE, (NOT_DONE, QUOTA_EXCEEDED)),
}
