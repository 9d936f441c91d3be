"""JSON answers that are valid in every case."""

import json
import math
from collections.abc import Mapping

from starlette.responses import Response


class JsonResponse(Response):
    """UTF-8 JSON without NaN, infinities or lone surrogates, none of which every client can read."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        text = json.dumps(_finite(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        # A lone surrogate has no UTF-8 form. Requests with one are refused, so this is for what slipped through.
        return text.encode("utf-8", "replace")


def error_response(status_code: int, message: str, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """The one shape of every error of this service."""
    return JsonResponse({"error": message}, status_code=status_code, headers=dict(headers) if headers else None)


def _finite(content: object) -> object:
    """A score that is not finite becomes null."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return content
