"""The check that no row of a bundle depends on its company; it needs neither Keras nor the model."""

from collections.abc import Sequence

from app.bundle.store import Bundle
from app.engine.factory import run_engine
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from training.errors import ParityError


def check_rows_alone(bundle: Bundle, sources: Sequence[Sequence[int]], options: Sequence[SearchOptions]) -> None:
    """Checks that each source gives the same tokens and bitwise the same scores alone and together with the others.

    Args:
        bundle: The bundle.
        sources: Token ids, eos included.
        options: For each source.

    Raises:
        ParityError: They differ; the message names the sentence.
    """
    with run_engine(bundle, OnnxGraphs(bundle, provider="cpu", threads=1)) as engine:
        together = [future.result()[0] for future in engine.submit_many(sources, options)]
        alone = [engine.submit(*one).result()[0] for one in zip(sources, options, strict=True)]
    for index, (one, other) in enumerate(zip(alone, together, strict=True)):
        if one != other:
            raise ParityError(f"{bundle.folder}: sentence {index} alone gives {one}, among {len(sources)} {other}")
