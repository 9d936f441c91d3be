"""The language of a text, where a request leaves it open."""

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool

from app.api.service import Service
from app.text.language import Detection


async def detect(service: Service, texts: Sequence[str], target: str) -> list[Detection]:
    """Of each text, among those from which the target can be reached, and the target itself."""
    registry = service.registry
    possible = set(registry.sources_of(target))
    if target in registry.sources:
        possible.add(target)
    return await run_in_threadpool(lambda: [service.detector.rank(text, possible)[0] for text in texts])


def detected_of(detection: Detection) -> dict[str, object]:
    """As LibreTranslate says it."""
    return {"confidence": detection.confidence, "language": detection.language}
