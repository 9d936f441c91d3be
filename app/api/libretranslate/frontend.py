"""GET /frontend/settings and POST /suggest: what LibreTranslate's own page and some of its clients ask for."""

from typing import Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from app.api.libretranslate.descriptions import error_entry
from app.api.responses import error_response
from app.api.service import service_of
from app.files.formats.registry import SUFFIXES
from app.text.languages import language_name

router = APIRouter(tags=["LibreTranslate"])

# How long a page waits after a key was pressed before it asks, as LibreTranslate's does.
_FRONTEND_TIMEOUT_MILLISECONDS: Final = 500
_NO_SUGGESTIONS: Final = "Suggestions are disabled on this server."


class NamedLanguage(BaseModel):
    code: str
    name: str


class FirstLanguages(BaseModel):
    """What a page offers at first. ``target`` is empty while nothing is served."""

    source: NamedLanguage
    target: NamedLanguage


class FrontendSettings(BaseModel):
    """``charLimit``: characters of all texts of one request together. ``frontendTimeout`` is in milliseconds."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "apiKeys": False,
                    "charLimit": 50000,
                    "filesTranslation": True,
                    "frontendTimeout": 500,
                    "keyRequired": False,
                    "language": {
                        "source": {"code": "auto", "name": "Auto Detect"},
                        "target": {"code": "fr", "name": "French"},
                    },
                    "suggestions": False,
                    "supportedFilesFormat": list(SUFFIXES),
                }
            ]
        }
    )

    apiKeys: bool
    charLimit: int
    filesTranslation: bool
    frontendTimeout: int
    keyRequired: bool
    language: FirstLanguages
    suggestions: bool
    supportedFilesFormat: list[str]


@router.get("/frontend/settings", summary="What a page for this service needs to know")
async def frontend_settings(request: Request) -> FrontendSettings:
    service = service_of(request)
    targets = sorted(target for _, target in service.registry.served)
    target = targets[0] if targets else ""
    return FrontendSettings(
        apiKeys=service.access.has_keys,
        charLimit=service.settings.max_characters,
        filesTranslation=True,
        frontendTimeout=_FRONTEND_TIMEOUT_MILLISECONDS,
        keyRequired=service.access.asks_for_key,
        language=FirstLanguages(
            source=NamedLanguage(code="auto", name="Auto Detect"),
            target=NamedLanguage(code=target, name=language_name(target)),
        ),
        suggestions=False,
        supportedFilesFormat=list(SUFFIXES),
    )


@router.post(
    "/suggest",
    summary="Suggest a better translation (never accepted here)",
    status_code=403,
    responses={403: error_entry("Nothing is collected from those who translate.", _NO_SUGGESTIONS)},
    response_model=None,
)
async def suggest(request: Request) -> Response:
    return error_response(request.scope, 403, _NO_SUGGESTIONS)
