"""Pairs that two bundles translate together: which there are, and that they behave as one bundle does."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from app.serving.routes import find_pivots, split_codes
from app.settings import Settings
from tests.support.engines import release, until
from tests.support.service import RunningService, fake_models, running_service
from tests.unit.serving.conftest import ADMIN, ADMIN_HASH

PAIRS = (("fr", "en"), ("en", "de"), ("de", "it"))
GERMAN = {"source": "fr", "target": "de"}


def test_english_comes_first_and_a_bundle_before_any_chain() -> None:
    pairs = {("fr", "en"), ("fr", "da"), ("en", "de"), ("da", "de"), ("da", "sv"), ("fr", "it"), ("en", "it")}
    assert find_pivots(pairs) == {("fr", "de"): "en", ("fr", "sv"): "da"}
    assert find_pivots(pairs, {"en"}) == {("fr", "de"): "da", ("fr", "sv"): "da"}
    assert find_pivots(pairs, split_codes("EN, da")) == {}
    assert find_pivots(pairs, split_codes("*")) == {}


def test_no_language_is_translated_into_itself() -> None:
    assert find_pivots({("fr", "en"), ("en", "fr")}) == {}


@pytest.fixture
def chained(tmp_path: Path) -> Any:
    models = fake_models(tmp_path / "models", *PAIRS)
    with running_service(Settings(models_dir=models, admin_key_hash=ADMIN_HASH)) as running:
        yield running


def translate(running: RunningService, **fields: object) -> dict[str, Any]:
    answer = running.client.post("/translate", json={**GERMAN, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_every_list_of_languages_has_the_chains(chained: RunningService) -> None:
    get = chained.client.get
    targets = {one["code"]: one["targets"] for one in get("/languages").json()}
    # Two bundles at most: nothing goes from French through English and German into Italian.
    assert targets == {"de": ["de", "it"], "en": ["de", "en", "it"], "fr": ["de", "en", "fr"], "it": ["it"]}
    key = {"Authorization": "DeepL-Auth-Key any"}
    pairs = get("/v2/glossary-language-pairs", headers=key).json()["supported_languages"]
    assert {"source_lang": "fr", "target_lang": "de"} in pairs
    assert {"source_lang": "fr", "target_lang": "it"} not in pairs
    answer = chained.client.post("/translate", json={"q": "Bonjour", "source": "fr", "target": "it"})
    assert (answer.status_code, "not available as a target language" in answer.json()["error"]) == (400, True)


def test_a_setting_forbids_pivots(tmp_path: Path) -> None:
    models = fake_models(tmp_path / "models", *PAIRS)
    with running_service(Settings(models_dir=models, forbidden_pivots="EN")) as running:
        targets = {one["code"]: one["targets"] for one in running.client.get("/languages").json()}
        assert targets == {"de": ["de", "it"], "en": ["de", "en", "it"], "fr": ["en", "fr"], "it": ["it"]}
        assert running.client.post("/translate", json={"q": "Bonjour", **GERMAN}).status_code == 400


def test_a_chain_answers_in_every_way_that_a_bundle_does(chained: RunningService) -> None:
    post = chained.client.post
    text = "  Le chat. <b>Le</b> chien {name}!\n\n- Oui 😀"
    assert translate(chained, q=text)["translatedText"] == "  LE CHAT. <b>LE</b> CHIEN {name}!\n\n- OUI 😀"
    page = "<p>Le <b>chat</b> de <code>x</code> dort.</p>"
    assert translate(chained, q=page, format="html")["translatedText"] == (
        "<p>LE <b>CHAT</b> DE <code>x</code> DORT.</p>"
    )
    given = translate(chained, q="Le chat dort.", glossary={"chat": "Katze"})
    assert given["translatedText"] == "LE Katze DORT."
    german = {"text": ["Le chat."], "source_lang": "FR", "target_lang": "DE"}
    answer = post("/v2/translate", json=german, headers={"Authorization": "DeepL-Auth-Key any"})
    assert answer.json()["translations"][0]["text"] == "LE CHAT."
    completed = post("/complete", json={"q": "Le chat dort.", **GERMAN, "target_prefix": "LE C"}).json()
    assert completed["completions"][0]["text"] == "LE CHAT DORT."
    file = {"file": ("a.md", b"# Le chat\n\n`x` dort.\n")}
    url = post("/translate_file", data=GERMAN, files=file).json()["translatedFileUrl"]
    assert chained.client.get("/download_file/" + url.rpartition("/")[2]).text == "# LE CHAT\n\n`x` DORT.\n"
    detected = post("/translate", json={"q": "Où est la gare de cette ville ?", "source": "auto", "target": "de"})
    assert detected.json()["detectedLanguage"]["language"] == "fr"


def test_scores_are_of_both_models_and_say_so(chained: RunningService) -> None:
    (direct,) = translate(chained, q="Le chat", target="en", include=["scores"])["segments"]
    (through,) = translate(chained, q="Le chat", include=["scores", "alignment"])["segments"]
    assert "pivot" not in direct
    assert through["pivot"] == "en"
    assert through["score"] == pytest.approx(2 * direct["score"])


def test_alignment_leads_to_the_first_source(chained: RunningService) -> None:
    text = "Le chat {name} dort."
    found = translate(chained, q=text, include=["alignment"])
    groups = found["align"]
    written = found["translatedText"]
    pairs = [
        (text[slice(*source["range"])].upper(), written[slice(*target["range"])].upper())
        for group in groups
        for source in group["src"]
        for target in group["tgt"]
    ]
    assert len(pairs) >= len("Lechatdort.")
    assert all(source == target for source, target in pairs)


def test_what_the_second_model_has_written_is_streamed(chained: RunningService) -> None:
    gate = chained.graphs.opened["en-de"].hooks.gate = threading.Event()
    gate.set()
    answer = chained.client.post("/translate", json={**GERMAN, "q": "Le chat dort bien.", "stream": True})
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    deltas = [json.loads(one)["text"] for one in events[:-1]]
    assert "".join(deltas) == json.loads(events[-1])["translatedText"] == "LE CHAT DORT BIEN."


def test_a_pivot_text_is_never_an_answer(chained: RunningService) -> None:
    """At the deadline the second model has not begun: the source comes back, not what the first wrote."""
    machine = chained.graphs.opened["en-de"]
    machine.hooks.gate = threading.Event()
    try:
        answer = chained.client.post(
            "/translate", json={**GERMAN, "q": "Le chat"}, headers={"X-Request-Timeout-Seconds": "0.5"}
        )
        assert answer.status_code == 504
    finally:
        release(machine)


def test_the_rows_of_a_client_that_left_are_freed(chained: RunningService) -> None:
    service = chained.server.config.app.state.service.serving  # type: ignore[union-attr]
    machine = chained.graphs.opened["en-de"]
    machine.hooks.gate = threading.Event()
    engine = service.registry.served["en", "de"].engine
    with pytest.raises(Exception, match="timed out"):
        chained.client.post("/translate", json={**GERMAN, "q": "Le chat"}, timeout=1.0)
    release(machine)
    until(lambda: engine.status().rows_running == 0 and engine.status().sequences_waiting == 0)
    assert translate(chained, q="Le chien")["translatedText"] == "LE CHIEN"


def test_each_hop_has_its_entries_in_the_cache(tmp_path: Path) -> None:
    models = fake_models(tmp_path / "models", *PAIRS)
    with running_service(Settings(models_dir=models, cache_mib=1)) as running:
        assert translate(running, q="Le chat")["translatedText"] == "LE CHAT"
        assert translate(running, q="Le chat")["translatedText"] == "LE CHAT"
        assert translate(running, q="Le chat", target="en")["translatedText"] == "LE CHAT"
        metrics = running.client.get("/metrics").text
        assert 'passerelle_cache_segments_total{bundle="fr-en",outcome="hit"} 2.0' in metrics
        assert 'passerelle_cache_segments_total{bundle="en-de",outcome="hit"} 1.0' in metrics


def test_a_reload_brings_and_takes_chains(chained: RunningService, tmp_path: Path) -> None:
    (tmp_path / "models" / "en-de").rename(tmp_path / "models" / ".away")
    assert chained.client.post("/admin/reload", headers=ADMIN).status_code == 200
    assert chained.client.post("/translate", json={"q": "Bonjour", **GERMAN}).status_code == 400
    (tmp_path / "models" / ".away").rename(tmp_path / "models" / "en-de")
    assert chained.client.post("/admin/reload", headers=ADMIN).status_code == 200
    assert translate(chained, q="Bonjour")["translatedText"] == "BONJOUR"
