"""PO files stay what msgfmt accepts: the header, plural forms and unusual characters."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.file_samples import passages, read

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
ENTRY = '\nmsgid "{} summer"\nmsgid_plural "{} summers"\nmsgstr[0] ""\nmsgstr[1] ""\n'.replace("{}", "%d")
FRENCH, GERMAN = "nplurals=2; plural=(n > 1);", "nplurals=2; plural=(n != 1);"


def written(text: str, target: str, path: Path) -> str:
    """Return the translated file; msgfmt has to accept it where it is installed."""
    document = read("a.po", text.encode())
    found = document.write(iter([passage.text.upper().replace("%D", "%d") for passage in document.passages]), target)
    (path / "a.po").write_bytes(found)
    if shutil.which("msgfmt"):
        subprocess.run(["msgfmt", "-c", "--check-accelerators", "-o", path / "a.mo", path / "a.po"], check=True)
    return found.decode()


def header(forms: str | None = None, language: str | None = None) -> str:
    return "".join(
        [
            HEADER,
            '"Project-Id-Version: a\\n"\n"PO-Revision-Date: 2026-01-01 00:00+0000\\n"\n"Last-Translator: a\\n"\n',
            '"Language-Team: a\\n"\n"MIME-Version: 1.0\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n',
            "" if forms is None else f'"Plural-Forms: {forms}\\n"\n',
            "" if language is None else f'"Language: {language}\\n"\n',
        ]
    )


@pytest.mark.parametrize("language", [None, "", "en", "fr"])
@pytest.mark.parametrize("forms", [None, "nplurals=INTEGER; plural=EXPRESSION;", "nplurals=2; plural=n != 1;", FRENCH])
def test_the_header_tells_the_language_and_its_plural_forms(
    forms: str | None, language: str | None, tmp_path: Path
) -> None:
    for target, wanted in (("fr", FRENCH), ("de", GERMAN)):
        found = written(header(forms, language) + ENTRY, target, tmp_path)
        assert f'"Language: {target}\\n"\n' in found
        assert found.count("Language: ") == found.count("Plural-Forms: ") == 1
        if target == "fr" or forms != FRENCH:
            assert wanted in found or forms == "nplurals=2; plural=n != 1;"
        assert 'msgstr[0] "%d SUMMER"\nmsgstr[1] "%d SUMMERS"\n' in found


@pytest.mark.parametrize(("target", "count"), [("ja", 1), ("fr", 2), ("pl", 3), ("sl", 4)])
def test_an_entry_has_the_forms_of_its_language(target: str, count: int, tmp_path: Path) -> None:
    found = written(header(GERMAN, "") + ENTRY + '\nmsgid "a word"\nmsgstr ""\n', target, tmp_path)
    assert f"nplurals={count};" in found
    assert found.count("msgstr[") == count
    assert f'msgstr[{count - 1}] "%d SUMMERS"\n\n#, fuzzy\nmsgid "a word"' in found


def test_translations_and_the_forms_that_they_were_made_for_are_kept(tmp_path: Path) -> None:
    filled = ENTRY.replace("summer", "winter").replace('""', '"%d"')
    found = written(header("nplurals=2; plural=(n==1 ? 0 : 1);", "pl") + ENTRY + filled, "fr", tmp_path)
    assert '"Language: pl\\n"' in found
    assert "plural=(n==1 ? 0 : 1);" in found
    found = written(header(GERMAN, "fr") + ENTRY + filled, "fr", tmp_path)
    assert FRENCH in found


def test_a_file_without_plural_forms_gets_none(tmp_path: Path) -> None:
    assert "Plural-Forms" not in written(header() + '\nmsgid "a word"\nmsgstr ""\n', "fr", tmp_path)


def test_an_absurd_number_of_forms_is_not_written(tmp_path: Path) -> None:
    text = header("nplurals=999999999; plural=0;", "xx") + '\nmsgid "b"\nmsgstr "c"\n' + ENTRY
    document = read("a.po", text.encode())
    assert len(document.write(iter(["a", "b"]), "xx")) < 1000


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\f", "\v", "\x1c", "\x1d", "\x1e"])
def test_characters_that_are_no_line_ends(character: str, tmp_path: Path) -> None:
    text = f'{header()}\n# a{character}comment\nmsgid "one{character}two"\nmsgstr ""\n'
    assert passages("a.po", text.encode()) == [f"one{character}two"]
    found = written(text, "fr", tmp_path)
    assert f"# a{character}comment\n" in found
    assert passages("a.po", found.encode()) == []
