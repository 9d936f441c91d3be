"""POST /kiss: the custom interface of the browser extension KISS Translator."""

from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import Field, PlainValidator
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.extensions.texts import Answered, Wanted, find_languages, read_text_list, translate_texts
from app.api.fields import FieldsModel
from app.api.libretranslate.answers import ERROR_RESPONSES, TIMEOUT_PARAMETER
from app.api.libretranslate.models import String
from app.api.responses import DirectRoute, JsonResponse, json_answer, request_body, schema_of
from app.errors import InvalidRequest

router = APIRouter(tags=["Extensions"], route_class=DirectRoute)

_ONE: Final = {"from": "auto", "to": "fr", "text": "Good morning!"}
_LIST: Final = {"from": "en", "to": "fr", "texts": ["Good morning!", "See you tomorrow."]}


class KissFields(FieldsModel):
    """The fields of POST /kiss: ``text`` or ``texts``."""

    source: String = Field("auto", alias="from", description="`auto`: detected for each text.")
    to: String
    text: String = Field("", description="One text.")
    texts: Annotated[tuple[str, ...], PlainValidator(read_text_list, json_schema_input_type=list[str])] = ()


class KissText(TypedDict):
    text: str
    src: str


class KissTexts(TypedDict):
    translations: list[KissText]


@router.post(
    "/kiss",
    summary="KISS Translator: translate a text, or a list of texts",
    description="A key goes into the header `KEY` or `Authorization: Bearer`.",
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(schema_of(KissFields), {"one text": _ONE, "a list": _LIST}, _ONE),
    },
    responses={
        200: json_answer("The translation.", schema_of(KissText | KissTexts), {"text": "Bonjour !", "src": "en"}),
        **ERROR_RESPONSES,
    },
    response_model=None,
)
async def translate(request: Request) -> Response:
    call = await ApiCall.open(request)
    fields = KissFields.read(call.fields)
    if "text" not in call.fields and "texts" not in call.fields:
        raise InvalidRequest("Invalid request: missing text or texts parameter")
    is_list = "texts" in call.fields
    source, target = find_languages(call, fields.source, fields.to)
    answered = await translate_texts(call, Wanted(fields.texts if is_list else (fields.text,), source, target))
    found = [_describe(one) for one in answered]
    return JsonResponse(KissTexts(translations=found) if is_list else found[0])


def _describe(answered: Answered) -> KissText:
    return KissText(text=answered.text, src=answered.source or "")
