"""A visitor's browser on the page, and what is looked for there. Needs playwright, and so do its readers."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium: Final = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
TEXT: Final = "Where is the nearest train station? I have lost my keys in the garden.\n\nCould you help me?"
PATIENCE_MILLISECONDS: Final = 15_000
NETWORK: Final = "Failed to load resource"  # what Chromium's console says of every answer that is an error


@dataclass
class RealService:
    """The service with the bundles of this repository, as a process of its own."""

    url: str
    client: httpx.Client

    def translate(self, text: str, source: str = "en", target: str = "fr") -> Any:
        asked = {"q": text, "source": source, "target": target, "include": ["alignment", "scores"]}
        return self.client.post("/translate", json=asked).raise_for_status().json()

    def address(self, text: str = "", source: str = "en", target: str = "fr") -> str:
        return f"{self.url}/#{urlencode({'source': source, 'target': target, 'text': text})}"


@dataclass
class Visit:
    """One visitor's browser: opens pages and remembers what the browser complained of."""

    browser: Browser
    said: list[str] = field(default_factory=list)

    def open(self, address: str, **options: Any) -> Page:
        context = self.browser.new_context(**{"locale": "en", "viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page = context.new_page()
        page.on("console", lambda message: self.said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", self._check_host)
        page.goto(address)
        return page

    def _check_host(self, request: Request) -> None:
        """The page asks its own service alone."""
        if not request.url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:", "data:")):
            self.said.append(f"{request.url} is not on this machine")

    @property
    def complaints(self) -> list[str]:
        return [text for text in self.said if not text.startswith(NETWORK)]


def translation(page: Page) -> Locator:
    return page.get_by_role("toolbar")


def picker(page: Page, side: Literal["source", "target"]) -> Locator:
    """The button with a language; its ``value`` is the code."""
    return page.locator(f"#{side}-language")


def opened(page: Page) -> Page:
    """The same page once it knows the languages of the service."""
    expect(picker(page, "target")).not_to_have_text(re.compile(r"Into\s*$"))
    return page


def options(page: Page, **which: Any) -> Locator:
    """The languages of the open list."""
    return page.locator("#picker-list").get_by_role("option", **which)


def choose(page: Page, side: Literal["source", "target"], language: str) -> None:
    """Choose a language by its name in the language of the page."""
    picker(opened(page), side).click()
    options(page, name=re.compile(f"^{re.escape(language)}\\b")).click()
    expect(page.get_by_role("listbox")).to_be_hidden()


def box(page: Page) -> Locator:
    return page.locator("#source-text")


def shown(page: Page, text: str) -> None:
    """Wait until this is the translation, with its words."""
    expect(translation(page)).to_have_text(text, use_inner_text=True)
    expect(page.locator(".word").first).to_be_visible()


def words(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def replied(handle: Callable[[Any], dict[str, Any]]) -> Callable[[Route], None]:
    """A route whose JSON answer is changed on its way."""

    def reply(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=handle(answer.json()))

    return reply
