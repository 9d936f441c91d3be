"""Codes of languages: any spelling is read, and the one that clients know is written."""

from collections.abc import Iterator

import pytest

from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service


@pytest.fixture(scope="module")
def service_of_codes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    pairs = [("en", target) for target in ("zh", "zh-hant", "pt-BR", "nb")]
    with running_service(Settings(models_dir=fake_models(tmp_path_factory.mktemp("codes"), *pairs))) as running:
        yield running


@pytest.mark.parametrize("source", ["en", "EN", "en-GB", "en_us"])
@pytest.mark.parametrize("target", ["zh", "zh-CN", "ZH_hans", "zh-Hans-CN"])
def test_codes_in_any_spelling(service_of_codes: RunningService, source: str, target: str) -> None:
    answer = service_of_codes.client.post("/translate", json={"q": "Hello", "source": source, "target": target})
    assert (answer.status_code, answer.json()) == (200, {"translatedText": "HELLO"})
    headers = {"Authorization": "DeepL-Auth-Key any"}
    body = {"text": ["Hello"], "source_lang": source.replace("_", "-"), "target_lang": target.replace("_", "-")}
    answer = service_of_codes.client.post("/v2/translate", json=body, headers=headers)
    assert answer.json()["translations"][0]["text"] == "HELLO"


def test_another_script_is_another_language(service_of_codes: RunningService) -> None:
    post, get = service_of_codes.client.post, service_of_codes.client.get
    for target, status in (("zt", 200), ("zh-TW", 200), ("pb", 200), ("no", 200), ("nb", 200), ("sr", 400)):
        answer = post("/translate", json={"q": "Hello", "source": "en", "target": target})
        assert answer.status_code == status, target
    codes = [one["code"] for one in get("/languages").json()]
    assert codes == ["en", "nb", "pt-BR", "zh", "zh-Hant"]
    for code in codes[1:]:
        assert post("/translate", json={"q": "Hello", "source": "en", "target": code}).status_code == 200
