"""The pages at / and /docs with their files. They load nothing from other servers, and their relative addresses work
under a prefix.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

router = APIRouter(include_in_schema=False)

_WEB: Final = Path(__file__).parents[2] / "web"
_FRONT: Final = "index.html"
_MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_FRONT_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_DOCS_MEDIA_TYPES: Final = {
    "icon.svg": "image/svg+xml",
    "start.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
    "swagger-ui.LICENSE.txt": "text/plain",
    "swagger-ui.NOTICE.txt": "text/plain",
    "swagger-ui.css": "text/css",
}
_DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    # Swagger UI sets styles on its elements.
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class WebFile:
    """One file of the page. ``tag`` is a hash of its content, because installation changes the times of files."""

    content: bytes
    media_type: str
    tag: str


@router.get("/")
async def front_page(request: Request) -> Response:
    return _answer(request, _files()[_FRONT], _FRONT_HEADERS)


@router.get("/page/{name}")
async def page_file(request: Request, name: str) -> Response:
    # Only these names are served, so no name can lead out of the folder.
    if name == _FRONT or name not in _files():
        raise HTTPException(404)
    return _answer(request, _files()[name], {})


@router.get("/docs")
async def docs_page() -> Response:
    headers = {"Content-Security-Policy": _DOCS_POLICY, "Cache-Control": "no-cache"}
    return FileResponse(_WEB / "docs" / "index.html", media_type="text/html", headers=headers)


@router.get("/docs/{name}")
async def docs_file(name: str) -> Response:
    # Only these names are served, so no name can lead out of the folder.
    if name not in _DOCS_MEDIA_TYPES:
        raise HTTPException(404)
    return FileResponse(
        _WEB / "docs" / name, media_type=_DOCS_MEDIA_TYPES[name], headers={"Cache-Control": "max-age=86400"}
    )


@cache
def _files() -> dict[str, WebFile]:
    """Read every file of the page; they are small, so they stay in memory."""
    found = {}
    for path in (_WEB / "page").iterdir():
        if path.suffix in _MEDIA_TYPES:
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[path.name] = WebFile(content, _MEDIA_TYPES[path.suffix], tag)
    return found


def _answer(request: Request, file: WebFile, headers: dict[str, str]) -> Response:
    # The files belong together, so a browser has to check each time that it has the current ones.
    headers = {**headers, "ETag": file.tag, "Cache-Control": "no-cache"}
    cached = request.headers.get("if-none-match", "")
    # A proxy that compresses an answer makes its tag weak.
    if cached.strip() == "*" or file.tag in {tag.strip().removeprefix("W/") for tag in cached.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
