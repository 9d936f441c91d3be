"""GET /spec: LibreTranslate's endpoints as Swagger 2.0, which GNOME Dialect reads to recognise such a service."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.responses import DirectRoute, JsonResponse

router = APIRouter(tags=["LibreTranslate"], route_class=DirectRoute)

# Programs compare this title.
_TITLE: Final = "LibreTranslate"
_TAG: Final = "LibreTranslate"
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


@router.get("/spec", summary="These endpoints as Swagger 2.0", response_model=dict[str, Any])
async def spec(request: Request) -> Response:
    document: dict[str, Any] = request.app.openapi()
    paths: dict[str, dict[str, Any]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if _TAG in operation.get("tags", ()):
                paths.setdefault(path, {})[method] = _convert(operation)
    info = {"title": _TITLE, "version": document["info"]["version"], "description": document["info"]["description"]}
    base_path = request.scope.get("root_path", "") or "/"
    return JsonResponse({"swagger": "2.0", "info": info, "basePath": base_path, "paths": paths})


def _convert(operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation of OpenAPI 3 as one of Swagger 2.0: its fields as those of a form, its answers in words."""
    found: dict[str, Any] = {"summary": operation["summary"], "tags": [_TAG], "produces": ["application/json"]}
    content = operation.get("requestBody", {}).get("content", {})
    encoding = next(
        (name for name in ("application/x-www-form-urlencoded", "multipart/form-data") if name in content), ""
    )
    if encoding:
        schema = content[encoding]["schema"]
        required = schema.get("required", ())
        found["consumes"] = [encoding]
        found["parameters"] = [
            {
                "name": name,
                "in": "formData",
                "type": "file" if field.get("format") == "binary" else "string",
                "required": name in required,
                "description": field.get("description", ""),
            }
            for name, field in schema["properties"].items()
        ]
    found["responses"] = {
        status: {"description": answer["description"]} for status, answer in operation["responses"].items()
    }
    return found
