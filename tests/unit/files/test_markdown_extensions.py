"""Markdown of other programs than CommonMark: alerts, fences, definitions, formulas and tags of code."""

import pytest

from tests.support.file_samples import identity, passages, translated

CASES = {
    "an alert": ("> [!NOTE]\n> Keep the door closed.\n", "> [!NOTE]\n> KEEP THE DOOR CLOSED.\n"),
    "a title in bold": ("> **Warning**\n> Do not open it.\n", "> **WARNING**\n> DO NOT OPEN IT.\n"),
    "a formula that begins a line": ("$$x^2$$ and $a_1$ are *old*.\n", "$$x^2$$ AND $a_1$ ARE *OLD*.\n"),
    "an alert with a title": ("> [!TIP]- Some title\n> Keep it.\n", "> [!TIP]- SOME TITLE\n> KEEP IT.\n"),
    "tags of code": (
        "Press <kbd>Enter</kbd> to <code>open *door*</code>, <samp>a b</samp> or <var>n</var>.\n",
        "PRESS <kbd>Enter</kbd> TO <code>open *door*</code>, <samp>a b</samp> OR <var>n</var>.\n",
    ),
    "a fence": ("::: warning\nKeep it closed.\n:::\n", "::: warning\nKEEP IT CLOSED.\n:::\n"),
    "fences in fences": (
        "::::: {.a}\n:::: b\nKeep *it*\nclosed.\n::::\n:::::\n",
        "::::: {.a}\n:::: b\nKEEP *IT*\nCLOSED.\n::::\n:::::\n",
    ),
    "an admonition": ('!!! note "A b"\n    Some words\n', '!!! note "A b"\n    SOME WORDS\n'),
    "definitions": ("A term\n: Its meaning\n: another\n", "A TERM\n: ITS MEANING\n: ANOTHER\n"),
    "a formula": ("The formula $E = mc^2$ is old.\n", "THE FORMULA $E = mc^2$ IS OLD.\n"),
    "formulas": ("For $n$ and $$a_1 * b_2$$ with $\\{x\\}*y*$.\n", "FOR $n$ AND $$a_1 * b_2$$ WITH $\\{x\\}*y*$.\n"),
    "a formula of lines": ("It is\n$$\na = b\n$$\nso it is.\n", "IT IS\n$$\na = b\n$$\nSO IT IS.\n"),
    "a formula of one line": ("It is\n$$a = b$$\nso it is.\n", "IT IS\n$$a = b$$\nSO IT IS.\n"),
    "a formula in a cell": ("| a b |\n|---|\n| so $x = y$ is |\n", "| A B |\n|---|\n| SO $x = y$ IS |\n"),
    "money": ("It costs $5 or 10$ and US$ 7, not $8.\n", "IT COSTS $5 OR 10$ AND US$ 7, NOT $8.\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_extensions_keep_their_meaning(case: str) -> None:
    source, wanted = CASES[case]
    assert translated("a.md", source.encode()).decode() == wanted
    assert translated("a.md", source.encode(), identity).decode() == source


def test_no_line_of_a_translation_begins_a_definition() -> None:
    source = b"some words\nand others\n"
    found = translated("a.md", source, lambda _: "one word : two words : three words").decode()
    assert not any(line.startswith(":") for line in found.splitlines())


def test_code_is_a_word_of_its_sentence() -> None:
    assert passages("a.md", b"Press <kbd>Enter</kbd> now, for $x^2$ too\n") == [
        'Press <code data-n="0">Enter</code> now, for <code data-n="1">$x^2$</code> too'
    ]
