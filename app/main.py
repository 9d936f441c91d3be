"""The application: ``create_app`` builds the service, its middleware, its routes and its lifespan.

Importing this module does nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from anyio.to_thread import run_sync
from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp

from app import __version__
from app.api.call import Service
from app.api.deepl import documents as deepl_documents
from app.api.deepl import glossaries as deepl_glossaries
from app.api.deepl import glossaries_v3 as deepl_glossaries_v3
from app.api.deepl import languages as deepl_languages
from app.api.deepl import languages_v3 as deepl_languages_v3
from app.api.deepl import translate as deepl_translate
from app.api.errors import install_error_handlers
from app.api.extensions import deeplx, google, hcfy, immersive, kiss, mtran
from app.api.libretranslate import files, languages, spec, translate
from app.api.limits import BodyBudget, BodyLimit
from app.api.middleware import DirectCalls, Edge
from app.api.observability import metrics
from app.api.observability.merging import WorkerMetrics
from app.api.observability.metrics import Traffic, prometheus_registry
from app.api.observability.spans import Spans
from app.api.own import complete, health, page
from app.api.responses import JsonResponse
from app.api.waiting import StopSignal
from app.files.documents import Files
from app.server.environment import load_settings
from app.server.peers import Peers, Worker
from app.serving.container import Serving
from app.serving.in_flight import InFlight
from app.serving.registry import OpenGraphs, open_onnx_graphs
from app.serving.reload import watch_hangups
from app.settings import Settings
from app.text.detection import LanguageDetector

if TYPE_CHECKING:  # only newer releases of FastAPI have it; older ones ignore the argument
    from fastapi.telemetry import TelemetryConfig

_ROUTERS: Final = (
    translate.router,
    files.router,
    languages.router,
    spec.router,
    deepl_translate.router,
    deepl_documents.router,
    deepl_languages.router,
    deepl_languages_v3.router,
    deepl_glossaries.router,
    deepl_glossaries_v3.router,
    immersive.router,
    kiss.router,
    hcfy.router,
    deeplx.router,
    mtran.router,
    google.router,
    complete.router,
    health.router,
    metrics.router,
    page.router,
)
# FastAPI's own spans and logs would hold query strings and exceptions, and with them texts and keys; see
# app.api.observability.spans.
_NO_TELEMETRY: Final["TelemetryConfig"] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
# The groups of the OpenAPI page, in this order.
_TAGS: Final[list[dict[str, Any]]] = [
    {"name": "LibreTranslate", "description": "What LibreTranslate's clients ask for, and more in optional fields."},
    {
        "name": "DeepL",
        "description": "What DeepL's clients ask for, version 2 of its interface. Any key will do, so give one, such "
        "as `DeepL-Auth-Key any`, behind *Authorize*, unless the service has keys.",
    },
    {
        "name": "Extensions",
        "description": "What browser extensions, DeepLX's, MTranServer's and Google's clients ask for.",
    },
    {"name": "Passerelle", "description": "Fields and endpoints of its own."},
    {"name": "operation", "description": "For the operator of the service."},
]
_DESCRIPTION: Final = """\
Translation on your own machine. LibreTranslate's and DeepL's clients work unchanged.
"""


class _Application(FastAPI):
    """FastAPI behind the layers of this service. ``Edge`` answers unexpected errors in place of Starlette's outermost
    layer.
    """

    process: "_Process"

    def build_middleware_stack(self) -> ASGIApp:
        """Build the layers at the first request; FastAPI calls this."""
        process, settings = self.process, self.process.settings
        whole = super().build_middleware_stack()
        assert isinstance(whole, ServerErrorMiddleware)
        routes = (route for router in _ROUTERS for route in router.routes)
        direct = DirectCalls(whole.app, routes, self.exception_handlers)
        limited = BodyLimit(direct, settings.max_body_bytes, settings.max_file_bytes, self.state.bodies)
        return Edge(limited, process.traffic, process.in_flight, process.spans, settings.root_path, settings.access_log)


@dataclass(frozen=True, slots=True)
class _Process:
    """What exists before anything is loaded, because the middleware uses it."""

    settings: Settings
    open_graphs: OpenGraphs
    spans: Spans
    worker: Worker | None = None
    detector: LanguageDetector | None = None
    traffic: Traffic = field(default_factory=Traffic)
    in_flight: InFlight = field(default_factory=InFlight)


def create_app(
    settings: Settings | None = None,
    open_graphs: OpenGraphs = open_onnx_graphs,
    spans: Spans | None = None,
    worker: Worker | None = None,
    detector: LanguageDetector | None = None,
) -> FastAPI:
    """Build the service as an ASGI application.

    Args:
        settings: Read from the environment if left out.
        open_graphs: Opens the graphs of a bundle; tests pass models of their own.
        spans: Replaces the spans that the environment requests.
        worker: What this process is among several that serve one port; None if it serves alone.
        detector: Detects languages; workers share one whose models are in memory already.

    Raises:
        ConfigurationError: The environment holds a setting that cannot be used.
    """
    chosen = settings if settings is not None else load_settings()
    process = _Process(chosen, open_graphs, spans if spans is not None else Spans(), worker, detector)
    app = _Application(
        title="Passerelle",
        summary="Self-hosted translation",
        description=_DESCRIPTION,
        version=__version__,
        lifespan=_lifespan(process),
        default_response_class=JsonResponse,
        redirect_slashes=False,  # the middleware answers such paths at once
        docs_url=None,  # both pages would load from a CDN
        redoc_url=None,
        openapi_tags=_TAGS,
        telemetry=_NO_TELEMETRY,
    )
    app.process = process
    app.state.is_leaving = False
    app.state.stop_signal = StopSignal()
    app.state.bodies = BodyBudget(chosen.max_bodies_mib)
    install_error_handlers(app)
    for router in _ROUTERS:
        app.include_router(router)
    if chosen.admin_key_hash:
        app.include_router(health.admin_router)
    return app


def leave(app: object) -> None:
    """Report from now on that the service is not ready, so that load balancers send no more requests before it stops.

    Args:
        app: The application, as ``create_app`` built it.
    """
    assert isinstance(app, FastAPI)
    app.state.is_leaving = True


def stop(app: object) -> None:
    """End the requests that still run: each is refused (503), and a stream ends with an error event.

    Args:
        app: The application, as ``create_app`` built it.
    """
    assert isinstance(app, FastAPI)
    app.state.stop_signal.set()


def _lifespan(process: _Process) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with watch_hangups() as reload_requests:
            worker, peers = process.worker, Peers(process.worker)
            counts = None if worker is None else worker.counts
            serving = await Serving.load(
                process.settings, process.open_graphs, process.in_flight, counts, process.detector
            )
            process.spans.start(__version__)
            parts = Files.build(serving)
            numbers = prometheus_registry(process.traffic, serving, worker is not None and worker.is_successor)
            service = app.state.service = Service(serving, parts, WorkerMetrics(numbers, peers), peers)
            await parts.start()
            await serving.start()  # the server accepts connections only after this
            await peers.start(health.answers_to_peers(service, lambda: app.state.is_leaving))
            tasks = [
                asyncio.create_task(serving.finish_loading()),
                asyncio.create_task(service.metrics.store()),
                asyncio.create_task(serving.probe()),
                asyncio.create_task(serving.reloader.reload_on(reload_requests)),
                asyncio.create_task(parts.expire()),
                asyncio.create_task(parts.documents.watch()),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await peers.close()
                await parts.close()
                await serving.close()
                await run_sync(process.spans.stop)

    return lifespan
