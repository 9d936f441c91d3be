"""Two workers behind one port: whichever of them answers, the service is one."""

import json
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.access.keys import ApiKey, digest_of
from tests.end_to_end.test_faults_process import GLOSSARY, HELLO, PATIENCE
from tests.end_to_end.test_program import ROOT
from tests.support.deepl_requests import KEY, checked
from tests.support.together import WORKERS, together

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be forked")]


def test_both_answer_and_metrics_are_those_of_both(folder: Path) -> None:
    with together(folder, "serve", "--workers", str(WORKERS), ACCESS_LOG="true", WORKERS="1") as service:
        service.until_all_serve()
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: service.post("/translate", json=HELLO), range(48)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["translatedText"] for answer in answers}) == 1
        for _ in range(4):  # whichever worker adds them up
            text = service.get("/metrics").text
            assert 'passerelle_requests_total{dialect="libretranslate",route="/translate",status="200"} 48.0' in text
            assert 'passerelle_request_seconds_count{route="/translate"} 48.0' in text
        found = service.metrics()
        assert found["passerelle_workers"] == WORKERS
        assert found["passerelle_bundle_ready"] == 1
        assert found["process_resident_memory_bytes"] > 100 * 2**20
        ready = service.get("/ready").json()
        assert [(one["ready"], one["engine"]["sequences_running"]) for one in ready["bundles"]] == [(True, 0)]
        assert ready["bundles"][0]["engine"]["sequences_done"] >= 48
        asked = [one["worker"] for one in service.entries if one.get("path") == "/translate"]
        assert len(asked) == 48
        assert min(asked.count(number) for number in (1, 2)) >= 8, "one of them did nearly everything"
        service.end()
    assert list((folder / "tmp").glob("passerelle-*")) == []


def test_one_is_killed_and_another_comes(folder: Path) -> None:
    with together(folder) as service:
        service.until_all_serve()
        for _ in range(10):
            assert service.post("/translate", json=HELLO).status_code == 200
        counted = service.metrics()["passerelle_requests_total"]
        for round_number in (1, 2):
            first = service.workers[0]
            began = time.monotonic()
            os.kill(first, signal.SIGKILL)
            answers = [service.post("/translate", json=HELLO).status_code for _ in range(10)]
            assert set(answers) == {200}, "the other one answers"
            assert service.get("/ready").status_code == 200
            service.until(lambda: len(service.workers) == WORKERS)
            service.until_all_serve()
            assert first not in service.workers
            print(f"{time.monotonic() - began:.1f} s from the kill to a worker in its place that serves")
            found = service.metrics()
            assert found["passerelle_worker_restarts_total"] == round_number
            # Nothing that was seen before is lost with the process that had counted it.
            assert found["passerelle_requests_total"] >= counted
            counted = found["passerelle_requests_total"]
        assert len(service.messages("was ended by signal 9; another starts in")) == 2
        service.end()


def test_sigterm_under_load_answers_what_was_accepted(folder: Path) -> None:
    texts = [f"I have seen {count} birds and {count + 1} cats in the garden of my sister." for count in range(3)]
    with together(folder, SHUTDOWN_SECONDS="60", REQUEST_TIMEOUT_SECONDS="60") as service:
        service.until_all_serve()

        def ask(number: int) -> httpx.Response:
            return service.post(
                "/translate", json={**HELLO, "q": [f"{number}: {text}" for text in texts], "beam_size": 6}
            )

        def accepted() -> int:
            engine = service.get("/ready").json()["bundles"][0]["engine"]
            return int(engine["sequences_done"] + engine["sequences_running"] + engine["sequences_waiting"])

        before = accepted()
        with ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(ask, number) for number in range(20)]
            service.until(lambda: accepted() >= before + 60)
            service.process.send_signal(signal.SIGTERM)
            service.until(lambda: service.messages("Shutting down"))
            service.end()  # asked again, it still finishes what runs
            answers = [one.result(PATIENCE) for one in asked]
        assert [answer.status_code for answer in answers] == [200] * 20
        assert all(len(answer.json()["translatedText"]) == 3 for answer in answers)
        assert not any("x-finish-reason" in answer.headers for answer in answers)
        with pytest.raises(httpx.ConnectError):
            service.get("/health")


