"""POST /hcfy: the custom translation source of the extension hcfy (Selection Translator).

It names languages in Chinese, as CLDR does, and gives a second target for texts that are in the first one already.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Final

from babel.core import Locale
from fastapi import APIRouter, Request
from pydantic import Field, PlainValidator
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.extensions.texts import Wanted, find_languages, read_text_list, translate_texts
from app.api.fields import FieldsModel, shorten
from app.api.libretranslate.answers import ERROR_RESPONSES, TIMEOUT_PARAMETER
from app.api.libretranslate.models import String
from app.api.responses import DirectRoute, JsonResponse, json_answer, request_body, schema_of
from app.errors import InvalidRequest, UnsupportedLanguage

router = APIRouter(tags=["Extensions"], route_class=DirectRoute)

# The extension's own names, where CLDR has another one.
_NAMES: Final = {"中文(简体)": "zh-hans", "中文(繁体)": "zh-hant", "中文": "zh", "葡萄牙语(巴西)": "pt-br"}
_EXAMPLE: Final = {"name": "Passerelle", "text": "Good morning!", "destination": ["法语", "英语"], "source": "英语"}


class HcfyFields(FieldsModel):
    """The fields of POST /hcfy; languages by their names in Chinese."""

    text: String = Field(description="Lines, which are translated one by one.")
    destination: Annotated[tuple[str, ...], PlainValidator(read_text_list, json_schema_input_type=list[str])] = Field(
        description="The language wanted, and the one for a text that is in it already."
    )
    source: String = Field("", description="Empty or absent: detected.")


HcfyAnswer = TypedDict("HcfyAnswer", {"text": str, "from": str, "to": str, "result": list[str]})


@cache
def _codes() -> Mapping[str, str]:
    """The codes of languages by their names in Chinese."""
    names = {name: code.replace("_", "-").lower() for code, name in Locale("zh").languages.items()}
    return names | _NAMES


@router.post(
    "/hcfy",
    summary="hcfy (Selection Translator): translate the lines of a text",
    description="A key goes into `?token=KEY`.",
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(schema_of(HcfyFields), {"a text": _EXAMPLE}, _EXAMPLE),
    },
    responses={
        200: json_answer(
            "A result for each line.",
            schema_of(HcfyAnswer),
            {"text": "Good morning!", "from": "英语", "to": "法语", "result": ["Bonjour !"]},
        ),
        **ERROR_RESPONSES,
    },
    response_model=None,
)
async def translate(request: Request) -> Response:
    call = await ApiCall.open(request)
    fields = HcfyFields.read(call.fields)
    if not fields.destination:
        raise InvalidRequest("Invalid request: missing destination parameter")
    names = {"from": fields.source, "to": fields.destination[0]}
    source, target = find_languages(call, _code_of(fields.source), _code_of(names["to"]))
    lines = tuple(fields.text.split("\n"))
    answered = await translate_texts(call, Wanted(lines, source, target))
    detected = next((one.source for one in answered if one.source is not None), None)
    if detected == target and len(fields.destination) > 1:
        names["to"] = fields.destination[1]
        _, second = find_languages(call, "auto", _code_of(names["to"]))
        answered = await translate_texts(call, Wanted(lines, target, second))
    names["from"] = fields.source or _name_of(detected)
    result = [one.text for one in answered]
    return JsonResponse({"text": fields.text, "from": names["from"], "to": names["to"], "result": result})


def _code_of(name: str) -> str:
    """Return the code of a language by its Chinese name; a code is read too.

    Raises:
        UnsupportedLanguage: There is no language of this name.
    """
    given = name.strip().replace("（", "(").replace("）", ")")
    found = _codes().get(given, given if given.isascii() else None)
    if found is None:
        raise UnsupportedLanguage(f"{shorten(name)} is not supported")
    return found


def _name_of(code: str | None) -> str:
    return next((name for name, one in _codes().items() if one == code), code or "")
