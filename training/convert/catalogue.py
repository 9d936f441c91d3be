"""The catalogues of Firefox's translation models: Mozilla's bucket, and the Remote Settings that Firefox reads.

Both are JSON documents from another server, so every name, path, size and checksum in them is checked before it is
used. Entries that lack something or look otherwise are left out and counted; a document in which nothing can be used is
an error.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlparse

from app.bundle.manifest import check_file_name
from training.convert.marian_file import MAX_MODEL_BYTES
from training.errors import ConversionError

BUCKET: Final = "https://storage.googleapis.com/moz-fx-translations-data--303e-prod-translations-data/db/models.json"
REMOTE_SETTINGS: Final = (
    "https://firefox.settings.services.mozilla.com/v1/buckets/main/collections/translations-models-v2/records"
)
ATTACHMENTS: Final = "https://firefox-settings-attachments.cdn.mozilla.net/"
LICENCE: Final = "MPL-2.0"
ATTRIBUTION: Final = "Mozilla, Firefox Translations"
RELEASED: Final = "Release"

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]{2,8})*")
_PATH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,500}")
_SCORES: Final = ("bleu", "chrf", "comet", "comet22")
_PLAIN_KINDS: Final = ("model", "vocab", "srcVocab", "trgVocab")
_BUCKET_KINDS: Final = {one: one.lower() for one in _PLAIN_KINDS} | {"lexicalShortlist": "lex"}


@dataclass(frozen=True)
class RemoteFile:
    """A file of a model.

    Attributes:
        name: Plain, as it is stored after unpacking.
        url: Where it lies, compressed or not.
        bytes: Of the download; None if unknown.
        sha256: Of the download; None if unknown.
        unpacked_bytes: After unpacking; None if unknown.
        unpacked_sha256: After unpacking; None if unknown.
    """

    name: str
    url: str
    bytes: int | None = None
    sha256: str | None = None
    unpacked_bytes: int | None = None
    unpacked_sha256: str | None = None


@dataclass(frozen=True)
class CatalogueModel:
    """A model that can be installed.

    Attributes:
        source: Language code, as bundles write it (``zh-Hant``).
        target: Language code.
        architecture: ``tiny``, ``base-memory`` or ``base``; another name, or empty if it is not stated.
        status: ``Release``, or another word of the publisher; ``Filtered`` for other channels of Firefox.
        version: The publisher's; None if it is not stated.
        files: By kind: ``model``, ``vocab`` or ``srcvocab`` and ``trgvocab``, and ``lex``, the shortlist, if there is.
        scores: Published ones, by metric.
    """

    source: str
    target: str
    architecture: str
    status: str
    version: str | None
    files: Mapping[str, RemoteFile]
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def pair(self) -> str:
        """Both languages, e.g. ``en-fr``."""
        return f"{self.source}-{self.target}"

    @property
    def bytes(self) -> int | None:
        """The size of the unpacked model; None if it is not stated."""
        return self.files["model"].unpacked_bytes


@dataclass(frozen=True)
class Catalogue:
    """The models of a catalogue, and the number of entries that could not be used, by reason."""

    models: tuple[CatalogueModel, ...]
    refused: Mapping[str, int]

    def find(self, pair: str, architecture: str | None) -> CatalogueModel:
        """Returns the model of a pair: a released one if there is one, of the architecture if one is given.

        Raises:
            ConversionError: There is none; the message says what there is.
        """
        wanted = pair.replace("_", "-").lower()
        of_pair = [model for model in self.models if model.pair.lower() == wanted]
        fitting = [model for model in of_pair if architecture in (None, model.architecture)]
        if not fitting:
            there = ", ".join(f"{model.architecture} ({model.status})" for model in of_pair)
            raise ConversionError(
                f"{pair}: the catalogue has no model"
                + (f" of the architecture {architecture}, only {there}" if of_pair else "; --list shows all pairs")
            )
        return next((model for model in fitting if model.status == RELEASED), fitting[0])


def parse_catalogue(content: bytes, address: str, files: str | None = None) -> Catalogue:
    """Reads a catalogue of either kind.

    Args:
        content: The JSON document.
        address: Where it came from, for messages and relative paths.
        files: The address that the files' paths start from, for a mirror; None for the catalogue's own.

    Raises:
        ConversionError: It is no such document, or has no usable model.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{address}: is no JSON: {str(error)[:200]}") from error
    reader = _Reader(address, files)
    if isinstance(document, dict) and isinstance(document.get("models"), dict):
        reader.read_bucket(document)
    elif isinstance(document, dict) and isinstance(document.get("data"), list):
        reader.read_records(document["data"])
    else:
        raise ConversionError(f"{address}: is neither a models.json of the bucket nor records of Remote Settings")
    if not reader.models:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in reader.refused.items()) or "it is empty"
        raise ConversionError(f"{address}: has no model that can be used: {reasons}")
    return Catalogue(tuple(sorted(reader.models, key=lambda one: one.pair)), dict(reader.refused))


