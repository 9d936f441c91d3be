"""DeepL's dialect: the statuses and sentences of its errors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import EngineOverloaded
from app.settings import Settings
from app.translation.translator import Translator
from tests.support.deepl_requests import HELLO, KEY, checked
from tests.support.service import RunningService, fake_models, running_service

MISSING: Any = object()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    pairs = (("en", "fr"), ("fr", "en"), ("de", "en"), ("en", "pt"))
    models = fake_models(tmp_path_factory.mktemp("models"), *pairs)
    chosen = Settings(models_dir=models, max_characters=2000, max_items=10, max_body_bytes=100_000)
    with running_service(chosen) as running:
        yield running


def refused(service: RunningService, status: int = 400, **fields: Any) -> Any:
    present = {name: value for name, value in {**HELLO, **fields}.items() if value is not MISSING}
    found = checked(service.client.post("/v2/translate", json=present, headers=KEY), status)
    assert set(found) - {"detail"} == {"message"}
    return found


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": MISSING}, "Parameter 'text' not specified"),
        ({"text": None}, "Parameter 'text' not specified"),
        ({"text": []}, "Parameter 'text' not specified"),
        ({"target_lang": MISSING}, "Value for 'target_lang' not supported."),
        ({"target_lang": ""}, "Value for 'target_lang' not supported."),
        ({"target_lang": "ZZ"}, "Value for 'target_lang' not supported."),
        ({"target_lang": "FR-CYRL"}, "Value for 'target_lang' not supported."),
        ({"source_lang": "ZZ"}, "Value for 'source_lang' not supported."),
        ({"source_lang": "PT"}, "Value for 'target_lang' not supported."),
        ({"source_lang": "", "target_lang": "DE"}, "Value for 'target_lang' not supported."),
        ({"split_sentences": "2"}, "Value for 'split_sentences' not supported."),
        ({"tag_handling": "markdown"}, "Value for 'tag_handling' not supported."),
        ({"formality": "rude"}, "Value for 'formality' not supported."),
        ({"formality": "more", "target_lang": "EN-US"}, "Target language 'EN' doesn't support formality."),
        ({"formality": "less", "target_lang": "EN"}, "Target language 'EN' doesn't support formality."),
        ({"style_id": "a"}, "Value for 'style_id' not supported."),
        ({"custom_instructions": ["Be short."]}, "Value for 'custom_instructions' not supported."),
        ({"translation_memory_id": "a"}, "Value for 'translation_memory_id' not supported."),
        ({"tag_handling_version": "v9"}, "Value for 'tag_handling_version' not supported."),
        ({"glossary_ids": ["a"]}, "Glossary not found"),
        ({"glossary_ids": [1]}, "Invalid request: glossary_ids has a number, it must be a list of strings"),
        (
            {"glossary_id": "a", "glossary_ids": ["b"]},
            "Parameters 'glossary_id' and 'glossary_ids' exclude each other",
        ),
        ({"preserve_formatting": "perhaps"}, "Value for 'preserve_formatting' not supported."),
        ({"outline_detection": [1]}, "Value for 'outline_detection' not supported."),
        ({"model_type": "best"}, "Value for 'model_type' not supported."),
        ({"glossary_id": "a"}, "Glossary not found"),
        (
            {"glossary_id": "a", "source_lang": ""},
            "Use of a glossary requires the source_lang parameter to be specified",
        ),
        ({"text": 7}, "Invalid request: text[0] is a number, it must be a string"),
        ({"text": ["a", None]}, "Invalid request: text[1] is null, it must be a string"),
        ({"target_lang": 7}, "Invalid request: target_lang parameter is a number, it must be a string"),
        ({"ignore_tags": [1]}, "Invalid request: ignore_tags has a number, it must be a list of strings"),
    ],
)
def test_bad_fields(service: RunningService, fields: dict[str, Any], message: str) -> None:
    assert refused(service, **fields)["message"] == message


def test_details_say_more(service: RunningService) -> None:
    assert refused(service, target_lang="ZZ")["detail"] == "ZZ is not among those served: DE, EN, FR, PT"
    assert "from Portuguese (pt)" in refused(service, source_lang="PT")["detail"]
    assert "0, 1, nonewlines" in refused(service, split_sentences="2")["detail"]


def test_too_much(service: RunningService) -> None:
    assert refused(service, 413, text=["x"] * 11) == {"message": "Request (11 texts) exceeds max_items (10)"}
    many = refused(service, 413, text=["x" * 1001, "y" * 1000])
    assert many == {"message": "Request (2001 characters) exceeds max_characters (2000)"}
    assert "max_body_bytes (100000)" in refused(service, 413, text="x" * 100_000)["message"]


def test_other_errors_have_the_same_shape(service: RunningService) -> None:
    answers = {
        400: service.client.post("/v2/translate", content=b"{", headers={**KEY, "Content-Type": "application/json"}),
        404: service.client.get("/v2/glossaries/x", headers=KEY),
        405: service.client.delete("/v2/usage", headers=KEY),
        415: service.client.post("/v2/translate", content=b"x", headers={**KEY, "Content-Type": "text/csv"}),
    }
    for status, answer in answers.items():
        assert list(checked(answer, status)) == ["message"]
    assert list(checked(service.client.get("/v3/nothing", headers=KEY), 404)) == ["message"]
    for method, path, what in (
        ("POST", "/v2/write/rephrase", "Improvements of texts"),
        ("GET", "/v3/style_rules", "Style rules"),
        ("DELETE", "/v3/style_rules/x/custom_instructions", "Style rules"),
        ("GET", "/v3/translation_memories", "Translation memories"),
    ):
        message = f"{what} are not supported by this service"
        assert checked(service.client.request(method, path, headers=KEY), 400) == {"message": message}
    # Elsewhere nothing changes.
    other = service.client.get("/v2translate")
    assert list(other.json()) == ["error"]
    assert "x-trace-id" not in other.headers


@pytest.mark.parametrize(
    ("error", "status"), [(EngineOverloaded("full", retry_after_seconds=2.2), 429), (ZeroDivisionError("secret"), 500)]
)
def test_errors_become_statuses(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(Translator, "submit", failing)
    found = refused(service, status)
    assert "secret" not in found["message"]


def test_nothing_to_serve(tmp_path: Path) -> None:
    with running_service(Settings(models_dir=tmp_path)) as empty:
        assert str(tmp_path) in refused(empty, 503)["message"]
        assert checked(empty.client.get("/v2/languages", headers=KEY)) == []


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
NAMES = [
    "source_lang",
    "split_sentences",
    "preserve_formatting",
    "formality",
    "tag_handling",
    "ignore_tags",
    "outline_detection",
    "context",
    "glossary_id",
    "model_type",
    "auth_key",
]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {
            "text": st.lists(st.text(max_size=10), min_size=1, max_size=4) | JSON_VALUES,
            "target_lang": st.sampled_from(["FR", "en-us"]) | JSON_VALUES,
        },
        optional=dict.fromkeys(NAMES, JSON_VALUES),
    )
)
def test_any_json_gets_an_answer_in_its_shape(service: RunningService, fields: dict[str, Any]) -> None:
    content = json.dumps(fields).encode("ascii")
    headers = {**KEY, "Content-Type": "application/json"}
    answer = service.client.post("/v2/translate", content=content, headers=headers)
    found = checked(answer, answer.status_code)
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert set(found) - {"detail"} == {"message"}
        return
    texts = fields["text"] if isinstance(fields["text"], list) else [fields["text"]]
    assert [one["billed_characters"] for one in found["translations"]] == [len(text) for text in texts]
