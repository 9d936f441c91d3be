"""The fields of the requests in DeepL's dialect: their checks and their descriptions.

A check of a single field stands here; what depends on settings or bundles is checked in ``request``.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from app.api.deepl.errors import TEXT_MISSING, DeepLRefusal, not_supported
from app.api.fields import Fields, FieldsModel, check_unicode, kind_of, read_string, shorten, split_names
from app.api.responses import BINARY_SCHEMA
from app.errors import InvalidRequest
from app.text.inline import Splitting, TextFormat

Formality = Literal["default", "more", "less", "prefer_more", "prefer_less"]
ModelType = Literal["quality_optimized", "prefer_quality_optimized", "latency_optimized"]
# DeepL has one name for its fallback; there is one model here.
_MODEL_TYPES: Final[dict[str, str]] = {
    "": "",
    "quality_optimized": "quality_optimized",
    "prefer_quality_optimized": "quality_optimized",
    "latency_optimized": "latency_optimized",
}
# None: as the format of the text has it. In HTML a line break is a space by default.
_SPLIT_SENTENCES: Final[dict[str, Splitting | None]] = {
    "": None,
    "0": "none",
    "1": "lines",
    "nonewlines": "sentences",
}
_FORM_DICTIONARY: Final = re.compile(r"dictionaries\[([0-9]{1,4})\]\.(\w{1,20})")
_FORMALITIES: Final[dict[str, str]] = {name: name for name in ("default", "more", "less", "prefer_more", "prefer_less")}
_TAG_HANDLING: Final[dict[str, TextFormat]] = {"": "text", "xml": "xml", "html": "html"}
_TRUTHS: Final = {"0": False, "1": True, "false": False, "true": True}
_Value = TypeVar("_Value")


def _read_texts(value: object) -> tuple[str, ...]:
    if value is None or value == []:
        raise DeepLRefusal(TEXT_MISSING)
    texts = value if isinstance(value, list) else [value]
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidRequest(f"Invalid request: text[{index}] is {kind_of(text)}, it must be a string")
        check_unicode(text, f"text[{index}]")
    return tuple(texts)


def _choose(value: object, name: str, values: Mapping[str, _Value], default: str = "") -> _Value:
    """Look a value up by its name; ``default`` is the name that null and the empty string stand for."""
    if isinstance(value, int):  # a number or a boolean, for names that are written as digits
        value = str(int(value))
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"Invalid request: {name} parameter is {kind_of(value)}, it must be a string")
    given = (value or "").strip().lower() or default
    if given not in values:
        allowed = ", ".join(one for one in values if one)
        raise not_supported(name, f"{shorten(given)} is not among those known: {allowed}")
    return values[given]


def _read_splitting(value: object) -> Splitting | None:
    return _choose(value, "split_sentences", _SPLIT_SENTENCES)


def _read_formality(value: object) -> str:
    return _choose(value, "formality", _FORMALITIES, "default")


def _read_tag_handling(value: object) -> TextFormat:
    return _choose(value, "tag_handling", _TAG_HANDLING)


def _read_tag_version(value: object) -> str:
    return _choose(value, "tag_handling_version", {"": "", "v1": "v1", "v2": "v2"})


def _read_model_type(value: object) -> str:
    return _choose(value, "model_type", _MODEL_TYPES)


def _refuse(value: object, info: ValidationInfo) -> None:
    """Refuse a field that would change the answer if it were honoured."""
    if value not in (None, "", [], False):
        raise not_supported(str(info.field_name), "This service has none")


def _read_ids(value: object, info: ValidationInfo) -> tuple[str, ...]:
    return tuple(dict.fromkeys(split_names(value, str(info.field_name))))


def _read_flag(value: object, info: ValidationInfo) -> bool | None:
    """Check a boolean; None if it is null or empty."""
    if value is None or isinstance(value, bool):
        return value
    given = str(value).strip().lower() if isinstance(value, (str, int)) else "no flag"
    if given and given not in _TRUTHS:
        raise not_supported(str(info.field_name), "it must be true, false, 1 or 0")
    return _TRUTHS.get(given)


def _read_tags(value: object, info: ValidationInfo) -> tuple[str, ...]:
    return tuple(split_names(value, str(info.field_name)))


def _without_default(schema: dict[str, Any]) -> None:
    """Leave out a default that no client can write."""
    schema.pop("default")


def _read_dictionaries(value: object) -> "tuple[DictionaryFields, ...]":
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise InvalidRequest("Invalid request: dictionaries parameter must be a list of objects")
    return tuple(DictionaryFields.read(one) for one in value)


_String = Annotated[str, PlainValidator(read_string, json_schema_input_type=str)]
_Flag = Annotated[bool | None, PlainValidator(_read_flag, json_schema_input_type=bool | Literal["0", "1"])]
_Tags = Annotated[tuple[str, ...], PlainValidator(_read_tags, json_schema_input_type=list[str] | str)]
# In the description of the interface such a field can only be absent.
_Refused = Annotated[None, PlainValidator(_refuse, json_schema_input_type=None)]
_Formality = Annotated[str, PlainValidator(_read_formality, json_schema_input_type=Formality)]


class TranslateFields(FieldsModel):
    """The fields of POST /v2/translate."""

    text: Annotated[
        tuple[str, ...],
        PlainValidator(_read_texts, json_schema_input_type=Annotated[list[str], Field(min_length=1)] | str),
    ] = Field(description="The texts, or one.")
    target_lang: _String = Field(
        description="The language wanted; a regional one such as `EN-US` is taken for its language.",
        examples=["FR", "EN-GB"],
    )
    source_lang: _String = Field("", description="Empty or absent: detected for each text.", examples=["EN"])
    formality: _Formality = Field(
        "default", description="Accepted where DeepL has it; the model has one register, as `X-Formality` says."
    )
    split_sentences: Annotated[
        Splitting | None, PlainValidator(_read_splitting, json_schema_input_type=Literal["0", "1", "nonewlines"])
    ] = Field(
        None,
        description="`0`: a text is one sentence. `1`: sentences end with their punctuation or their line. "
        "`nonewlines`: with their punctuation, or at a blank line. Without it, `nonewlines` in HTML and else `1`.",
    )
    preserve_formatting: _Flag = Field(
        None,
        description="A translation begins with a capital if its sentence does, and ends with the same punctuation.",
    )
    show_billed_characters: _Flag = Field(None, description="They are always shown.")
    tag_handling: Annotated[
        TextFormat, PlainValidator(_read_tag_handling, json_schema_input_type=Literal["xml", "html"])
    ] = Field(
        "text",
        description="With `html` the names of the tags say which end a sentence; `code`, `pre`, `script` and "
        'whatever has `translate="no"` are not translated. With `xml` no name is special, and an element that '
        "stands among elements only ends a sentence (`outline_detection`).",
        json_schema_extra=_without_default,
    )
    model_type: Annotated[str, PlainValidator(_read_model_type, json_schema_input_type=ModelType)] = Field(
        "",
        description="There is one model; the answer says `model_type_used`.",
        json_schema_extra=_without_default,
    )
    ignore_tags: _Tags = Field(
        default_factory=tuple, description="What stands in them is not translated, and read as one word."
    )
    splitting_tags: _Tags = Field(default_factory=tuple, description="They end a sentence.")
    non_splitting_tags: _Tags = Field(default_factory=tuple, description="They do not.")
    outline_detection: _Flag = Field(
        None,
        description="False: in XML only `splitting_tags` end a sentence.",
        json_schema_extra={"default": True},
    )
    context: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(None, description="Accepted without effect.")
    glossary_id: _String = Field(
        "",
        description="A glossary of these two languages; `source_lang` must be given. The header "
        "`X-Glossary-Unplaced` names the terms whose offset in the translation was guessed.",
    )
    glossary_ids: Annotated[tuple[str, ...], PlainValidator(_read_ids, json_schema_input_type=list[str])] = Field(
        (), description="Several glossaries; of a term that stands in several, the first counts."
    )
    tag_handling_version: Annotated[
        str, PlainValidator(_read_tag_version, json_schema_input_type=Literal["v1", "v2"])
    ] = Field("", description="Accepted without effect.", json_schema_extra=_without_default)
    style_id: _Refused = None
    translation_memory_id: _Refused = None
    translation_memory_ids: _Refused = None
    custom_instructions: _Refused = None

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Do as ``FieldsModel.read``; the texts of a form may be named ``text[]``."""
        if fields.get("text") is None:
            fields = {**fields, "text": fields.get("text[]")}
        return super().read(fields)


