"""``passerelle translate``: a text, a file or the standard input, translated in this process."""

import asyncio
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final

from tqdm import tqdm

from app.errors import ConfigurationError, UnusableFile
from app.files.batches import PassageTranslator
from app.files.document import Document, Passage, begin_of
from app.files.formats.registry import SUFFIXES, read_document
from app.server.environment import load_settings
from app.server.logs import configure_logging
from app.serving.container import detect_languages
from app.serving.registry import Registry
from app.settings import Settings
from app.text.codes import find_served
from app.text.detection import LanguageDetector

_PLAIN: Final = ".txt"
_BINARY: Final = (".docx", ".odt", ".pptx", ".epub")
_REFRESH_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class TranslateOptions:
    """What is wanted.

    Attributes:
        source: The language of the text; None to detect it.
        target: The language wanted.
        is_html: Whether a text is HTML.
        output: The file to write; None for the standard output.
    """

    source: str | None
    target: str
    is_html: bool = False
    output: Path | None = None


def translate_input(given: Sequence[str], options: TranslateOptions, models: Path | None = None) -> None:
    """Translates what the arguments name and writes the result.

    Args:
        given: ``-`` for the standard input, the name of a file, or the words of a text.
        options: What is wanted.
        models: The folder of the bundles; None for that of the settings.

    Raises:
        ConfigurationError: The folder, the languages or the output cannot be used.
        UnusableFile: The file cannot be read.
    """
    settings = load_settings(models_dir=models)
    configure_logging("error", "text")
    name, content = _read(given, options.is_html)
    suffix = Path(name).suffix.lower()
    output = options.output
    if output is None and suffix in _BINARY:
        output = Path(name).with_suffix(f".{options.target}{suffix}")
        if output.exists():
            raise ConfigurationError(f"{output} exists already; name a file with --output")
    if output is not None and output.exists() and Path(name).exists() and output.samefile(name):
        raise ConfigurationError(f"{output} is the file to translate; name another one with --output")
    limit, languages = settings.max_unpacked_bytes, [options.source] if options.source else []
    document = _html_fragment(content) if not name else read_document(name, content, limit, languages)
    translated = _translate(document, options, settings)
    if output is None:
        sys.stdout.buffer.write(translated if translated.endswith(b"\n") else translated + b"\n")
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(translated)
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from None
    print(f"{output} is written", file=sys.stderr)


def _read(given: Sequence[str], is_html: bool) -> tuple[str, bytes]:
    """Returns the name of a document, whose suffix tells its format, and its content; an empty name for HTML text."""
    unnamed = "" if is_html else f"text{_PLAIN}"
    if list(given) == ["-"]:
        return unnamed, sys.stdin.buffer.read()
    path = Path(given[0])
    if len(given) == 1 and _is_file(path):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UnusableFile(f"{path} cannot be read: {error.strerror}") from None
        known = path.suffix.lower() in SUFFIXES
        return (str(path) if known else unnamed), content
    return unnamed, " ".join(given).encode("utf-8", "surrogateescape")


def _is_file(path: Path) -> bool:
    """Tells whether there is such a file; a text can be longer than the name of a file may be."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _html_fragment(content: bytes) -> Document:
    """Returns a piece of HTML as one passage.

    Raises:
        UnusableFile: It is not UTF-8.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnusableFile(f"the text is not UTF-8: {error}") from None
    return Document((Passage(text, "html"),), lambda translations, _: next(translations).encode())


def _translate(document: Document, options: TranslateOptions, settings: Settings) -> bytes:
    """Translates the passages of a document; what is in the language wanted already stays as it is."""
    registry = Registry.load(settings.model_copy(update={"preload": "none"}))  # only what is needed is loaded
    registry.start()
    try:
        served = registry.snapshot
        target = find_served(options.target, {target for _, target in served.pairs}) or options.target
        if options.source is None:
            source = _detect(registry, document, target)
        else:
            source = find_served(options.source, served.sources) or options.source
        if not document.passages or source == target:
            return document.write((passage.text for passage in document.passages), target)
        translator = registry.find(source, target).translator
        progress = PassageTranslator(translator, math.inf, Event())
        with _progress_bar(progress, document.characters):
            translations = progress.translate(document.passages)
        return document.write(iter(translations), target)
    finally:
        registry.stop()


def _detect(registry: Registry, document: Document, target: str) -> str:
    detector = LanguageDetector(registry.snapshot.languages)
    (found,) = asyncio.run(detect_languages(registry, detector, [begin_of(document.passages)], target))
    return found.language


@contextmanager
def _progress_bar(progress: PassageTranslator, characters: int) -> Iterator[None]:
    """Shows the characters that are translated, on a terminal, once the translation has taken two seconds."""
    ended = Event()

    def show() -> None:
        with tqdm(total=characters, unit=" characters", delay=2.0, leave=False, file=sys.stderr) as bar:
            while not ended.wait(_REFRESH_SECONDS):
                bar.update(progress.translated_characters - bar.n)

    if not sys.stderr.isatty():
        yield
        return
    thread = Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
