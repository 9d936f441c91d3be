"""The bundle that translates, and an engine with it."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.bundle.manifest import MANIFEST_FILE
from app.bundle.store import Bundle, find_bundles, load_bundle
from app.engine.factory import run_engine
from app.engine.loop import EngineLimits
from app.engine.sessions import OnnxGraphs
from app.errors import BulkError
from app.text.placeholder_patterns import PlaceholderFinder
from app.translation.translator import Translator

_LIMITS = EngineLimits(max_waiting=10**6, max_request_sequences=10**6)


def bundle_for(models: Path, source: str, target: str) -> Bundle:
    """:raises BulkError: no bundle in the folder translates this pair."""
    for folder in find_bundles(models):
        bundle = load_bundle(folder)
        if source in bundle.manifest.sources and target in bundle.manifest.targets:
            return bundle.between(source, target)
    raise BulkError(f"no bundle in {models} translates from {source} to {target}")


def version_of(bundle: Bundle) -> str:
    """Another for another model; the manifest has the checksums of all files."""
    return hashlib.sha256((bundle.folder / MANIFEST_FILE).read_bytes()).hexdigest()[:12]


@contextmanager
def running(bundle: Bundle, name: str, patterns: Sequence[str] = ()) -> Iterator[Translator]:
    """An engine on one thread; several of them use several CPUs better than one engine with several threads.

    :param patterns: of placeholders, beside those of everybody.
    :raises ConfigurationError: one of them cannot be used.
    """
    finder = PlaceholderFinder(patterns)
    with run_engine(bundle, OnnxGraphs(bundle, provider="auto", threads=1), _LIMITS, name) as engine:
        yield Translator(bundle, engine, finder)
