"""The bundles being served: loading and reloading them, their health, and which one translates a pair of languages."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Final

from app.bundle.store import Bundle, find_bundles, load_bundle
from app.engine.loop import Engine
from app.errors import BundleError, BundleFileError, ConfigurationError, EngineStopped, UnsupportedLanguage
from app.server.resources import ThreadShare, divide, usable_cpus
from app.serving.cache import Cache
from app.serving.chain import ChainLimits
from app.serving.routes import Joining, Pair, ServedChain
from app.serving.served_bundle import (
    FolderReport,
    OpenedGraphs,
    OpenGraphs,
    Reloaded,
    ServedBundle,
    Snapshot,
    check_pairs,
    open_onnx_graphs,
    serve,
)
from app.settings import Settings
from app.text.languages import language_name
from app.text.placeholder_finder import BUILT_IN, PlaceholderFinder, split_patterns

__all__ = ["OpenGraphs", "OpenedGraphs", "Registry", "ServedBundle", "open_onnx_graphs"]

_LOG: Final = logging.getLogger(__name__)
_STOP_SECONDS: Final = 1.0


class Registry:
    """Finds the bundle for a pair of languages. Any thread may use it, also while another reloads.

    Attributes:
        settings: of the process.
        cache: of finished segments, for all bundles.
    """

    def __init__(
        self,
        settings: Settings,
        open_graphs: OpenGraphs,
        share: ThreadShare,
        cache: Cache | None = None,
        finder: PlaceholderFinder = BUILT_IN,
    ) -> None:
        """``share`` is each bundle's part of the threads; ``finder`` finds what no translation may change."""
        self.settings = settings
        self._finder = finder
        self.cache = cache
        self._open_graphs = open_graphs
        # For bundles that are loaded later too: a running engine cannot change its threads.
        self._share = share
        self._bridge = ThreadPoolExecutor(1, thread_name_prefix="pivot")
        limits = ChainLimits(settings.max_rows + max(1, settings.max_waiting // 8), settings.max_waiting)
        self._joining = Joining(self._bridge, limits, finder)
        self._snapshot = Snapshot()
        self._reloading = Lock()
        self._is_stopped = False

    @classmethod
    def load(cls, settings: Settings, open_graphs: OpenGraphs = open_onnx_graphs) -> "Registry":
        """Load every bundle of ``settings.models_dir``. One that cannot be used does not prevent the others from
        serving.

        Raises:
            ConfigurationError: a setting cannot be honoured on this machine.
        """
        finder = PlaceholderFinder(split_patterns(settings.placeholder_patterns))
        folders, problem = [], None
        try:
            folders = find_bundles(settings.models_dir)
        except (BundleFileError, OSError) as error:
            problem = f"MODELS_DIR cannot be used: {error}"
        share = divide(settings.threads or usable_cpus(), len(folders))
        cache = Cache(settings.cache_mib * 1024**2) if settings.cache_mib else None
        served: dict[Pair, ServedBundle] = {}
        failed: dict[str, str] = {}
        for folder in folders:
            try:
                bundle = check_pairs(load_bundle(folder, settings.max_bundle_file_bytes), served)
                served |= serve(bundle, settings, open_graphs, share, cache, finder)
            except (BundleError, OSError) as error:
                failed[folder.name] = str(error)
                _LOG.error("bundle %s cannot be used and is left out: %s", folder, error)
        registry = cls(settings, open_graphs, share, cache, finder)
        registry._snapshot = registry._take_snapshot(served, failed, problem)
        return registry

    def start(self) -> None:
        """Start every engine."""
        for engine in self._snapshot.engines:
            engine.start()

    def warm_up(self) -> None:
        """Warm up every bundle that is not ready."""
        for entry in self._snapshot.served.values():
            if entry.why_not_ready(self.settings.stall_seconds) is not None:
                entry.warm_up(self.settings.warm_up_timeout_seconds)

    def reload(self, before_swap: Callable[[Iterable[str]], None] = lambda _: None) -> Reloaded:
        """Read ``settings.models_dir`` again, while all bundles serve.

        A bundle that is new or has another manifest is loaded beside those that run, and translates a text; one that
        cannot is refused, and what was served instead of it stays. Then one swap replaces them all. The engines that
        were replaced run on until the caller stops them. The method blocks; several calls run one after the other.

        Args:
            before_swap: is called with all languages that will be served.

        Raises:
            BundleFileError: the folder itself cannot be read; nothing has changed.
            OSError: as ``BundleFileError``.
            EngineStopped: ``stop`` was called first; nothing has changed.
        """
        with self._reloading:
            old = self._snapshot
            folders = find_bundles(self.settings.models_dir)
            names = {folder.name for folder in folders}
            served = {pair: entry for pair, entry in old.served.items() if entry.bundle.folder.name in names}
            gone = sorted({entry.bundle.folder.name for entry in old.served.values()} - names)
            reports = [FolderReport(name, "removed") for name in gone]
            for folder in folders:
                reports.append(self._reload_folder(folder, old, served))
            failed = {one.folder: one.problem for one in reports if one.problem is not None}
            new = self._take_snapshot(served, failed)
            try:
                before_swap(new.languages)
                if self._is_stopped:
                    raise EngineStopped("the service is being stopped")
            except BaseException:
                _stop([engine for engine in new.engines if engine not in old.engines], drain=False)
                raise
            self._snapshot = new
            for report in reports:
                _log(report)
            retired = [engine for engine in old.engines if engine not in new.engines]
            return Reloaded(tuple(sorted(reports, key=lambda report: report.folder)), tuple(retired))

    def stop(self) -> None:
        """Stop all engines within the same short time.

        By then the server has finished or abandoned every request, after at most ``shutdown_seconds``; only a graph
        that hangs is still waited for.
        """
        self._is_stopped = True
        _stop(self._snapshot.engines, drain=True)
        self._bridge.shutdown(wait=False)

    @property
    def served(self) -> Mapping[Pair, ServedBundle]:
        """The bundles that are served now, by source and target."""
        return self._snapshot.served

    @property
    def failed(self) -> Mapping[str, str]:
        """Why a folder could not be loaded, by its name."""
        return self._snapshot.failed

    @property
    def problem(self) -> str | None:
        """Why nothing is served."""
        return self._snapshot.problem

    @property
    def pairs(self) -> frozenset[Pair]:
        """All pairs that are translated, by one bundle or by two through a pivot."""
        return self._snapshot.pairs

    @property
    def sources(self) -> list[str]:
        """Every language that is a source."""
        return sorted({source for source, _ in self.served})

    @property
    def languages(self) -> tuple[str, ...]:
        """Every language that is a source or a target."""
        return self._snapshot.languages

    def targets_of(self, source: str) -> list[str]:
        """The targets that a source is translated into."""
        return sorted(target for served_source, target in self.pairs if served_source == source)

    def sources_of(self, target: str) -> list[str]:
        """The sources that are translated into a target."""
        return sorted(source for source, served_target in self.pairs if served_target == target)

    def check(self, source: str, target: str) -> None:
        """Check that a pair of languages is translated.

        Raises:
            UnsupportedLanguage: no bundle translates this pair, nor do two.
        """
        if (source, target) not in self.pairs:
            raise UnsupportedLanguage(
                f"{language_name(target)} ({target}) is not available as a target language "
                f"from {language_name(source)} ({source})"
            )

    def find(self, source: str, target: str) -> ServedBundle | ServedChain:
        """What translates a pair of languages: a bundle, or two of them if no bundle does.

        Raises:
            UnsupportedLanguage: as ``check``.
        """
        snapshot = self._snapshot
        entry = snapshot.served.get((source, target)) or snapshot.chains.get((source, target))
        if entry is None:
            self.check(source, target)
            return self.find(source, target)  # a reload has just brought it
        return entry

    def why_not_ready(self) -> str | None:
        """The reason, or None if every bundle that could be loaded works, and there is one."""
        snapshot = self._snapshot
        if snapshot.problem is not None:
            return snapshot.problem
        for entry in snapshot.served.values():
            reason = entry.why_not_ready(self.settings.stall_seconds)
            if reason is not None:
                return f"{entry.bundle.manifest.name}: {reason}"
        return None

    def _reload_folder(self, folder: Path, old: Snapshot, served: dict[Pair, ServedBundle]) -> FolderReport:
        """Load a folder into ``served`` if it is new or changed and can be used."""
        before = old.of_folder(folder.name)
        others = {pair: entry for pair, entry in served.items() if pair not in before}
        try:
            bundle = check_pairs(load_bundle(folder, self.settings.max_bundle_file_bytes), others)
            if any(entry.bundle.version == bundle.version for entry in before.values()):
                return FolderReport(folder.name, "unchanged")
            fresh = self._warm(bundle)
        except (BundleError, ConfigurationError, OSError) as error:
            problem = str(error)
        except Exception as error:  # whatever a bad bundle raises, the others serve on
            _LOG.exception("bundle %s", folder)
            problem = f"{type(error).__name__}: {error}"
        else:
            for pair in before:
                del served[pair]
            served |= fresh
            return FolderReport(folder.name, "loaded")
        return FolderReport(
            folder.name, "refused", problem + ("; what was loaded before is still served" * bool(before))
        )

    def _take_snapshot(
        self, served: Mapping[Pair, ServedBundle], failed: Mapping[str, str], problem: str | None = None
    ) -> Snapshot:
        if not served:
            problem = problem or f"no usable bundle in {self.settings.models_dir}"
            _LOG.error("nothing to serve: %s", problem)
        return Snapshot(served, failed, problem, self._joining, self.settings.forbidden_pivots)

    def _warm(self, bundle: Bundle) -> dict[Pair, ServedBundle]:
        """Open a bundle, start its engine and let it translate a text, before any request can find it."""
        fresh = serve(bundle, self.settings, self._open_graphs, self._share, self.cache, self._finder)
        engine = next(iter(fresh.values())).engine
        engine.start()
        for entry in fresh.values():
            entry.warm_up(self.settings.warm_up_timeout_seconds)
            if entry.failure is not None:
                _stop([engine], drain=False)
                raise BundleError(f"{bundle.folder}: {entry.failure}")
        return fresh


def _stop(engines: Iterable[Engine], drain: bool) -> None:
    end = time.monotonic() + _STOP_SECONDS
    for engine in engines:
        engine.stop(drain=drain, timeout_seconds=max(0.0, end - time.monotonic()))


def _log(report: FolderReport) -> None:
    if report.problem is None:
        _LOG.info("reload: %s is %s", report.folder, report.outcome)
    else:
        _LOG.error("reload: %s is refused: %s", report.folder, report.problem)
