"""A bundle in memory: its engine, what uses it, and whether it works."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from app.bundle.store import Bundle, check_unchanged, load_bundle
from app.engine.factory import open_engine
from app.engine.loop import Engine, EngineLimits
from app.engine.model import Graphs
from app.engine.sequence import FinishReason
from app.engine.sessions import OnnxGraphs
from app.errors import BundleError, BundleFileError, DeadlineExceeded, PasserelleError
from app.server.resources import ThreadShare, release_free_memory
from app.serving.cache import Cache
from app.serving.coalescing import CachedEngine
from app.serving.routes import Hop, Pair
from app.serving.snapshot import Installed, pairs_of
from app.settings import Settings
from app.text.placeholder_finder import BUILT_IN, PlaceholderFinder
from app.translation.completion import Completer
from app.translation.translator import Translator
from app.translation.word_choices import Chooser

_LOG: Final = logging.getLogger(__name__)
_WARM_UP_TEXT: Final = "Hello."
_STOP_SECONDS: Final = 1.0


class OpenedGraphs(NamedTuple):
    """Graphs, and the provider on which they run."""

    graphs: Graphs
    provider: str


OpenGraphs = Callable[[Bundle, Settings, ThreadShare], OpenedGraphs]


def open_onnx_graphs(bundle: Bundle, settings: Settings, share: ThreadShare) -> OpenedGraphs:
    """Open the graphs in onnxruntime, as the settings say."""
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
    """A bundle with its engine and all that uses it.

    Attributes:
        provider: where the graphs run.
        prober: translates without the cache, for the warm-up.
        cached: submits to the engine for translator, completer and chooser, if there is a cache.
        failure: why the last warm-up failed.
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

    @property
    def pivot(self) -> None:
        """No language is between its source and its target."""
        return None

    @property
    def hop(self) -> Hop:
        """What a chain needs of it."""
        return Hop(self.bundle, self.cached or self.engine)

    def why_not_ready(self, stall_seconds: float) -> str | None:
        """The reason, or None if it is ready."""
        if not self.is_warm:
            return self.failure
        status = self.engine.status()
        if not status.healthy:
            return status.failure or "the engine is stopped"
        if status.step_age_seconds is not None and status.step_age_seconds > stall_seconds:
            return f"a step has taken {status.step_age_seconds:.0f} seconds, stall_seconds is {stall_seconds:g}"
        return None

    def warm_up(self, timeout_seconds: float) -> None:
        """Translate a text. Never raises; ``failure`` holds what went wrong."""
        started = time.monotonic()
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
                time.monotonic() - started,
            )
        self.is_warm, self.failure = True, None


def serve(
    bundle: Bundle,
    settings: Settings,
    open_graphs: OpenGraphs,
    share: ThreadShare,
    cache: Cache | None = None,
    finder: PlaceholderFinder = BUILT_IN,
) -> dict[Pair, ServedBundle]:
    """Open a bundle with one engine, not started yet, for all its pairs: their rows share a batch.

    Args:
        bundle: to serve.
        settings: limits of the engine.
        open_graphs: opens the bundle's graphs.
        share: threads of the bundle.
        cache: of finished segments.
        finder: of placeholders.

    Raises:
        BundleError: the graphs cannot be used, or the bundle was replaced meanwhile.
        ConfigurationError: a setting cannot be honoured on this machine.
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
    # All pairs share it: the tag of the target is among the ids of the source, and no source text contains a tag.
    cached = CachedEngine(engine, cache, bundle.version) if cache is not None else None
    served = {}
    for pair, languages in pairs_of(manifest).items():
        for_pair = bundle.between(*languages)
        submitter = cached or engine
        translator = Translator(for_pair, submitter, finder)
        served[pair] = ServedBundle(
            for_pair,
            engine,
            translator,
            Completer(for_pair, submitter, translator),
            Chooser(for_pair, submitter),
            opened.provider,
            translator.through(engine),
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


@dataclass(eq=False, slots=True)
class Loaded:
    """A bundle in memory.

    Attributes:
        installed: what was read of it before.
        entries: by pair.
        leases: how many requests hold it.
        used_at: when the last of them began or ended, a ``time.monotonic`` time.
        loaded_at: when it came into memory.
    """

    installed: Installed
    entries: Mapping[Pair, ServedBundle]
    leases: int = 0
    used_at: float = field(default_factory=time.monotonic)
    loaded_at: float = field(default_factory=time.monotonic)

    @property
    def engine(self) -> Engine:
        """The engine of all its pairs."""
        return next(iter(self.entries.values())).engine


class Opener:
    """Loads bundles.

    Args:
        settings: of the process.
        open_graphs: opens the graphs of a bundle.
        cache: of finished segments, for all bundles.
        finder: of placeholders.
    """

    def __init__(
        self, settings: Settings, open_graphs: OpenGraphs, cache: Cache | None, finder: PlaceholderFinder
    ) -> None:
        self._settings = settings
        self._open_graphs = open_graphs
        self._cache = cache
        self._finder = finder

    def open(self, installed: Installed, share: ThreadShare) -> Loaded:
        """Verify a bundle and open its graphs; its engine is not started.

        Raises:
            BundleError: it cannot be used.
            ConfigurationError: a setting cannot be honoured on this machine.
            OSError: a file cannot be read.
        """
        bundle = load_bundle(installed.folder, self._settings.max_bundle_file_bytes, self._settings.shortlist)
        if pairs_of(bundle.manifest).keys() != installed.pairs.keys():
            raise BundleFileError(f"{bundle.folder}: was replaced by a bundle of other languages: reload")
        loaded = Loaded(installed, serve(bundle, self._settings, self._open_graphs, share, self._cache, self._finder))
        release_free_memory()
        return loaded

    def open_warm(self, installed: Installed, share: ThreadShare) -> Loaded:
        """As ``open``; its engine is started and has translated a text, before any request can find it.

        Raises:
            BundleError: it cannot be used, or does not translate.
        """
        try:
            loaded = self.open(installed, share)
        except OSError as error:
            raise BundleFileError(f"{installed.folder}: {error}") from error
        loaded.engine.start()
        for entry in loaded.entries.values():
            entry.warm_up(self._settings.warm_up_timeout_seconds)
            if entry.failure is not None:
                loaded.engine.stop(drain=False, timeout_seconds=_STOP_SECONDS)
                raise BundleError(f"{installed.folder}: {entry.failure}")
        return loaded
