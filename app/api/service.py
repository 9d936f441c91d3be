"""What the handlers share: settings, bundles, detector, quota, glossaries, files, who may ask, what is counted."""

from dataclasses import dataclass

from fastapi import Request
from prometheus_client import CollectorRegistry

from app.access.quota import CharacterQuota
from app.api.access import Access
from app.api.observability.traffic import Traffic
from app.files.database import FileStore
from app.files.documents import Documents
from app.files.queue import FileDesk
from app.files.result_store import Shelf
from app.serving.glossaries import GlossaryStore
from app.serving.registry import Registry
from app.serving.reload import Reloader
from app.settings import Settings
from app.text.languages import LanguageDetector


@dataclass(frozen=True, slots=True)
class Service:
    settings: Settings
    registry: Registry
    detector: LanguageDetector
    quota: CharacterQuota
    glossaries: GlossaryStore
    files: FileDesk
    store: FileStore
    shelf: Shelf
    documents: Documents
    access: Access
    traffic: Traffic
    prometheus: CollectorRegistry
    reloader: Reloader


def service_of(request: Request) -> Service:
    """The service that ``create_app`` put together."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service
