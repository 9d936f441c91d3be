"""Download of corpus files by URL, with a progress bar, resumption and a checksum."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse

import httpx
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from training.errors import DownloadError

ATTEMPTS = 3
TIMEOUT_SECONDS = 30.0
# Some archives (manythings.org among them) refuse requests without a user agent.
USER_AGENT = "passerelle-training/0.1"


def fetch(url: str, folder: Path, sha256: str | None) -> Path:
    """Downloads a file unless it is in ``folder`` already; an interrupted transfer is resumed with a range request.

    Args:
        url: Address of the file.
        folder: Where the file is stored, under the last part of the URL's path.
        sha256: Expected checksum; None accepts any.

    Returns:
        Path of the file.

    Raises:
        DownloadError: The server refuses, the transfer breaks ``ATTEMPTS`` times, or the checksum differs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(unquote(urlparse(url).path)).name
    if not name:
        raise DownloadError(f"{url}: no file name in this address")
    path, part = folder / name, folder / f"{name}.part"
    if path.exists():
        _check(path, url, sha256)
        return path
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _transfer(url, part)
            break
        except httpx.TransportError as error:
            if attempt == ATTEMPTS:
                raise DownloadError(
                    f"{url}: the transfer broke {ATTEMPTS} times, last with {error!r}; run again to resume it"
                ) from error
    _check(part, url, sha256)
    part.replace(path)
    return path


def _transfer(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    with request_from(url, have) as response:
        if response is None:
            return  # the file is complete
        if response.status_code == 200:
            have = 0  # the server does not support ranges and sends the whole file
        total = have + int(response.headers.get("Content-Length", 0)) or None
        with part.open("ab" if have else "wb") as stream, transfer_bar() as progress:
            task = progress.add_task(part.stem, total=total, completed=have)
            for chunk in response.iter_raw():
                stream.write(chunk)
                progress.advance(task, len(chunk))


@contextmanager
def request_from(url: str, start: int) -> Iterator[httpx.Response | None]:
    """Requests the content of a URL from an offset on.

    Yields:
        The answer, of status 206, or of 200 if the server sends the whole content; None if nothing follows ``start``.

    Raises:
        DownloadError: The server refuses.
    """
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with httpx.stream("GET", url, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True) as response:
        if response.status_code == 416 and start:
            yield None
            return
        if response.status_code not in (200, 206):
            raise DownloadError(f"{url}: the server answered {response.status_code}")
        yield response


def transfer_bar() -> Progress:
    """Returns a progress bar that counts bytes."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )


def _check(path: Path, url: str, sha256: str | None) -> None:
    if sha256 is None:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        path.unlink()
        raise DownloadError(f"{url}: sha256 is {found}, expected {sha256}; the file was removed")