@pytest.mark.parametrize("way", ["SIGHUP", "POST"])
def test_a_reload_is_one_of_both(folder: Path, way: str) -> None:
    keys = folder / "keys.txt"
    keys.write_text(f"{ApiKey('one', digest_of('one'))}\n{ApiKey('two', digest_of('two'))}\n")
    admin = f"sha256:{digest_of('admin').hex()}"
    with together(folder, API_KEYS_FILE=str(keys), METRICS="open", ADMIN_KEY_HASH=admin) as service:
        service.until_all_serve()

        def statuses(source: str, target: str, key: str) -> set[int]:
            fields = {"q": "Hello.", "source": source, "target": target, "api_key": key}
            with ThreadPoolExecutor(8) as pool:
                return set(pool.map(lambda _: service.post("/translate", json=fields).status_code, range(16)))

        assert (statuses("fr", "en", "one"), statuses("en", "fr", "two")) == ({400}, {200})
        shutil.copytree(ROOT / "models" / "fr-en", folder / "models" / ".fr-en")
        (folder / "models" / ".fr-en").rename(folder / "models" / "fr-en")
        keys.write_text(f"{ApiKey('one', digest_of('one'))}\n")
        if way == "SIGHUP":
            service.process.send_signal(signal.SIGHUP)
            service.until(lambda: statuses("fr", "en", "one") == {200} and statuses("en", "fr", "two") == {403})
        else:
            answer = service.post("/admin/reload", headers={"Authorization": "Bearer admin"})
            assert answer.status_code == 200, answer.text
            assert answer.json()["keys"] == "loaded"
            assert [one["outcome"] for one in answer.json()["bundles"]] == ["unchanged", "loaded"]
            assert (statuses("fr", "en", "one"), statuses("en", "fr", "two")) == ({200}, {403})
            (folder / "models" / "fr-en" / "manifest.json").write_text("{}")
            answer = service.post("/admin/reload", headers={"Authorization": "Bearer admin"})
            assert answer.status_code == 409
            assert answer.json()["bundles"][1]["outcome"] == "refused"
        service.until(lambda: {one["worker"] for one in service.messages("reload: fr-en is loaded")} == {1, 2})
        service.end()


def test_rates_and_quotas_are_counted_together(folder: Path) -> None:
    key = str(ApiKey("one", digest_of("one"), characters=10 * len(HELLO["q"])))
    settings = {"API_KEYS": key, "API_KEY_REQUIRED": "false", "REQUESTS_PER_MINUTE": "6", "METRICS": "open"}
    with together(folder, **settings) as service:
        service.until_all_serve()
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            fields = [HELLO] * 40
            found = list(pool.map(lambda one: service.post("/translate", json=one).status_code, fields))
            most = 6 + (time.monotonic() - began) / 10
            assert set(found) == {200, 429}
            assert 6 <= found.count(200) <= most
            fields = [{**HELLO, "api_key": "one"}] * 24
            found = list(pool.map(lambda one: service.post("/translate", json=one).status_code, fields))
            assert found.count(200) == 10
            found_usage = {
                service.get("/v2/usage", headers={"Authorization": "DeepL-Auth-Key one"}).text for _ in range(8)
            }
        assert [json.loads(text)["character_count"] for text in found_usage] == [10 * len(HELLO["q"])]
        # What was translated stays counted when the process that counted it is gone.
        for process in service.workers:
            os.kill(process, signal.SIGKILL)
        service.until_all_serve()
        usage = service.get("/v2/usage", headers={"Authorization": "DeepL-Auth-Key one"}).json()
        assert usage["character_count"] == 10 * len(HELLO["q"])
        assert service.post("/translate", json={**HELLO, "api_key": "one"}).status_code != 200


