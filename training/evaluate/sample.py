"""``sample``: sentences drawn from a model without an encoder, with the serving engine."""

from dataclasses import dataclass
from pathlib import Path

from app.bundle.store import load_bundle
from app.engine.factory import run_engine
from app.engine.sequence import SearchOptions
from app.errors import PasserelleError
from training.config import RunConfig
from training.errors import ConfigError


@dataclass(frozen=True)
class Drawing:
    """How sentences are drawn.

    Attributes:
        count: Number of sentences.
        temperature: Of the softmax; 0 takes the best token.
        top_k: Tokens to draw from at each step.
        seed: Of the first sentence; it counts up from one to the next.
        prefix: What every sentence starts with.
    """

    count: int
    temperature: float
    top_k: int
    seed: int
    prefix: str = ""


def sample(config: RunConfig, folder: Path, drawing: Drawing) -> list[str]:
    """Draws sentences from the bundle in ``folder``; the same seed gives the same sentences.

    Raises:
        ConfigError: The model translates, or an option is out of bounds.
    """
    if config.corpus.sides != "target":
        raise ConfigError(f"{config.name} translates; sample needs a decoder alone (corpus.sides = 'target')")
    bundle = load_bundle(folder)
    prefix = tuple(bundle.tokenizer.encode(drawing.prefix))
    try:
        options = [
            SearchOptions(
                prefix=prefix, temperature=drawing.temperature, top_k=drawing.top_k, seed=drawing.seed + number
            )
            for number in range(drawing.count)
        ]
        with run_engine(bundle) as engine:
            futures = engine.submit_many([bundle.tokenizer.encode_source("")] * drawing.count, options)
            return [bundle.tokenizer.decode(future.result()[0].token_ids) for future in futures]
    except PasserelleError as error:
        raise ConfigError(f"{config.name}: {error}") from error
