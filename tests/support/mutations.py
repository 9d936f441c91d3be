"""Changes to inputs, drawn from a seed: bytes, texts and JSON documents with faults that parsers meet."""

from random import Random
from typing import Any, Final

from tests.support.placeholder_texts import PLACEHOLDERS

# Sequences that parsers often read wrongly.
_PIECES: Final = (
    b"\0", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\r", b"\n\n\n", b"\t",
    b"<", b">", b"</", b"&", b"&#0;", b"&#xD800;", b"&lol;", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml", b"?>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b'"', b"'", b"\\", b"\\u0000", b"{", b"}", b"[" * 50, b"]", b"(" * 200, b"*" * 9,
    b"[" * 20_000, b"9" * 5000, b"<b>" * 2000,
    b"`" * 40, b"#" * 20, b"|", b"---\n", b"-1", b"0", b"99999999999999999999", b"1e999", b"NaN", b"null", b"true",
    b"00:00:00,000 --> 99:99:99,999", b'msgid "', b'msgstr[9] "', b"msgctxt", b"#~ ", b"%s", b"{0}", b"<x id='1'/>",
    b"encoding='utf-16'", b"charset=latin-1", b"xmlns:a='b'", b"PK\x03\x04", b"PK\x05\x06", b" " * 500, b"a" * 5000,
)  # fmt: skip
_CHARACTERS: Final = (
    "abc XYZ 019 .,;:!?-_/\\'\"()[]{}<>&%$#@*+=~`|^\n\r\t\x00\x07\x1b\x7f\x85\u00a0\u00ad\u200b\u200d\u202e\u2028\ufeff"
    "\ufffd\uffff\ue000\ue001\U000f0000éßœİıﬁΣςаяअก中文日本語한국어عربى😀👍🏽🇫🇷e\u0301\u0301"
)


def mutated(random: Random, content: bytes, others: tuple[bytes, ...] = ()) -> bytes:
    """The content with a few faults; more often few than many."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 5, 10, 30))):
        place = random.randrange(len(data) + 1)
        length = random.choice((1, 1, 2, 8, 50, 500))
        kind = random.randrange(8)
        if kind == 0:
            del data[place : place + length]
        elif kind == 1:
            data[place:place] = random.choice(_PIECES)
        elif kind == 2:
            data[place : place + length] = random.choice(_PIECES)
        elif kind == 3:
            data[place : place + length] = random.randbytes(min(length, 8))
        elif kind == 4:
            data[place:place] = data[place : place + length] * random.choice((1, 2, 20))
        elif kind == 5 and data:
            data[place % len(data)] ^= 1 << random.randrange(8)
        elif kind == 6 and others:
            other = random.choice(others)
            start = random.randrange(len(other) + 1)
            data[place:place] = other[start : start + length]
        elif kind == 7 and random.random() < 0.2:
            del data[place:]
    return bytes(data)


def random_text(random: Random) -> str:
    if random.random() < 0.5:
        return "".join(random.choices(_CHARACTERS, k=random.randrange(80)))
    words = [
        *PLACEHOLDERS,
        *("the", "cat", "is", "Tom", "AND", "3.5", "l'été", "Dr.", "e.g.", "http://", "@", "😀", "中文。", "..."),
        "\n",
        "  ",
        "x" * 300,
    ]
    return random.choice((" ", "", "\n")).join(random.choices(words, k=random.randrange(25)))


def mutated_json(random: Random, document: object) -> object:
    """With one value changed, doubled, renamed or left out, at any depth."""
    odd: tuple[object, ...] = (
        None,
        True,
        0,
        -1,
        1e308,
        10**30,
        "",
        "../x",
        "a" * 3000,
        "\ud800",
        "\0",
        [],
        {},
        [[]],
        [None],
        {"": 0},
    )
    if isinstance(document, dict) and document and random.random() < 0.9:
        name = random.choice(list(document))
        changed: dict[Any, Any] = dict(document)
        kind = random.randrange(6)
        if kind == 0:
            del changed[name]
        elif kind == 1:
            changed[random.choice(("", "x", name + "_", "__class__"))] = changed.pop(name)
        else:
            changed[name] = mutated_json(random, changed[name])
        return changed
    if isinstance(document, list) and document and random.random() < 0.9:
        place = random.randrange(len(document))
        return [*document[:place], mutated_json(random, document[place]), *document[place + random.randrange(2) :]]
    return random.choice(odd)
