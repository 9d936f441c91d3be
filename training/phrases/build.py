"""Builds the phrase table of a finished bundle from the corpus of a configuration, and adds it to the bundle."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.bundle.phrases import PHRASES_FILE, write_phrases
from app.bundle.store import load_bundle, update_bundle
from training.config import RunConfig
from training.data.clean import fold, normalise
from training.data.config import CorpusFile
from training.data.corpus import Pair, read_pairs
from training.errors import CorpusError
from training.export.export import opens
from training.phrases.choose import choose_phrases
from training.phrases.extract import count_phrases

MAX_PHRASES: Final = 120_000  # of each pair of languages
_LEXICON: Final = "lexicon"
_CARD: Final = "MODEL_CARD.md"
_SECTION: Final = re.compile(r"\n## Phrase table\n.*?(?=\n## |\Z)", re.DOTALL)


def add_phrases(config: RunConfig, data: Path, folder: Path, max_phrases: int = MAX_PHRASES) -> dict[Pair, int]:
    """Adds a phrase table to a bundle; one that it has is replaced.

    Args:
        config: Names the corpus. A file whose name begins with ``lexicon`` is one. The columns of a file may be in
            either direction: a bundle from French to English reads the files of one from English to French.
        data: The folder of the corpus.
        folder: That of the bundle.
        max_phrases: How many phrases of each pair of languages the table has at most.

    Returns:
        The number of phrases by source and target language.

    Raises:
        CorpusError: The corpus has no text of any pair of languages of the bundle, or cannot be read.
    """
    manifest = load_bundle(folder).manifest
    pairs = [(source, target) for source in manifest.sources for target in manifest.targets]
    tables: dict[Pair, list[tuple[str, str]]] = {}
    used: dict[str, CorpusFile] = {}
    for source, target in pairs:
        files = [file for file in config.corpus.train if {source, target} <= set(file.columns)]
        if not files:
            continue
        used |= {file.name: file for file in files}
        lexicons = [file for file in files if file.name.startswith(_LEXICON)]
        texts = [file for file in files if file not in lexicons]
        held_out = _read_held_out(config, data, source, target)
        counts = count_phrases(
            (pair for pair in _read(texts, data, source, target) if fold(pair[0]) not in held_out),
            _read(lexicons, data, source, target),
        )
        tables[source, target] = list(choose_phrases(counts, source, target, max_phrases))
    if not tables:
        raise CorpusError(f"{config.name}: no file of the corpus has both languages of any pair of {folder.name}")
    contents: dict[str, bytes | Path] = {PHRASES_FILE: write_phrases(tables)}
    sizes = {pair: len(phrases) for pair, phrases in tables.items()}
    if (card := folder / _CARD).is_file():
        contents[_CARD] = _replace_section(card.read_text(encoding="utf-8"), _describe(sizes, used)).encode("utf-8")
    update_bundle(folder, manifest, contents, opens)
    return sizes


def _read(files: list[CorpusFile], data: Path, source: str, target: str) -> Iterator[Pair]:
    for file in files:
        for number, (text, translation) in enumerate(read_pairs(data / file.path, file, source, target)):
            if file.max_pairs is not None and number >= file.max_pairs:
                break
            yield normalise(text), normalise(translation)


def _read_held_out(config: RunConfig, data: Path, source: str, target: str) -> set[str]:
    """Returns the sources that quality is measured with, so that the table has none of them as a whole."""
    files = [file for file in (*config.corpus.dev, *config.corpus.test) if {source, target} <= set(file.columns)]
    return {fold(pair[0]) for pair in _read(files, data, source, target)}


def _replace_section(card: str, section: str) -> str:
    """Replaces the section of a card, or adds it at the end."""
    return _SECTION.sub("", card).rstrip("\n") + "\n" + section + "\n"


def _describe(sizes: dict[Pair, int], used: dict[str, CorpusFile]) -> str:
    """Returns the text of the card's section."""
    counts = ", ".join(f"{source} to {target} {size:,}" for (source, target), size in sizes.items())
    lines = [
        "",
        "## Phrase table",
        "",
        f"`{PHRASES_FILE}` holds words and short phrases with one translation each ({counts}). A segment that is",
        "nothing but such a phrase gets this translation in place of the model's. The scores above are the model's "
        "own,",
        "measured without the table. Its phrases were counted in:",
        "",
        "| name | licence | attribution |",
        "|---|---|---|",
        *(f"| {file.name} | {file.licence} | {file.attribution} |" for file in used.values()),
    ]
    return "\n".join(lines)
