"""The fields of the requests in LibreTranslate's dialect, and of POST /complete: their checks and their descriptions.

A check of a single field stands here; what depends on settings, bundles or other fields is checked in ``request``.
"""

import json
from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from app.api.fields import (
    FieldsModel,
    Number,
    WholeNumber,
    check_string,
    check_unicode,
    kind_of,
    read_string,
    shorten,
    split_names,
)
from app.api.responses import BINARY_SCHEMA
from app.engine.sequence import MAX_NGRAM, MAX_SEED, MAX_TEMPERATURE, MAX_TOP_K, Priority
from app.errors import InvalidRequest
from app.text.inline import TextFormat

Include = Literal["scores", "alignment", "timing"]
INCLUDES: Final[tuple[Include, ...]] = ("scores", "alignment", "timing")
DEFAULT_CHOICES: Final = 5
DEFAULT_COMPLETIONS: Final = 3
_FORMATS: Final[dict[str, TextFormat]] = {"text": "text", "html": "html"}
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False, "": False}


def read_texts(value: object) -> str | list[str]:
    """Check a text, or a list of texts."""
    if value is None or value == "" or value == []:
        raise InvalidRequest("Invalid request: missing q parameter")
    if isinstance(value, str):
        check_unicode(value, "q")
        return value
    if not isinstance(value, list):
        fault = f"q parameter is {kind_of(value)}, it must be a string or a list of strings"
        raise InvalidRequest(f"Invalid request: {fault}")
    for index, text in enumerate(value):
        if not isinstance(text, str):
            raise InvalidRequest(f"Invalid request: q[{index}] is {kind_of(text)}, it must be a string")
        check_unicode(text, f"q[{index}]")
    return value


def _read_text(value: object) -> str:
    text = read_texts(value)
    if isinstance(text, list):
        raise InvalidRequest("Invalid request: q parameter is a list, it must be a string")
    return text


def _read_code(value: object, info: ValidationInfo) -> str:
    if value is None or value == "":
        raise InvalidRequest(f"Invalid request: missing {info.field_name} parameter")
    if not isinstance(value, str):
        raise InvalidRequest(f"Invalid request: {info.field_name} parameter is {kind_of(value)}, it must be a string")
    return value.strip().lower()


def _read_format(value: object) -> TextFormat:
    if value is None or value == "":
        return "text"
    name = value.strip().lower() if isinstance(value, str) else kind_of(value)
    if name in _FORMATS:
        return _FORMATS[name]
    raise InvalidRequest(f"{shorten(name)} format is not supported")


def _read_include(value: object) -> frozenset[Include]:
    names = [name.lower() for name in split_names(value, "include")]
    for name in names:
        if name not in INCLUDES:
            allowed = ", ".join(INCLUDES)
            raise InvalidRequest(f"Invalid request: include has {shorten(name)!r}, known are {allowed}")
    return frozenset(cast("list[Include]", names))


def _read_priority(value: object) -> Priority:
    name = check_string(value, "priority").strip().lower() or Priority.INTERACTIVE
    if name not in tuple(Priority):
        raise InvalidRequest(f"Invalid request: priority is {shorten(name)!r}, known are {', '.join(Priority)}")
    return Priority(name)


def _read_stream(value: object) -> bool:
    if isinstance(value, str):
        value = _FLAGS.get(value.strip().lower(), value)
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(f"Invalid request: stream parameter is {kind_of(value)}, it must be true or false")
    return bool(value)


