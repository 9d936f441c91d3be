"""Texts that come back as they are, by kind; each is a part of a sentence."""

from typing import Final

# Read as a word that stands in for them.
KEPT_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "code": ("`x = 1`", "``pip install``"),
    "address": (
        "https://example.de/a?b=c",
        "www.beispiel.de",
        "tel:+49123456",
        "urn:isbn:0451450523",
        "doi:10.1000/182",
    ),
    "host": (
        "bicycle-shop.nl",
        "site.com:8080/open",
        "localhost:8000",
        "10.0.0.1:8080",
        "[2001:db8::1]:80",
        "2001:db8::1",
    ),
    "score": ("4:3", "16:9", "1:100", "25:75", "3-2", "10-15", "1990-1995", "1.5-2.5"),
    "hardware": ("00:1A:2B:3C:4D:5E",),
    "output": ("<%= user.name %>", "<?= $x ?>", "{{ x | upper }}", "{{{raw}}}", "${x}", "#{x}", "%{name}", "~{0}~"),
    "braces": (
        "{user name}",
        "{ user }",
        "{0!r:>10}",
        "{dst:{width}}",
        "{d, date, short}",
        "{n, number, ::percent}",
        "{!x}",
    ),
    "fluent": ("{ $name }", "{ -brand-name }", "{ $n -> [one] One apple *[other] { $n } apples }"),
    "printf": (
        "%#@files@",
        "%2$#@arg2@",
        "%I64d",
        "%'d",
        "%n",
        "%1",
        "%L1",
        "%d%%",
        "%@",
        "%1$s",
        "%-10s",
        "%5.2f",
        "%zu",
    ),
    "percent": ("%x%", "%user%", "%USER_NAME%"),
    "i18n": ("$t(common.save)", "@:message.hello", "@.lower:x", ":count", ":user_name", "!name", "$user.name", "$USER"),
    "calls": ("getUserName()", "t('open')", "_('open')", "open()", "std::vector", "@if (x)", "#set($x)", "App\\\\Open"),
    "identifiers": (
        "user_name",
        "USER_NAME",
        "__NAME__",
        "userName",
        "UserName",
        "a.b.c",
        "error.notFound",
        "home.title",
    ),
    "options": ("--verbose", "--out=FILE", "-v"),
    "codes": ("INV-2024-0045", "UTF-8", "SKU-A", "sha256", "A4", "DE89 3704 0044 0532 0130 00"),
    "ids": ("550e8400-e29b-41d4-a716-446655440000", "d41d8cd98f00b204e9800998ecf8427e", "0xDEADBEEF"),
    "dates": ("2024-01-31T12:00:00Z", "2024-01-31", "20240131T120000Z"),
    "phones": ("+33 6 12 34 56 78", "(555) 123-4567", "06 12 34 56 78", "555-123-4567"),
    "names in signs": ("[[x]]", "((x))", "<<x>>", "|x|"),
    "formulas": ("5 < 7", "2 + 2 = 4", "x = 5", "$E = mc^2$", "AT&T", "C++", "C#", "Ctrl+C", "1914–1918"),
    "amounts": ("5 €", "€5.00", "25 °C", "-5 °C", "20 m²", "§ 5", "№ 5"),
    "times": ("12:45:10", "00:02.500", "(00:12)"),
    "other letters": ("Łódź", "Ōtsu", "Đặng"),
    "raised": ("CO₂", "H₂O", "1½", "5'4\"", "1 000 €"),
    "letters": ("x", "L", "Q", "Ⅳ", "µ", "º", "ª"),
    "other scripts": ("北京", "Борис", "שלום", "こんにちは", "Война и мир", "αβγ", "العربية", "한국어", "हिन्दी", "๓"),
}
# Taken out at their words, where the model cannot read them.
SIGNS: Final = (*'€£¥$°±²³½¼×÷™®©§¶←→↑↓✓✔▾■●♪…–—•″‰≤≥≠≈∞√∑<>&%*=+~^|{}[]\\_#@/№①()":;‽⁂☎⌘␣₿₽₹⅓ⓐ㈱﷼⟶∀¬¦†‡‹›「」¨',)
TAKEN_OUT: Final = (
    *(
        "{% if open %}",
        "{%- x -%}",
        "{# note #}",
        "{{#if open}}",
        "{{/if}}",
        "<% end %>",
        "<?php echo $x; ?>",
        "{\\an8}",
    ),
    *(
        ":-)",
        ";)",
        "<3",
        "<1/>",
        "[1]",
        "[^1]",
        "(1)",
        '\\"',
        "\\u00a0",
        "\\x20",
        "\\h",
        "^M",
        "\\033[0m",
        "<00:00:01.000>",
    ),
)
INVISIBLE: Final = (
    *"\u200d\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2066\u2067\u2068\u2069\u206a\u206f\u180e\u034f",
    *"\ufe0e\ufe0f\ufff9\ufffc\U000e0001\u115f\u3164\u00ad\u061c\u200b\u200c\u200e\u200f\ufeff",
)
LINE_STARTS: Final = (
    *("- ", "– ", "— ", "• ", "> ", ">> ", "# ", "## ", "* ", "a) ", "(b) ", "1) ", "-", "+ ", "· ", "→ ", "♪ "),
    *("12:45:10 ", "[00:00:02.000 --> 00:00:11.400] ", "(00:12) ", "{\\an8}", "[x] ", "☐ "),
)
SEPARATORS: Final = (" → ", " | ", " • ", " — ", " – ", "\\n", "\\N", "\\r\\n", " » ", "|", "—")
