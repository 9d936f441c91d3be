"""The page at / and its own files. Nothing comes from elsewhere, and relative addresses work under a prefix."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parents[2] / "web" / "page"
_FRONT: Final = "index.html"
_MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_FRONT_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


@dataclass(frozen=True, slots=True)
class WebFile:
    """One file of the page. ``tag`` is a hash of its content: times of files say nothing once they are installed."""

    content: bytes
    media_type: str
    tag: str


@router.api_route("/", methods=["GET", "HEAD"])
async def front_page(request: Request) -> Response:
    return _answer(request, _files()[_FRONT], _FRONT_HEADERS)


@router.api_route("/page/{name}", methods=["GET", "HEAD"])
async def page_file(request: Request, name: str) -> Response:
    # Only these names are files; so no name can lead out of the folder.
    if name == _FRONT or name not in _files():
        raise HTTPException(404)
    return _answer(request, _files()[name], {})


@cache
def _files() -> dict[str, WebFile]:
    """Every file of the page by its name; they are small, so they are read once."""
    found = {}
    for path in _FOLDER.iterdir():
        if path.suffix in _MEDIA_TYPES:
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[path.name] = WebFile(content, _MEDIA_TYPES[path.suffix], tag)
    return found


def _answer(request: Request, file: WebFile, headers: dict[str, str]) -> Response:
    # The files belong together, so a browser asks each time whether it still has the same ones.
    headers = {**headers, "ETag": file.tag, "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    # A proxy that compresses marks the tag as weak.
    if known.strip() == "*" or file.tag in {tag.strip().removeprefix("W/") for tag in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
