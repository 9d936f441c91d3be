"""Opens engines. The service, bulk translation, training and the benchmarks all get theirs here, so all use the same
guards."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from app.bundle.store import Bundle
from app.engine.candidates import OutputLayer
from app.engine.loop import Engine, EngineLimits
from app.engine.model import DecodingModel, Graphs
from app.engine.sessions import OnnxGraphs


def decoding_model(bundle: Bundle) -> DecodingModel:
    """The model of a bundle with its guards, and with its shortlist."""
    model = DecodingModel.of(bundle.manifest, bundle.tokenizer)
    output = OutputLayer.of(bundle)
    if output is None or model.characters is None:
        return replace(model, output=output)
    return replace(model, output=output, characters=model.characters.without_parts())


def open_engine(
    bundle: Bundle,
    graphs: Graphs | None = None,
    limits: EngineLimits | None = None,
    name: str | None = None,
) -> Engine:
    """An engine for a bundle, not started yet.

    Args:
        bundle: its manifest, its tokenizer, whose words the phrase guard compares, and its shortlist.
        graphs: of the bundle; None opens them in onnxruntime on the CPU, with one thread.
        limits: of its queue and batch; None for the defaults.
        name: for the log and for errors; None for the bundle's own.

    Raises:
        BundleError: the graphs cannot be used.
    """
    opened = graphs if graphs is not None else OnnxGraphs(bundle, provider="cpu", threads=1)
    return Engine(opened, decoding_model(bundle), limits, bundle.manifest.name if name is None else name)


@contextmanager
def run_engine(
    bundle: Bundle,
    graphs: Graphs | None = None,
    limits: EngineLimits | None = None,
    name: str | None = None,
) -> Iterator[Engine]:
    """As ``open_engine``, started; the end of the block stops the engine at once, without draining it."""
    engine = open_engine(bundle, graphs, limits, name)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop(drain=False)
