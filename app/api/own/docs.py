"""The page at /docs and its own files. Nothing comes from elsewhere, and relative addresses work under a prefix."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parents[2] / "web" / "docs"
_MEDIA_TYPES: Final = {
    "icon.svg": "image/svg+xml",
    "start.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
    "swagger-ui.LICENSE.txt": "text/plain",
    "swagger-ui.NOTICE.txt": "text/plain",
    "swagger-ui.css": "text/css",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    # Swagger UI sets styles on its elements.
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/docs")
async def docs_page() -> Response:
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return FileResponse(_FOLDER / "index.html", media_type="text/html", headers=headers)


@router.get("/docs/{name}")
async def docs_file(name: str) -> Response:
    # Only these names are files; so no name can lead out of the folder.
    if name not in _MEDIA_TYPES:
        raise HTTPException(404)
    return FileResponse(_FOLDER / name, media_type=_MEDIA_TYPES[name], headers={"Cache-Control": "max-age=86400"})
