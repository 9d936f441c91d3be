"""The bundles being served: which there are, which one translates a pair of languages, their health, and reloading."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Final

from anyio.to_thread import run_sync

from app.bundle.folders import find_bundles
from app.engine.loop import Engine
from app.errors import BundleError, BundleFileError, BundleUnavailable, EngineStopped
from app.server.resources import Threads, usable_cpus
from app.serving.cache import Cache
from app.serving.chain import ChainLimits
from app.serving.eviction import Granted
from app.serving.in_flight import hold
from app.serving.renewal import Renewal
from app.serving.residency import Outdated, Residency
from app.serving.routes import Chains, Joining, Pair, ServedChain
from app.serving.served_bundle import Loaded, OpenedGraphs, Opener, OpenGraphs, ServedBundle, open_onnx_graphs
from app.serving.snapshot import FolderReport, Installed, Reloaded, Snapshot, check_pairs, choose_preloaded
from app.settings import Settings
from app.text.placeholder_finder import PlaceholderFinder, split_patterns

__all__ = ["OpenGraphs", "OpenedGraphs", "Registry", "ServedBundle", "open_onnx_graphs"]

_LOG: Final = logging.getLogger(__name__)
_STOP_SECONDS: Final = 1.0
_LOADERS: Final = 2

Served = ServedBundle | ServedChain


class Registry:
    """Finds what translates a pair of languages. Any thread may use it, also while another reloads.

    Attributes:
        settings: of the process.
        cache: of finished segments, for all bundles.
        residency: the bundles in memory.
    """

    def __init__(self, settings: Settings, open_graphs: OpenGraphs) -> None:
        finder = PlaceholderFinder(split_patterns(settings.placeholder_patterns))
        self.settings = settings
        self.cache = Cache(settings.cache_mib * 1024**2) if settings.cache_mib else None
        self._opener = Opener(settings, open_graphs, self.cache, finder)
        self._threads = Threads(settings.threads or usable_cpus())
        self.residency = Residency(
            self._opener.open_warm, self._threads, settings.max_loaded_mib, self._give_up, self._forget_chains
        )
        self._bridge = ThreadPoolExecutor(1, thread_name_prefix="pivot")
        limits = ChainLimits(settings.max_rows + max(1, settings.max_waiting // 8), settings.max_waiting)
        self._chains = Chains(Joining(self._bridge, limits, finder))
        self._snapshot = Snapshot()
        self._swapping = Lock()
        self._reloading = Lock()
        self._is_stopped = False

    @classmethod
    def load(cls, settings: Settings, open_graphs: OpenGraphs = open_onnx_graphs) -> "Registry":
        """Read the manifest of every bundle of ``settings.models_dir``, and load those of ``settings.preload``. One
        that cannot be used does not prevent the others from serving.

        Raises:
            ConfigurationError: a setting cannot be honoured on this machine.
        """
        registry = cls(settings, open_graphs)
        installed: dict[str, Installed] = {}
        failed: dict[str, str] = {}
        folders, problem = [], None
        try:
            folders = find_bundles(settings.models_dir)
        except (BundleFileError, OSError) as error:
            problem = f"MODELS_DIR cannot be used: {error}"
        for folder in folders:
            try:
                installed[folder.name] = check_pairs(Installed.read(folder), installed, settings.max_loaded_mib)
            except (BundleError, OSError) as error:
                failed[folder.name] = str(error)
        preloaded = choose_preloaded(list(installed.values()), settings.preload, settings.max_loaded_mib)
        share = registry._threads.share(len(preloaded))
        fresh: list[Loaded] = []
        with ThreadPoolExecutor(_LOADERS) as loaders:  # much of it, unpacking and checksums, needs no lock of Python
            opening = [loaders.submit(registry._opener.open, bundle, share) for bundle in preloaded]
        for bundle, opened in zip(preloaded, opening, strict=True):
            try:
                fresh.append(opened.result())
            except (BundleError, OSError) as error:
                failed[bundle.folder.name] = str(error)
                del installed[bundle.folder.name]
        for name, reason in failed.items():
            _LOG.error("bundle %s cannot be used and is left out: %s", name, reason)
        registry._swap(registry._take_snapshot(installed, failed, problem), fresh)
        return registry

    def start(self) -> None:
        """Start the engine of every bundle in memory."""
        for loaded in self.residency.loaded:
            loaded.engine.start()

    def warm_up(self) -> None:
        """Warm up every bundle in memory that is not ready."""
        for entry in self.served.values():
            if entry.why_not_ready(self.settings.stall_seconds) is not None:
                entry.warm_up(self.settings.warm_up_timeout_seconds)

    def reload(self, before_swap: Callable[[Iterable[str]], None] = lambda _: None) -> Reloaded:
        """Read ``settings.models_dir`` again, while all bundles serve; see ``Renewal``.

        One swap replaces all bundles. The engines that were replaced run on until the caller stops them. The method
        blocks; several calls run one after the other.

        Args:
            before_swap: is called with all languages that will be served.

        Raises:
            BundleFileError: the folder itself cannot be read; nothing has changed.
            OSError: as ``BundleFileError``.
            EngineStopped: ``stop`` was called first; nothing has changed.
        """
        with self._reloading:
            renewal = Renewal(self.settings, self._opener, self.residency, self._threads, self._snapshot)
            renewal.read()
            new = self._take_snapshot(renewal.installed, renewal.failed)
            try:
                before_swap(new.languages)
                if self._is_stopped:
                    raise EngineStopped("the service is being stopped")
            except BaseException:
                _stop([loaded.engine for loaded in renewal.fresh], drain=False)
                raise
            gone = self._swap(new, renewal.fresh)
            reports = sorted(renewal.reports, key=lambda report: report.folder)
            for report in reports:
                _log(report)
            return Reloaded(tuple(reports), tuple(loaded.engine for loaded in gone))

    def stop(self) -> None:
        """Stop all engines within the same short time.

        By then the server has finished or abandoned every request, after at most ``shutdown_seconds``; only a graph
        that hangs is still waited for.
        """
        self._is_stopped = True
        _stop([loaded.engine for loaded in self.residency.stop()], drain=True)
        self._bridge.shutdown(wait=False)

    @property
    def snapshot(self) -> Snapshot:
        """What can be translated now."""
        return self._snapshot

    @property
    def served(self) -> Mapping[Pair, ServedBundle]:
        """The bundles in memory, by source and target."""
        by_pair = self._snapshot.by_pair
        return {
            pair: entry
            for loaded in self.residency.loaded
            for pair, entry in loaded.entries.items()
            if (bundle := by_pair.get(pair)) is None or bundle.key == loaded.installed.key
        }

    async def acquire(self, pairs: Sequence[Pair], deadline: float) -> list[Served]:
        """What translates pairs of languages: for each a bundle, or two if no bundle does. They are loaded if need be,
        and stay in memory until the current request ends.

        Args:
            pairs: sources and targets.
            deadline: a ``time.monotonic`` time.

        Raises:
            UnsupportedLanguage: no bundle translates a pair, nor do two.
            BundleUnavailable: they are not loaded at the deadline, or cannot be.
            LimitExceeded: together they do not fit into the memory.
        """
        while True:
            snapshot = self._snapshot
            hops = [snapshot.hops(pair) for pair in pairs]
            needed = list({bundle.key: bundle for of_pair in hops for bundle in of_pair.values()}.values())
            try:
                granted = await self._wait(self.residency.acquire(needed), deadline)
                break
            except Outdated:  # a reload has just replaced one
                continue
        hold(partial(self.residency.release, granted))
        entries = {loaded.installed.key: loaded.entries for loaded in granted}
        found: list[Served] = []
        for pair, of_pair in zip(pairs, hops, strict=True):
            if len(of_pair) == 1:
                found.append(entries[of_pair[pair].key][pair])
                continue
            first, second = (entries[bundle.key][hop].hop for hop, bundle in of_pair.items())
            chain = self._chains.find(pair, first, second)
            if chain is None:
                chain = await run_sync(self._chains.make, pair, first, second)
            found.append(chain)
        return found

    def find(self, source: str, target: str) -> Served:
        """As ``acquire`` for one pair, for callers without an event loop; it blocks as long as loading takes."""

        async def acquire() -> Served:
            (found,) = await self.acquire([(source, target)], time.monotonic() + self.settings.warm_up_timeout_seconds)
            return found

        return asyncio.run(acquire())

    def why_not_ready(self) -> str | None:
        """The reason, or None if every bundle in memory works, and there is something to serve."""
        if self._snapshot.problem is not None:
            return self._snapshot.problem
        for entry in self.served.values():
            reason = entry.why_not_ready(self.settings.stall_seconds)
            if reason is not None:
                return f"{entry.bundle.manifest.name}: {reason}"
        return None

    async def _wait(self, future: "Future[Granted]", deadline: float) -> Granted:
        if future.done():
            return future.result()
        started = time.monotonic()
        granted: Granted | None = None
        try:
            async with asyncio.timeout(max(0.0, deadline - started)):
                granted = await asyncio.wrap_future(future)
                return granted
        except TimeoutError:
            seconds = time.monotonic() - started
            raise BundleUnavailable(
                f"The model was not loaded within {seconds:.1f} seconds, come back later", 1.0
            ) from None
        finally:  # given up, but perhaps it was granted at this moment
            if granted is None and not future.cancel() and future.exception() is None:
                self.residency.release(future.result())

    def _take_snapshot(
        self, installed: Mapping[str, Installed], failed: Mapping[str, str], problem: str | None = None
    ) -> Snapshot:
        if not installed:
            problem = problem or f"no usable bundle in {self.settings.models_dir}"
            _LOG.error("nothing to serve: %s", problem)
        return Snapshot(installed, failed, problem, self.settings.forbidden_pivots)

    def _swap(self, new: Snapshot, fresh: Iterable[Loaded] = ()) -> list[Loaded]:
        with self._swapping:
            self._snapshot = new
            return self.residency.swap(new.installed.values(), fresh)

    def _give_up(self, bundle: Installed, problem: str) -> None:
        """Serve a bundle no more that cannot be loaded."""
        name = bundle.folder.name
        with self._swapping:
            old = self._snapshot
            if old.installed.get(name) is not bundle:
                return
            installed = {other: one for other, one in old.installed.items() if other != name}
            self._snapshot = self._take_snapshot(installed, {**old.failed, name: problem})
            self.residency.swap(installed.values())

    def _forget_chains(self, loaded: Loaded) -> None:
        self._chains.forget([entry.hop for entry in loaded.entries.values()])


def _stop(engines: Iterable[Engine], drain: bool) -> None:
    end = time.monotonic() + _STOP_SECONDS
    for engine in engines:
        engine.stop(drain=drain, timeout_seconds=max(0.0, end - time.monotonic()))


def _log(report: FolderReport) -> None:
    if report.problem is None:
        _LOG.info("reload: %s is %s", report.folder, report.outcome)
    else:
        _LOG.error("reload: %s is refused: %s", report.folder, report.problem)
