"""The glossary on the page: terms for a pair of languages, sent with each request, imported and exported as a file."""

from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import FilePayload, Locator, Page, Request, Route, expect

from tests.support.browser import RealService, Visit, box, choose, needs_chromium, picker, shown, words

pytestmark = [needs_chromium, pytest.mark.slow]


def opened_glossary(page: Page) -> Page:
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    page.locator("#glossary summary").click()
    return page


def field(page: Page, row: int, side: int) -> Locator:
    return page.locator("#glossary-rows li").nth(row).get_by_role("textbox").nth(side)


def write(page: Page, *terms: tuple[str, str]) -> None:
    for row, pair in enumerate(terms):
        for side, text in enumerate(pair):
            field(page, row, side).fill(text)
            field(page, row, side).press("Tab")
    expect(page.locator("#glossary-rows li")).to_have_count(len(terms) + 1)


def requests(page: Page) -> list[Any]:
    """The glossary of each request that the page sends from now on."""
    sent: list[Any] = []

    def note(request: Request) -> None:
        if request.url.endswith("/translate"):
            sent.append((request.post_data_json or {}).get("glossary"))

    page.on("request", note)
    return sent


def glossed(service: RealService, text: str, terms: dict[str, str]) -> str:
    asked = {"q": text, "source": "en", "target": "fr", "glossary": terms}
    answer: str = service.client.post("/translate", json=asked).raise_for_status().json()["translatedText"]
    return answer


def test_terms_are_used_and_seen(real_service: RealService, visit: Visit) -> None:
    text = "I like the cat. Cats are not a catalogue."
    page = opened_glossary(visit.open(real_service.address(text)))
    sent = requests(page)
    expect(field(page, 0, 0)).to_have_accessible_name("Term in English")
    expect(field(page, 0, 1)).to_have_accessible_name("Term in French")
    write(page, ("cat", "matou"), ("dog", "cabot"), ("half", ""))
    shown(page, glossed(real_service, text, {"cat": "matou", "dog": "cabot"}))
    assert sent[-1] == {"cat": "matou", "dog": "cabot"}
    assert words(page, "#translation .term") == ["matou"]
    assert words(page, "#source-words .term") == ["cat"]
    expect(page.locator("#glossary-count")).to_have_text("(1/3 in this text)")
    expect(field(page, 0, 0)).to_have_attribute("aria-description", "in this text")
    expect(field(page, 1, 0)).to_have_attribute("aria-description", "")
    expect(page.locator("#legend")).to_contain_text("Underlined: glossary.")
    page.reload()  # they are kept
    shown(page, glossed(real_service, text, {"cat": "matou"}))
    page.locator("#glossary summary").click()
    use = page.get_by_role("checkbox", name="Use these terms")
    use.uncheck()
    shown(page, real_service.translate(text)["translatedText"])
    assert sent[-1] is None
    expect(page.locator(".term")).to_have_count(0)
    expect(field(page, 0, 0)).to_have_value("cat")
    use.check()
    shown(page, glossed(real_service, text, {"cat": "matou"}))
    page.get_by_role("button", name="Remove: cat").click()
    expect(field(page, 0, 0)).to_have_value("dog")
    shown(page, real_service.translate(text)["translatedText"])


def test_each_pair_has_its_terms(real_service: RealService, visit: Visit) -> None:
    page = opened_glossary(visit.open(real_service.address("I like the cat.")))
    sent = requests(page)
    write(page, ("cat", "matou"))
    choose(page, "target", "German")
    expect(page.locator("#glossary-status")).to_have_text("English → German")
    expect(field(page, 0, 0)).to_have_value("")
    shown(page, real_service.translate("I like the cat.", target="de")["translatedText"])
    assert sent[-1] is None


def test_terms_of_a_language_that_is_detected(real_service: RealService, visit: Visit) -> None:
    page = opened_glossary(visit.open(real_service.address()))
    write(page, ("cat", "matou"))
    page.goto(real_service.address("Where is the nearest cat? I have lost my keys.", "auto"))
    page.reload()
    shown(page, glossed(real_service, "Where is the nearest cat? I have lost my keys.", {"cat": "matou"}))
    expect(picker(page, "source")).to_have_accessible_name("From English (auto)")
    expect(page.locator("#glossary-status")).to_have_text("English → French")
    page.get_by_role("button", name="Clear the text").click()
    expect(page.locator("#glossary-status")).to_have_text("The language of the text is not known yet.")


def test_import_and_export(real_service: RealService, visit: Visit) -> None:
    page = opened_glossary(visit.open(real_service.address()))
    write(page, ("cat", "chat"), ("bird", "piaf"))
    lines = "\ufeffcat\tmatou\r\n dog \tcabot\n\nno translation\none\ttwo\tthree\n\tempty\n__proto__\tproto\n"
    read: FilePayload = {"name": "terms.tsv", "mimeType": "", "buffer": lines.encode()}
    page.locator("#glossary-file").set_input_files(read)
    expect(page.locator("#glossary-status")).to_have_text("Terms read: 3. Other lines: 3.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "en-fr.tsv"
    exported = download.value.path().read_text(encoding="utf-8")
    assert exported == "cat\tmatou\nbird\tpiaf\ndog\tcabot\n__proto__\tproto\n"
    sent = requests(page)
    box(page).fill("I like the dog.")
    expect(page.locator(".word.term")).to_have_text("cabot")
    assert sent[-1]["__proto__"] == "proto"
    many = "".join(f"term {number}\tterme\n" for number in range(600))
    page.locator("#glossary-file").set_input_files({"name": "many.tsv", "mimeType": "", "buffer": many.encode()})
    expect(page.locator("#glossary-status")).to_have_text("At most 500 terms are possible.")
    expect(page.locator("#glossary-rows li")).to_have_count(5)


def test_a_translation_with_terms_that_is_cut(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")

    def cut(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "X-Finish-Reason": "deadline"})

    page.goto(real_service.address("I like the cat."))
    write(opened_glossary(page), ("cat", "matou"))
    page.route("**/translate", cut)
    box(page).fill("I have a cat.")
    expect(page.get_by_role("alert")).to_contain_text("(deadline)")


def test_terms_without_a_certain_place_are_named(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")

    def unplaced(route: Route) -> None:
        answer = route.fetch()
        headers = {**answer.headers, "X-Glossary-Unplaced": "%C3%A9t%C3%A9%2C%20hiver, cat, ... 7 more"}
        route.fulfill(response=answer, headers=headers)

    page.route("**/translate", unplaced)
    page.goto(real_service.address("I like the cat."))
    write(opened_glossary(page), ("cat", "matou"))
    notice = page.locator("#notice-text")
    expect(notice).to_have_text("The place of these terms is not certain: été, hiver, cat, … +7")
    page.locator("#page-language").select_option("fr")
    expect(notice).to_contain_text("La place de ces termes n’est pas certaine")
