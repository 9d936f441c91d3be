"""Which pairs of languages can be translated: directly by a bundle, or by two bundles through a pivot language."""

from collections.abc import Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from app.bundle.store import Bundle
from app.serving.chain import ChainEngine, ChainLimits
from app.text.placeholder_finder import PlaceholderFinder
from app.translation.completion import Completer
from app.translation.pivot import PivotText, join_bundles
from app.translation.translator import Submitter, Translator
from app.translation.word_choices import Chooser

# Source and target, in lower case.
Pair = tuple[str, str]

_ALL: Final = "*"
_FIRST_PIVOT: Final = "en"


def find_pivots(pairs: Collection[Pair], forbidden: Collection[str] = ()) -> dict[Pair, str]:
    """The pairs that two bundles translate together and no bundle does alone, each with its pivot language.

    Args:
        pairs: Those that bundles translate.
        forbidden: Languages that no translation goes through.

    Returns:
        By source and target the pivot: English where that is possible, else the first by its code.
    """
    targets: dict[str, list[str]] = {}
    for source, target in sorted(pairs):
        targets.setdefault(source, []).append(target)
    found: dict[Pair, str] = {}
    for source, pivots in targets.items():
        for pivot in sorted(pivots, key=lambda code: (code.partition("-")[0] != _FIRST_PIVOT, code)):
            if pivot in forbidden or _ALL in forbidden:
                continue
            for target in targets.get(pivot, ()):
                if target != source and (source, target) not in pairs:
                    found.setdefault((source, target), pivot)
    return found


def split_codes(setting: str) -> frozenset[str]:
    """The language codes of a setting, in lower case; commas or spaces divide them, ``*`` stands for all."""
    return frozenset(setting.replace(",", " ").lower().replace("_", "-").split())


@dataclass(frozen=True, slots=True)
class Hop:
    """A bundle for one pair of languages, and its engine; equal where it is the same engine for the same pair."""

    bundle: Bundle = field(compare=False)
    engine: Submitter
    pair: Pair = field(init=False)

    def __post_init__(self) -> None:
        manifest = self.bundle.manifest
        object.__setattr__(self, "pair", (manifest.source.lower(), manifest.target.lower()))


@dataclass(frozen=True, slots=True)
class ServedChain:
    """Two bundles as one, with all that uses them.

    Attributes:
        pivot: The language between them.
    """

    pivot: str
    translator: Translator
    completer: Completer
    chooser: Chooser


@dataclass(frozen=True, slots=True)
class Joining:
    """What all chains share.

    Attributes:
        bridge: Runs what happens between the engines of a chain.
        limits: Of the segments between them.
        finder: Of placeholders.
    """

    bridge: Executor
    limits: ChainLimits
    finder: PlaceholderFinder

    def serve(self, first: Hop, second: Hop) -> ServedChain:
        """Join two bundles, of which the first writes the language that the second reads."""
        joined = join_bundles(first.bundle, second.bundle)
        text = PivotText(first.bundle, second.bundle)
        engine = ChainEngine((first.engine, second.engine), text, self.bridge, self.limits)
        translator = Translator(joined, engine, self.finder)
        completer = Completer(joined, engine, translator)
        return ServedChain(second.bundle.manifest.source, translator, completer, Chooser(joined, engine))


class Chains:
    """The chains of bundles that are in memory; each is made when it is first used. Any thread may use it."""

    def __init__(self, joining: Joining) -> None:
        self._joining = joining
        self._lock = Lock()
        self._made: dict[Pair, tuple[Hop, Hop, ServedChain]] = {}

    def find(self, pair: Pair, first: Hop, second: Hop) -> ServedChain | None:
        """The chain of two bundles, if it was made already."""
        with self._lock:
            one, other, chain = self._made.get(pair, (None, None, None))
        return chain if one == first and other == second else None

    def make(self, pair: Pair, first: Hop, second: Hop) -> ServedChain:
        """The chain of two bundles. Making it takes a tenth of a second, for the tables of their tokenizers."""
        found = self.find(pair, first, second)
        if found is None:
            found = self._joining.serve(first, second)
            with self._lock:
                self._made[pair] = first, second, found
        return found

    def forget(self, hops: Collection[Hop]) -> None:
        """Drop the chains of bundles that leave the memory."""
        with self._lock:
            self._made = {
                pair: made for pair, made in self._made.items() if made[0] not in hops and made[1] not in hops
            }
