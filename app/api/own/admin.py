"""POST /admin/reload: read bundles and keys again. There is no such path unless an admin key is set."""

from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from app.api.access import address_of, key_of
from app.api.libretranslate.descriptions import error_entry
from app.api.responses import JsonResponse
from app.api.service import service_of
from app.errors import KeyMissing, KeyUnknown
from app.serving.reload import ReloadReport

_BEARER: Final = HTTPBearer(auto_error=False, scheme_name="admin key", description="The admin key.")
router = APIRouter(tags=["operation"], dependencies=[Security(_BEARER)])


class FolderOutcome(BaseModel):
    """``problem`` says why it was refused; what was served from that folder before still is."""

    folder: str
    outcome: Literal["loaded", "unchanged", "removed", "refused"]
    problem: str | None


class Reload(BaseModel):
    """``problem``: the folder of the bundles cannot be read at all. ``keys_problem``: the keys stay as they were."""

    bundles: list[FolderOutcome]
    keys: Literal["loaded", "unchanged", "refused"]
    keys_problem: str | None
    problem: str | None


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    403: error_entry("No admin key, or a wrong one.", "Invalid API key"),
    409: {"description": "Done, but something was refused; `problem` says why.", "model": Reload},
    429: error_entry("Too many attempts from this address.", "Slowdown: 60 per 1 minute"),
}


@router.post(
    "/admin/reload",
    summary="Read the bundles and the API keys again",
    description="Bundles that are new or changed are loaded beside those that run, translate something, and take their "
    "place all at once; those that are gone are dropped. No request fails meanwhile.",
    response_model=Reload,
    responses=_RESPONSES,
)
async def reload(request: Request) -> Response:
    service = service_of(request)
    key = key_of(request, {})
    if not service.access.is_admin(key):
        await service.access.count_attempt(address_of(request))
        raise KeyUnknown("Invalid API key") if key else KeyMissing("This needs the admin key")
    report = await service.reloader.reload()
    return JsonResponse(_described(report).model_dump(mode="json"), status_code=409 if report.is_refused else 200)


def _described(report: ReloadReport) -> Reload:
    return Reload(
        bundles=[FolderOutcome(folder=one.folder, outcome=one.outcome, problem=one.problem) for one in report.folders],
        keys=report.keys,
        keys_problem=report.keys_problem,
        problem=report.problem,
    )