def test_documents_files_and_glossaries_are_those_of_both(folder: Path) -> None:
    with together(folder) as service:
        service.until_all_serve()
        for number in range(6):
            fields = {"source_lang": "EN", "target_lang": "FR"}
            file = {"file": (f"{number}.txt", b"Good morning!")}
            handle = checked(service.post("/v2/document", data=fields, files=file, headers=KEY))
            url, key = f"/v2/document/{handle['document_id']}", {"document_key": handle["document_key"]}
            seen: list[str] = []

            def is_done(url: str = url, key: dict[str, str] = key, seen: list[str] = seen) -> bool:
                seen.append(str(checked(service.post(url, data=key, headers=KEY))["status"]))
                assert seen[-1] in ("queued", "translating", "done")
                return seen[-1] == "done"

            service.until(is_done)
            with ThreadPoolExecutor(8) as pool:
                got = list(
                    pool.map(lambda _, to=f"{url}/result", of=key: service.post(to, data=of, headers=KEY), range(8))
                )
            assert sorted(answer.status_code for answer in got)[0] == 200
            assert [answer.status_code for answer in got].count(200) == 1, "it is handed out once"
            file = {"file": (f"{number}.txt", b"Good morning!")}
            sent = service.post("/translate_file", data={"source": "en", "target": "fr"}, files=file)
            path = sent.json()["translatedFileUrl"].partition("/download_file/")[2]
            assert service.get(f"/download_file/{path}").status_code == 200
            assert service.get(f"/download_file/{path}").status_code == 404
        glossary = checked(service.post("/v2/glossaries", json=GLOSSARY, headers=KEY), 201)["glossary_id"]
        with ThreadPoolExecutor(8) as pool:
            names = list(
                pool.map(lambda _: service.get(f"/v2/glossaries/{glossary}", headers=KEY).json()["name"], range(16))
            )
        assert names == ["Words"] * 16
        assert list((folder / "tmp").glob("passerelle-files-*/files/*"))
        service.end()
    assert list((folder / "tmp").glob("passerelle-*")) == []


def test_it_says_that_it_leaves_before_it_does(folder: Path) -> None:
    with together(folder, DRAIN_SECONDS="3600") as service:
        service.until_all_serve()
        for process in service.workers:  # as systemd does, which signals every process of the service
            os.kill(process, signal.SIGTERM)
        service.process.send_signal(signal.SIGTERM)
        service.until(lambda: service.get("/ready").status_code == 503)
        assert service.get("/ready").json()["problem"] == "the service is being stopped"
        assert {service.post("/translate", json=HELLO).status_code for _ in range(8)} == {200}
        service.end(signal.SIGTERM)  # a second signal ends the wait


def test_workers_end_with_a_supervisor_that_is_killed(folder: Path) -> None:
    with together(folder) as service:
        service.until_all_serve()
        workers = service.workers
        service.process.kill()
        service.process.wait(PATIENCE)
        end = time.monotonic() + PATIENCE
        while any(Path(f"/proc/{process}").exists() for process in workers):
            assert time.monotonic() < end, service.log.read_text()
            time.sleep(0.05)
        assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize("fault", ["no folder", "a file", "keys"])
def test_what_cannot_start_ends_with_one_line_and_status_2(folder: Path, fault: str) -> None:
    settings = {}
    if fault == "keys":
        settings["API_KEYS"] = "hunter2"
    else:
        shutil.rmtree(folder / "models")
        if fault == "a file":
            (folder / "models").write_text("")
    with together(folder, **settings) as service:
        assert service.process.wait(PATIENCE) == 2
        (line,) = service.log.read_text().splitlines()
        assert line.startswith("error: ")


def test_workers_that_die_at_the_start_end_the_service(folder: Path) -> None:
    with together(folder, PROVIDER="cuda", LOG_FORMAT="text") as service:
        assert service.process.wait(PATIENCE) == 3
        lines = service.log.read_text().splitlines()
        assert "worker 1 ended with status 3 before it served, 3 times one after another" in lines[-1]
        assert len([line for line in lines if "cannot start: provider is cuda" in line]) == 3
        assert not [line for line in lines if "worker 2" in line]
