"""``sample``: sentences that a decoder alone writes, drawn by the serving engine."""

from pathlib import Path

from app.bundle.store import load_bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from app.errors import PasserelleError
from training.config import RunConfig
from training.errors import ConfigError


def sample(
    config: RunConfig, folder: Path, count: int, temperature: float, top_k: int, seed: int, prefix: str = ""
) -> list[str]:
    """``count`` sentences that begin with ``prefix``: the same for the same seed, which counts up from one to the next.

    :raises ConfigError: the model translates, or an option is out of bounds.
    """
    if config.corpus.sides != "target":
        raise ConfigError(f"{config.name} translates; sample needs a decoder alone (corpus.sides = 'target')")
    bundle = load_bundle(folder)
    begun = tuple(bundle.tokenizer.encode(prefix))
    engine = Engine(OnnxGraphs(bundle, provider="cpu", threads=1), DecodingModel.of(bundle.manifest))
    engine.start()
    try:
        options = [
            SearchOptions(prefix=begun, temperature=temperature, top_k=top_k, seed=seed + number)
            for number in range(count)
        ]
        futures = engine.submit_many([bundle.tokenizer.encode_source("")] * count, options)
        return [bundle.tokenizer.decode(future.result()[0].token_ids) for future in futures]
    except PasserelleError as error:
        raise ConfigError(f"{config.name}: {error}") from error
    finally:
        engine.stop(drain=False)
