"""Reads the folder of the bundles again, while what was read before serves on."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.bundle.folders import find_bundles
from app.bundle.store import load_bundle
from app.errors import BundleError, ConfigurationError
from app.server.resources import Threads
from app.serving.residency import Residency
from app.serving.served_bundle import Loaded, Opener
from app.serving.snapshot import FolderReport, Installed, Snapshot, check_pairs, choose_preloaded
from app.settings import Settings

_LOG: Final = logging.getLogger(__name__)


class Renewal:
    """What will be served after a reload.

    A bundle that has another manifest, and whose old version is in memory, is loaded beside those that run, and
    translates a text; one that cannot is refused, and what was loaded before stays. The same is done with new bundles
    that the settings want to be loaded at the start. All others are loaded at their first request.

    Attributes:
        installed: all bundles, by the names of their folders.
        reports: what was done with each folder.
        fresh: the bundles that were loaded; their engines run.
    """

    def __init__(
        self, settings: Settings, opener: Opener, residency: Residency, threads: Threads, old: Snapshot
    ) -> None:
        self.installed: dict[str, Installed] = {}
        self.reports: list[FolderReport] = []
        self.fresh: list[Loaded] = []
        self._settings = settings
        self._opener = opener
        self._residency = residency
        self._threads = threads
        self._old = old

    @property
    def failed(self) -> dict[str, str]:
        """Why a folder was refused, by its name."""
        return {one.folder: one.problem for one in self.reports if one.problem is not None}

    def read(self) -> None:
        """Read every folder.

        Raises:
            BundleFileError: the folder of the bundles cannot be read.
            OSError: as ``BundleFileError``.
        """
        folders = find_bundles(self._settings.models_dir)
        names = {folder.name for folder in folders}
        before = self._old.installed
        self.installed = {name: bundle for name, bundle in before.items() if name in names}
        self.reports = [FolderReport(name, "removed") for name in sorted(before.keys() - names)]
        for folder in folders:
            self.reports.append(self._read_folder(folder))

    def _read_folder(self, folder: Path) -> FolderReport:
        """Put a folder into ``installed`` if it is new or changed and can be used."""
        before = self.installed.get(folder.name)
        loaded = None if before is None else self._residency.get(before)
        others = {name: bundle for name, bundle in self.installed.items() if name != folder.name}
        try:
            bundle = check_pairs(Installed.read(folder), others, self._settings.max_loaded_mib)
            if before is not None and before.version == bundle.version:
                self.installed[folder.name] = bundle  # the same files, perhaps in another folder of ``MODELS_DIR``
                if loaded is not None:
                    load_bundle(folder, self._settings.max_bundle_file_bytes)  # checks every file
                return FolderReport(folder.name, "unchanged")
            is_loaded = loaded is not None or self._should_preload(bundle, others)
            if is_loaded:
                share = self._threads.share(len(self._residency.loaded))
                self.fresh.append(self._opener.open_warm(bundle, share))
        except (BundleError, ConfigurationError, OSError) as error:
            problem = str(error)
        except Exception as error:  # whatever a bad bundle raises, the others serve on
            _LOG.exception("bundle %s", folder)
            problem = f"{type(error).__name__}: {error}"
        else:
            self.installed[folder.name] = bundle
            return FolderReport(folder.name, "loaded" if is_loaded else "installed")
        if loaded is None:
            self.installed.pop(folder.name, None)
            return FolderReport(folder.name, "refused", problem)
        return FolderReport(folder.name, "refused", problem + "; what was loaded before is still served")

    def _should_preload(self, bundle: Installed, others: Mapping[str, Installed]) -> bool:
        """Tells whether a new bundle is loaded by the setting, and there is room."""
        most = self._settings.max_loaded_mib
        taken = self._residency.loaded_mib + sum(loaded.installed.loaded_mib for loaded in self.fresh)
        if taken + bundle.loaded_mib > most:
            return False
        return bundle in choose_preloaded([*others.values(), bundle], self._settings.preload, most)
