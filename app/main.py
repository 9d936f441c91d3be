"""The application: ``create_app`` puts the service together; nothing happens at import."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from app.access.quota import CharacterQuota
from app.api.access import Access
from app.api.deepl import documents as deepl_documents
from app.api.deepl import glossaries as deepl_glossaries
from app.api.deepl import languages as deepl_languages
from app.api.deepl import translate as deepl_translate
from app.api.deepl import usage as deepl_usage
from app.api.errors import install_error_handlers
from app.api.libretranslate import detect, frontend, languages, translate
from app.api.libretranslate import files as translate_file
from app.api.libretranslate.descriptions import TAGS
from app.api.limits import BodyBudget, BodyLimit
from app.api.middleware import Edge
from app.api.observability import metrics
from app.api.observability.metrics import prometheus_registry
from app.api.observability.spans import Spans
from app.api.observability.traffic import Traffic
from app.api.own import admin, complete, docs, health, page
from app.api.responses import JsonResponse
from app.api.service import Service
from app.errors import ConfigurationError
from app.files.database import FileStore
from app.files.document_store import Ledger
from app.files.documents import Documents
from app.files.queue import FileDesk
from app.files.result_store import Shelf
from app.server.environment import load_settings
from app.serving.glossaries import GlossaryStore
from app.serving.in_flight import Presence
from app.serving.registry import OpenGraphs, Registry, open_onnx_graphs
from app.serving.reload import Reloader, hangups, read_keys
from app.settings import Settings
from app.text.languages import LanguageDetector

if TYPE_CHECKING:  # not every FastAPI that will do has it; the others pass over it
    from fastapi.telemetry import TelemetryConfig

_LOG: Final = logging.getLogger(__name__)
_CONCERNS: Final = (
    translate,
    translate_file,
    detect,
    languages,
    frontend,
    deepl_translate,
    deepl_documents,
    deepl_languages,
    deepl_usage,
    deepl_glossaries,
    complete,
    health,
    metrics,
    docs,
    page,
)
_TIDY_SECONDS: Final = 60.0
# FastAPI's own spans and logs would hold query strings and exceptions, and with them texts and keys; see
# app.api.observability.spans.
_NO_TELEMETRY: Final["TelemetryConfig"] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
_DESCRIPTION: Final = """\
Translation on your own machine. LibreTranslate's and DeepL's clients work unchanged.
"""


def create_app(
    settings: Settings | None = None, open_graphs: OpenGraphs = open_onnx_graphs, spans: Spans | None = None
) -> FastAPI:
    """The service as an ASGI application.

    :param settings: read from the environment if left out.
    :param open_graphs: how the graphs of a bundle are opened; tests put models of their own here.
    :param spans: in place of those that the environment asks for.
    """
    chosen = settings if settings is not None else load_settings()
    traffic, presence, chosen_spans = Traffic(), Presence(), spans if spans is not None else Spans()
    app = FastAPI(
        title="Passerelle",
        summary="Self-hosted translation",
        description=_DESCRIPTION,
        version=_version(),
        lifespan=_lifespan(chosen, open_graphs, traffic, presence, chosen_spans),
        default_response_class=JsonResponse,
        docs_url=None,  # both pages would load from a CDN
        redoc_url=None,
        openapi_tags=TAGS,
        telemetry=_NO_TELEMETRY,
    )
    app.state.is_leaving = False
    app.state.bodies = BodyBudget(chosen.max_bodies_mib)
    install_error_handlers(app)
    for concern in _CONCERNS:
        app.include_router(concern.router)
    if chosen.admin_key_hash:
        app.include_router(admin.router)
    app.add_middleware(
        BodyLimit,
        max_body_bytes=chosen.max_body_bytes,
        max_file_bytes=chosen.max_file_bytes,
        budget=app.state.bodies,
    )
    # Added last, so it is the outermost.
    app.add_middleware(
        Edge,
        traffic=traffic,
        presence=presence,
        spans=chosen_spans,
        root_path=chosen.root_path,
        access_log=chosen.access_log,
    )
    return app


def leave(app: object) -> None:
    """The service, as ``create_app`` made it, will be stopped soon: from now on it is not ready, so that nobody sends
    anything new.
    """
    assert isinstance(app, FastAPI)
    app.state.is_leaving = True


def _lifespan(
    settings: Settings, open_graphs: OpenGraphs, traffic: Traffic, presence: Presence, spans: Spans
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with hangups() as reload_asked:
            try:
                access = Access(read_keys(settings), settings)
                registry = await run_in_threadpool(Registry.load, settings, open_graphs)
            except ConfigurationError as error:
                _LOG.error("cannot start: %s", error)
                raise
            # Targets too: a text may be in the language that is wanted, and /detect knows each language served.
            detector = LanguageDetector(registry.languages)
            if len(registry.sources) > 1:  # else nothing but /detect needs it
                await run_in_threadpool(detector.load)
            spans.start(_version())
            service = app.state.service = _service(settings, registry, detector, access, traffic, presence)
            await run_in_threadpool(service.store.delete_abandoned)
            registry.start()
            # Connections are taken only after this, so the first request does not pay for the first run of the graphs.
            await run_in_threadpool(registry.warm_up)
            tasks = [
                asyncio.create_task(_probe(registry, settings.probe_seconds)),
                asyncio.create_task(service.reloader.reload_whenever(reload_asked)),
                asyncio.create_task(_tidy(service, min(_TIDY_SECONDS, settings.file_keep_seconds))),
                asyncio.create_task(service.documents.watch()),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await service.documents.close()
                service.files.close()
                await service.access.close()
                await run_in_threadpool(service.store.close)
                await service.reloader.close()
                await run_in_threadpool(registry.stop)
                await run_in_threadpool(spans.stop)

    return lifespan


def _service(
    settings: Settings,
    registry: Registry,
    detector: LanguageDetector,
    access: Access,
    traffic: Traffic,
    presence: Presence,
) -> Service:
    quota = CharacterQuota(settings.deepl_character_limit)
    files = FileDesk(settings, registry, detector, presence)
    store = FileStore(Path(settings.files_dir) if settings.files_dir else None)
    shelf = Shelf(store, settings.max_stored_bytes, settings.file_keep_seconds)
    ledger = Ledger(store, settings.file_keep_seconds)
    glossaries = GlossaryStore(settings.data_dir / "glossaries.sqlite3", settings.max_glossaries)
    documents = Documents(files, shelf, ledger, lambda: (quota, *access.quotas), is_shared=store.shared is not None)
    prometheus = prometheus_registry(traffic, registry)
    reloader = Reloader(settings, registry, detector, presence, access.keys, access.use)
    return Service(
        settings,
        registry,
        detector,
        quota,
        glossaries,
        files,
        store,
        shelf,
        documents,
        access,
        traffic,
        prometheus,
        reloader,
    )


async def _probe(registry: Registry, interval_seconds: float) -> None:
    """Try a bundle that does not work again and again, so that readiness comes back by itself."""
    while True:
        await asyncio.sleep(interval_seconds)
        try:
            await run_in_threadpool(registry.warm_up)
        except Exception:
            _LOG.exception("the readiness probe failed")


async def _tidy(service: Service, interval_seconds: float) -> None:
    """Delete files that nobody fetched, also while nobody asks for anything."""
    while True:
        await asyncio.sleep(interval_seconds)
        await service.documents.expire()
        await run_in_threadpool(service.shelf.expire)


def _version() -> str:
    try:
        return version("passerelle")
    except PackageNotFoundError:  # run from a checkout
        return "0.1.0"
