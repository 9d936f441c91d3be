"""Google's interfaces: Cloud Translation v2 under /language/translate/v2, and /translate_a/single of its web page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, NotRequired

from anyio.to_thread import run_sync
from babel.core import Locale, UnknownLocaleError
from fastapi import APIRouter, Request
from pydantic import Field, PlainValidator
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.extensions.texts import Answered, Wanted, find_languages, read_flag, read_text_list, translate_texts
from app.api.fields import FieldsModel, shorten
from app.api.libretranslate.answers import TIMEOUT_PARAMETER
from app.api.libretranslate.models import String
from app.api.responses import GOOGLE_PATH, DirectRoute, JsonResponse, json_answer, request_body, schema_of
from app.errors import InvalidRequest
from app.text.codes import format_code
from app.text.inline import TextFormat
from app.text.languages import language_name

router = APIRouter(tags=["Extensions"], route_class=DirectRoute)

_FORMATS: Final[dict[str, TextFormat]] = {"": "html", "html": "html", "text": "text", "text/plain": "text"}
_EXAMPLE: Final = {"q": ["Good morning!", "See you tomorrow."], "source": "en", "target": "fr", "format": "text"}
_Texts = Annotated[tuple[str, ...], PlainValidator(read_text_list, json_schema_input_type=list[str] | str)]


class GoogleFields(FieldsModel):
    """The fields of POST /language/translate/v2."""

    q: _Texts = Field(description="A text or a list of texts; a form or query repeats the field.")
    source: String = Field("", description="Empty or absent: detected for each text.")
    target: String
    format: String = Field("html", description="`html` or `text`.")


class GoogleLanguagesFields(FieldsModel):
    """The fields of GET /language/translate/v2/languages."""

    target: String = Field("", description="The language in which names are wanted; empty: no names.")


class GoogleDetectFields(FieldsModel):
    """The fields of POST /language/translate/v2/detect."""

    q: _Texts


class GoogleWebFields(FieldsModel):
    """The fields of GET /translate_a/single."""

    sl: String = Field("auto", description="The language of the text; `auto`: detected.")
    tl: String = Field(description="The language wanted.")
    q: String = Field(description="The text.")
    dj: String = Field("", description="`1`: the answer is an object with named members.")


class GoogleText(TypedDict):
    translatedText: str
    detectedSourceLanguage: NotRequired[str]


_ERROR_EXAMPLE: Final = {
    "error": {
        "code": 400,
        "message": "xx is not supported",
        "errors": [{"message": "xx is not supported", "domain": "global", "reason": "invalid"}],
    }
}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: json_answer("As the other dialects.", {"type": "object"}, _ERROR_EXAMPLE)
    for status in (400, 403, 408, 413, 415, 429, 500, 503, 504)
}
_TRANSLATED: Final = {"data": {"translations": [{"translatedText": "Bonjour !", "detectedSourceLanguage": "en"}]}}


@router.post(
    GOOGLE_PATH,
    summary="Google Translate v2: translate texts",
    description="Google's clients take this address, with its path, from `GOOGLE_CLOUD_TRANSLATE_ENDPOINT`. A key goes "
    "into `?key=KEY`. GET with a query does the same.",
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(schema_of(GoogleFields), {"texts": _EXAMPLE}, {"q": "Hello", "target": "fr"}),
    },
    responses={200: json_answer("The translations.", {"type": "object"}, _TRANSLATED), **_ERRORS},
    response_model=None,
)
async def translate(request: Request) -> Response:
    call = await ApiCall.open(request)
    fields = GoogleFields.read(call.fields)
    if not fields.q:
        raise InvalidRequest("Required Text")
    text_format = _FORMATS.get(fields.format.strip().lower())
    if text_format is None:
        raise InvalidRequest(f"Invalid Value: format is {shorten(fields.format)!r}, known are html, text")
    source, target = find_languages(call, fields.source, fields.target)
    answered = await translate_texts(call, Wanted(fields.q, source, target, text_format))
    return JsonResponse({"data": {"translations": [_describe(one, source is None) for one in answered]}})


def _describe(answered: Answered, is_detected: bool) -> GoogleText:
    text = GoogleText(translatedText=answered.text)
    if is_detected:
        text["detectedSourceLanguage"] = answered.source or "und"
    return text


@router.get(
    f"{GOOGLE_PATH}/languages",
    summary="Google Translate v2: languages",
    responses={
        200: json_answer("The languages.", {"type": "object"}, {"data": {"languages": [{"language": "en"}]}}),
        **_ERRORS,
    },
    response_model=None,
)
async def languages(request: Request) -> Response:
    call = await ApiCall.open(request)
    wanted = GoogleLanguagesFields.read(call.fields).target
    codes = call.serving.registry.snapshot.languages
    if not wanted:
        return JsonResponse({"data": {"languages": [{"language": code} for code in codes]}})
    names = _names_in(wanted)
    listed = [{"language": code, "name": names.get(code.replace("-", "_"), language_name(code))} for code in codes]
    return JsonResponse({"data": {"languages": listed}})


def _names_in(language: str) -> Mapping[str, str]:
    """Return the names of languages in one of them; none where CLDR does not know that one."""
    try:
        names: Mapping[str, str] = Locale.parse(language, sep="-").languages
    except (UnknownLocaleError, ValueError):
        return {}
    return names


@router.post(
    f"{GOOGLE_PATH}/detect",
    summary="Google Translate v2: detect languages",
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(schema_of(GoogleDetectFields), {"texts": {"q": ["Hello"]}}, {"q": "Hello"}),
    },
    responses={
        200: json_answer(
            "A list for each text.",
            {"type": "object"},
            {"data": {"detections": [[{"language": "en", "isReliable": False, "confidence": 0.98}]]}},
        ),
        **_ERRORS,
    },
    response_model=None,
)
async def detect(request: Request) -> Response:
    call = await ApiCall.open(request)
    texts = GoogleDetectFields.read(call.fields).q
    call.check_served()
    detector, codes = call.serving.detector, call.serving.registry.snapshot.languages
    found = await run_sync(lambda: [detector.detect(text) or detector.rank(text, codes) for text in texts])
    detections = [
        [{"language": format_code(one.language), "isReliable": False, "confidence": one.confidence / 100}]
        for one, *_ in found
    ]
    return JsonResponse({"data": {"detections": detections}})


@router.get(
    "/translate_a/single",
    summary="Google's web page: translate a text",
    openapi_extra={
        "parameters": [
            {"name": name, "in": "query", "required": is_required, "schema": {"type": "string"}, "example": example}
            for name, is_required, example in (
                ("sl", False, "auto"),
                ("tl", True, "fr"),
                ("q", True, "Good morning!"),
                ("dj", False, "0"),
            )
        ]
    },
    responses={
        200: json_answer(
            "A list of sentences, each with its translation and itself, and the language of the text; with `dj=1` "
            '`{"sentences": [{"trans": "...", "orig": "..."}], "src": "en"}`.',
            {"type": ["array", "object"], "items": {}},
            [[["Bonjour !", "Good morning!", None, None, 1]], None, "en"],
        ),
        **_ERRORS,
    },
    response_model=None,
)
async def translate_single(request: Request) -> Response:
    call = await ApiCall.open(request)
    fields = GoogleWebFields.read(call.fields)
    source, target = find_languages(call, fields.sl, fields.tl)
    (found,) = await translate_texts(call, Wanted((fields.q,), source, target))
    sentences, language = _sentences(fields.q, found), found.source or "und"
    if read_flag(fields.dj):
        named = [{"trans": text, "orig": original} for text, original in sentences]
        return JsonResponse({"sentences": named, "src": language})
    return JsonResponse([[[text, original, None, None, 1] for text, original in sentences], None, language])


def _sentences(text: str, found: Answered) -> Iterable[tuple[str, str]]:
    """Divide a text and its translation at the same sentences; the parts joined give both of them whole."""
    segments = found.translation.segments
    starts = _starts(text, [segment.source for segment in segments])
    ends = _starts(found.text, [segment.text for segment in segments])
    if starts is None or ends is None or not segments:
        return [(found.text, text)]
    return zip(_split(found.text, ends), _split(text, starts), strict=True)


def _starts(text: str, parts: list[str]) -> list[int] | None:
    """Return where each part begins, with what stands between two parts behind the first; None if one is not there."""
    starts: list[int] = []
    end = 0
    for part in parts:
        start = text.find(part, end)
        if start < 0:
            return None
        starts.append(start if starts else 0)
        end = start + len(part)
    return starts


def _split(text: str, starts: Sequence[int]) -> Iterable[str]:
    return (text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True))


for _path, _endpoint in ((GOOGLE_PATH, translate), (f"{GOOGLE_PATH}/detect", detect)):
    router.add_api_route(_path, _endpoint, methods=["GET"], include_in_schema=False, response_model=None)
for _path, _endpoint in (("/translate_a/single", translate_single), (f"{GOOGLE_PATH}/languages", languages)):
    router.add_api_route(_path, _endpoint, methods=["POST"], include_in_schema=False, response_model=None)
