"""The page with many languages, in its own five, with scripts that are written from right to left, and installed."""

import re
from typing import Any, Final

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Page, expect

from tests.support.browser import TEXT, RealService, Visit, box, needs_chromium, opened, options, picker, shown, words

pytestmark = [needs_chromium, pytest.mark.slow]

_PAIRS: Final = """
ar=Arabic az=Azerbaijani bg=Bulgarian bn=Bengali ca=Catalan cs=Czech da=Danish de=German el=Greek en=English
eo=Esperanto es=Spanish et=Estonian eu=Basque fa=Persian fi=Finnish fr=French ga=Irish gl=Galician he=Hebrew
hi=Hindi hu=Hungarian id=Indonesian it=Italian ja=Japanese ko=Korean lt=Lithuanian lv=Latvian ms=Malay
nb=Norwegian nl=Dutch pl=Polish pt=Portuguese pt-br=Brazilian ro=Romanian ru=Russian sk=Slovak sl=Slovenian
sq=Albanian sv=Swedish th=Thai tl=Tagalog tr=Turkish uk=Ukrainian ur=Urdu vi=Vietnamese xx-own=Ownish
zh-hans=Chinese
"""
NAMES: Final = dict(pair.split("=") for pair in _PAIRS.split())


def with_many_languages(page: Page, address: str) -> Page:
    """The page of a service with 48 languages, each into each."""
    found = [{"code": code, "name": name, "targets": sorted(NAMES)} for code, name in NAMES.items()]
    page.route("**/languages", lambda route: route.fulfill(json=found))
    page.goto(address)
    return opened(page)


def listed(page: Page) -> list[str]:
    codes: list[str] = options(page).evaluate_all("found => found.map(({ dataset }) => dataset.code)")
    return codes


@pytest.mark.parametrize(
    ("locale", "typed", "code"),
    [
        ("en", "germ", "de"),
        ("en", "deutsch", "de"),
        ("en", "espanol", "es"),
        ("en", "日本", "ja"),
        ("en", "nb", "nb"),
        ("en", "brazil", "pt-br"),
        ("en", "own", "xx-own"),
        ("en", "עבר", "he"),
        ("fr", "allem", "de"),
        ("fr", "german", "de"),
        ("de", "franzosisch", "fr"),
        ("es", "aleman", "de"),
        ("zh", "德", "de"),
    ],
)
def test_searching_a_language(real_service: RealService, visit: Visit, locale: str, typed: str, code: str) -> None:
    page = with_many_languages(visit.open("about:blank", locale=locale), real_service.address())
    picker(page, "target").click()
    search = page.get_by_role("combobox", expanded=True)
    expect(search).to_be_focused()
    search.fill(typed)
    first = options(page).first
    expect(first).to_have_attribute("data-code", code)
    expect(search).to_have_attribute("aria-activedescendant", first.get_attribute("id") or "?")
    search.press("Enter")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(picker(page, "target")).to_have_attribute("value", code)
    expect(picker(page, "target")).to_be_focused()


def test_choosing_with_keys_alone(real_service: RealService, visit: Visit) -> None:
    page = with_many_languages(visit.open("about:blank"), real_service.address())
    button, search = picker(page, "source"), page.locator("#picker-search")
    expect(button).to_have_accessible_name("From English")
    button.focus()
    button.press("ArrowDown")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("dialog", name="From")).to_be_visible()
    expect(options(page, selected=True)).to_have_attribute("data-code", "en")
    assert listed(page)[:2] == ["auto", "sq"]
    assert len(listed(page)) == len(NAMES) + 1
    search.press("ArrowDown")  # from English, the chosen one
    search.press("Enter")
    expect(button).to_have_attribute("value", "eo")
    button.press("g")  # a letter opens the list and is the first of the search
    expect(search).to_have_value("g")
    expect(page.locator("#picker-status")).to_have_text(re.compile(r"Languages: \d+"))
    search.press("ArrowUp")
    expect(options(page).last).to_have_class(re.compile("active"))
    search.fill("nothing like this")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    search.press("Enter")
    search.press("Escape")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("value", "eo")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.press("Enter")
    page.keyboard.press("Tab")  # leaves the list, to the next button
    expect(page.get_by_role("listbox")).to_be_hidden()
    picker(page, "target").click()
    box(page).click()  # elsewhere
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(box(page)).to_be_focused()


def test_recent_languages_come_first(real_service: RealService, visit: Visit) -> None:
    page = with_many_languages(visit.open("about:blank"), real_service.address())
    for name in ("Polish", "Japanese"):
        picker(page, "target").click()
        options(page, name=name).click()
    page.reload()
    expect(picker(opened(page), "target")).to_have_accessible_name("Into Japanese")
    page.locator("#source-language").click()
    recent = page.get_by_role("group", name="Recent").get_by_role("option")
    assert recent.evaluate_all("found => found.map(({ dataset }) => dataset.code)") == ["ja", "pl", "fr"]
    assert sorted(listed(page)) == sorted(["auto", *NAMES]), "each language is there once"


