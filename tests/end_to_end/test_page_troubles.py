"""What the page does in a real browser when the service is busy, away, or says no."""

import json
import re

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Route, expect

from tests.support.browser import RealService, Visit, box, needs_chromium, picker, replied, shown, translation

pytestmark = [needs_chromium, pytest.mark.slow]


def test_a_busy_server_is_asked_again(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")
    answers = iter([429, 503])

    def busy(route: Route) -> None:
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, headers={"Retry-After": "1"}, json={"error": "full"})

    page.route("**/translate", busy)
    page.goto(real_service.address("I am here."))
    expect(page.get_by_role("alert")).to_have_text("The server is busy. Next attempt in 1 s.")
    shown(page, real_service.translate("I am here.")["translatedText"])
    expect(page.locator("#notice")).to_be_hidden()


def test_what_goes_wrong_is_said(real_service: RealService, visit: Visit) -> None:
    page = visit.open("about:blank")
    page.route("**/frontend/settings", replied(lambda found: {**found, "charLimit": 20, "keyRequired": True}))
    page.goto(real_service.address("x" * 21))
    alert, again = page.get_by_role("alert"), page.get_by_role("button", name="Try again")
    expect(alert).to_have_text("The text has 21 characters, 20 are allowed.")
    key = page.locator("#api-key")
    expect(key).to_have_accessible_name("API key")
    expect(key).to_be_visible()
    page.route("**/translate", lambda route: route.fulfill(status=403, json={"error": "Invalid API key"}))
    box(page).fill("I am here.")
    expect(alert).to_have_text("This server wants a valid API key: Invalid API key")
    page.unroute("**/translate")
    half = 'event: delta\ndata: {"text":"Je suis"}\n\n'
    page.route("**/translate", lambda route: route.fulfill(content_type="text/event-stream", body=half))
    again.click()
    expect(alert).to_have_text("The answer broke off.")
    expect(translation(page)).to_have_text("Je suis")
    page.get_by_label("Language of this page").select_option("fr")
    expect(alert).to_have_text("La réponse s’est interrompue.")
    page.unroute("**/translate")
    with page.expect_request("**/translate") as asked:
        key.fill("secret")
        key.press("Enter")
    assert json.loads(asked.value.post_data or "")["api_key"] == "secret"
    expect(alert).to_be_hidden()
    page.get_by_text("Requête et réponse").click()
    assert "secret" not in page.locator("#request").inner_text()


def test_an_older_request_is_given_up(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address())
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    held: list[Route] = []
    page.route("**/translate", lambda route: route.continue_() if held else held.append(route))
    with page.expect_event("requestfailed") as failed:
        box(page).fill("I am")
        expect(page.locator("#target-pane")).to_have_attribute("aria-busy", "true")
        box(page).fill("I am here.")
    assert json.loads(failed.value.post_data or "")["q"] == "I am"
    shown(page, real_service.translate("I am here.")["translatedText"])
    expect(page.locator("#target-pane")).to_have_attribute("aria-busy", "false")


def test_what_is_typed_without_a_service_is_translated_later(real_service: RealService, visit: Visit) -> None:
    page = visit.open(real_service.address())
    away = page.get_by_role("status").and_(page.locator("#away"))
    expect(picker(page, "target")).to_have_attribute("value", "fr")
    expect(away).to_be_hidden()
    page.context.set_offline(True)
    expect(away).to_have_text("The service does not answer. Your text is translated once it does.")
    box(page).fill("I am here.")
    page.locator("#page-language").select_option("de")
    expect(away).to_contain_text("Der Dienst antwortet nicht.")
    with page.expect_response("**/translate"):
        page.context.set_offline(False)
    shown(page, real_service.translate("I am here.")["translatedText"])
    expect(away).to_be_hidden()


def test_a_service_that_stops_is_found_again(real_service: RealService, visit: Visit) -> None:
    """Nothing tells the browser: the page looks by itself."""
    page = visit.open("about:blank")
    everything = re.compile("/(health|translate|languages|frontend/settings)$")
    page.route(everything, lambda route: route.abort())
    page.goto(real_service.address("I am here."))
    expect(page.locator("#away")).to_be_visible()  # while the page opens already
    page.unroute(everything)
    shown(page, real_service.translate("I am here.")["translatedText"])
    expect(page.locator("#away")).to_be_hidden()
    page.route(everything, lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    box(page).fill("You are here.")
    expect(page.locator("#away")).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()
    page.unroute(everything)
    shown(page, real_service.translate("You are here.")["translatedText"])
    expect(page.locator("#away")).to_be_hidden()
