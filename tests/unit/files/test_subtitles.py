"""Where cues begin and end in SRT and WebVTT files that other programs made."""

import pytest

from tests.support.file_samples import identity, passages, translated

ONE = "00:00:01,000 --> 00:00:02,000"
TWO = "00:00:03,000 --> 00:00:04,000"
CASES = {
    "no blank line": (
        "a.srt",
        f"1\n{ONE}\nGood night.\n2\n{TWO}\nGood morning.\n",
        ["Good night.", "Good morning."],
    ),
    "no blank line and no number": (
        "a.srt",
        f"{ONE}\nGood night.\n{TWO}\nGood morning.\n",
        ["Good night.", "Good morning."],
    ),
    "no blank line in WebVTT": (
        "a.vtt",
        f"WEBVTT\n\n1\n{ONE}\nGood night.\n2\n{TWO}\nGood morning.\n".replace(",", "."),
        ["Good night.", "Good morning."],
    ),
    "a blank line within a cue": (
        "a.srt",
        f"1\n{ONE}\nThe first part\n\nand the second part\n\n\n2\n{TWO}\n\nGood morning.",
        ["The first part", "and the second part", "Good morning."],
    ),
    "a cue that is a number": ("a.srt", f"1\n{ONE}\n2\n\n2\n{TWO}\nGood morning.", ["Good morning."]),
    "an empty cue": ("a.srt", f"1\n{ONE}\n2\n{TWO}\nGood morning.", ["Good morning."]),
    "times without milliseconds": (
        "a.srt",
        "1\n00:00:01 --> 00:00:02\nGood night.\n2\n00:00:03:500-->00:00:04:100\nGood morning.\n",
        ["Good night.", "Good morning."],
    ),
    "a note behind a blank line of WebVTT": (
        "a.vtt",
        f"WEBVTT\n\n{ONE}\nGood night.\n\nNOTE This is kept\nas it is.\n\nSTYLE\n::cue {{}}\n".replace(",", "."),
        ["Good night."],
    ),
    "an arrow that is no line of times": (
        "a.srt",
        f"1\n{ONE}\nFrom A --> to B\n10 --> 20 people\n",
        ["From A --> to B 10 --> 20 people"],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cues(case: str, end: str) -> None:
    name, text, wanted = CASES[case]
    data = text.replace("\n", end).encode()
    assert passages(name, data) == wanted
    assert translated(name, data, identity) == data
    found = translated(name, data).decode()
    numbers = [line for line in text.splitlines() if not any(sign.isalpha() for sign in line)]
    assert [line for line in found.splitlines() if not any(sign.isalpha() for sign in line)] == numbers
