"""Files on the page: read into the box, or translated with progress, one after the other."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.support.browser import RealService, Visit, box, needs_chromium, picker, replied

pytestmark = [needs_chromium, pytest.mark.slow]

ID = {"document_id": "D1", "document_key": "K1"}


def text_file(name: str, content: str = "The cat sleeps.") -> FilePayload:
    return {"name": name, "mimeType": "text/plain", "buffer": content.encode()}


def ready(page: Page, address: str) -> Page:
    page.goto(address)
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    return page


def rows(page: Page) -> Locator:
    return page.get_by_role("region", name="Files").get_by_role("listitem")


def record(page: Page) -> None:
    """Keep from now on what the row of a file says, however short, with the position of its bar."""
    page.evaluate(
        """window.said = [];
        new MutationObserver(() => said.push([document.querySelector(".status").textContent,
            document.querySelector("progress").position]))
            .observe(document.getElementById("file-rows"), { subtree: true, childList: true, attributes: true })"""
    )


def said(page: Page) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = page.evaluate("said")
    return found


def with_documents(page: Page, answers: Callable[[str, Route], dict[str, Any] | None]) -> None:
    """Answers DeepL's requests for documents; None leaves a request without an answer."""

    def reply(route: Route) -> None:
        found = answers(route.request.url.rpartition("/v2/document")[2], route)
        if found is not None:
            route.fulfill(**found)

    page.route("**/v2/document**", reply)


def test_a_file_is_translated_and_fetched(real_service: RealService, visit: Visit) -> None:
    page = ready(visit.open("about:blank"), real_service.address())
    film = "1\n00:00:01,000 --> 00:00:02,500\nThe cat sleeps.\n"
    page.locator("#file").set_input_files(text_file("film.srt", film))
    link = page.get_by_role("link", name="Download: film_fr.srt")
    expect(link).to_be_visible()
    expect(rows(page)).to_contain_text(re.compile(r"film.srt.*0.048 kB · English → French.*Translated"))
    for _ in range(2):  # as often as one likes
        with page.expect_download() as download:
            link.click()
        assert download.value.suggested_filename == "film_fr.srt"
        expected = film.replace("The cat sleeps.", real_service.translate("The cat sleeps.")["translatedText"])
        assert download.value.path().read_text(encoding="utf-8") == expected
    page.get_by_role("button", name="Remove: film.srt").click()
    expect(page.locator("#files")).to_be_hidden()
    expect(page.get_by_role("button", name="Open a file")).to_be_focused()


