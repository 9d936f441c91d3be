"""JSON answers that are valid in every case."""

import json
import math
from collections.abc import Mapping
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import Scope

# Clients of the next version ask for both.
_DEEPL_PATHS: Final = ("/v2/", "/v3/")
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class JsonResponse(JSONResponse):  # so that FastAPI describes its answers as JSON
    """UTF-8 JSON without NaN, infinities or lone surrogates, none of which every client can read."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        try:
            text = _ENCODER.encode(content)
        except ValueError:  # a score that is not finite
            text = _ENCODER.encode(_finite(content))
        # A lone surrogate has no UTF-8 form. Requests with one are refused, so this is for what slipped through.
        return text.encode("utf-8", "replace")


def speaks_deepl(scope: Scope) -> bool:
    """Is a request for one of DeepL's paths, also for one that is not served here?"""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return bool(path.startswith(_DEEPL_PATHS))


def error_response(
    scope: Scope, status_code: int, message: str, headers: Mapping[str, str] | None = None, detail: str = ""
) -> JsonResponse:
    """The one shape of every error of this service: LibreTranslate's, and DeepL's on its paths.

    :param detail: more for people; LibreTranslate's shape has no place for it.
    """
    body = {"error": message}
    if speaks_deepl(scope):
        body = {"message": message, "detail": detail} if detail else {"message": message}
    return JsonResponse(body, status_code=status_code, headers=dict(headers) if headers else None)


def _finite(content: object) -> object:
    """A score that is not finite becomes null."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return content
