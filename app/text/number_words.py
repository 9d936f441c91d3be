"""Numbers in words: the numerals of each language, so that "two" is recognised as 2."""

from typing import Final

import regex

# For each number up to 20, and then for each ten, the words that mean it or a part of it.
NUMBER_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "zero no", "one once single first a an", "two twice second both pair half", "three third",
        "four fourth quarter", "five fifth",
        "six sixth", "seven seventh", "eight eighth", "nine ninth", "ten tenth", "eleven eleventh",
        "twelve twelfth noon midnight", "thirteen thirteenth", "fourteen fourteenth", "fifteen fifteenth",
        "sixteen sixteenth", "seventeen", "eighteen", "nineteen", "twenty twentieth twenties", "thirty thirties",
        "forty forties", "fifty fifties", "sixty sixties", "seventy seventies", "eighty eighties", "ninety nineties",
    ),
    "fr": (
        "zéro aucun", "un une premier première", "deux deuxième second seconde moitié demi demie",
        "trois troisième tiers",
        "quatre quatrième quart", "cinq cinquième",
        "six sixième", "sept septième", "huit huitième", "neuf neuvième",
        "dix dixième dizaine", "onze onzième", "douze douzième midi minuit", "treize", "quatorze", "quinze quinzaine",
        "seize", "dix-sept", "dix-huit", "dix-neuf", "vingt vingtaine vingtième", "trente trentaine",
        "quarante quarantaine", "cinquante cinquantaine", "soixante soixantaine", "soixante-dix", "quatre-vingt",
        "quatre-vingt-dix",
    ),
    "de": (
        "null kein keine keinen", "ein eine einen einem einer eines eins erste ersten erster erstes einmal",
        "zwei zweite zweiten zweimal beide beiden halb paar", "drei dritte dritten dreimal drittel",
        "vier vierte vierten viertel", "fünf fünfte fünften", "sechs sechste sechsten", "sieben siebte siebten",
        "acht achte achten", "neun neunte neunten", "zehn zehnte zehnten", "elf elfte elften",
        "zwölf zwölfte zwölften mittag mitternacht", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn",
        "achtzehn", "neunzehn", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
    ),
    "es": (
        "cero ningún ninguno ninguna", "un una uno primer primera primero", "dos segundo segunda ambos media medio par",
        "tres tercero tercera tercer tercio", "cuatro cuarto cuarta", "cinco quinto quinta", "seis sexto sexta",
        "siete séptimo", "ocho octavo", "nueve noveno", "diez décimo", "once", "doce docena mediodía medianoche",
        "trece", "catorce", "quince quincena", "dieciséis", "diecisiete", "dieciocho", "diecinueve", "veinte veintena",
        "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa",
    ),
}  # fmt: skip


def is_spelled(value: str, text: str, language: str) -> bool:
    """Tells whether a word of the text is the number, or a part of it."""
    numerals = NUMBER_WORDS.get(language)
    if numerals is None or not value.isdigit() or len(value) > 2:
        return False
    words = set(regex.findall(r"\p{L}+", text.lower()))
    number = int(value)
    tens = number if number < 20 else 18 + number // 10
    parts = {tens, number % 10} if number >= 20 else {tens}
    if language == "fr" and number > 69:
        parts |= {18 + number // 10 - 1, number % 20, 8, 20, 4}
    found = {word for part in parts if part < len(numerals) for word in numerals[part].replace("-", " ").split()}
    # German and Spanish write compounds as one word: "einundzwanzig", "veintiuno".
    is_compound = language in ("de", "es") and number > 20
    return bool(words & found) or (is_compound and any(one in word for word in words for one in found if len(one) > 2))


# Numbers in the form of other languages.
_DOTS: Final = r"(?<![\w.,])\d{1,3}(?:\.\d{3})+,\d+(?![\w.,]\d|\w)"
_COMMAS: Final = r"(?<![\w.,])\d{1,3}(?:,\d{3})+\.\d+(?![\w.,]\d|\w)"
FOREIGN_NUMBERS: Final = {"de": _COMMAS, "en": _DOTS, "es": _COMMAS, "fr": f"{_DOTS}|{_COMMAS}"}