def test_progress(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")
    states: Iterator[dict[str, Any]] = iter(
        [
            {"status": "queued"},
            {"status": "translating"},
            {"status": "translating", "seconds_remaining": 130},
            {"status": "translating", "seconds_remaining": 30},
            {"status": "translating", "seconds_remaining": 1},
        ]
    )

    def answers(path: str, route: Route) -> dict[str, Any]:
        if path == "":
            sent = (route.request.post_data_buffer or b"").decode("latin-1")
            assert 'name="target_lang"\r\n\r\nfr' in sent
            assert 'name="source_lang"\r\n\r\nen' in sent
            assert 'filename="letter.docx"' in sent
            assert route.request.headers["authorization"] == "DeepL-Auth-Key page"
            return {"json": ID}
        assert route.request.post_data_json == {"document_key": "K1"}
        if path.endswith("/result"):
            return {"body": "done", "content_type": "application/octet-stream"}
        return {"json": {**ID, **next(states, {"status": "done"})}}

    with_documents(page, answers)
    ready(page, real_service.address())
    record(page)
    page.locator("#file").set_input_files({"name": "letter.docx", "mimeType": "", "buffer": b"PK" * 800_000})
    expect(page.get_by_role("link", name="Download: letter_fr.docx")).to_be_visible()
    expect(rows(page)).to_contain_text("1.6 MB")
    expected = ["Waiting…", "Translating…", "About 3 minutes left", "About 30 seconds left", "About 1 second left"]
    texts = dict.fromkeys(text for text, _ in said(page))
    assert [text for text in texts if text in expected] == expected
    known = [position for _, position in said(page) if position >= 0]
    assert known == sorted(known)
    assert known[-1] > 0
    expect(page.get_by_role("progressbar")).to_be_hidden()


def test_cancelling(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")
    asked: list[str] = []

    def answers(path: str, route: Route) -> dict[str, Any] | None:
        asked.append(path)
        if path == "":
            name = re.search(r'filename="(.*?)"', (route.request.post_data_buffer or b"").decode("latin-1"))
            assert name
            return None if name[1] == "stuck.srt" else {"json": ID}
        if path.endswith("/result"):
            return {"body": "done", "content_type": "application/octet-stream"}
        return {"json": {**ID, "status": "done"}}

    with_documents(page, answers)
    ready(page, real_service.address())
    page.locator("#file").set_input_files([text_file("stuck.srt"), text_file("next.srt"), text_file("last.srt")])
    expect(rows(page)).to_have_count(3)
    expect(rows(page).nth(0)).to_contain_text("Sending…")
    expect(rows(page).nth(1)).to_contain_text("Waiting…")
    assert asked == [""], "one after the other"
    page.get_by_role("button", name="Cancel: next.srt").click()
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/v2/document")):
        page.get_by_role("button", name="Cancel: stuck.srt").click()
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_role("link", name="Download: last_fr.srt")).to_be_visible()
    assert asked.count("") == 2, "what was cancelled while it waited was never sent"


def test_cancelling_what_is_translated(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")
    deleted: list[str] = []

    def answers(path: str, route: Route) -> dict[str, Any]:
        if route.request.method == "DELETE":
            deleted.append(route.request.post_data or "")
            return {"status": 204}
        return {"json": ID if path == "" else {**ID, "status": "translating"}}

    with_documents(page, answers)
    ready(page, real_service.address())
    page.locator("#file").set_input_files([text_file("long.srt")])
    expect(rows(page)).to_contain_text("Translating…")
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.get_by_role("button", name="Cancel: long.srt").click()
    expect(rows(page)).to_have_count(0)
    assert [json.loads(body) for body in deleted] == [{"document_key": ID["document_key"]}]


def test_a_file_that_fails(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")
    fails: Iterator[dict[str, Any]] = iter(
        [
            {"status": 429, "headers": {"Retry-After": "1"}, "json": {"message": "Too many documents"}},
            {"status": 403, "json": {"message": "Invalid API key"}},
        ]
    )
    keys: list[str] = []

    def answers(path: str, route: Route) -> dict[str, Any]:
        keys.append(route.request.headers["authorization"])
        if path == "":
            return next(fails, {"json": ID})
        return {"json": {**ID, "status": "error", "error_message": "File is not a zip file"}}

    with_documents(page, answers)
    ready(page, real_service.address())
    record(page)
    page.locator("#file").set_input_files(text_file("letter.docx"))
    expect(rows(page)).to_contain_text("This server wants a valid API key: Invalid API key")
    assert "The server is busy. Next attempt in 1 s." in [text for text, _ in said(page)]
    page.get_by_label("API key").fill("secret")
    rows(page).get_by_role("button", name="Try again").click()
    expect(rows(page)).to_contain_text("The server refused: File is not a zip file")
    assert keys[-1] == "DeepL-Auth-Key secret"
    expect(page.get_by_role("button", name="Remove: letter.docx")).to_be_visible()


def test_which_files_go_into_the_box(real_service: RealService, visit: Visit, tmp_path: Path) -> None:
    page = visit.open("about:blank")
    offered = {"filesTranslation": True, "supportedFilesFormat": [".txt", ".docx"], "charLimit": 1000}
    page.route("**/frontend/settings", replied(lambda found: {**found, **offered}))
    with_documents(page, lambda path, route: {"json": {**ID, "status": "queued"}})
    ready(page, real_service.address())
    chooser = page.locator("#file")
    expect(chooser).to_have_attribute("accept", re.compile(r"\.docx"))
    held: list[Route] = []
    page.route("**/translate", lambda route: held.append(route))
    (tmp_path / "latin.txt").write_bytes("Été".encode("latin-1"))
    with page.expect_request("**/translate"):
        chooser.set_input_files(tmp_path / "latin.txt")
    expect(box(page)).to_have_value("Été")
    expect(page.locator("#files")).to_be_hidden()
    chooser.set_input_files({"name": "film.mkv", "mimeType": "video/x-matroska", "buffer": b"0"})
    expect(page.get_by_role("alert")).to_contain_text("film.mkv cannot be read here")
    held.pop().continue_()
    expect(page.locator("#translation")).not_to_have_text("")  # it says nothing of the file
    expect(page.get_by_role("alert")).to_contain_text("film.mkv cannot be read here")
    page.unroute("**/translate")
    chooser.set_input_files(text_file("long.txt", "a" * 1001))  # too long for the box
    expect(rows(page)).to_have_count(1)
    chooser.set_input_files([text_file("one.txt"), text_file("two.txt")])  # the box has room for one text
    expect(rows(page)).to_have_count(3)
    expect(box(page)).to_have_value("Été")