def _read_glossary(value: object) -> dict[str, object] | None:
    """Check that the glossary is an object, in a form its JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except ValueError as error:
            raise InvalidRequest(f"Invalid request: glossary parameter is no JSON: {error}") from None
    if value is None or isinstance(value, dict):
        return value or None
    raise InvalidRequest(f"Invalid request: glossary parameter is {kind_of(value)}, it must be an object")


_Texts = Annotated[
    str | list[str],
    PlainValidator(read_texts, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)]),
]
_Text = Annotated[str, PlainValidator(_read_text, json_schema_input_type=str)]
_Code = Annotated[str, PlainValidator(_read_code, json_schema_input_type=str)]
String = Annotated[str, PlainValidator(read_string, json_schema_input_type=str)]
# Read from the fields themselves, before the model; see ``call.key_of``.
ApiKey = Annotated[Any, WithJsonSchema({"type": ["string", "null"]})]
_API_KEY: Final = "Needed where the service has keys."


class DetectFields(FieldsModel):
    """The fields of POST /detect."""

    q: _Texts = Field(description="The text, or a list of texts.")
    api_key: ApiKey = Field(None, description=_API_KEY)


class TranslateFields(FieldsModel):
    """The fields of POST /translate."""

    q: _Texts = Field(description="The text, or a list of texts.")
    source: _Code = Field(description="Code of its language, or `auto`.", examples=["en", "auto"])
    target: _Code = Field(description="Code of the language wanted.", examples=["fr"])
    alternatives: Annotated[int, WholeNumber()] = Field(
        0,
        description="At most so many other translations: the next best of the beam, or, with a `temperature`, so many "
        "further draws, each with a seed derived from `seed`. Below 0 counts as 0.",
    )
    beam_size: Annotated[int | None, WholeNumber()] = Field(
        None,
        description="How many hypotheses the search keeps; absent: as the bundle says. 1 is fastest.",
        json_schema_extra={"minimum": 1},
    )
    temperature: Annotated[float, Number(0, MAX_TEMPERATURE)] = Field(
        0.0,
        description="Above 0, tokens are drawn instead of searched: the higher, the freer. Not with a `beam_size` "
        "above 1.",
    )
    format: Annotated[TextFormat, PlainValidator(_read_format, json_schema_input_type=Literal["text", "html"])] = Field(
        "text",
        description="With `html`, tags within a sentence do not cut it; they go where the words go that they "
        'stand at. `code`, `pre`, `script` and what has `translate="no"` are not translated.',
    )
    include: Annotated[
        frozenset[Include], PlainValidator(_read_include, json_schema_input_type=list[Include] | str)
    ] = Field(
        default_factory=frozenset,
        description="What else to answer; a list, or a string with commas. `scores`: every segment with its "
        "score, its `finish_reason` and the log probability of each token. `alignment`: which characters of the "
        "translation come from which of the text. `timing`: where the time went, also as the header "
        "`Server-Timing`.",
        examples=[["scores", "alignment"], "scores,timing"],
    )
    target_prefix: String = Field(
        "",
        description="How the translation begins; the model writes the rest. One line, for a single text.",
        examples=["Bonjour à"],
    )
    no_repeat_ngram: Annotated[int, WholeNumber(0, MAX_NGRAM)] = Field(
        0, description="So many tokens in a row never come twice in a translation; 0 allows it."
    )
    top_k: Annotated[int, WholeNumber(1, MAX_TOP_K)] = Field(
        50, description="With a temperature: how many of the best tokens are drawn from."
    )
    seed: Annotated[int | None, WholeNumber(0, MAX_SEED)] = Field(
        None, description="With a temperature: the same seed draws the same; absent, another each time."
    )
    alternatives_at: Annotated[int | None, WholeNumber(0)] = Field(
        None,
        description="An offset in the translation, in characters. The answer has `choices`: other words for the "
        "token at this offset, best the first of a word, or a continuation where a sentence ends. For a single text.",
    )
    choices: Annotated[int | None, WholeNumber()] = Field(
        None,
        description="With `alternatives_at`: how many words, at most (`PASSERELLE_MAX_BEAM_SIZE`).",
        json_schema_extra={"minimum": 1, "default": DEFAULT_CHOICES},
    )
    priority: Annotated[
        Priority, PlainValidator(_read_priority, json_schema_input_type=Literal["interactive", "bulk"])
    ] = Field(
        Priority.INTERACTIVE,
        description="`bulk`, for documents and corpora, is decoded after `interactive` requests, but never starves.",
    )
    stream: Annotated[bool, PlainValidator(_read_stream, json_schema_input_type=bool)] = Field(
        False, description="Answer with server-sent events; so does `Accept: text/event-stream`."
    )
    glossary: Annotated[
        dict[str, object] | None, PlainValidator(_read_glossary, json_schema_input_type=dict[str, str])
    ] = Field(
        None,
        description="Terms and the translation that each must have, as it is written here. Whole words are "
        "found; a term in small letters also with a capital, or in capitals. The header `X-Glossary-Unplaced` names "
        "the terms whose offset in the translation was guessed.",
        examples=[{"cottage cheese": "faisselle"}],
    )
    api_key: ApiKey = Field(None, description=_API_KEY)


class CompleteFields(FieldsModel):
    """The fields of POST /complete."""

    q: _Text = Field(description="The text that is being translated.")
    source: _Code = Field(description="Code of its language, or `auto`.", examples=["en", "auto"])
    target: _Code = Field(description="Code of the language wanted.", examples=["fr"])
    target_prefix: String = Field(
        "",
        description="What is typed of the translation so far; it may end within a word.",
        examples=["Où est la ga"],
    )
    n: Annotated[int | None, WholeNumber()] = Field(
        None,
        description="How many completions, at most (`PASSERELLE_MAX_BEAM_SIZE`).",
        json_schema_extra={"minimum": 1, "default": DEFAULT_COMPLETIONS},
    )
    priority: Annotated[
        Priority, PlainValidator(_read_priority, json_schema_input_type=Literal["interactive", "bulk"])
    ] = Field(
        Priority.INTERACTIVE,
        description="`bulk`, for documents and corpora, is decoded after `interactive` requests, but never starves.",
    )
    api_key: ApiKey = Field(None, description=_API_KEY)


class FileFields(FieldsModel):
    """The fields of POST /translate_file."""

    # ``upload.read_upload`` has taken the file out of the fields.
    file: Annotated[Any, WithJsonSchema(BINARY_SCHEMA)] = Field(description="The file, with its name.")
    source: _Code = Field(description="Code of its language, or `auto`.", examples=["en"])
    target: _Code = Field(description="Code of the language wanted.", examples=["fr"])
    api_key: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(
        None, description="Only where the service has keys."
    )
