"""One bundle being served: its engine, all that asks it, and whether it works. Knows no HTTP."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.bundle.store import Bundle, check_unchanged
from app.engine.factory import open_engine
from app.engine.loop import Engine, EngineLimits
from app.engine.model import Graphs
from app.engine.sequence import FinishReason
from app.engine.sessions import OnnxGraphs
from app.errors import DeadlineExceeded, PasserelleError
from app.server.cpus import ThreadShare
from app.serving.cache import Cache
from app.serving.coalescing import CachedEngine
from app.settings import Settings
from app.text.placeholder_patterns import BUILT_IN, PlaceholderFinder
from app.translation.completion import Completer
from app.translation.translator import Translator
from app.translation.word_choices import Chooser

_LOG: Final = logging.getLogger(__name__)
_WARM_UP_TEXT: Final = "Hello."

# Source and target, in small letters.
Pair = tuple[str, str]


class OpenedGraphs(NamedTuple):
    """``provider`` is where the graphs really run."""

    graphs: Graphs
    provider: str


OpenGraphs = Callable[[Bundle, Settings, ThreadShare], OpenedGraphs]


def open_onnx_graphs(bundle: Bundle, settings: Settings, share: ThreadShare) -> OpenedGraphs:
    """The real graphs, as the settings say."""
    graphs = OnnxGraphs(
        bundle,
        provider=settings.provider,
        threads=share.threads,
        provider_fallback=settings.provider_fallback,
        turns=share.turns,
    )
    return OpenedGraphs(graphs, graphs.provider)


@dataclass(slots=True)
class ServedBundle:
    """A bundle with its engine and all that asks it. ``failure`` is why its last warm-up did not work.

    ``cached`` stands between the engine and those who ask, if there is a cache; ``prober`` asks the engine itself.
    """

    bundle: Bundle
    engine: Engine
    translator: Translator
    completer: Completer
    chooser: Chooser
    provider: str
    prober: Translator
    cached: CachedEngine | None = None
    is_warm: bool = False
    failure: str | None = "not warmed up yet"

    def why_not_ready(self, stall_seconds: float) -> str | None:
        """None when it is ready."""
        if not self.is_warm:
            return self.failure
        status = self.engine.status()
        if not status.healthy:
            return status.failure or "the engine is stopped"
        if status.step_age_seconds is not None and status.step_age_seconds > stall_seconds:
            return f"a step has taken {status.step_age_seconds:.0f} seconds, stall_seconds is {stall_seconds:g}"
        return None

    def warm_up(self, timeout_seconds: float) -> None:
        """Translate something. Never raises: what went wrong is kept in ``failure``."""
        began = time.monotonic()
        try:
            (translation,) = self.prober.translate([_WARM_UP_TEXT], timeout_seconds=timeout_seconds)
            if FinishReason.DEADLINE in translation.cut_reasons:
                raise DeadlineExceeded(f"it was not finished within warm_up_timeout_seconds ({timeout_seconds:g})")
        except (PasserelleError, TimeoutError) as error:
            self.is_warm, self.failure = False, f"warm-up failed: {type(error).__name__}: {error}"
            _LOG.error("%s: %s", self.bundle.folder, self.failure)
            return
        if not self.is_warm:
            _LOG.info(
                "%s: ready on %s after a warm-up of %.2f s",
                self.bundle.folder,
                self.provider,
                time.monotonic() - began,
            )
        self.is_warm, self.failure = True, None


def pairs_of(bundle: Bundle) -> dict[Pair, Pair]:
    """What a bundle translates, with each pair as the manifest writes it."""
    manifest = bundle.manifest
    return {
        (source.lower(), target.lower()): (source, target) for source in manifest.sources for target in manifest.targets
    }


def serve(
    bundle: Bundle,
    settings: Settings,
    open_graphs: OpenGraphs,
    share: ThreadShare,
    cache: Cache | None = None,
    finder: PlaceholderFinder = BUILT_IN,
) -> dict[Pair, ServedBundle]:
    """A bundle with an engine that is not started yet, for each of its pairs: their rows share its batch.

    :raises BundleError: the graphs cannot be used, or the bundle was replaced meanwhile.
    :raises ConfigurationError: a setting cannot be honoured on this machine.
    """
    manifest = bundle.manifest
    opened = open_graphs(bundle, settings, share)
    limits = EngineLimits(
        max_rows=settings.max_rows,
        max_padded_tokens=settings.max_padded_tokens,
        max_waiting=settings.max_waiting,
        max_request_sequences=settings.max_segments,
    )
    engine = open_engine(bundle, opened.graphs, limits)
    # All pairs share it: the tag that asks for a target is among the ids of the source, and no source has one.
    cached = CachedEngine(engine, cache, bundle.version) if cache is not None else None
    served = {}
    for pair, languages in pairs_of(bundle).items():
        asked = bundle.between(*languages)
        submitter = cached or engine
        translator = Translator(asked, submitter, finder)
        served[pair] = ServedBundle(
            asked,
            engine,
            translator,
            Completer(asked, submitter, translator),
            Chooser(asked, submitter),
            opened.provider,
            Translator(asked, engine),
            cached,
        )
        _LOG.info(
            "bundle %s: %s, %s to %s, %s, on %s",
            bundle.folder,
            manifest.name,
            *pair,
            manifest.precision,
            opened.provider,
        )
    check_unchanged(bundle)
    return served
