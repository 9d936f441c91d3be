"""GET /languages: what can be translated into what."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from app.api.service import service_of
from app.text.languages import language_name

router = APIRouter(tags=["LibreTranslate"])


class Language(BaseModel):
    """``targets`` holds the language itself too: a text is returned as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": "en", "name": "English", "targets": ["en", "fr"]}]}
    )

    code: str
    name: str
    targets: list[str]


@router.get("/languages", summary="Languages served, and what each can be translated into")
async def languages(request: Request) -> list[Language]:
    registry = service_of(request).registry
    return [
        Language(code=code, name=language_name(code), targets=sorted({code, *registry.targets_of(code)}))
        for code in registry.languages
    ]
