"""The history on the page: kept in this browser, restored by a click, searched, deleted, and switched off."""

from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import RealService, Visit, box, choose, needs_chromium, picker, shown

pytestmark = [needs_chromium, pytest.mark.slow]


def kept(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate("JSON.parse(localStorage.getItem('passerelle.history') ?? '[]')")
    return found


def rows(page: Page) -> Locator:
    return page.locator("#history").get_by_role("listitem").get_by_role("button")


def translated(page: Page, service: RealService, text: str, target: str = "fr") -> str:
    """Put a text in the box, and wait for its translation."""
    page.get_by_role("button", name="Clear the text").click() if box(page).input_value() else None
    box(page).fill(text)
    translation: str = service.translate(text, target=target)["translatedText"]
    shown(page, translation)
    return translation


def test_a_click_restores_text_and_languages(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address())
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    french = translated(page, real_service, "The cat sleeps.")
    choose(page, "target", "German")
    german = real_service.translate("The cat sleeps.", target="de")["translatedText"]
    shown(page, german)
    translated(page, real_service, "I am here.", "de")
    page.get_by_text("History").click()
    expect(rows(page)).to_have_count(3)
    expect(rows(page).nth(0)).to_contain_text("English → German")
    expect(rows(page).nth(2)).to_contain_text(french)
    page.reload()
    page.get_by_text("History").click()
    rows(page).nth(2).press("Enter")
    expect(box(page)).to_have_value("The cat sleeps.")
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    shown(page, french)
    expect(rows(page)).to_have_count(3)  # it comes to the top, and is there once
    expect(rows(page).nth(0)).to_contain_text(french)


def test_a_text_that_is_written_on_is_one_entry(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address())
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    translated(page, real_service, "The cat")
    for more in (" sleeps", " sleeps in the garden", " and I am here"):
        box(page).press("End")
        box(page).press_sequentially(more)
        shown(page, real_service.translate(box(page).input_value())["translatedText"])
    assert [entry["text"] for entry in kept(page)] == [box(page).input_value()]
    translated(page, real_service, "The cat sleeps in the house and I am here")  # the box was empty in between
    assert len(kept(page)) == 2


def test_searching_and_deleting(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address())
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    page.get_by_text("History").click()
    expect(page.locator("#history-status")).to_have_text("No translations yet.")
    for text in ("The cat sleeps.", "I am here."):
        translated(page, real_service, text)
    search = page.get_by_role("searchbox", name="Search the history")
    search.fill("CAT")
    expect(rows(page)).to_have_count(1)
    search.fill("suis")  # in the translation
    expect(rows(page)).to_contain_text("I am here.")
    search.fill("nothing like it")
    expect(page.locator("#history-status")).to_have_text("Nothing found.")
    page.get_by_role("button", name="Delete all").click()
    expect(page.locator("#history-status")).to_have_text("No translations yet.")
    assert kept(page) == []


def test_switched_off(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address())
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    translated(page, real_service, "The cat sleeps.")
    page.get_by_text("History").click()
    keep = page.get_by_role("checkbox", name="Keep the last 50 translations on this device")
    keep.uncheck()
    expect(rows(page)).to_have_count(0)
    translated(page, real_service, "I am here.")
    page.reload()
    shown(page, real_service.translate("I am here.")["translatedText"])
    stored = page.evaluate("JSON.stringify(localStorage)")
    assert "cat" not in stored
    assert "here" not in stored
    page.get_by_text("History").click()
    expect(keep).not_to_be_checked()
    keep.check()
    translated(page, real_service, "The cat sleeps.")
    expect(rows(page)).to_have_count(1)


def test_what_is_kept_is_bounded(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")
    page.route("**/translate", lambda route: route.fulfill(json={"translatedText": route.request.post_data_json["q"]}))
    page.goto(real_service.address())
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    old = [{"text": f"old {number}", "translation": "x", "source": "en", "target": "fr"} for number in range(50)]
    page.evaluate("old => localStorage.setItem('passerelle.history', JSON.stringify(old))", old)
    box(page).fill("b" * 2001)
    shown(page, "b" * 2001)
    assert kept(page) == old
    page.get_by_role("button", name="Clear the text").click()
    box(page).fill("b" * 2000)
    shown(page, "b" * 2000)
    assert [entry["text"] for entry in kept(page)] == ["b" * 2000, *(entry["text"] for entry in old[:49])]
    page.evaluate("localStorage.setItem('passerelle.history', '{broken')")
    box(page).fill("Hello")
    shown(page, "Hello")
    assert [entry["text"] for entry in kept(page)] == ["Hello"]
