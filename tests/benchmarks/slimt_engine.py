"""``slimt``, another engine for Marian's students, where its package is installed (``pip install slimt``).

Importing the package asks servers on the network for their catalogues, so only its library is loaded.
"""

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support.marian_models import Shape


def is_installed() -> bool:
    return find_spec("slimt") is not None


class Slimt:
    """A student in it, with one thread.

    Args:
        files: The model, its vocabulary, and its shortlist, which it always uses.
        shape: Of the model.
    """

    def __init__(self, files: tuple[Path, Path, Path], shape: Shape) -> None:
        library = _load()
        config = library.Config()
        config.encoder_layers, config.decoder_layers = shape.encoder_layers, shape.decoder_layers
        config.feed_forward_depth, config.num_heads, config.split_mode = 2, shape.heads, "sentence"
        model, vocabulary, shortlist = map(str, files)
        package = library.Package(model=model, vocabulary=vocabulary, shortlist=shortlist)
        self._model = library.Model(config, package)
        self._service = library.Service(workers=1, cache_size=0)

    def translate(self, texts: list[str], together: int) -> int:
        """Translates texts, as many as said in one call, and returns the number of tokens written."""
        written = 0
        for start in range(0, len(texts), together):
            for answer in self._service.translate(self._model, texts[start : start + together], html=False):
                written += sum(answer.target.word_count(number) for number in range(answer.target.sentence_count()))
        return written


def _load() -> Any:
    spec = find_spec("slimt")
    assert spec is not None
    package = ModuleType("slimt")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["slimt"] = package
    return importlib.import_module("slimt._slimt")
