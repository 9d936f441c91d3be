"""The language of a text, where a request leaves it open."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from app.serving.registry import Registry
from app.text.languages import Detection, LanguageDetector

if TYPE_CHECKING:
    from app.api.service import Service  # which imports what detects


async def detect(service: "Service", texts: Sequence[str], target: str) -> list[Detection]:
    """Of each text, among those from which the target can be reached, and the target itself."""
    return await detect_among(service.registry, service.detector, texts, target)


async def detect_among(
    registry: Registry, detector: LanguageDetector, texts: Sequence[str], target: str
) -> list[Detection]:
    """As ``detect``, for whoever has no service yet."""
    possible = set(registry.sources_of(target))
    if target in registry.sources:
        possible.add(target)
    return await run_in_threadpool(lambda: [detector.rank(text, possible)[0] for text in texts])


def detected_of(detection: Detection) -> dict[str, object]:
    """As LibreTranslate says it."""
    return {"confidence": detection.confidence, "language": detection.language}
