"""The page in a real browser, over the real service and its models."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import httpx
import pytest

from tests.end_to_end.test_program import ROOT, free_port, program, wait_for_health

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright  # noqa: E402

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.skipif(not (ROOT / "models" / "en-fr").is_dir(), reason="there is no bundle en-fr"),
]
TEXT: Final = "Where is the nearest train station? I have lost my keys in the garden.\n\nCould you help me?"
NETWORK: Final = "Failed to load resource"  # what Chromium's console says of every answer that is an error


@dataclass
class Service:
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
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str, **options: Any) -> Page:
        context = self.browser.new_context(**{"locale": "en", "viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(8000)
        page = context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(address)
        return page


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    port = free_port()
    with program(["app"], {"MODELS_DIR": str(ROOT / "models"), "PASSERELLE_PORT": str(port)}) as process:
        wait_for_health(process, port)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
            yield Service(url, client)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Whatever a test does, the browser has nothing to complain of: no error, nothing against the policy."""
    visit = Visit(browser)
    yield visit
    for context in browser.contexts:
        context.close()
    assert not [text for text in visit.complaints if not text.startswith(NETWORK)]


def translation(page: Page) -> Locator:
    return page.get_by_role("toolbar", name=re.compile("Translation|Traduction|译文"))


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


def test_typing(service: Service, visit: Visit) -> None:
    page = visit.open(service.url)
    expect(page.get_by_label("From")).to_have_value("auto")
    expect(page.get_by_role("button", name="Copy the translation")).to_be_disabled()
    page.get_by_label("Into").select_option("fr")
    expect(box(page)).to_have_attribute("placeholder", "Type, paste or drop a file")
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request.post_data_json) if request.method == "POST" else None)
    box(page).press_sequentially("Where is the nearest train station?", delay=3)
    shown(page, service.translate("Where is the nearest train station?")["translatedText"])
    assert len(asked) == 1, "it waits for a pause"
    assert asked[0]["stream"]
    expect(page.get_by_label("From").locator("option:checked")).to_have_text("English (auto)")
    expect(page.locator("#count")).to_have_text(re.compile(r"35 / 50,000$"))
    expect(page.get_by_role("status").first).to_have_text(translation(page).inner_text())  # for screen readers
    page.get_by_role("button", name="Clear the text").click()
    expect(box(page)).to_be_focused()
    expect(translation(page)).to_be_hidden()


def test_pointing_at_words(service: Service, visit: Visit) -> None:
    answer = service.translate(TEXT)
    page = visit.open(service.address(TEXT))
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


def test_walking_through_words_with_keys(service: Service, visit: Visit) -> None:
    page = visit.open(service.address(TEXT))
    first, second = page.locator(".word").nth(0), page.locator(".word").nth(1)
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


def test_uncertain_words_are_marked_and_said(service: Service, visit: Visit) -> None:
    page = visit.open(service.url)

    def doubting(route: Route) -> None:
        answer = service.translate("I am here.")
        for token in answer["segments"][0]["tokens"]:
            token["score"] = -0.1
        answer["segments"][0]["tokens"][1]["score"] = -2.0
        route.fulfill(content_type="text/event-stream", body=f"event: done\ndata: {json.dumps(answer)}\n\n")

    page.route("**/translate", doubting)
    page.get_by_label("Into").select_option("fr")
    box(page).fill("I am here.")
    expect(page.locator(".word.doubt")).to_have_count(1)
    page.locator(".word.doubt").focus()
    expect(page.locator(".word.doubt")).to_have_attribute("aria-description", re.compile("uncertain, 14 % likely"))
    expect(page.locator("#legend")).to_have_text("Click a word for others. Dotted: uncertain.")


def test_swapping(service: Service, visit: Visit) -> None:
    page = visit.open(service.address("I have lost my keys.", "auto"))
    french = service.translate("I have lost my keys.")["translatedText"]
    shown(page, french)
    page.get_by_role("button", name="Swap languages").click()
    expect(box(page)).to_have_value(french)
    expect(page.get_by_label("From")).to_have_value("fr")
    expect(page.get_by_label("Into")).to_have_value("en")
    shown(page, service.translate(french, "fr", "en")["translatedText"])


def test_other_words_on_click(service: Service, visit: Visit) -> None:
    page = visit.open(service.address(TEXT))
    before = service.translate(TEXT)["translatedText"]
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
    sentence = items.nth(1).locator(".choice-text").inner_text()
    page.keyboard.press("Enter")
    rest = before[before.index("\n") :]
    expect(translation(page)).to_contain_text(sentence, use_inner_text=True)
    assert translation(page).inner_text().startswith(sentence)
    assert translation(page).inner_text().endswith(rest)
    page.locator(".word").last.hover()  # words behind the sentence still know where they come from
    assert words(page, "#source-words .from")
    page.locator(".word").first.hover()
    assert words(page, "#source-words .from")[0] == "Where"


