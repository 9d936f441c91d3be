"""Texts that declare no encoding: read by their mark or their language, and written as they were."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UnusableFile
from app.files.encoding import decode
from app.files.formats.registry import read_document
from tests.support.growth import assert_no_faster_than_length

TEXTS = [
    ("cp1252", "de", "Größe"),
    ("cp1252", "de", "Die Straße ist naß, sie kostet 5 €."),
    ("cp1252", "fr", "Où est la gare la plus proche ? C’est l’été."),
    ("cp1252", "es", "El señor comió."),
    ("iso8859-1", "fr", "L'été était chaud."),
    ("cp1250", "cs", "Příliš žluťoučký kůň úpěl ďábelské ódy."),
    ("cp1250", "pl", "Zażółć gęślą jaźń. Dzień dobry, jak się masz?"),
    ("cp1251", "ru", "Где находится ближайшая станция?"),
    ("koi8-r", "ru", "Где находится ближайшая станция? Мы идём домой."),
    ("cp1251", "uk", "Де знаходиться найближча станція?"),
    ("cp1253", "el", "Πού είναι ο πλησιέστερος σταθμός;"),
    ("cp1254", "tr", "En yakın tren istasyonu nerede? Günaydın, şimdi gidiyoruz."),
    ("cp1255", "he", "איפה תחנת הרכבת הקרובה?"),
    ("cp1256", "ar", "أين أقرب محطة قطار؟"),
    ("cp1257", "lt", "Kur yra artimiausia traukinių stotis? Ačiū."),
    ("cp874", "th", "สถานีรถไฟที่ใกล้ที่สุดอยู่ที่ไหน"),
    ("cp932", "ja", "駅はどこですか。今日は天気がいいですね。"),
    ("euc-jp", "ja", "駅はどこですか。今日は天気がいいですね。"),
    ("cp949", "ko", "가장 가까운 기차역은 어디에 있습니까?"),
    ("gb18030", "zh", "最近的火车站在哪里？今天天气很好。"),
    ("big5", "zh", "最近的火車站在哪裡？今天天氣很好。我們回家吧。"),
]
MARKED = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (b"", "utf-8"),
]


@pytest.mark.parametrize(("encoding", "language", "text"), TEXTS)
def test_the_encoding_of_a_language(encoding: str, language: str, text: str) -> None:
    data = text.encode(encoding)
    found, encode = decode(data, [language])
    assert found == text
    assert encode(found) == data


@pytest.mark.parametrize("text", [text for encoding, _, text in TEXTS if encoding == "cp1252"])
def test_languages_of_one_encoding(text: str) -> None:
    assert decode(text.encode("cp1252"), ["de", "en", "es", "fr"])[0] == text
    assert decode(text.encode("cp1252"), ["pt-BR"])[0] == text


@pytest.mark.parametrize("text", [text for encoding, _, text in TEXTS if encoding in ("cp1251", "gb18030", "cp949")])
def test_languages_of_several_encodings(text: str) -> None:
    encoding = next(encoding for encoding, _, of in TEXTS if of == text)
    assert decode(text.encode(encoding), ["en", "ru", "zh", "ko", "ja"])[0] == text


@pytest.mark.parametrize(("mark", "encoding"), MARKED)
@given(
    text=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\ufeff"), min_size=1)
)
def test_marks(mark: bytes, encoding: str, text: str) -> None:
    data = mark + text.encode(encoding)
    found, encode = decode(data, ["fr"])
    assert found == text
    assert encode(found) == data


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(encoding: str) -> None:
    data = "Good morning.\r\nCafé".encode(encoding)
    found, encode = decode(data)
    assert found == "Good morning.\r\nCafé"
    assert encode(found) == data


def test_what_the_encoding_lacks() -> None:
    """A translation into another script is in UTF-8, and its mark says so."""
    _, encode = decode("Größe".encode("cp1252"), ["de"])
    assert encode("Grandeur é") == "Grandeur é".encode("cp1252")
    assert encode("размер") == codecs.BOM_UTF8 + "размер".encode()
    _, encode = decode("Größe".encode("cp1252"), ["de"], "xmlcharrefreplace")
    assert encode("р") == b"&#1088;"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (codecs.BOM_UTF16_LE + b"a", "not valid UTF-16-LE"),
        (codecs.BOM_UTF8 + b"caf\xe9", "not valid UTF-8"),
        ("Où est la gare ? C’est l’été, très chaud.".encode()[:-1] + b"\xc3", "not valid UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe\x00\x01", "not valid|no text"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0", "no text"),
        (b"a\0b", "no text"),
        (bytes(range(256)), "not valid|no text"),
    ],
)
def test_what_is_damaged_or_no_text(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableFile, match=reason):
        decode(data, ["en", "fr"])


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.srt", "a.csv", "a.tsv"])
def test_every_format_of_text(name: str) -> None:
    head = "1\n00:00:01,000 --> 00:00:02,000\n" if name == "a.srt" else ""
    data = f"{head}Ça va bien : l’été était chaud.\n".encode("cp1252")
    document = read_document(name, data, 10**6, ["fr", "en"])
    (passage,) = document.passages
    assert "Ça va bien : l’été était chaud." in passage.text
    assert document.write(iter([passage.text]), "en") == data


def test_detection_takes_as_long_as_the_text() -> None:
    text = "Где находится ближайшая станция? " * 1000
    assert_no_faster_than_length(lambda of: decode(of.encode("koi8-r"), ["ru", "en"]), text)
