"""One request to an endpoint: its timeout, its fields, its file, and the quota of its key."""

import asyncio
import ipaddress
import math
import re
import time
from collections.abc import Awaitable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

from fastapi import Request

from app.access.admission import CharacterQuota
from app.api.errors import BodyTooSlow
from app.api.fields import Fields, read_fields
from app.api.observability.merging import WorkerMetrics
from app.api.responses import header_of
from app.api.upload import Upload, read_upload
from app.api.waiting import finish_job, unless_the_client_leaves, wait_for
from app.engine.sequence import FinishReason
from app.errors import EngineStopped, InvalidRequest, KeyMissing
from app.files.documents import Files
from app.server.peers import Peers
from app.serving.container import Serving
from app.serving.jobs import (
    SHORT_CHARACTERS,
    Job,
    ListenerFactory,
    TranslationRequest,
    start_job,
)
from app.settings import Settings
from app.translation.assembly import Translation
from app.translation.pending import Pending

# The member of a request's scope that holds, as an ``ExitStack``, what is released when the request is answered.
HELD: Final = "passerelle.held"
TIMEOUT_HEADER: Final = "X-Request-Timeout-Seconds"
_TIMEOUT_HEADER: Final = TIMEOUT_HEADER.lower().encode()
EVENT_STREAM: Final = "text/event-stream"
_KEY_SCHEMES: Final = re.compile(r"(?:DeepL-Auth-Key|Bearer)\s+(\S.*)", re.IGNORECASE)
# Clients of MTranServer send the key alone. The name of a scheme without anything behind it is no key.
_BARE_KEY: Final = re.compile(r"(?!(?:DeepL-Auth-Key|Bearer|Basic|Digest|Negotiate)$)\S+", re.IGNORECASE)
_KEY_FIELDS: Final = ("api_key", "auth_key")
# Browser extensions and Google's clients send these.
_KEY_PARAMETERS: Final = (*_KEY_FIELDS, "token", "key")
_KEY_HEADERS: Final = ("key",)
# A caller with one IPv6 address usually has the whole network of this prefix length.
_NETWORK_BITS: Final = 64
_Body = TypeVar("_Body")


@dataclass(frozen=True, slots=True)
class Service:
    """What ``create_app`` put together."""

    serving: Serving
    files: Files
    metrics: WorkerMetrics
    peers: Peers


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


