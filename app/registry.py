"""The bundles being served: loading, warming up, health, and which one translates what. Knows no HTTP."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from app.bundle.store import Bundle, find_bundles, load_bundle
from app.choices import Chooser
from app.completion import Completer
from app.cpus import usable_cpus
from app.engine.facts import ModelFacts
from app.engine.loop import Engine, EngineLimits
from app.engine.sequence import FinishReason
from app.engine.sessions import Graphs, OnnxGraphs
from app.engine.threads import ThreadShare, divide
from app.errors import BundleError, BundleFileError, DeadlineExceeded, PasserelleError, UnsupportedLanguage
from app.settings import Settings
from app.text.language_names import language_name
from app.translator import Translator

_LOG: Final = logging.getLogger(__name__)
_WARM_UP_TEXT: Final = "Hello."
_STOP_SECONDS: Final = 1.0


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
    """A bundle with its engine and all that asks it. ``failure`` is why its last warm-up did not work."""

    bundle: Bundle
    engine: Engine
    translator: Translator
    completer: Completer
    chooser: Chooser
    provider: str
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
            (translation,) = self.translator.translate([_WARM_UP_TEXT], timeout_seconds=timeout_seconds)
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


@dataclass(slots=True)
class Registry:
    """``served`` by (source, target); ``failed``: the reason by folder name; ``problem``: why nothing is served."""

    settings: Settings
    served: dict[tuple[str, str], ServedBundle] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    problem: str | None = None

    @classmethod
    def load(cls, settings: Settings, open_graphs: OpenGraphs = open_onnx_graphs) -> "Registry":
        """Load every bundle of ``settings.models_dir``. One that cannot be used does not keep the others from serving.

        :raises ConfigurationError: a setting cannot be honoured on this machine.
        """
        registry = cls(settings)
        try:
            folders = find_bundles(settings.models_dir)
        except (BundleFileError, OSError) as error:
            folders, registry.problem = [], f"MODELS_DIR cannot be used: {error}"
        share = divide(settings.threads or usable_cpus(), len(folders))
        for folder in folders:
            try:
                registry._add(folder, open_graphs, share)
            except (BundleError, OSError) as error:
                registry.failed[folder.name] = str(error)
                _LOG.error("bundle %s cannot be used and is left out: %s", folder, error)
        if not registry.served:
            registry.problem = registry.problem or f"no usable bundle in {settings.models_dir}"
            _LOG.error("nothing to serve: %s", registry.problem)
        return registry

    def start(self) -> None:
        for engine in self._engines():
            engine.start()

    def warm_up(self) -> None:
        """Warm up every bundle that is not ready; those that are ready are left alone."""
        for entry in self.served.values():
            if entry.why_not_ready(self.settings.stall_seconds) is not None:
                entry.warm_up(self.settings.warm_up_timeout_seconds)

    def stop(self) -> None:
        """Stop all engines within the same short time.

        By then the server has finished every request or given it up, after at most ``shutdown_seconds``; only a graph
        that hangs is still waited for.
        """
        end = time.monotonic() + _STOP_SECONDS
        for engine in self._engines():
            engine.stop(drain=True, timeout_seconds=max(0.0, end - time.monotonic()))

    @property
    def sources(self) -> list[str]:
        return sorted({source for source, _ in self.served})

    @property
    def languages(self) -> list[str]:
        """Every language that is a source or a target."""
        return sorted({language for pair in self.served for language in pair})

    def targets_of(self, source: str) -> list[str]:
        return sorted(target for served_source, target in self.served if served_source == source)

    def sources_of(self, target: str) -> list[str]:
        return sorted(source for source, served_target in self.served if served_target == target)

    def find(self, source: str, target: str) -> ServedBundle:
        """The bundle for a pair of languages.

        :raises UnsupportedLanguage: no bundle translates this pair.
        """
        entry = self.served.get((source, target))
        if entry is None:
            raise UnsupportedLanguage(
                f"{language_name(target)} ({target}) is not available as a target language "
                f"from {language_name(source)} ({source})"
            )
        return entry

    def why_not_ready(self) -> str | None:
        """None when every bundle that could be loaded works, and there is one."""
        if self.problem is not None:
            return self.problem
        for entry in self.served.values():
            reason = entry.why_not_ready(self.settings.stall_seconds)
            if reason is not None:
                return f"{entry.bundle.manifest.name}: {reason}"
        return None

    def _add(self, folder: Path, open_graphs: OpenGraphs, share: ThreadShare) -> None:
        bundle = load_bundle(folder)
        manifest = bundle.manifest
        pairs = {(manifest.source.lower(), target.lower()): target for target in manifest.targets}
        for pair in pairs.keys() & self.served.keys():
            raise BundleFileError(
                f"{folder}: translates {pair[0]} to {pair[1]}, as {self.served[pair].bundle.folder} does already"
            )
        opened = open_graphs(bundle, self.settings, share)
        limits = EngineLimits(
            max_rows=self.settings.max_rows,
            max_padded_tokens=self.settings.max_padded_tokens,
            max_waiting=self.settings.max_waiting,
            max_request_sequences=self.settings.max_segments,
        )
        engine = Engine(opened.graphs, ModelFacts.of(manifest), limits, name=manifest.name)
        for pair, target in pairs.items():
            # One engine for all targets: their rows share its batch.
            asked = bundle.for_target(target)
            translator = Translator(asked, engine)
            self.served[pair] = ServedBundle(
                asked,
                engine,
                translator,
                Completer(asked, engine, translator),
                Chooser(asked, engine),
                opened.provider,
            )
            _LOG.info(
                "bundle %s: %s, %s to %s, %s, on %s", folder, manifest.name, *pair, manifest.precision, opened.provider
            )

    def _engines(self) -> list[Engine]:
        """Each engine once, also where it serves several pairs."""
        return list({id(entry.engine): entry.engine for entry in self.served.values()}.values())