class _Reader:
    def __init__(self, address: str, files: str | None) -> None:
        self._address = address
        self._files = files
        self.models: list[CatalogueModel] = []
        self.refused: dict[str, int] = defaultdict(int)

    def read_bucket(self, document: Mapping[str, Any]) -> None:
        base = self._files or document.get("baseUrl")
        for entries in document["models"].values():
            for entry in entries if isinstance(entries, list) else [entries]:
                self._add(lambda entry=entry: self._bucket_model(entry, base))

    def read_records(self, records: Sequence[Any]) -> None:
        groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
        for record in records:
            try:
                key = tuple(_text(record, name) for name in ("sourceLanguage", "targetLanguage", "version"))
                groups[(*key, str(record.get("architecture") or ""))].append(record)
            except ConversionError as error:
                self.refused[str(error)] += 1
        newest: dict[tuple[str, ...], tuple[tuple[int, ...], list[Mapping[str, Any]]]] = {}
        for (source, target, version, architecture), group in groups.items():
            number = tuple(map(int, re.findall(r"\d+", version)))
            if number > newest.get((source, target, architecture), ((), []))[0]:
                newest[source, target, architecture] = (number, group)
        for _, group in newest.values():
            self._add(lambda group=group: self._settings_model(group))

    def _add(self, make: Any) -> None:
        try:
            self.models.append(make())
        except ConversionError as error:
            self.refused[str(error)] += 1

    def _bucket_model(self, entry: Any, base: Any) -> CatalogueModel:
        listed = _table(entry, "files")
        files: dict[str, RemoteFile] = {}
        for key, kind in _BUCKET_KINDS.items():
            if key in listed:
                given = _table(listed, key)
                url, name = self._locate(_text(given, "path"), base)
                files[kind] = RemoteFile(
                    name,
                    url,
                    unpacked_bytes=_size(given.get("uncompressedSize")),
                    unpacked_sha256=_hash(given.get("uncompressedHash")),
                )
        return CatalogueModel(
            source=_language(entry, "sourceLanguage"),
            target=_language(entry, "targetLanguage"),
            architecture=_architecture(entry),
            status=_plain(str(entry.get("releaseStatus") or "unknown").replace(" ", "-")),
            version=None,
            files=_complete(files),
            scores=_scores(entry.get("metrics")),
        )

    def _settings_model(self, group: Sequence[Mapping[str, Any]]) -> CatalogueModel:
        files: dict[str, RemoteFile] = {}
        for record in group:
            kind = _text(record, "fileType")
            if kind not in _BUCKET_KINDS.values():
                continue
            attachment = _table(record, "attachment")
            url, _ = self._locate(_text(attachment, "location"), self._files or ATTACHMENTS)
            files[kind] = RemoteFile(
                _plain(_text(record, "name")),
                url,
                bytes=_size(attachment.get("size")),
                sha256=_hash(attachment.get("hash")),
                unpacked_bytes=_size(record.get("decompressedSize")),
                unpacked_sha256=_hash(record.get("decompressedHash")),
            )
        first = group[0]
        return CatalogueModel(
            source=_language(first, "sourceLanguage"),
            target=_language(first, "targetLanguage"),
            architecture=_architecture(first),
            status=RELEASED if not first.get("filter_expression") else "Filtered",
            version=_plain(_text(first, "version")),
            files=_complete(files),
        )

    def _locate(self, path: str, base: Any) -> tuple[str, str]:
        """Returns the address of a path of the catalogue, and the plain name of its file."""
        if not _PATH.fullmatch(path) or ".." in path or "//" in path:
            raise ConversionError(f"the path {path[:80]!r} leads elsewhere")
        if not isinstance(base, str) or urlparse(base).scheme not in ("http", "https", "file"):
            raise ConversionError(f"the address of the files is {str(base)[:80]!r}, http, https or file is expected")
        name = re.sub(r"\.(gz|zst)$", "", path.rsplit("/", 1)[-1])
        return urljoin(base if base.endswith("/") else f"{base}/", path), _plain(name)


def _complete(files: dict[str, RemoteFile]) -> dict[str, RemoteFile]:
    if "model" not in files or not ("vocab" in files or {"srcvocab", "trgvocab"} <= files.keys()):
        raise ConversionError(f"files of a model are missing, there are only {', '.join(sorted(files)) or 'none'}")
    if len({file.name for file in files.values()}) < len(files):
        raise ConversionError("two files of a model have one name")
    return files


def _architecture(entry: Mapping[str, Any]) -> str:
    found = entry.get("architecture") or ""
    return _plain(str(found)) if found else ""


def _table(entry: Any, key: str) -> Mapping[str, Any]:
    if isinstance(entry, dict) and isinstance(found := entry.get(key), dict):
        return found
    raise ConversionError(f"an entry has no {key}")


def _text(entry: Any, key: str) -> str:
    if isinstance(entry, dict) and isinstance(found := entry.get(key), str) and found:
        return found
    raise ConversionError(f"an entry has no {key}")


def _language(entry: Any, key: str) -> str:
    found = _text(entry, key)
    if not _LANGUAGE.fullmatch(found):
        raise ConversionError(f"{key} is {found[:40]!r}, which is no language code")
    first, *others = re.split("[_-]", found)
    return "-".join((first, *(one.title() if len(one) == 4 else one.upper() for one in others)))


def _plain(name: str) -> str:
    try:
        return check_file_name(name)
    except ValueError as error:
        raise ConversionError(str(error)) from None


def _size(value: Any) -> int | None:
    if value is None or (type(value) is int and 0 < value <= MAX_MODEL_BYTES):
        return value
    raise ConversionError(f"a size is {str(value)[:40]}, a number up to {MAX_MODEL_BYTES} is expected")


def _hash(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and _SHA256.fullmatch(value)):
        return value
    raise ConversionError(f"a checksum is {str(value)[:40]!r}, the sha256 in hexadecimal is expected")


def _scores(metrics: Any, depth: int = 3) -> dict[str, float]:
    """Returns the numbers of known metrics, wherever they lie; the first of each."""
    found: dict[str, float] = {}
    if isinstance(metrics, dict) and depth:
        for key, value in metrics.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and key.lower() in _SCORES:
                found.setdefault(key.lower(), float(value))
            else:
                found = _scores(value, depth - 1) | found
    return found
