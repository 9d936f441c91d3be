"""The words of a translation in a real browser: where they come from, how sure they are, and others for them."""

import json
import re

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Route, expect

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
    words,
)

pytestmark = [needs_chromium, pytest.mark.slow]


def test_pointing_at_words(real_service: RealService, visit: Visit) -> None:
    answer = real_service.translate(TEXT)
    page = visit.open(real_service.address(TEXT))
    shown(page, answer["translatedText"])
    groups = [group for group in answer["align"] if len(group["tgt"]) == 1 and len(group["src"]) == 1]
    pairs = [
        (answer["translatedText"][slice(*group["tgt"][0]["range"])], TEXT[slice(*group["src"][0]["range"])])
        for group in groups
    ]
    all_words = words(page, ".word")
    ours = [
        (one, other) for one, other in pairs if all_words.count(one) == 1 and TEXT.count(other) == 1 and len(other) > 2
    ]
    assert len(ours) >= 2
    for one, other in ours:
        page.locator(".word", has_text=re.compile(f"^{re.escape(one)}$")).hover()
        assert other in words(page, "#source-words .from")
        assert words(page, "#translation .here") == [one]
    one, other = ours[-1]
    place = page.locator("#source-words span", has_text=re.compile(f"^{other}$")).bounding_box()
    assert place
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    expect(page.locator("#source-words .here")).to_have_text([other])
    assert one in words(page, "#translation .from")
    page.mouse.move(1, 1)
    expect(page.locator(".here, .from")).to_have_count(0)


def test_walking_through_words_with_keys(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address(TEXT))
    first, second = page.locator(".word").nth(0), page.locator(".word").nth(1)
    expect(first).to_be_visible()
    box(page).press("Control+Home")
    box(page).press("ArrowRight")  # the caret is in the first word now
    expect(page.locator("#source-words .here")).to_have_text(["Where"])
    expect(page.locator("#translation .from").first).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(first).to_be_focused()
    expect(first).to_have_attribute("aria-description", re.compile("^from: Where"))
    page.keyboard.press("ArrowRight")
    expect(second).to_be_focused()
    expect(page.locator("#source-words .from").first).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator(".word").last).to_be_focused()
    page.keyboard.press("Tab")  # one stop for all words
    assert page.evaluate("document.activeElement.id") == "share"


def test_uncertain_words_are_marked_and_said(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.url)

    def doubting(route: Route) -> None:
        answer = real_service.translate("I am here.")
        for token in answer["segments"][0]["tokens"]:
            token["score"] = -0.1
        answer["segments"][0]["tokens"][1]["score"] = -2.0
        route.fulfill(content_type="text/event-stream", body=f"event: done\ndata: {json.dumps(answer)}\n\n")

    page.route("**/translate", doubting)
    choose(page, "target", "French")
    box(page).fill("I am here.")
    expect(page.locator(".word.doubt")).to_have_count(1)
    page.locator(".word.doubt").focus()
    expect(page.locator(".word.doubt")).to_have_attribute("aria-description", re.compile("uncertain, 14 % likely"))
    expect(page.locator("#legend")).to_have_text("Click a word for others. Dotted: uncertain.", use_inner_text=True)


def test_other_words_on_click(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address(TEXT))
    before = real_service.translate(TEXT)["translatedText"]
    shown(page, before)
    word = page.locator(".word").nth(3)
    replaced = word.inner_text()
    word.click()
    menu = page.get_by_role("menu", name=f"Instead of “{replaced}”")
    items = menu.get_by_role("menuitem")
    expect(items.first).to_be_focused()
    assert items.count() >= 2
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(word).to_be_focused()
    page.keyboard.press("Enter")
    expect(items.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(items.nth(1)).to_be_focused()
    sentence = items.nth(1).locator(".small").last.inner_text()
    page.keyboard.press("Enter")
    rest = before[before.index("\n") :]
    expect(translation(page)).to_contain_text(sentence, use_inner_text=True)
    assert translation(page).inner_text().startswith(sentence)
    assert translation(page).inner_text().endswith(rest)
    page.locator(".word").last.hover()  # words behind the sentence still know where they come from
    assert words(page, "#source-words .from")
    page.locator(".word").first.hover()
    assert words(page, "#source-words .from")[0] == "Where"


def test_text_is_never_markup(real_service: RealService, visit: Visit) -> None:
    text = "<img src=x onerror=alert(1)> <b>Hello</b>, my friend."
    page = visit.open(real_service.address(text))
    expect(page.locator(".word").first).to_be_visible()
    page.get_by_text("Request and answer").click()
    assert page.locator("main img, main b").count() == 0
    assert page.locator("#source-words").inner_text().startswith(text)


def test_places_after_characters_outside_the_basic_plane(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.url)
    answer = {
        "translatedText": "😀 deux 𝒳 un",
        "align": [
            {"tgt": [{"range": [2, 6], "id": 0}], "src": [{"range": [6, 9], "id": 1}]},
            {"tgt": [{"range": [9, 11], "id": 1}], "src": [{"range": [2, 5], "id": 0}]},
        ],
        "segments": [
            {
                "source": "😀 one two",
                "text": "😀 deux 𝒳 un",
                "finish_reason": "stop",
                "tokens": [{"score": -3.0}, {"score": 0.0}, {"score": 0.0}],
            }
        ],
    }
    found = page.evaluate(
        """async answer => {
            const { readingOf } = await import("./page/reading.js");
            const reading = readingOf("😀 one two", "en", answer, "fr");
            return reading.words.map(([start, end], word) => [
                reading.text.slice(start, end),
                [...reading.from[word]].map((source) => "😀 one two".slice(...reading.sourceWords[source])),
                reading.sure[word] < 0.1,
            ]);
        }""",
        answer,
    )
    pairs = {word: (sources, doubtful) for word, sources, doubtful in found}
    assert pairs["deux"] == (["two"], True)
    assert pairs["un"] == (["one"], False)


def test_a_long_text(real_service: RealService, visit: Visit) -> None:
    """The box grows with it, the link leaves it out, and the words of its end still point at the right ones."""
    text = "\n".join(["-" * 4000, *(f"I have {count} cats." for count in range(60))])
    page = visit.open(real_service.address())
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    box(page).fill(text)
    shown(page, real_service.translate(text)["translatedText"])
    assert page.evaluate("(box => box.scrollHeight <= box.clientHeight)(document.getElementById('source-text'))")
    assert "text=" not in page.url
    page.locator(".word").last.hover()
    assert words(page, "#source-words .from")[-1] in ("cats", "59")