@dataclass(frozen=True, slots=True)
class RequestTimeout:
    """How long a request may take.

    Attributes:
        seconds: The time allowed.
        name: Where ``seconds`` come from, for messages.
        start: When the request arrived, a ``time.monotonic`` time.
    """

    seconds: float
    name: str
    start: float

    @property
    def deadline(self) -> float:
        """A ``time.monotonic`` time."""
        return self.start + self.seconds

    def __str__(self) -> str:
        return f"{self.name} ({self.seconds:g})"


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request that was read and admitted.

    Attributes:
        request: The request itself.
        service: The service that it came to.
        fields: Its fields, however they were encoded.
        timeout: How long it may take.
        quota: The characters of its key; without a limit if it has no key.
        upload: Its file, if it has one.
        caller: The name under which the requests of its caller are counted.
    """

    request: Request
    service: Service
    fields: Fields
    timeout: RequestTimeout
    quota: CharacterQuota
    upload: Upload | None = None
    caller: str = ""

    @classmethod
    async def open(cls, request: Request, needs_key: bool = False) -> "ApiCall":
        """Read the fields of a request within its timeout, and admit it.

        Args:
            request: The request.
            needs_key: Refuse a request without a key, also where the service has no keys.

        Raises:
            BodyTooSlow: The body did not arrive within the timeout.
            InvalidRequest: The body or the header of the timeout is malformed.
            AccessRefused: The key is missing or wrong.
            RateExceeded: Too many requests came.
        """
        service = service_of(request)
        limit_seconds = service.serving.settings.request_timeout_seconds
        timeout = request.state.timeout = _timeout_of(request, limit_seconds, "request_timeout_seconds")
        fields = await _arrived(read_fields(request), timeout, "body")
        quota, caller = await _admit(request, service, fields, needs_key)
        return cls(request, service, fields, timeout, quota, caller=caller)

    @classmethod
    async def open_with_file(cls, request: Request, needs_key: bool = False) -> "ApiCall":
        """Do as ``open`` with a request that brings a file, within the longer timeout of files."""
        service = service_of(request)
        settings = service.serving.settings
        timeout = _timeout_of(request, settings.file_timeout_seconds, "file_timeout_seconds")
        fields, upload = await _arrived(read_upload(request, settings.max_file_bytes), timeout, "file")
        quota, caller = await _admit(request, service, fields, needs_key)
        return cls(request, service, fields, timeout, quota, upload, caller)

    @property
    def serving(self) -> Serving:
        return self.service.serving

    @property
    def files(self) -> Files:
        return self.service.files

    @property
    def settings(self) -> Settings:
        return self.service.serving.settings

    @property
    def accepts_events(self) -> bool:
        """Whether the client prefers server-sent events to JSON."""
        preferred = header_of(self.request.scope, b"accept").partition(",")[0]
        return preferred.partition(";")[0].strip().lower() == EVENT_STREAM

    def reserve(self, characters: int, texts: int = 1) -> AbstractContextManager[None]:
        """Count the request among those of its caller until it is answered, and its characters unless the block raises.

        Args:
            characters: The characters of all its texts.
            texts: The number of its texts.

        Raises:
            EngineOverloaded: The caller has too much in progress.
            QuotaExceeded: The quota of its key has fewer characters left.
        """
        held: ExitStack = self.request.scope[HELD]
        held.enter_context(self.serving.admission.load.hold(self.caller, characters, texts))
        return self.quota.reserve(characters)

    def check_served(self) -> None:
        """Refuse the request if no bundle is served.

        Raises:
            EngineStopped: No bundle could be loaded; the message says why.
        """
        registry = self.service.serving.registry
        if not registry.snapshot.pairs:
            raise EngineStopped(f"Nothing can be translated: {registry.snapshot.problem}")

    async def start(
        self, wanted: TranslationRequest, sources: Sequence[str], listeners: Sequence[ListenerFactory] = ()
    ) -> Job:
        """Queue the texts, arguments and errors as ``start_job``; a client that leaves ends the work on long ones."""
        starting = start_job(self.serving, wanted, sources, self.timeout.deadline, listeners)
        if wanted.characters <= SHORT_CHARACTERS:
            return await starting
        return await unless_the_client_leaves(self.request, starting)

    async def wait_for(self, *pendings: Pending) -> None:
        """Wait until the engine is done, the deadline passes or the client leaves; raises as ``waiting.wait_for``."""
        await wait_for(self.request, pendings, self.timeout.deadline)

    async def finish(self, job: Job) -> tuple[list[Translation], set[FinishReason]]:
        """Wait for a job.

        Returns:
            The translation of every text, and why some of them are cut.

        Raises:
            EngineError: As ``wait_for``.
            DeadlineExceeded: Nothing was translated.
        """
        await self.wait_for(*job.pendings)
        return await finish_job(job)


def key_of(request: Request, fields: Fields) -> str:
    """Return the key of a request, in any of the ways that clients send one; it is empty if there is none."""
    authorization = request.headers.get("authorization", "").strip()
    header = _KEY_SCHEMES.match(authorization)
    if header is not None:
        return header.group(1).strip()
    # Beside a body in JSON the query string holds no fields, but it may hold the key.
    for source, names in (
        (fields, _KEY_FIELDS),
        (request.query_params, _KEY_PARAMETERS),
        (request.headers, _KEY_HEADERS),
    ):
        for name in names:
            given = source.get(name)
            if isinstance(given, str) and given.strip():
                return given.strip()
    return authorization if _BARE_KEY.fullmatch(authorization) else ""


def address_of(request: Request) -> str:
    """Return the address of the caller, and of an IPv6 address its network. A trusted proxy's headers are applied
    before.
    """
    host = request.client.host if request.client is not None else ""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _NETWORK_BITS), strict=False))


def _timeout_of(request: Request, limit_seconds: float, setting: str) -> RequestTimeout:
    """Start the timeout. A client may ask for less than the setting, and gets the setting where it asks for more."""
    now = time.monotonic()
    given = header_of(request.scope, _TIMEOUT_HEADER).strip()
    if not given:
        return RequestTimeout(limit_seconds, setting, now)
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidRequest(f"Invalid request: {TIMEOUT_HEADER} is {given[:40]!r}, it must be a number above 0")
    if seconds >= limit_seconds:
        return RequestTimeout(limit_seconds, setting, now)
    return RequestTimeout(seconds, TIMEOUT_HEADER, now)


async def _arrived(body: Awaitable[_Body], timeout: RequestTimeout, what: str) -> _Body:
    try:
        async with asyncio.timeout(timeout.seconds):
            return await body
    except TimeoutError:
        raise BodyTooSlow(f"The {what} did not arrive within {timeout}") from None


async def _admit(request: Request, service: Service, fields: Fields, needs_key: bool) -> tuple[CharacterQuota, str]:
    admission = service.serving.admission
    key = key_of(request, fields) if needs_key or admission.has_keys else ""
    address = address_of(request)
    quota = await admission.admit(key, address)
    if needs_key and not key:
        raise KeyMissing("This needs a key")
    return quota, admission.name_caller(key, address)
