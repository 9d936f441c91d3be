"""The page at / as a browser gets it: whole, small, strict, in five languages, and with nothing from elsewhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service

FOLDER: Final = Path(__file__).parents[4] / "app" / "web" / "page"
FILES: Final = sorted(path.name for path in FOLDER.iterdir() if path.name != "index.html")
POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
# A word may be written alike in two languages.
SAME_AS_ENGLISH: Final[list[tuple[str, list[str]]]] = [
    ("detected", ["en", "fr"]),
    ("share", ["en", "de"]),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    with running_service(Settings(models_dir=models, root_path="/prefix")) as running:
        yield running


def contents() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}


def labels() -> dict[str, dict[str, str]]:
    source = (FOLDER / "labels.js").read_text(encoding="utf-8")
    languages: list[str] = json.loads(source.partition("LANGUAGES = ")[2].partition(";\n")[0])
    texts: dict[str, str] = json.loads(source.partition("LABELS = ")[2].removesuffix(";\n"))
    rows = {key: text.split("|") for key, text in texts.items()}
    assert {len(row) for row in rows.values()} == {len(languages)}
    return {language: {key: row[index] for key, row in rows.items()} for index, language in enumerate(languages)}


def test_the_page_and_its_policy(service: RunningService) -> None:
    answer = service.client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    rules = [rule.strip().partition(" ") for rule in answer.headers["content-security-policy"].split(";")]
    assert {name: value for name, _, value in rules} == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert 'href="docs"' in answer.text


def test_what_the_policy_forbids_is_not_there() -> None:
    page = contents()["index.html"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    for name, content in contents().items():
        # The text of a user must never be read as HTML or as a program.
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", content
        ), name


def test_everything_is_small(service: RunningService) -> None:
    sizes = {name: len(service.client.get(f"/page/{name}").content) for name in FILES}
    assert sum(sizes.values()) + len(service.client.get("/").content) < 120_000, sizes


@pytest.mark.parametrize("prefix", ["/", "/prefix/"])
def test_every_file_that_is_named_is_there(service: RunningService, prefix: str) -> None:
    page = service.client.get(prefix).text
    named = set(re.findall(r"(?:href|src)=\"(page/[^\"]+)\"", page))
    before = {"page/first.js", *re.findall(r"modulepreload\" href=\"(page/[^\"]+)", page)}
    linked: set[str] = set()
    for name, content in contents().items():
        if name.endswith(".js"):
            found = set(re.findall(r"from \"\./([^\"]+)\"", content))
            assert found <= set(FILES), name
            linked |= {f"page/{other}" for other in found}
            if f"page/{name}" in before:
                assert {f"page/{other}" for other in found} <= named, f"{name} comes before the first paint"
    assert named | linked == {f"page/{name}" for name in FILES}
    types = {
        ".js": "text/javascript",
        ".css": "text/css",
        ".svg": "image/svg+xml",
        ".webmanifest": "application/manifest+json",
    }
    for name in named | linked:
        answer = service.client.get(prefix + name)
        assert answer.status_code == 200, name
        assert answer.headers["content-type"].startswith(types[Path(name).suffix]), name


def test_the_manifest_leads_to_the_page_and_its_icon(service: RunningService) -> None:
    for prefix in ("/", "/prefix/"):
        address = httpx.URL(f"{service.url}{prefix}page/manifest.webmanifest")
        manifest = service.client.get(address).json()
        for field in ("id", "start_url", "scope"):
            assert address.join(manifest[field]).path == prefix
        (icon,) = manifest["icons"]
        answer = service.client.get(address.join(icon["src"]))
        assert answer.headers["content-type"] == icon["type"]


def test_the_prefix_without_its_slash(service: RunningService) -> None:
    answer = service.client.get("/prefix")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/prefix/"  # else its relative addresses would be wrong; no host, no scheme


def test_nothing_comes_from_elsewhere() -> None:
    for name, content in contents().items():
        found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'<>)]*", content))
        assert found <= {"http://www.w3.org/2000/svg"}, name
        assert "@import" not in content
        assert "@font-face" not in content
        assert "url(" not in content


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/page.css"])
def test_a_browser_keeps_what_has_not_changed(service: RunningService, path: str) -> None:
    whole = service.client.get(path)
    assert whole.headers["cache-control"] == "no-cache"  # ask each time, with the tag
    tag = whole.headers["etag"]
    for cached in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = service.client.get(path, headers={"If-None-Match": cached})
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == tag
        assert answer.headers.get("content-security-policy") == whole.headers.get("content-security-policy")
    assert service.client.get(path, headers={"If-None-Match": '"other"'}).content == whole.content


@pytest.mark.parametrize("path", ["/", "/page/main.js"])
def test_head(service: RunningService, path: str) -> None:
    whole, head = service.client.get(path), service.client.head(path)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "cache-control"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    "name", ["index.html", "none.js", "..%2fdocs%2fstart.js", "%2e%2e%2f__init__.py", ".", "__init__.py"]
)
def test_no_other_file_is_given(service: RunningService, name: str) -> None:
    answer = service.client.get(f"/page/{name}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


def test_posting_to_the_page_is_an_error_in_json(service: RunningService) -> None:
    answer = service.client.post("/")
    assert answer.status_code == 405
    assert set(answer.json()) == {"error"}


def test_every_language_has_every_label() -> None:
    english = labels()["en"]
    assert set(labels()) == {"en", "fr", "de", "es", "zh"}
    offered = re.findall(r"<option value=\"(\w+)\" lang=\"\w+\">", contents()["index.html"])
    assert offered == list(labels())
    for language, found in labels().items():
        assert found.keys() == english.keys(), language
        for key, text in found.items():
            assert text.strip(), (language, key)
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), (language, key)
    for key in english:
        same = [one for one, found in labels().items() if found[key] == english[key]]
        assert same == ["en"] or (key, same) in SAME_AS_ENGLISH, "not translated"


def test_labels_are_those_that_the_page_uses() -> None:
    files = contents()
    programs = "".join(text for name, text in files.items() if name.endswith(".js") and name != "labels.js")
    used = set(re.findall(r"data-(?:label|aria|name|hint|placeholder)=\"(\w+)\"", files["index.html"]))
    used |= set(re.findall(r"\blabel\(\"(\w+)\"", programs))
    kinds = set(re.findall(r"new Problem\([^\"]*\"(\w+)\"", programs)) | set(
        re.findall(r"\? \"(\w+)\" : \"server\"", programs)
    )
    used |= {f"error_{kind}" for kind in kinds} | {"error_busy_long"}
    used |= set(re.findall(r"label\([^)\"]*\? \"(\w+)\" :", programs))
    labelled = set(labels()["en"])
    assert used <= labelled, used - labelled
    mentioned = set(re.findall(r"\"(\w+)\"", programs))
    assert labelled <= used | mentioned, labelled - used - mentioned


def test_english_in_the_page_is_what_the_labels_say() -> None:
    """So that nothing moves when they are put in."""
    page, english = contents()["index.html"], labels()["en"]
    for key, text in re.findall(r"data-label=\"(\w+)\"[^>]*>([^<]*)<", page):
        assert text in ("", english[key]), key  # empty where it is not seen when the page opens


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "grounds"),
    [
        ("ink", ["ground", "card", "soft", "from", "here", "accent-soft"]),
        ("muted", ["ground", "card", "soft", "accent-soft", "here"]),
        ("accent", ["card", "soft", "accent-soft"]),
        ("on-accent", ["accent"]),
        ("error", ["card", "error-soft"]),
    ],
)
def test_contrast_is_enough(theme: int, text: str, grounds: list[str]) -> None:
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", contents()["page.css"])
    colours = {name: (light, dark)[theme] for name, light, dark in pairs}
    for ground in grounds:
        brighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (brighter + 0.05) / (darker + 0.05) >= 4.5, ground
