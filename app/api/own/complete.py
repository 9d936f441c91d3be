"""POST /complete: ways to complete a translation while it is being typed."""

from typing import Annotated, Any, Final, NotRequired

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.libretranslate.answers import (
    ERROR_RESPONSES,
    FINISH_REASON_ENTRY,
    TIMEOUT_PARAMETER,
    DetectedLanguage,
    describe_detection,
)
from app.api.libretranslate.models import CompleteFields
from app.api.libretranslate.request import CompletionRequest, parse_completion
from app.api.responses import DirectRoute, JsonResponse, finish_reason_header, request_body, schema_of
from app.engine.sequence import FinishReason
from app.serving.container import detect_languages
from app.serving.jobs import run_off_loop_if_long
from app.translation.completion import Completion

router = APIRouter(tags=["Passerelle"], route_class=DirectRoute)

_DESCRIPTION: Final = """\
For an editor in which a translation is typed: the likeliest ways on from what is typed, each to the end of the
sentence. What is typed may end within a word; every completion begins with it, to the letter. As many sentences as are
typed whole are taken to be done. Encodings, deadline and errors are those of `POST /translate`.
"""


class CompletedText(TypedDict):
    text: Annotated[str, Field(description="Begins with what is typed; nothing more where that is whole.")]
    score: Annotated[float, Field(description="Log probabilities of the sentence being typed, normalised by length.")]
    finish_reason: Annotated[FinishReason, Field(description="`stop`: it is whole; anything else says why it was cut.")]


class Completed(TypedDict):
    """The answer of POST /complete."""

    completions: Annotated[list[CompletedText], Field(description="Different texts, likeliest first.")]
    detectedLanguage: NotRequired[DetectedLanguage]


_EXAMPLE: Final = {"q": "Good morning!", "source": "en", "target": "fr", "target_prefix": "Bon"}
_EXAMPLES: Final[dict[str, object]] = {
    "within a word": _EXAMPLE,
    "nothing typed yet": {"q": "Good morning!", "source": "auto", "target": "fr", "n": 2},
}
_ANSWER: Final = {
    "completions": [
        {"text": "Bonjour !", "score": -0.31, "finish_reason": "stop"},
        {"text": "Bon matin !", "score": -1.2, "finish_reason": "stop"},
    ]
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The completions.",
        "headers": FINISH_REASON_ENTRY,
        "content": {
            "application/json": {
                "schema": schema_of(Completed),
                "examples": {"within a word": {"value": _ANSWER}},
            }
        },
    },
    **ERROR_RESPONSES,
}


@router.post(
    "/complete",
    summary="Complete a translation that is being typed",
    description=_DESCRIPTION,
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(schema_of(CompleteFields), _EXAMPLES, _EXAMPLE),
    },
    responses=_RESPONSES,
    response_model=None,
)
async def complete(request: Request) -> Response:
    call = await ApiCall.open(request)
    serving = call.serving
    wanted = parse_completion(call.fields, call.settings, serving.registry)
    call.check_served()
    source, detection = wanted.source, None
    if source is None:
        (detection,) = await detect_languages(serving.registry, serving.detector, [wanted.text], wanted.target)
        source = detection.language
    with call.reserve(len(wanted.text)):
        completions = await _complete(call, wanted, source)
    reasons = {completion.finish_reason for completion in completions} - {FinishReason.STOP}
    body: dict[str, object] = {"detectedLanguage": describe_detection(detection)} if detection else {}
    body["completions"] = [
        CompletedText(text=one.text, score=one.score, finish_reason=one.finish_reason) for one in completions
    ]
    return JsonResponse(body, headers=finish_reason_header(reasons))


async def _complete(call: ApiCall, wanted: CompletionRequest, source: str) -> list[Completion]:
    text, typed = wanted.text, wanted.typed
    if source == wanted.target:  # the translation is the text itself
        return [Completion(text, 0.0, FinishReason.STOP)] if text.startswith(typed) else []
    (served,) = await call.serving.registry.acquire([(source, wanted.target)], call.timeout.deadline)
    completer = served.completer
    rows = min(2 * wanted.count, call.settings.max_beam_size)
    draft = await run_off_loop_if_long(len(text) + len(typed), completer.prepare, text, typed, wanted.count, rows)
    pending = completer.submit(draft, call.timeout.deadline, wanted.priority)
    call.serving.queued_characters[source, wanted.target] += len(text)
    await call.wait_for(pending)
    return completer.finish(draft, pending)
