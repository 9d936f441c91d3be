"""Which pairs of languages can be translated: directly by a bundle, or by two bundles through a pivot language."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
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
    """A bundle for one pair of languages, and its engine."""

    bundle: Bundle
    engine: Submitter


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
    """The pairs that are translated through a pivot; each chain is made when it is first used. Any thread may use it.

    Attributes:
        pivots: By source and target the language between them.
    """

    def __init__(self, pivots: Mapping[Pair, str], hop_of: Callable[[Pair], Hop], joining: Joining | None) -> None:
        """``hop_of`` returns the bundle of a pair that one translates; ``joining`` is needed where there are pivots."""
        self.pivots = pivots
        self._hop_of = hop_of
        self._joining = joining
        self._lock = Lock()
        self._made: dict[Pair, ServedChain] = {}

    def get(self, pair: Pair) -> ServedChain | None:
        """The chain of a pair; None if there is none."""
        pivot = self.pivots.get(pair)
        if pivot is None or self._joining is None:
            return None
        source, target = pair
        with self._lock:
            if pair not in self._made:
                self._made[pair] = self._joining.serve(self._hop_of((source, pivot)), self._hop_of((pivot, target)))
            return self._made[pair]
