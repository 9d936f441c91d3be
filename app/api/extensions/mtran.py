"""POST /translate/batch: the interface of MTranServer, for a list; POST /translate reads its shape for one text."""

from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import Field, PlainValidator
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.extensions.texts import Wanted, find_languages, read_flag, read_text_list, translate_texts
from app.api.fields import FieldsModel
from app.api.libretranslate.answers import ERROR_RESPONSES, TIMEOUT_PARAMETER
from app.api.libretranslate.models import String
from app.api.responses import DirectRoute, JsonResponse, json_answer, request_body, schema_of

router = APIRouter(tags=["Extensions"], route_class=DirectRoute)

_EXAMPLE: Final = {"from": "en", "to": "fr", "texts": ["Good morning!", "See you tomorrow."], "html": False}


class MTranFields(FieldsModel):
    """The fields of POST /translate in MTranServer's shape."""

    source: String = Field("auto", alias="from", description="`auto`: detected for each text.")
    to: String
    text: String = ""
    html: Annotated[bool, PlainValidator(read_flag, json_schema_input_type=bool)] = False


class MTranBatchFields(FieldsModel):
    """The fields of POST /translate/batch."""

    source: String = Field("auto", alias="from", description="`auto`: detected for each text.")
    to: String
    texts: Annotated[tuple[str, ...], PlainValidator(read_text_list, json_schema_input_type=list[str])]
    html: Annotated[bool, PlainValidator(read_flag, json_schema_input_type=bool)] = False


class MTranBatch(TypedDict):
    """The answer of POST /translate/batch: the translations in their order."""

    results: list[str]


@router.post(
    "/translate/batch",
    summary="MTranServer: translate a list of texts",
    description="`POST /translate` with `from`, `to` and `text` answers `{result}`. A key goes into "
    "`Authorization: Bearer` or `?token=KEY`.",
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(schema_of(MTranBatchFields), {"a list": _EXAMPLE}, _EXAMPLE),
    },
    responses={
        200: json_answer("The translations.", schema_of(MTranBatch), {"results": ["Bonjour !", "À demain."]}),
        **ERROR_RESPONSES,
    },
    response_model=None,
)
async def translate_batch(request: Request) -> Response:
    call = await ApiCall.open(request)
    fields = MTranBatchFields.read(call.fields)
    source, target = find_languages(call, fields.source, fields.to)
    wanted = Wanted(fields.texts, source, target, "html" if fields.html else "text")
    return JsonResponse(MTranBatch(results=[one.text for one in await translate_texts(call, wanted)]))


async def answer(call: ApiCall) -> Response:
    """Answer a request to POST /translate whose body has this shape."""
    fields = MTranFields.read(call.fields)
    source, target = find_languages(call, fields.source, fields.to)
    wanted = Wanted((fields.text,), source, target, "html" if fields.html else "text")
    (found,) = await translate_texts(call, wanted)
    return JsonResponse({"result": found.text})
