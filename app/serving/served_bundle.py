"""Bundles being served: the engine of each, what uses it, and whether it works; and all of them at one moment."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from app.bundle.store import Bundle, check_unchanged
from app.engine.factory import open_engine
from app.engine.loop import Engine, EngineLimits
from app.engine.model import Graphs
from app.engine.sequence import FinishReason
from app.engine.sessions import OnnxGraphs
from app.errors import BundleFileError, DeadlineExceeded, PasserelleError
from app.server.resources import ThreadShare
from app.serving.cache import Cache
from app.serving.coalescing import CachedEngine
from app.serving.routes import Chains, Hop, Joining, Pair, find_pivots, split_codes
from app.settings import Settings
from app.text.placeholder_finder import BUILT_IN, PlaceholderFinder
from app.translation.completion import Completer
from app.translation.translator import Translator
from app.translation.word_choices import Chooser

_LOG: Final = logging.getLogger(__name__)
_WARM_UP_TEXT: Final = "Hello."


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


def pairs_of(bundle: Bundle) -> dict[Pair, Pair]:
    """The pairs of languages that a bundle translates, and each as the manifest writes it."""
    manifest = bundle.manifest
    return {
        (source.lower(), target.lower()): (source, target) for source in manifest.sources for target in manifest.targets
    }


def check_pairs(bundle: Bundle, others: Mapping[Pair, ServedBundle]) -> Bundle:
    """The bundle.

    Raises:
        BundleFileError: another bundle translates one of its pairs.
    """
    for pair in pairs_of(bundle).keys() & others.keys():
        raise BundleFileError(
            f"{bundle.folder}: translates {pair[0]} to {pair[1]}, as {others[pair].bundle.folder} does already"
        )
    return bundle


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
    for pair, languages in pairs_of(bundle).items():
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
            Translator(for_pair, engine),
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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is served at one moment; immutable. A reload replaces it as a whole.

    Attributes:
        served: by source and target.
        failed: why a folder could not be loaded, by its name.
        problem: why nothing is served.
        joining: makes chains of bundles; None where nothing is translated through a pivot.
        forbidden_pivots: the setting.
        chains: the pairs that are translated through a pivot.
        pairs: all pairs that are translated.
        languages: every language that is a source or a target.
    """

    served: Mapping[Pair, ServedBundle] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    joining: Joining | None = None
    forbidden_pivots: str = ""
    chains: Chains = field(init=False)
    pairs: frozenset[Pair] = field(init=False)
    languages: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        # Every request reads these, so they are made once.
        served = self.served
        pivots = find_pivots(served.keys(), split_codes(self.forbidden_pivots)) if self.joining is not None else {}
        object.__setattr__(self, "chains", Chains(pivots, lambda pair: served[pair].hop, self.joining))
        object.__setattr__(self, "pairs", frozenset((*served, *pivots)))
        object.__setattr__(self, "languages", tuple(sorted({language for pair in served for language in pair})))

    @property
    def engines(self) -> list[Engine]:
        """Each once, also where it serves several pairs."""
        return list({id(entry.engine): entry.engine for entry in self.served.values()}.values())

    def of_folder(self, name: str) -> dict[Pair, ServedBundle]:
        """The entries of one folder."""
        return {pair: entry for pair, entry in self.served.items() if entry.bundle.folder.name == name}


Outcome = Literal["loaded", "unchanged", "removed", "refused"]


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What a reload did with one folder.

    Attributes:
        problem: why it was refused.
    """

    folder: str
    outcome: Outcome
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did.

    Attributes:
        folders: what it did with each.
        retired: the engines that were replaced. Requests from before the swap may still use them.
    """

    folders: tuple[FolderReport, ...]
    retired: tuple[Engine, ...]