def test_the_list_moves_nothing(real_service: RealService, visit: Visit) -> None:
    page = with_many_languages(visit.open("about:blank"), real_service.address())
    parts = "[...document.querySelectorAll('.pane, .picker, #drawer')]"
    places = f"{parts}.map((one) => JSON.stringify(one.getBoundingClientRect()))"
    before = page.evaluate(places)
    picker(page, "target").click()
    expect(page.get_by_role("listbox")).to_be_visible()
    assert page.evaluate(places) == before
    inside = page.locator("#picker").bounding_box()
    assert inside
    assert inside["x"] >= 0
    assert inside["x"] + inside["width"] <= 1280


def test_the_list_on_a_phone(real_service: RealService, visit: Visit) -> None:
    phone = visit.open("about:blank", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = with_many_languages(phone, real_service.address())
    picker(page, "target").tap()
    expect(page.get_by_role("listbox")).to_be_focused()  # not the search, whose keyboard would cover the list
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    option = page.locator("[data-code=vi]")
    option.scroll_into_view_if_needed()
    option.tap()
    expect(picker(page, "target")).to_have_accessible_name("Into Vietnamese")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_active_language_is_seen_in_forced_colours(real_service: RealService, visit: Visit, scheme: Any) -> None:
    blank = visit.open("about:blank", forced_colors="active", color_scheme=scheme)
    page = with_many_languages(blank, real_service.address())
    picker(page, "target").click()
    active = page.locator(".picker-option.active")
    assert active.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    assert (
        page.locator(".picker-option:not(.active)").first.evaluate("one => getComputedStyle(one).outlineStyle")
        == "none"
    )


@pytest.mark.parametrize(
    ("locale", "name", "other"), [("de-AT", "Sprachen tauschen", "es"), ("es-419", "Intercambiar idiomas", "de")]
)
def test_german_and_spanish(real_service: RealService, visit: Visit, locale: str, name: str, other: str) -> None:
    page = visit.open(real_service.address(TEXT), locale=locale)
    shown(page, real_service.translate(TEXT)["translatedText"])
    expect(page.get_by_role("button", name=name)).to_be_enabled()
    page.locator("#page-language").select_option(other)
    expect(page.locator("html")).to_have_attribute("lang", other)
    expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_each_paragraph_has_its_direction(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")
    arabic = "مرحبا بالعالم"
    answer = {"translatedText": f"{arabic}\nHello"}
    page.route("**/translate", lambda route: route.fulfill(json=answer))
    page.goto(real_service.address(f"{arabic} one\nHello two"))
    expect(page.locator("#translation")).to_have_text(answer["translatedText"], use_inner_text=True)
    place = """([id, text]) => {
        const { firstChild } = document.querySelector(id);
        const walker = document.createTreeWalker(document.querySelector(id), NodeFilter.SHOW_TEXT);
        while (!walker.nextNode().textContent.includes(text)) {}
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        const { left, right } = range.getBoundingClientRect();
        const box = document.querySelector(id).getBoundingClientRect();
        return left - box.left < box.right - right ? "left" : "right";
    }"""
    for pane in ("#translation", "#source-words"):
        assert page.evaluate(place, [pane, arabic[:5]]) == "right"
        assert page.evaluate(place, [pane, "Hello"]) == "left"
    words = page.locator("#translation .word")
    words.first.focus()
    page.keyboard.press("ArrowLeft")  # onwards, in this script
    expect(words.nth(1)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(words.first).to_be_focused()


def test_it_can_be_installed(real_service: RealService, visit: Visit) -> None:
    page = opened(visit.open(real_service.url))
    session = page.context.new_cdp_session(page)
    found = session.send("Page.getAppManifest")
    assert found["url"] == f"{real_service.url}/page/manifest.webmanifest"
    assert found["errors"] == []
    assert found["manifest"]["startUrl"] == f"{real_service.url}/"
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [error["errorId"] for error in errors if error["errorId"] != "in-incognito"] == []


@pytest.mark.parametrize("locale", ["en", "fr", "de", "es", "zh"])
def test_everything_that_can_be_used_has_a_name(real_service: RealService, visit: Visit, locale: str) -> None:
    page = visit.open(real_service.address(TEXT), locale=locale)
    shown(page, real_service.translate(TEXT)["translatedText"])
    for summary in page.locator("summary").all():
        summary.click()
    picker(page, "source").click()
    expect(options(page).first).to_be_visible()
    session = page.context.new_cdp_session(page)
    session.send("Accessibility.enable")
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    used = {"button", "checkbox", "combobox", "dialog", "link", "listbox", "option", "searchbox", "textbox", "toolbar"}
    found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    assert {role for role, _ in found} >= {"button", "checkbox", "combobox", "dialog", "listbox", "option", "searchbox"}
    assert [role for role, name in found if role in used and not name.strip()] == []
    names = [name for role, name in found if role == "button"]
    assert {name for name in names if names.count(name) > 1} <= set(words(page, ".word")), "each button by its own name"