class DocumentFields(FieldsModel):
    """The fields of POST /v2/document."""

    # ``upload.read_upload`` has taken the file out of the fields.
    file: Annotated[Any, WithJsonSchema(BINARY_SCHEMA)] = Field(description="The document, with its name.")
    target_lang: _String = Field(description="The language wanted.", examples=["FR", "EN-GB"])
    source_lang: _String = Field("", description="Empty or absent: detected.", examples=["EN"])
    formality: _Formality = Field("default", description="As for texts.")
    glossary_id: _String = Field("", description="As for texts.")
    filename: _String = Field("", description="Its name, instead of that of the file.")
    output_format: _String = Field("", description="None but the format in which it was sent.")


class DocumentKeyFields(FieldsModel):
    """The fields of a request for the status or the result of a document."""

    document_key: _String


class PairFields(FieldsModel):
    """The languages of a dictionary."""

    source_lang: _String
    target_lang: _String


class DictionaryFields(PairFields):
    """The entries of a glossary for one pair of languages."""

    entries: _String = Field(description="A line for each: the term, a tab (or comma), its translation.")
    entries_format: Annotated[str, PlainValidator(read_string, json_schema_input_type=Literal["tsv", "csv"])]


class GlossaryFields(DictionaryFields):
    """The fields of POST /v2/glossaries."""

    name: _String


class GlossaryV3Fields(FieldsModel):
    """The fields of POST and PATCH /v3/glossaries."""

    name: _String = ""
    dictionaries: Annotated[
        tuple[DictionaryFields, ...],
        PlainValidator(_read_dictionaries, json_schema_input_type=list[DictionaryFields]),
    ] = ()

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Do as ``FieldsModel.read``; a form names the fields of a dictionary ``dictionaries[0].entries``."""
        numbered: dict[int, Fields] = {}
        for name, value in fields.items():
            if found := _FORM_DICTIONARY.fullmatch(name):
                numbered.setdefault(int(found[1]), {})[found[2]] = value
        if numbered and fields.get("dictionaries") is None:
            fields = {**fields, "dictionaries": [numbered[number] for number in sorted(numbered)]}
        return super().read(fields)


class LanguageFields(FieldsModel):
    """The fields of GET /v2/languages."""

    type: Annotated[str, PlainValidator(read_string, json_schema_input_type=Literal["source", "target"])] = "source"
