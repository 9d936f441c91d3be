"""What is installed and can be translated at one moment; no graph is opened for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from app.bundle.manifest import Manifest
from app.bundle.store import read_manifest
from app.engine.loop import Engine
from app.errors import BundleFileError, ConfigurationError, LimitExceeded, UnsupportedLanguage
from app.serving.routes import Pair, find_pivots, split_codes
from app.text.languages import language_name

# Of the files that are read for it. Measured on the shipped bundles, once free memory is returned to the system: 1.9 to
# 2.3, with the tokenizer's tables.
_LOADED_PER_FILE_BYTE: Final = 2.5

Outcome = Literal["loaded", "installed", "unchanged", "removed", "refused"]


@dataclass(frozen=True)
class Installed:
    """A bundle of which only the manifest was read."""

    folder: Path
    manifest: Manifest
    version: str

    @classmethod
    def read(cls, folder: Path) -> "Installed":
        """Read the manifest of a bundle.

        Raises:
            BundleError: it cannot be used.
        """
        return cls(folder, *read_manifest(folder))

    @cached_property
    def key(self) -> tuple[str, str]:
        """Tells the versions of a folder apart."""
        return self.folder.name, self.version

    @cached_property
    def pairs(self) -> dict[Pair, Pair]:
        """The pairs of languages that it translates, and each as the manifest writes it."""
        return pairs_of(self.manifest)

    @cached_property
    def loaded_mib(self) -> float:
        """An estimate of the memory that it takes once it is loaded."""
        return estimate_mib(self.manifest)


def estimate_mib(manifest: Manifest) -> float:
    """An estimate of the memory that a bundle takes once it is loaded."""
    return _LOADED_PER_FILE_BYTE * sum(manifest.files[name].bytes for name in manifest.required_files) / 1024**2


def pairs_of(manifest: Manifest) -> dict[Pair, Pair]:
    """The pairs of languages that a bundle translates, and each as the manifest writes it."""
    return {
        (source.lower(), target.lower()): (source, target) for source in manifest.sources for target in manifest.targets
    }


def check_pairs(bundle: Installed, others: Mapping[str, Installed], max_loaded_mib: int) -> Installed:
    """The bundle.

    Raises:
        BundleFileError: another bundle of as many pairs translates one of its pairs, so that it is open which is meant,
            or the bundle never fits into the memory for bundles.
    """
    for other in others.values():
        if len(other.pairs) != len(bundle.pairs):
            continue  # the one of fewer pairs serves it, see ``serving_bundles``
        for pair in bundle.pairs.keys() & other.pairs.keys():
            raise BundleFileError(f"{bundle.folder}: translates {pair[0]} to {pair[1]}, as {other.folder} does already")
    if bundle.loaded_mib > max_loaded_mib:
        raise BundleFileError(
            f"{bundle.folder}: takes about {bundle.loaded_mib:.0f} MiB, max_loaded_mib is {max_loaded_mib}"
        )
    return bundle


def serving_bundles(installed: Iterable[Installed]) -> dict[Pair, Installed]:
    """The bundle that serves each pair: of those that translate it, the one of the fewest pairs, and of several such
    the first.

    A model of one pair is as a rule better at it than a model of several, and a bundle that was installed for its pair
    was installed to be used.
    """
    fewest_first = sorted(installed, key=lambda bundle: len(bundle.pairs))
    return {pair: bundle for bundle in reversed(fewest_first) for pair in bundle.pairs}


def check_room(needed: Sequence[Installed], max_loaded_mib: int) -> None:
    """Check that some bundles fit into the memory together.

    Raises:
        LimitExceeded: They never do.
    """
    total = sum({one.key: one.loaded_mib for one in needed}.values())
    if total > max_loaded_mib:
        names = ", ".join(sorted({one.folder.name for one in needed}))
        message = f"The models {names} take about {total:.0f} MiB together, max_loaded_mib is {max_loaded_mib}"
        raise LimitExceeded("max_loaded_mib", max_loaded_mib, round(total), message)


def choose_preloaded(installed: Sequence[Installed], setting: str, max_loaded_mib: int) -> list[Installed]:
    """The bundles that are loaded at the start.

    Args:
        installed: All.
        setting: Names of folders, with commas; ``all`` that serve a pair, ``none``, or ``auto``: all if they fit.
        max_loaded_mib: What they may take together.

    Raises:
        ConfigurationError: Those that are named do not fit.
    """
    names = frozenset(setting.replace(",", " ").split())
    if names <= {"none"}:
        return []
    serving = {bundle.key for bundle in serving_bundles(installed).values()}
    chosen = [one for one in installed if one.folder.name in names or (names & {"all", "auto"} and one.key in serving)]
    total = sum(one.loaded_mib for one in chosen)
    if total <= max_loaded_mib:
        return chosen
    if "auto" in names:
        return []
    raise ConfigurationError(f"preload ({setting}) takes about {total:.0f} MiB, max_loaded_mib is {max_loaded_mib}")


@dataclass(frozen=True)
class Snapshot:
    """What is served at one moment; immutable. A reload replaces it as a whole.

    Attributes:
        installed: by the name of the folder.
        failed: why a folder cannot be used, by its name.
        problem: why nothing is served.
        forbidden_pivots: the setting.
        by_pair: the bundle that serves each pair that one bundle translates.
        pivots: by pair the language between two bundles that translate it together.
        pairs: all pairs that are translated.
        sources: every language that is a source.
        languages: every language that is a source or a target.
    """

    installed: Mapping[str, Installed] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    forbidden_pivots: str = ""

    # Every request reads these, so they are made once.
    @cached_property
    def by_pair(self) -> Mapping[Pair, Installed]:
        return serving_bundles(self.installed.values())

    @cached_property
    def pivots(self) -> Mapping[Pair, str]:
        return find_pivots(self.by_pair.keys(), split_codes(self.forbidden_pivots))

    @cached_property
    def pairs(self) -> frozenset[Pair]:
        return frozenset((*self.by_pair, *self.pivots))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        return tuple(sorted({source for source, _ in self.by_pair}))

    @cached_property
    def languages(self) -> tuple[str, ...]:
        return tuple(sorted({language for pair in self.by_pair for language in pair}))

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

    def hops(self, pair: Pair) -> dict[Pair, Installed]:
        """The bundles that translate a pair together, one or two, by the pairs that they translate.

        Raises:
            UnsupportedLanguage: as ``check``.
        """
        self.check(*pair)
        source, target = pair
        pivot = self.pivots.get(pair)
        hops = [pair] if pivot is None else [(source, pivot), (pivot, target)]
        return {hop: self.by_pair[hop] for hop in hops}


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What a reload did with one folder.

    Attributes:
        outcome: ``installed`` if it is new or changed, and loaded at its first request.
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
