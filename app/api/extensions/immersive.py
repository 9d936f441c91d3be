"""POST /imme: the "custom API" of the browser extension Immersive Translate."""

from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import Field, PlainValidator
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.extensions.texts import Wanted, find_languages, read_text_list, translate_texts
from app.api.fields import FieldsModel
from app.api.libretranslate.answers import ERROR_RESPONSES, TIMEOUT_PARAMETER
from app.api.libretranslate.models import String
from app.api.responses import DirectRoute, JsonResponse, json_answer, request_body, schema_of

router = APIRouter(tags=["Extensions"], route_class=DirectRoute)

_EXAMPLE: Final = {"source_lang": "auto", "target_lang": "fr", "text_list": ["Good morning!", "See <b0>you</b0>."]}


class ImmersiveFields(FieldsModel):
    """The fields of POST /imme."""

    source_lang: String = Field("auto", description="`auto`: detected for each text.")
    target_lang: String
    text_list: Annotated[tuple[str, ...], PlainValidator(read_text_list, json_schema_input_type=list[str])]


class ImmersiveText(TypedDict):
    detected_source_lang: str
    text: str


class ImmersiveAnswer(TypedDict):
    """The texts in their order; one that cannot be translated comes back as it is."""

    translations: list[ImmersiveText]


@router.post(
    "/imme",
    summary="Immersive Translate: translate a list of texts",
    description="Set the extension's *custom API* to this address; a key goes into `?token=KEY`.",
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(schema_of(ImmersiveFields), {"a list": _EXAMPLE}, _EXAMPLE),
    },
    responses={
        200: json_answer(
            "The translations.",
            schema_of(ImmersiveAnswer),
            {"translations": [{"detected_source_lang": "en", "text": "Bonjour !"}]},
        ),
        **ERROR_RESPONSES,
    },
    response_model=None,
)
async def translate(request: Request) -> Response:
    call = await ApiCall.open(request)
    fields = ImmersiveFields.read(call.fields)
    source, target = find_languages(call, fields.source_lang, fields.target_lang)
    answered = await translate_texts(call, Wanted(fields.text_list, source, target))
    # The extension's own spelling of a code comes back, where it gave one.
    given = fields.source_lang if source is not None else ""
    texts = [ImmersiveText(detected_source_lang=given or one.source or "", text=one.text) for one in answered]
    return JsonResponse(ImmersiveAnswer(translations=texts))
