"""The service without HTTP and files: settings, bundles, detection, admission, glossaries, reloading."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from anyio.to_thread import run_sync

from app.access.admission import Admission, CharacterQuota
from app.errors import ConfigurationError, UnsupportedLanguage
from app.server.shared_memory import SharedCounts
from app.serving.glossary_store import GlossaryStore
from app.serving.in_flight import InFlight
from app.serving.registry import OpenGraphs, Registry
from app.serving.reload import Reloader, read_keys
from app.settings import Settings
from app.text.detection import SURE_CONFIDENCE, Detection, LanguageDetector
from app.text.languages import language_name

_LOG: Final = logging.getLogger(__name__)
_WITH_PLACEHOLDER: Final = "Hello {name}."


@dataclass(frozen=True, slots=True)
class Serving:
    """What the handlers of requests share.

    Attributes:
        settings: The settings of the process.
        registry: The bundles that are served.
        detector: Detects languages among those of the bundles.
        admission: Admits requests by key and rate.
        deepl_quota: The characters of DeepL's dialect, of all keys together.
        glossaries: The stored glossaries.
        reloader: Reads bundles and keys again.
        in_flight: The requests and files that may hold an engine.
        queued_characters: The characters put into the queue of an engine, by source and target language.
        repairs: How many segments were repaired, by what was wrong with them.
    """

    settings: Settings
    registry: Registry
    detector: LanguageDetector
    admission: Admission
    deepl_quota: CharacterQuota
    glossaries: GlossaryStore
    reloader: Reloader
    in_flight: InFlight
    queued_characters: Counter[tuple[str, str]] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def load(
        cls,
        settings: Settings,
        open_graphs: OpenGraphs,
        in_flight: InFlight,
        counts: SharedCounts | None = None,
        detector: LanguageDetector | None = None,
    ) -> "Serving":
        """Load keys and bundles. No engine runs before ``start``.

        Args:
            settings: The settings of the process.
            open_graphs: Opens the graphs of a bundle.
            in_flight: Counts the requests; a replaced engine stops after those that may hold it.
            counts: Where workers count requests and characters together; None in a single process.
            detector: Detects languages, if its models are in memory already.

        Raises:
            ConfigurationError: A setting cannot be honoured on this machine.
        """
        try:
            admission = Admission(read_keys(settings), settings, counts)
            registry = await run_sync(Registry.load, settings, open_graphs)
        except ConfigurationError as error:
            _LOG.error("cannot start: %s", error)
            raise
        # Targets are included: a text may be in the target language, and /detect knows each language served.
        detector = LanguageDetector(()) if detector is None else detector
        detector.add(registry.snapshot.languages)
        return cls(
            settings=settings,
            registry=registry,
            detector=detector,
            admission=admission,
            deepl_quota=CharacterQuota(
                settings.deepl_character_limit, shared=None if counts is None else counts.quotas
            ),
            glossaries=GlossaryStore(
                settings.data_dir / "glossaries.sqlite3", settings.max_glossaries, settings.max_glossary_entries
            ),
            reloader=Reloader(settings, registry, detector, in_flight, admission.keys, admission.use),
            in_flight=in_flight,
        )

    async def start(self) -> None:
        """Start the engines and run each graph once, so that the first request does not pay for its first run."""
        self.registry.start()
        await run_sync(self.registry.warm_up)

    async def finish_loading(self) -> None:
        """Load, while the service answers, what most requests do not need; one that needs it waits for it.

        That is the models of the detector, if there are several languages to detect, and the search for placeholders.
        """
        try:
            if len(self.registry.snapshot.sources) > 1:  # otherwise only /detect needs them
                await run_sync(self.detector.load)
            for entry in self.registry.served.values():
                await run_sync(entry.translator.prepare, [_WITH_PLACEHOLDER])
        except Exception:
            _LOG.exception("the service answers, but a part of it cannot be loaded")

    async def probe(self) -> None:
        """Warm up each bundle that does not work, again and again, so that readiness returns by itself."""
        while True:
            await asyncio.sleep(self.settings.probe_seconds)
            try:
                await run_sync(self.registry.warm_up)
            except Exception:
                _LOG.exception("the readiness probe failed")

    async def close(self) -> None:
        """Stop the engines, also those that a reload replaced."""
        await self.admission.close()
        await self.reloader.close()
        await run_sync(self.registry.stop)


async def detect_languages(
    registry: Registry, detector: LanguageDetector, texts: Sequence[str], target: str
) -> list[Detection]:
    """Detect the language of each text.

    Args:
        registry: Tells which languages are translated to ``target``.
        detector: Ranks all languages, served or not; its work runs on a thread. Where it is not sure, a language is
            taken that is translated to ``target``.
        texts: The texts.
        target: The language wanted.

    Returns:
        The likeliest language of each text.

    Raises:
        UnsupportedLanguage: A text is surely in a language that is not translated to ``target``.
    """
    possible = set(registry.snapshot.sources_of(target))
    if target in registry.snapshot.sources:
        possible.add(target)

    def detect(text: str) -> Detection:
        best = next(iter(detector.detect(text)), None)
        if best is None or (best.language not in (*possible, target) and best.confidence < SURE_CONFIDENCE):
            return detector.rank(text, possible)[0]
        if best.language not in (*possible, target):
            raise UnsupportedLanguage(
                f"The text is in {language_name(best.language)} ({best.language}): {language_name(target)} ({target}) "
                f"is not available as a target language from it"
            )
        return best

    return await run_sync(lambda: [detect(text) for text in texts])