@pytest.mark.parametrize("name", ["text.txt", "text.MD", "page.html", "film.srt"])
def test_a_dropped_file_is_read(service: Service, visit: Visit, name: str) -> None:
    page = visit.open(service.address())
    expect(page.get_by_label("Into")).to_have_value("fr")
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
    shown(page, service.translate("Où est-il ?\nThe cat sleeps.")["translatedText"])


def test_files_that_the_service_translates(service: Service, visit: Visit, tmp_path: Path) -> None:
    page = visit.open("about:blank")
    offered = {"filesTranslation": True, "supportedFilesFormat": [".txt", ".docx"], "charLimit": 1000}
    page.route("**/frontend/settings", replied(lambda found: {**found, **offered}))
    sent: list[str] = []

    def translate_file(route: Route) -> None:
        sent.append(route.request.post_data_buffer.decode("latin-1") if route.request.post_data_buffer else "")
        route.fulfill(json={"translatedFileUrl": f"{service.url}/download_file/letter_fr.docx"})

    page.route("**/translate_file", translate_file)
    page.goto(service.address())
    (tmp_path / "letter.docx").write_bytes(b"PK")
    (tmp_path / "film.mkv").write_bytes(b"0")
    (tmp_path / "latin.txt").write_bytes("Été".encode("latin-1"))
    (tmp_path / "long.txt").write_text("a" * 1001, encoding="utf-8")
    chooser = page.locator("#file")
    expect(chooser).to_have_attribute("accept", re.compile(r"\.docx"))
    chooser.set_input_files(tmp_path / "letter.docx")
    link = page.get_by_role("link", name="Download")
    expect(link).to_have_attribute("href", f"{service.url}/download_file/letter_fr.docx")
    assert 'name="source"\r\n\r\nen' in sent[0]
    assert 'name="target"\r\n\r\nfr' in sent[0]
    chooser.set_input_files(tmp_path / "film.mkv")
    expect(page.get_by_role("alert")).to_contain_text("film.mkv: files of this kind cannot be read here")
    expect(link).to_be_hidden()
    chooser.set_input_files(tmp_path / "latin.txt")
    expect(box(page)).to_have_value("Été")
    chooser.set_input_files(tmp_path / "long.txt")  # too long for the box, so it goes as a file
    expect(link).to_be_visible()
    assert len(sent) == 2


def test_dark_and_light(service: Service, visit: Visit) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page = visit.open(service.url, color_scheme="dark")
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


@pytest.mark.parametrize("locale", ["en", "fr-FR", "zh-CN"])
def test_phone(service: Service, visit: Visit, locale: str) -> None:
    phone = {"width": 360, "height": 740}
    page = visit.open(service.address(TEXT, "auto"), viewport=phone, locale=locale, has_touch=True)
    shown(page, service.translate(TEXT)["translatedText"])
    assert page.evaluate("document.documentElement.lang") == locale[:2]
    page.locator(".word").last.tap()
    expect(page.get_by_role("menuitem").first).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#drawer summary").tap()
    expect(page.locator("#answer")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    inside = "element => { const { left, right } = element.getBoundingClientRect(); return left >= 0 && right <= 360; }"
    for button in page.locator("button:visible, select:visible").all():
        assert button.evaluate(inside), button.inner_text()


def test_the_address_holds_the_state(service: Service, visit: Visit) -> None:
    page = visit.open(service.address("Good & bad #1?", "en"))
    expect(box(page)).to_have_value("Good & bad #1?")
    expect(page.locator(".word").first).to_be_visible()
    box(page).fill("Give me 50 %.")
    expect(page).to_have_url(re.compile("50"))
    found = parse_qs(page.url.partition("#")[2])
    assert found == {"source": ["en"], "target": ["fr"], "text": ["Give me 50 %."]}
    other = visit.open(page.url)
    shown(other, service.translate("Give me 50 %.")["translatedText"])
    other.goto(service.address("Le chat.", "fr", "en"))  # only what is behind "#" changes
    shown(other, service.translate("Le chat.", "fr", "en")["translatedText"])
    theirs = visit.open(f"{service.url}/?{urlencode({'source': 'fr', 'target': 'en', 'q': 'Le chat.'})}")
    shown(theirs, service.translate("Le chat.", "fr", "en")["translatedText"])


def test_the_language_of_the_page(service: Service, visit: Visit) -> None:
    page = visit.open(service.address(TEXT), locale="fr-CA")
    shown(page, service.translate(TEXT)["translatedText"])
    expect(page.get_by_role("button", name="Inverser les langues")).to_be_enabled()
    expect(page.get_by_label("Vers").locator("option:checked")).to_have_text("Français")
    page.get_by_label("Langue de cette page").select_option("zh")
    expect(page.get_by_role("button", name="交换语言")).to_be_enabled()
    expect(page.get_by_label("目标语言").locator("option:checked")).to_have_text("法语")
    page.reload()
    expect(page.get_by_role("button", name="交换语言")).to_be_enabled()


def test_copying_and_the_drawer(service: Service, visit: Visit) -> None:
    text = "It's “here” $HOME `x`."
    page = visit.open(service.address(text), permissions=["clipboard-read", "clipboard-write"])
    answer = service.translate(text)
    shown(page, answer["translatedText"])
    page.get_by_role("button", name="Copy the translation").click()
    assert page.evaluate("navigator.clipboard.readText()") == answer["translatedText"]
    page.get_by_role("button", name="Copy a link to this translation").click()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.get_by_text("Request and answer").click()
    expect(page.locator("#answer")).to_contain_text("translatedText")
    assert json.loads(page.locator("#answer").inner_text()) == answer
    command = page.locator("#request").inner_text()
    assert command.startswith(f"curl {service.url}/translate ")
    said = command.partition("-d '")[2].removesuffix("'").replace("'\\''", "'")
    assert service.client.post("/translate", json=json.loads(said)).json() == answer


def test_text_is_never_markup(service: Service, visit: Visit) -> None:
    text = "<img src=x onerror=alert(1)> <b>Hello</b>, my friend."
    page = visit.open(service.address(text))
    expect(page.locator(".word").first).to_be_visible()
    page.get_by_text("Request and answer").click()
    assert page.locator("main img, main b").count() == 0
    assert page.locator("#source-words").inner_text().startswith(text)


def test_a_busy_server_is_asked_again(service: Service, visit: Visit) -> None:
    page = visit.open("about:blank")
    answers = iter([429, 503])

    def busy(route: Route) -> None:
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, headers={"Retry-After": "1"}, json={"error": "full"})

    page.route("**/translate", busy)
    page.goto(service.address("I am here."))
    expect(page.get_by_role("alert")).to_have_text("The server is busy. Next attempt in 1 s.")
    shown(page, service.translate("I am here.")["translatedText"])
    expect(page.locator("#notice")).to_be_hidden()


