"""Language detection for requests that do not name their source."""

from collections.abc import Sequence

from anyio.to_thread import run_sync

from app.serving.registry import Registry
from app.text.languages import Detection, LanguageDetector


async def detect_languages(
    registry: Registry, detector: LanguageDetector, texts: Sequence[str], target: str
) -> list[Detection]:
    """Detect the language of each text.

    Args:
        registry: Limits the languages: only those that can be translated to ``target``, and ``target`` itself.
        detector: Ranks the languages; its work runs on a thread.
        texts: The texts.
        target: The language wanted.

    Returns:
        The likeliest language of each text.
    """
    possible = set(registry.sources_of(target))
    if target in registry.sources:
        possible.add(target)
    return await run_sync(lambda: [detector.rank(text, possible)[0] for text in texts])
