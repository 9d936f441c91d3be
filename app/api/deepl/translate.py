"""POST /v2/translate as DeepL's clients speak it."""

from dataclasses import replace

from fastapi import APIRouter, Request, Security
from starlette.responses import Response

from app.api.access import quota_of
from app.api.body import Fields
from app.api.deepl.errors import QUOTA_EXCEEDED, QUOTA_STATUS, DeepLRefusal
from app.api.deepl.glossaries import named_terms
from app.api.deepl.key import DEEPL_KEY, in_time_with_key
from app.api.deepl.languages import deepl_code
from app.api.deepl.schemas import TRANSLATE_BODY, TRANSLATE_DESCRIPTION, TRANSLATE_RESPONSES
from app.api.deepl.translation_request import DeepLAsked, parse_deepl
from app.api.direct import DirectRoute
from app.api.glossary_terms import unplaced_header
from app.api.libretranslate.descriptions import FINISH_REASON_HEADER, TRANSLATE_PARAMETERS
from app.api.responses import JsonResponse
from app.api.service import Service
from app.api.timeout import RequestTimeout
from app.api.waiting import wait_for
from app.errors import EngineStopped, QuotaExceeded
from app.serving.detection import detect
from app.serving.jobs import begin, cut_reasons

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])


@router.post(
    "/v2/translate",
    summary="Translate texts",
    description=TRANSLATE_DESCRIPTION,
    openapi_extra={"parameters": TRANSLATE_PARAMETERS, "requestBody": TRANSLATE_BODY},
    responses=TRANSLATE_RESPONSES,
    response_model=None,
)
async def translate(request: Request) -> Response:
    return await in_time_with_key(request, _answer)


router.add_api_route("/v2/translate", translate, methods=["GET"], include_in_schema=False, response_model=None)


async def _answer(request: Request, service: Service, fields: Fields, timeout: RequestTimeout) -> Response:
    if not service.registry.served:
        raise EngineStopped(f"Nothing can be translated: {service.registry.problem}")
    asked = parse_deepl(fields, service.settings, service.registry)
    characters = sum(map(len, asked.asked.texts))
    try:
        with service.quota.counted(characters), quota_of(request).counted(characters):
            return await _translated(request, service, asked, timeout)
    except QuotaExceeded as error:
        raise DeepLRefusal(QUOTA_EXCEEDED, str(error), QUOTA_STATUS) from None


async def _translated(request: Request, service: Service, deepl: DeepLAsked, timeout: RequestTimeout) -> Response:
    terms = await named_terms(service, deepl.glossary_id, deepl.asked.source, deepl.asked.target)
    asked = replace(deepl.asked, terms=terms)
    detections = await detect(service, asked.texts, asked.target) if asked.source is None else []
    sources = [detection.language for detection in detections] or [asked.source or ""] * len(asked.texts)
    job = await begin(service, asked, sources, timeout.deadline)
    await wait_for(request, job.pendings, timeout.deadline)
    translations = await job.translations()
    reasons = cut_reasons(translations)
    used = {"model_type_used": deepl.model_type} if deepl.model_type else {}
    body = {
        "translations": [
            {
                "detected_source_language": deepl_code(source),
                "text": translation.text,
                "billed_characters": len(text),  # the official client fails without it
                **used,
            }
            for source, text, translation in zip(sources, asked.texts, translations, strict=True)
        ]
    }
    headers = {FINISH_REASON_HEADER: ", ".join(sorted(reasons))} if reasons else {}
    return JsonResponse(body, headers=headers | unplaced_header(translations))
