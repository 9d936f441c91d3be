"""What the handlers share: settings, bundles, detector, quota, glossaries, files, who may ask, what is counted."""

from dataclasses import dataclass

from fastapi import Request
from prometheus_client import CollectorRegistry

from app.api.access import Access
from app.api.documents import Documents
from app.api.file_desk import FileDesk
from app.api.traffic import Traffic
from app.files.shelf import Shelf
from app.files.store import FileStore
from app.glossary import GlossaryStore
from app.quota import CharacterQuota
from app.registry import Registry
from app.reloader import Reloader
from app.settings import Settings
from app.text.language import LanguageDetector


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
