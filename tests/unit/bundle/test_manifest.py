"""The manifest: what it refuses, and that it comes back as it was written."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.bundle.manifest import (
    FileEntry,
    LengthScore,
    Manifest,
    Quality,
    check_file_name,
    parse_manifest,
)
from app.errors import BundleFormatError
from tests.support.fakes import fake_manifest

PATH = Path("models/en-fr/manifest.json")


def document() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(fake_manifest().to_bytes())
    return parsed


def refused(changed: dict[str, Any]) -> str:
    with pytest.raises(BundleFormatError) as caught:
        parse_manifest(json.dumps(changed).encode(), PATH)
    assert str(PATH) in str(caught.value)
    return str(caught.value)


def test_tags_of_targets() -> None:
    tagged = fake_manifest(tags={"de": "D", "fr": "F", "en": "E"})
    assert tagged.targets == ("fr", "de")  # to write the source again is a task of training, not a translation
    assert fake_manifest().targets == ("fr",)
    assert "none for the target fr" in refused(document() | {"source_tags": {"de": 5}})
    assert "language twice" in refused(document() | {"other_sources": ["en"]})
    assert "none of them" in refused(document() | {"other_sources": ["fr"]})
    assert "lie beyond" in refused(document() | {"source_tags": {"fr": 100_000}})


def test_a_bundle_that_says_nothing_of_encoder_rows_takes_any() -> None:
    older = document()
    assert older.pop("encoder_rows") == "any"
    assert parse_manifest(json.dumps(older).encode(), PATH).encoder_rows == "any"
    assert parse_manifest(json.dumps(older | {"encoder_rows": "one"}).encode(), PATH).encoder_rows == "one"
    assert "encoder_rows: Input should be 'any' or 'one' (found 'two')" in refused(older | {"encoder_rows": "two"})


def test_a_shortlist_goes_with_the_inputs_for_it() -> None:
    entry = {"file": "shortlist.bin", "first": 50, "adds_source_ids": True, "is_default": False}
    assert "go together" in refused(document() | {"shortlist": entry})
    limited = document() | {"shortlist": entry}
    limited["signature"]["decoder_step"]["inputs"] += [
        {"name": "candidate_weights", "dtype": "uint8", "axes": ["candidates", 4]},
        {"name": "candidate_slots", "dtype": "int32", "axes": ["rows", "choices"]},
        {"name": "candidate_bias", "dtype": "float32", "axes": ["rows", "choices"]},
        {"name": "candidate_ids", "dtype": "int32", "axes": ["rows", "choices"]},
    ]
    parsed = parse_manifest(json.dumps(limited).encode(), PATH)
    assert "shortlist.bin" in parsed.required_files
    assert parse_manifest(parsed.to_bytes(), PATH) == parsed
    assert "go together" in refused(limited | {"shortlist": None})
    assert "cannot be tokenizer.json or tokenizer.json" in refused(
        limited | {"shortlist": entry | {"file": "tokenizer.json"}}
    )
    assert "plain file name" in refused(limited | {"shortlist": entry | {"file": "../lex.bin"}})
    source = limited["tokenizer"] | {
        "file": "source.json",
        "vocabulary_size": limited["tokenizer"]["vocabulary_size"] + 1,
    }
    assert "vocabularies of one size" in refused(limited | {"source_tokenizer": source})
    listed = {name: {"sha256": "0" * 64, "bytes": 1} for name in document()["files"] or ("encoder.onnx",)}
    assert "does not list" in refused(limited | {"files": listed})


def test_comes_back_as_written() -> None:
    manifest = fake_manifest().model_copy(
        update={
            "quality": (
                Quality(
                    set="Tatoeba test",
                    metric="BLEU",
                    score=41.5,
                    signature="nrefs:1|case:mixed",
                    beam_size=4,
                    segments=1000,
                    by_length=(LengthScore(from_words=21, to_words=None, segments=40, score=30.25),),
                ),
            ),
            "files": {
                name: FileEntry(sha256="0" * 64, bytes=1)
                for name in ("encoder.onnx", "decoder_step.onnx", "tokenizer.json", "MODEL_CARD.md")
            },
        }
    )
    back = parse_manifest(manifest.to_bytes(), PATH)
    assert back == manifest
    assert back.producer.created == date(2026, 1, 1)


def test_is_frozen() -> None:
    with pytest.raises(ValidationError):
        fake_manifest().name = "other"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"nonsense"])
def test_refuses_what_is_no_json(content: bytes) -> None:
    with pytest.raises(BundleFormatError, match=r"manifest\.json: not readable as JSON"):
        parse_manifest(content, PATH)


def test_refuses_json_that_is_no_object() -> None:
    with pytest.raises(BundleFormatError, match="holds a JSON list"):
        parse_manifest(b"[]", PATH)


@pytest.mark.parametrize("version", [0, 2, "1", 1.0, True, None])
def test_refuses_another_version_before_anything_else(version: object) -> None:
    message = refused({"format_version": version, "key of the future": 1})
    assert f"format_version is {version!r}, this release reads 1" in message


def test_refuses_a_missing_version() -> None:
    changed = document()
    del changed["format_version"]
    assert "format_version is None" in refused(changed)


@pytest.mark.parametrize(
    "path", [(), ("tokenizer",), ("signature",), ("signature", "encoder"), ("limits",), ("producer",), ("search",)]
)
def test_refuses_an_unknown_key_everywhere(path: tuple[str, ...]) -> None:
    changed = document()
    part = changed
    for step in path:
        part = part[step]
    part["surprise"] = 1
    message = refused(changed)
    assert ".".join((*path, "surprise")) in message
    assert "not permitted" in message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("source",), "English"),
        (("name",), ""),
        (("precision",), "float64"),
        (("limits", "max_source_tokens"), 0),
        (("limits", "max_source_tokens"), "512"),
        (("length_ratio", "mean"), 0),
        (("length_ratio", "deviation"), -1),
        (("search", "beam_size"), 0),
        (("tokenizer", "kind"), "syllables"),
        (("tokenizer", "eos_id"), 1),
        (("tokenizer", "unk_id"), 100_000),
        (("tokenizer", "file"), "../tokenizer.json"),
        (("tokenizer", "file"), "encoder.onnx"),
        (("tokenizer", "file"), "manifest.json"),
        (("training_data", 0, "pairs"), 0),
        (("producer", "created"), "yesterday"),
    ],
)
def test_refuses_a_bad_value_and_names_it(path: tuple[str | int, ...], value: object) -> None:
    changed = document()
    part: Any = changed
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert str(path[0]) in refused(changed)


def test_refuses_not_a_number() -> None:
    content = fake_manifest().to_bytes().replace(b'"deviation": 0.25', b'"deviation": NaN')
    with pytest.raises(BundleFormatError, match=r"NaN|finite|expected"):
        parse_manifest(content, PATH)


def test_refuses_files_without_the_graphs() -> None:
    changed = document()
    changed["files"] = {"encoder.onnx": {"sha256": "0" * 64, "bytes": 1}}
    message = refused(changed)
    assert "decoder_step.onnx" in message
    assert "tokenizer.json" in message


def test_refuses_to_list_itself() -> None:
    changed = document()
    changed["files"] = {"manifest.json": {"sha256": "0" * 64, "bytes": 1}}
    assert "manifest.json" in refused(changed)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../a", "a/b", "a\\b", "/etc/passwd", "C:x", ".hidden", "a..b", "a\x00", "a\n", "x" * 101, "é.png"],
)
def test_a_file_name_that_is_not_plain(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        check_file_name(name)


@given(st.text(max_size=20))
def test_no_file_name_leaves_the_folder(name: str) -> None:
    try:
        check_file_name(name)
    except ValueError:
        return
    folder = Path("/models/en-fr")
    assert (folder / name).resolve().parent == folder
    assert (folder / name).name == name


def test_schema_knows_no_free_keys() -> None:
    """A part that forgot to be strict would accept unknown keys silently."""
    schema = Manifest.model_json_schema()
    for name, part in [("Manifest", schema), *schema["$defs"].items()]:
        assert part.get("additionalProperties") is False, name


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"\xff"])
def test_what_no_parser_takes_is_refused_as_any_other(content: bytes) -> None:
    with pytest.raises(BundleFormatError, match="not readable as JSON"):
        parse_manifest(content, PATH)


def test_a_length_limit_of_one_kind_is_needed() -> None:
    changed = document()
    changed["limits"]["max_target_ratio"] = 2.0
    assert "not both" in refused(changed)
    changed["length_ratio"] = None
    assert parse_manifest(json.dumps(changed).encode(), PATH).limits.max_target_ratio == 2.0
    changed["limits"]["max_target_ratio"] = None
    assert "length_ratio or limits.max_target_ratio" in refused(changed)


def test_two_tokenizers_have_a_file_each() -> None:
    changed = document()
    changed["files"] = {}
    changed["source_tokenizer"] = {**changed["tokenizer"]}
    assert "the file of a tokenizer or shortlist cannot be" in refused(changed)
    changed["source_tokenizer"] |= {"file": "source.json", "vocabulary_size": 77}
    found = parse_manifest(json.dumps(changed).encode(), PATH)
    assert found.source_vocabulary_size == 77
    assert "source.json" in found.required_files


def test_only_marians_tokenizers_pad_with_eos() -> None:
    changed = document()
    changed["tokenizer"]["pad_id"] = changed["tokenizer"]["eos_id"]
    assert "must differ" in refused(changed)
    changed["tokenizer"]["kind"] = "marian"
    assert parse_manifest(json.dumps(changed).encode(), PATH).tokenizer.kind == "marian"
