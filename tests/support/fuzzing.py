"""Bad input of every kind, the same for the same number, and what must be true of each reader that gets it.

A target takes one number, makes an input of it and gives it to a reader. It ends, or raises one of the service's own
errors; whatever else it raises is a crash.
"""

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from app.bundle.manifest import parse_manifest
from app.bundle.store import load_bundle
from app.bundle.tokenizers import Tokenizer, WordTokenizer, load_tokenizer
from app.errors import BundleError, BundleFormatError, PasserelleError
from app.files.formats.registry import read_document
from app.serving.glossaries import EntriesFormat, format_entries, read_entries
from app.translation.translator import TranslationOptions, Translator
from tests.support.fakes import fake_bundle, fake_contents, fake_manifest
from tests.support.file_samples import SAMPLES, upper
from tests.support.markup_texts import HTML, check, random_soup, random_tree
from tests.support.mutations import mutated, mutated_json, random_text
from tests.support.tokenizer_models import damaged_model
from tests.unit.translation.test_unmasking import Hostile

_ROOT: Final = Path(__file__).parents[2]
_UNPACKED: Final = 10**7
_ZIPPED: Final = (".docx", ".odt", ".pptx", ".epub")


@dataclass(frozen=True, slots=True)
class Target:
    """``share``: how many of a thousand inputs go to it."""

    share: int
    feed: Callable[[int], None]