def test_what_goes_wrong_is_said(service: Service, visit: Visit) -> None:
    page = visit.open("about:blank")
    page.route("**/frontend/settings", replied(lambda found: {**found, "charLimit": 20, "keyRequired": True}))
    page.goto(service.address("x" * 21))
    alert, again = page.get_by_role("alert"), page.get_by_role("button", name="Try again")
    expect(alert).to_have_text("The text has 21 characters, 20 are allowed.")
    key = page.locator("#api-key")
    expect(key).to_have_accessible_name("API key")
    expect(key).to_be_visible()
    page.route("**/translate", lambda route: route.abort())
    box(page).fill("I am here.")
    expect(alert).to_have_text("The server does not answer.")
    page.unroute("**/translate")
    page.route("**/translate", lambda route: route.fulfill(status=403, json={"error": "Invalid API key"}))
    again.click()
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


def test_an_older_request_is_given_up(service: Service, visit: Visit) -> None:
    page = visit.open(service.address())
    expect(page.get_by_label("Into")).to_have_value("fr")
    held: list[Route] = []
    page.route("**/translate", lambda route: route.continue_() if held else held.append(route))
    with page.expect_event("requestfailed") as failed:
        box(page).fill("I am")
        expect(page.locator("#target-pane")).to_have_attribute("aria-busy", "true")
        box(page).fill("I am here.")
    assert json.loads(failed.value.post_data or "")["q"] == "I am"
    shown(page, service.translate("I am here.")["translatedText"])
    expect(page.locator("#target-pane")).to_have_attribute("aria-busy", "false")


def test_a_text_that_is_in_the_target_language(service: Service, visit: Visit) -> None:
    page = visit.open(service.address("Where is the nearest train station?", "auto", "en"))
    page.get_by_role("button", name="Translate into French").click()
    shown(page, service.translate("Where is the nearest train station?")["translatedText"])


def test_places_after_characters_outside_the_basic_plane(service: Service, visit: Visit) -> None:
    page = visit.open(service.url)
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


def test_a_long_text(service: Service, visit: Visit) -> None:
    """The box grows with it, the link leaves it out, and the words of its end still point at the right ones."""
    text = "\n".join(["-" * 4000, *(f"I have {count} cats." for count in range(60))])
    page = visit.open(service.address())
    expect(page.get_by_label("Into")).to_have_value("fr")
    box(page).fill(text)
    shown(page, service.translate(text)["translatedText"])
    assert page.evaluate("(box => box.scrollHeight <= box.clientHeight)(document.getElementById('source-text'))")
    assert "text=" not in page.url
    page.locator(".word").last.hover()
    assert words(page, "#source-words .from")[-1] in ("cats", "59")


def test_nothing_moves_while_the_page_opens(service: Service, visit: Visit) -> None:
    for locale in ("en", "fr"):
        page = visit.open(service.url, locale=locale)
        expect(page.locator("#count-limit")).not_to_be_empty()
        moved = page.evaluate(
            """() => new Promise((tell) => new PerformanceObserver((list) =>
                tell(list.getEntries().reduce((sum, { value }) => sum + value, 0))
            ).observe({ type: "layout-shift", buffered: true }) ?? setTimeout(() => tell(0), 300))"""
        )
        assert moved < 0.01
