"""The page in a real browser, over the real service and its models."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

from tests.support.browser import (
    TEXT,
    RealService,
    Visit,
    box,
    choose,
    needs_chromium,
    picker,
    shown,
    translation,
)

pytestmark = [needs_chromium, pytest.mark.slow]


def test_typing(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.url)
    expect(picker(page, "source")).to_have_attribute("value", "auto")
    expect(page.get_by_role("button", name="Copy the translation")).to_be_disabled()
    choose(page, "target", "French")
    expect(box(page)).to_have_attribute("placeholder", "Type, paste or drop a file")
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request.post_data_json) if request.method == "POST" else None)
    box(page).press_sequentially("Where is the nearest train station?", delay=3)
    shown(page, real_service.translate("Where is the nearest train station?")["translatedText"])
    assert len(asked) < 5, "it waits for a pause"
    assert asked[-1]["stream"]
    expect(picker(page, "source")).to_have_accessible_name("From English (auto)")
    expect(page.locator("#count")).to_have_text(re.compile(r"35 / 200,000$"))
    expect(page.get_by_role("status").first).to_have_text(translation(page).inner_text())  # for screen readers
    page.get_by_role("button", name="Clear the text").click()
    expect(box(page)).to_be_focused()
    expect(translation(page)).to_be_hidden()


def test_swapping(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address("I have lost my keys.", "auto"))
    french = real_service.translate("I have lost my keys.")["translatedText"]
    shown(page, french)
    page.get_by_role("button", name="Swap languages").click()
    expect(box(page)).to_have_value(french)
    expect(picker(page, "source")).to_have_attribute("value", "fr")
    expect(picker(page, "target")).to_have_attribute("value", "en")
    shown(page, real_service.translate(french, "fr", "en")["translatedText"])


@pytest.mark.parametrize("name", ["text.txt", "text.MD"])
def test_a_dropped_file_is_read(real_service: RealService, visit: Visit, name: str) -> None:
    page = visit.open(real_service.address())
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    dropped = page.evaluate_handle(
        """name => {
            const data = new DataTransfer();
            data.items.add(new File(["Où est-il ?\\nThe cat sleeps."], name));
            return data;
        }""",
        name,
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": dropped})
    expect(page.get_by_text("Drop the file to translate it")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    expect(box(page)).to_have_value("Où est-il ?\nThe cat sleeps.")
    expect(page.get_by_text("Drop the file to translate it")).to_be_hidden()
    shown(page, real_service.translate("Où est-il ?\nThe cat sleeps.")["translatedText"])


def test_dark_and_light(real_service: RealService, visit: Visit) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page = visit.open(real_service.url, color_scheme="dark")
    toggle = page.get_by_role("button", name="Dark colours")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    expect(toggle).to_have_attribute("aria-pressed", "false")  # as the system says
    light = page.evaluate(ground)
    assert light != dark
    toggle.click()
    assert page.evaluate(ground) == dark
    page.reload()
    assert page.evaluate(ground) == dark  # as was chosen


@pytest.mark.parametrize("locale", ["en", "fr-FR", "de-DE", "es-MX", "zh-CN"])
def test_phone(real_service: RealService, visit: Visit, locale: str) -> None:
    phone = {"width": 360, "height": 740}
    page = visit.open(real_service.address(TEXT, "auto"), viewport=phone, locale=locale, has_touch=True)
    shown(page, real_service.translate(TEXT)["translatedText"])
    assert page.evaluate("document.documentElement.lang") == locale[:2]
    page.locator(".word").last.tap()
    expect(page.get_by_role("menuitem").first).to_be_visible()
    page.keyboard.press("Escape")
    for summary in page.locator("summary").all():
        summary.tap()
    expect(page.locator("#answer")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    inside = "element => { const { left, right } = element.getBoundingClientRect(); return left >= 0 && right <= 360; }"
    for button in page.locator("button:visible, select:visible").all():
        assert button.evaluate(inside), button.inner_text()


def test_the_address_holds_the_state(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address("Good & bad #1?", "en"))
    expect(box(page)).to_have_value("Good & bad #1?")
    expect(page.locator(".word").first).to_be_visible()
    box(page).fill("Give me 50 %.")
    expect(page).to_have_url(re.compile("50"))
    found = parse_qs(page.url.partition("#")[2])
    assert found == {"source": ["en"], "target": ["fr"], "text": ["Give me 50 %."]}
    other = visit.open(page.url)
    shown(other, real_service.translate("Give me 50 %.")["translatedText"])
    other.goto(real_service.address("Le chat.", "fr", "en"))  # only what is behind "#" changes
    shown(other, real_service.translate("Le chat.", "fr", "en")["translatedText"])
    theirs = visit.open(f"{real_service.url}/?{urlencode({'source': 'fr', 'target': 'en', 'q': 'Le chat.'})}")
    shown(theirs, real_service.translate("Le chat.", "fr", "en")["translatedText"])


def test_the_language_of_the_page(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address(TEXT), locale="fr-CA")
    shown(page, real_service.translate(TEXT)["translatedText"])
    expect(page.get_by_role("button", name="Inverser les langues")).to_be_enabled()
    expect(picker(page, "target")).to_have_accessible_name("Vers Français")
    page.get_by_label("Langue de cette page").select_option("zh")
    expect(page.get_by_role("button", name="交换语言")).to_be_enabled()
    expect(picker(page, "target")).to_have_accessible_name("目标语言 法语")
    page.reload()
    expect(page.get_by_role("button", name="交换语言")).to_be_enabled()


def test_copying_sentences_side_by_side(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address(TEXT), permissions=["clipboard-read", "clipboard-write"])
    answer = real_service.translate(TEXT)
    shown(page, answer["translatedText"])
    more = page.get_by_role("button", name="Copy as…")
    more.press("Enter")
    items = page.get_by_role("menu", name="Copy as…").get_by_role("menuitem")
    expect(items.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(more).to_be_focused()
    rows = [f"{segment['source'].strip()}\t{segment['text'].strip()}" for segment in answer["segments"]]
    assert len(rows) == 3
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(rows)
    more.click()
    items.first.click()
    assert page.evaluate("navigator.clipboard.readText()") == answer["translatedText"]


def test_copying_and_the_drawer(real_service: RealService, visit: Visit) -> None:
    text = "It's “here” $HOME `x`."
    page = visit.open(real_service.address(text), permissions=["clipboard-read", "clipboard-write"])
    answer = real_service.translate(text)
    shown(page, answer["translatedText"])
    page.get_by_role("button", name="Copy the translation").click()
    assert page.evaluate("navigator.clipboard.readText()") == answer["translatedText"]
    page.get_by_role("button", name="Copy a link to this translation").click()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.get_by_text("Request and answer").click()
    expect(page.locator("#answer")).to_contain_text("translatedText")
    assert json.loads(page.locator("#answer").inner_text()) == answer
    command = page.locator("#request").inner_text()
    assert command.startswith(f"curl {real_service.url}/translate ")
    said = command.partition("-d '")[2].removesuffix("'").replace("'\\''", "'")
    assert real_service.client.post("/translate", json=json.loads(said)).json() == answer


def test_a_text_that_is_in_the_target_language(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address("Where is the nearest train station?", "auto", "en"))
    page.get_by_role("button", name="Translate into German").click()
    shown(page, real_service.translate("Where is the nearest train station?", target="de")["translatedText"])


def test_nothing_moves_while_the_page_opens(real_service: RealService, visit: Visit) -> None:
    for locale in ("en", "fr"):
        page = visit.open(real_service.url, locale=locale)
        expect(page.locator("#count-limit")).not_to_be_empty()
        moved = page.evaluate(
            """() => new Promise((tell) => new PerformanceObserver((list) =>
                tell(list.getEntries().reduce((sum, { value }) => sum + value, 0))
            ).observe({ type: "layout-shift", buffered: true }) ?? setTimeout(() => tell(0), 300))"""
        )
        assert moved < 0.01