class Fuzz:
    """Every target, by its name. ``folder`` is for what must lie on a disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifests = tuple(path.read_bytes() for path in sorted((_ROOT / "models").glob("*/manifest.json"))) or (
            fake_manifest().to_bytes(),
        )
        self._bundle = fake_bundle(folder / "models")
        words = WordTokenizer(["the", "cat", "é", "😀", "."])
        self._tokenizers: tuple[Tokenizer, ...] = (
            *(load_tokenizer(path, "sentencepiece") for path in sorted((_ROOT / "models").glob("*/tokenizer.model"))),
            self._bundle.tokenizer,
            words,
        )
        self._tokenizer_files = {"characters": fake_contents()["tokenizer.json"], "words": words.to_bytes()}
        self._tokenizer_models = [one.to_bytes() for one in self._tokenizers if one.kind == "sentencepiece"]
        self._members = {name: _members(data) for name, data in SAMPLES.items() if name.endswith(_ZIPPED)}
        formats: dict[str, Callable[[int], None]] = {
            f"file {name.partition('.')[2]}": self._file(name) for name in SAMPLES
        }
        self.targets: Mapping[str, Target] = {
            "tokenizer": Target(110, self._tokenizer),
            "tokenizer file": Target(60, self._tokenizer_file),
            "tokenizer model": Target(60, self._tokenizer_model),
            "text": Target(100, self._text),
            "markup": Target(100, self._markup),
            "manifest": Target(130, self._manifest),
            "bundle": Target(50, self._bundle_folder),
            "glossary": Target(130, self._glossary),
            **{name: Target(20, feed) for name, feed in formats.items()},
        }
        assert sum(target.share for target in self.targets.values()) == 1000

    def _tokenizer(self, number: int) -> None:
        random = Random(number)
        _try_tokenizer(random, self._tokenizers[number % len(self._tokenizers)])

    def _tokenizer_file(self, number: int) -> None:
        random = Random(number)
        kind = random.choice(tuple(self._tokenizer_files))
        content = self._tokenizer_files[kind]
        if random.random() < 0.5:
            content = json.dumps(mutated_json(random, json.loads(content))).encode()
        else:
            content = mutated(random, content)
        path = self._folder / "tokenizer.json"
        path.write_bytes(content)
        try:
            tokenizer = load_tokenizer(path, kind)
        except BundleFormatError:
            return
        tokenizer.decode(tokenizer.encode("The cat."))

    def _tokenizer_model(self, number: int) -> None:
        random = Random(f"model {number}")
        content = random.choice(self._tokenizer_models)
        content = mutated(random, content) if random.random() < 0.1 else damaged_model(random, content)
        path = self._folder / "tokenizer.model"
        path.write_bytes(content)
        tokenizer = load_tokenizer(path, "sentencepiece")
        _try_tokenizer(random, tokenizer)
        assert len(tokenizer.token_bytes()) == tokenizer.vocabulary_size

    def _text(self, number: int) -> None:
        random = Random(number)
        translator = Translator(self._bundle, Hostile(number))
        options = TranslationOptions(alternatives=number % 2, keeps_form=number % 3 == 0)
        (translation,) = translator.translate([random_text(random)], options)
        translation.text.encode("utf-8")

    def _markup(self, number: int) -> None:
        random = Random(number)
        kind = number % 3
        document = random_tree(random) if kind == 0 else random_soup(random)
        if kind == 2:
            document = mutated(random, document.encode()).decode("utf-8", "ignore")
        (translation,) = Translator(self._bundle, Hostile(number)).translate([document], HTML)
        check(document, translation)

    def _manifest(self, number: int) -> None:
        random = Random(number)
        content = random.choice(self._manifests)
        if random.random() < 0.7:
            document = json.loads(content)
            for _ in range(random.choice((1, 1, 2, 4))):
                document = mutated_json(random, document)
            content = json.dumps(document).encode()
        else:
            content = mutated(random, content, self._manifests)
        with suppress(BundleFormatError):
            parse_manifest(content, Path("manifest.json"))

    def _bundle_folder(self, number: int) -> None:
        random = Random(number)
        folder = self._folder / "changed"
        shutil.copytree(self._bundle.folder, folder)
        try:
            for _ in range(random.randrange(1, 3)):
                self._spoil(random, folder)
            load_bundle(folder)
        except BundleError:
            pass
        finally:
            shutil.rmtree(folder)

    def _spoil(self, random: Random, folder: Path) -> None:
        path = random.choice(sorted(folder.iterdir()) or [folder / "manifest.json"])
        kind = random.randrange(6)
        if kind <= 1 and path.is_file():
            path.write_bytes(mutated(random, path.read_bytes()))
        elif kind == 2 and path.is_file():
            path.unlink()
        elif kind == 3 and path.is_file():
            path.unlink()
            path.symlink_to(random.choice(("/etc/passwd", "/dev/zero", "..", "nowhere", "manifest.json", path.name)))
        elif kind == 4:
            (folder / random.choice(("extra", ".hidden", "a\nb", "é"))).write_bytes(b"x")
        elif path.is_file():
            path.unlink()
            path.mkdir()

    def _glossary(self, number: int) -> None:
        random = Random(number)
        entries_format: EntriesFormat = "csv" if number % 2 else "tsv"
        separator = "," if number % 2 else "\t"
        lines = [f"word {place}{separator}mot {place}" for place in range(random.randrange(6))]
        content = mutated(random, "\n".join(lines).encode()) if random.random() < 0.7 else random_text(random).encode()
        found = read_entries(content.decode("utf-8", "ignore"), entries_format, 5)
        assert read_entries(format_entries(found), "tsv", 5) == found

    def _file(self, name: str) -> Callable[[int], None]:
        others = tuple(data for other, data in SAMPLES.items() if not other.endswith(_ZIPPED))

        def feed(number: int) -> None:
            random = Random(f"{name} {number}")
            if name in self._members and random.random() < 0.8:
                members = dict(self._members[name])
                inside = random.choice(sorted(members))
                members[inside] = mutated(random, members[inside], others)
                if random.random() < 0.1:
                    del members[random.choice(sorted(members))]
                content = _zipped(members)
            else:
                content = mutated(random, SAMPLES[name], others)
            document = read_document(name, content, _UNPACKED)
            assert document.characters >= 0
            translations = iter([upper(passage) for passage in document.passages])
            document.write(translations, "fr")

        return feed


def _try_tokenizer(random: Random, tokenizer: Tokenizer) -> None:
    """Whatever its vocabulary is, ids are ids of it, and ranges lie within their text."""
    text = random_text(random)
    ids = tokenizer.encode_source(text)
    assert ids
    assert len(ids) <= 20 * len(text.encode("utf-8", "replace")) + 10
    assert all(0 <= token_id < tokenizer.vocabulary_size for token_id in ids)
    assert all(0 <= start <= end <= len(text) for start, end in tokenizer.encode_ranges(text))
    written = random.choices(range(tokenizer.vocabulary_size), k=random.randrange(40))
    decoded = tokenizer.decode(written)
    decoded.encode("utf-8")
    assert all(0 <= start <= end <= len(decoded) for start, end in tokenizer.decode_ranges(written))
    assert len(tokenizer.pieces(written)) == len(written)
    tokenizer.encode_prefix(text)


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith((".jpeg", ".jpg", ".png"))}


def _zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def outcome(target: Target, number: int) -> PasserelleError | None:
    """None where the input was taken, or the error with which it was refused; anything else is raised."""
    try:
        target.feed(number)
    except PasserelleError as error:
        return error
    return None
