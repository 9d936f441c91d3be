"""The table of what no translation may change: placeholders, message syntax, addresses, identifiers, time stamps.

``KINDS`` lists every kind with its pattern and its treatment. ``app.text.placeholder_finder`` searches them behind the
patterns of a setting; ``app.text.words`` adds what one model cannot read.
"""

from typing import Final

from app.text.placeholder_kinds import ADDRESS, BB_NAME, FILE_ENDING, SCHEME, UNIT, Begins, Kind, Treatment

_PORT: Final = rf"(?::\d{{1,5}}(?!\d))?(?:/(?:{ADDRESS})?)?"
_IN_BRACES: Final = r"[^{}\p{Cc}\p{Co}]"
_VERSION_WORD: Final = "versions?|versión|releases?|updates?|build|ver\\.|v\\."
_TIME: Final = r"(?:\d{1,3}:\d{2}:\d{2}(?:[.,:;]\d{1,9})?|\d{1,2}:\d{2}[.,]\d{2,3})(?!\d)"
_TO: Final = r"\s?(?:-{1,2}>|→|[-–—])\s?"
_NUMBER: Final = r"(?:\d{1,3}(?:[ \u00a0\u202f]\d{3}){1,4}(?:[.,]\d{1,4})?(?!\d)|\d[\d.,\u00a0\u202f]{0,20}(?<=\d))"
_MINUTES: Final = r"\s?\d{1,2}[′'](?:\s?\d{1,2}(?:[.,]\d{1,6})?[″\"])?"
_ABBREVIATION: Final = r"\p{Lu}\p{Ll}{1,2}"
_HEX: Final = "[0-9A-Fa-f]"
_CONVERSION: Final = (
    r"(?:\(\w{1,60}\)|\d{1,3}\$)?[-+0#'I ]{0,3}(?:\d{1,3}|\*)?(?:\.(?:\d{1,3}|\*))?(?:hh?|ll?|I64|I32|[Lqjzt])?"
)
_ARROW: Final = r"(?:<?[-=~]{1,2}>{1,2}|<[-=~]{1,2}|[←-⇿⟰-⟿⤀-⥿⬀-⬑➔-➾▸▶►▹▻◂◀◄]{1,3})"
_OPERATOR: Final = rf"(?:{_ARROW}|&&|\|\||(?:<(?![\p{{L}}/?!])|[>=≤≥≠≈≡±×÷+*^−∓]){{1,2}})"
_OPERAND: Final = r"[-−±√∛∜]?(?:\d[\d.,]{0,20}(?<=\d)\p{L}?|\p{L}{1,3}[²³ⁿ]|\p{L})(?![\p{L}\d])"
_ATTRIBUTES: Final = r"(?:[^<>\"'\p{Cc}\p{Co}]|\"[^\"\p{Cc}\p{Co}]{0,200}\"|'[^'\p{Cc}\p{Co}]{0,200}'){0,200}+"
# Tags of HTML that belong to words; any other tag may be a field ("<name>").
_TAG: Final = r"(?:a|abbr|b|bd[io]|big|cite|del|dfn|em|font|i|img|ins|mark|q|s|small|span|str(?:ike|ong)|su[bp]|u|wbr)"
_CODE: Final = r"(?:code|kbd|samp|tt|var)(?=[\s>])"
_S, _W, _P = Treatment.SYNTAX, Treatment.WORD, Treatment.POINT
_AT_WORD, _AT_SIGN, _ANY = Begins.WORD, Begins.SIGN, Begins.ANY

# Of two that match at the same offset, the first is taken.
KINDS: Final = (
    Kind("code", _AT_SIGN, _S, r"(?<!`)(?:``[^`\n\r\t\p{Co}]{1,200}``|`[^`\n\r\t\p{Co}]{1,200}`)"),
    Kind("address", _AT_WORD, _S, rf"(?<![\w]){SCHEME}{ADDRESS}"),
    Kind("mail", _ANY, _S, r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}"),
    Kind("server output", _AT_SIGN, _S, r"<(?:%[=-]|\?=)[^\p{Cc}\p{Co}]{0,300}?[%?]>"),
    Kind("server code", _AT_SIGN, _P, r"<(?:%[^\p{Cc}\p{Co}]{0,300}?%|\?[a-z]{2,8}\b[^\p{Cc}\p{Co}]{0,300}?\?)>"),
    Kind("numbered tag", _AT_SIGN, _P, rf"</?\d{{1,3}} ?/?>|<{_TIME}>"),
    Kind("break tag", _AT_SIGN, Treatment.BREAK, r"<[bB][rR](?:\s{0,5}|\s[^<>\p{Cc}\p{Co}]{0,100})/?>"),
    Kind("inline tag", _AT_SIGN, _P, rf"(?i:</?{_TAG}(?=[\s/>])){_ATTRIBUTES}>"),
    Kind("code element", _AT_SIGN, _S, rf"<{_CODE}{_ATTRIBUTES}>[^<>\p{{Cc}}\p{{Co}}]{{0,300}}</{_CODE}\s?>"),
    Kind("tag", _AT_SIGN, _S, rf"</?[A-Za-z]{_ATTRIBUTES}>"),
    Kind("character reference", _AT_SIGN, _S, r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"),
    Kind(
        "template statement",
        _AT_SIGN,
        _P,
        rf"\{{%[^\p{{Cc}}\p{{Co}}]{{0,300}}?%\}}|\{{#[^\p{{Cc}}\p{{Co}}]{{0,300}}?#\}}"
        rf"|\{{\{{~?[#/!^]{_IN_BRACES}{{0,200}}\}}\}}|\{{\\{_IN_BRACES}{{1,200}}\}}",
    ),
    Kind(
        "fluent selector",
        _AT_SIGN,
        _S,
        r"\{\s{0,20}\$[\w-]{1,60}\s{0,20}->(?:[^{}\p{Co}]|\{[^{}\p{Co}]{0,200}\}){0,2000}+\}",
    ),
    Kind(
        "braces",
        _AT_SIGN,
        _S,
        rf"\{{{{3}}{_IN_BRACES}{{1,100}}\}}{{3}}|\{{{{2}}{_IN_BRACES}{{1,100}}\}}{{2}}"
        rf"|~?[%$#@]?\{{(?:{_IN_BRACES}|\{{{_IN_BRACES}{{0,60}}\}}){{0,150}}+\}}~?",
    ),
    Kind("variable in percent signs", _AT_SIGN, _S, r"(?<!\w)%[A-Za-z_]\w{0,60}%(?![\w%])|%%"),
    Kind("stringsdict", _AT_SIGN, _S, r"%(?:\d{1,2}\$)?#@\w{1,60}@"),
    Kind(
        "printf",
        _AT_SIGN,
        _S,
        rf"(?<![\d%])%(?! ){_CONVERSION}(?:[diouxXeEfFgGcrsa@](?!\p{{Ll}}{{2}})|[bnCSpAD](?!\p{{L}}))",
    ),
    Kind("numbered percent", _AT_SIGN, _S, r"(?<![\w%)])%L?\d{1,2}(?![\w%])"),
    Kind("short code", _AT_SIGN, _S, r"(?<![\w:]):[a-z][a-z0-9_+-]{0,60}:(?![\w:])"),
    Kind("colon parameter", _AT_SIGN, _W, r"(?<![\w:]):[a-z_]{2,60}(?![\w:])"),
    Kind("linked message", _AT_SIGN, _S, r"(?<!\w)@(?:\.\w{1,20})?:[\w.]{0,100}\w"),
    Kind("directive", _AT_SIGN, _S, r"(?<!\w)[@#]\w{1,30} ?\([^()\n\p{Co}]{0,100}\)"),
    Kind(
        "mention",
        _AT_SIGN,
        _S,
        r"(?<![\w@#&./])@\w[\w-]{0,60}(?:\.[\w-]{1,60}){0,4}(?:@[\w-]{1,60}(?:\.[\w-]{1,60}){1,4})?",
    ),
    Kind("hashtag", _AT_SIGN, _S, r"(?<![\w@#&./])#\w[\w-]{0,100}"),
    Kind(
        "formula in dollars",
        _AT_SIGN,
        _W,
        r"\$(?=[^$\n]{0,100}[=^_\\])[^$\s\p{Co}](?:[^$\n\p{Co}]{0,100}[^$\s])?\$(?!\w)",
    ),
    Kind(
        "dollar variable",
        _AT_SIGN,
        _W,
        r"\$[A-Za-z_]?\w{0,60}\([^()\n\p{Co}]{0,100}\)|\$[A-Za-z_]\w{0,60}(?:(?:\.|->)\w{1,60}){0,8}",
    ),
    # Steps through menus, "File→Open"; each step is translated. Single letters and numbers are formulas.
    Kind(
        "arrow between words",
        _AT_SIGN,
        Treatment.BREAK,
        rf"(?<![^\p{{L}}\p{{N}})\]\n])(?:{_ARROW}|>{{1,3}}|[•∙▪■◆◦‣]|·(?=\p{{Lu}}))(?![^\p{{L}}\p{{N}}(\[\n])"
        rf"|(?<=\p{{L}}{{2}}[ \u00a0])(?:{_ARROW}|>{{1,3}}(?=.[\p{{Lu}}\"'“«]))(?=[ \u00a0][\p{{L}}\"'“«])",
    ),
    Kind("drive path", _ANY, _S, r"(?<![\w/\\])(?:[A-Za-z]:|\\)\\[^\s\"<>|*?\p{Co}]{0,250}[\w$]"),
    Kind(
        "namespace",
        _AT_WORD,
        _W,
        r"(?<!\w)\w{1,60}(?:\\\\\w{1,60}){1,8}|(?<!\w)\p{Lu}\w{1,60}(?:\\(?!N)\p{Lu}\w{1,60}){1,8}",
    ),
    Kind("line break", _AT_SIGN, Treatment.BREAK, r"\\r\\n|\\[nNrt]"),
    Kind(
        "escape",
        _AT_SIGN,
        _P,
        rf"\\(?:u{_HEX}{{4}}|u\{{{_HEX}{{1,6}}\}}|U{_HEX}{{8}}|(?:x{_HEX}{{2}}|[0-7]{{3}})(?:\[[\d;]{{0,20}}[A-Za-z])?"
        r"|e\[[\d;]{0,20}[A-Za-z]|[hbfv0\"'\\&~])|\^[A-Z](?!\w)",
    ),
    Kind("path", _AT_SIGN, _S, r"(?<![\w/.~€$£%)*])(?:~|\.{1,2})?/(?:[\w.@+-]{1,100}/){0,30}[\w.@+-]{0,99}\w"),
    Kind("file", _AT_WORD, _S, rf"(?<![\w/.])\w[\w.+-]{{0,100}}(?:/[\w.+-]{{1,100}}){{0,30}}\.{FILE_ENDING}(?![\w/])"),
    Kind("letter in signs", _AT_SIGN, _W, rf"[*_~]{{1,3}}\w[*_~]{{1,3}}|\[{BB_NAME}\]\w\[/{BB_NAME}\]"),
    Kind("bulletin tag", _AT_SIGN, _P, rf"\[(?:/{BB_NAME}|{BB_NAME}(?:=[^\[\]\n\p{{Co}}]{{0,200}})?|\*)\]"),
    Kind("note", _AT_SIGN, _P, r"\[\^?\d{1,4}(?:[,–-] ?(?:\d{1,4}|\*)){0,8}\]|\[\^\w{1,30}\]|\(\d{1,4}\)"),
    Kind("emoticon", _AT_SIGN, _P, r"(?<![^\s(])(?:[:;=]['^o-]?[)(DPpOo/\\|3*\]\[]{1,3}(?!\w)|<3(?!\w))"),
    Kind("letter in brackets", _AT_SIGN, _W, r"(?<=\S )\((?:[cCrR]|tm|TM)\)(?!\w)"),
    Kind("key", _AT_SIGN, _W, r"[⌘⌥⇧⌃⎋⏎⌫⇥↵]{1,4}(?: ?\+ ?)?(?:F\d{1,2}|[\p{L}\d])(?!\w)"),
    Kind("optional ending", _AT_SIGN, _P, r"(?<=\p{L})\(\p{Ll}{1,3}\)"),
    Kind(
        "list item", _ANY, Treatment.STAMP, r"(?<!\w)(?:\p{L}|\d{1,3}|[ivx]{2,4})\)(?<!\([^()\n]{0,80})|\[[ xX]\](?=\s)"
    ),
    Kind("section", _AT_SIGN, _W, r"[§№]{1,2}\s?\d[\d.]{0,20}(?<=\d)\p{L}?(?!\w)"),
    Kind(
        "name in signs",
        _AT_SIGN,
        _W,
        r"\[\[[^\[\]\n\p{Co}]{1,150}\]\]|\(\(\w{1,60}\)\)|<<\w{1,60}>>|(?<!\w)\|\w{1,60}\|(?!\w)",
    ),
    Kind(
        "time stamp",
        _ANY,
        Treatment.STAMP,
        rf"[\[(]\s?{_TIME}(?:{_TO}{_TIME})?\s?[\])]|(?<![\w:.]){_TIME}(?:{_TO}{_TIME})?(?![\w:])"
        r"|[\[(]\d{1,3}:\d{2}(?:\s?[-–]\s?\d{1,3}:\d{2})?[\])]",
    ),
    Kind(
        "date and time",
        _AT_WORD,
        _W,
        r"(?<![\w-])\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?(?![\w-])"
        r"|(?<!\w)\d{8}T\d{4,6}Z?(?!\w)|(?<!\w)\d{4}-W\d{2}(?:-\d)?(?!\w)",
    ),
    Kind("uuid", _ANY, _W, rf"(?<!\w)\{{?{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\}}?(?!\w)"),
    Kind("hardware address", _AT_WORD, _W, rf"(?<!\w){_HEX}{{2}}(?:[:-]{_HEX}{{2}}){{5,7}}(?!\w)"),
    Kind(
        "internet address",
        _ANY,
        _W,
        rf"(?<![\w:])\[?(?:{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{7}}|(?:{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{0,6}})?::"
        rf"(?:{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{0,6}})?)(?![\w:])(?:%\w{{1,20}})?(?:/\d{{1,3}})?\]?(?::\d{{1,5}})?"
        rf"|(?<![\w.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?![\w.]\d)(?:/\d{{1,2}}(?!\d)|{_PORT})",
    ),
    Kind("coordinates", _AT_WORD, _W, rf"(?<!\w)\d{{1,3}}°{_MINUTES}?\s?[NSEWO](?!\w)|(?<!\w)\d{{1,3}}°{_MINUTES}"),
    Kind("number of a book", _AT_WORD, _W, r"(?<!\w)97[89](?:[- ]?\d){9}[- ]?[\dX](?!\w)"),
    Kind("number of a paper", _AT_WORD, _W, rf"(?<![\w.])10\.\d{{4,9}}/{ADDRESS}"),
    Kind("account", _AT_WORD, _W, r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"),
    Kind(
        "phone",
        _ANY,
        _W,
        r"(?<![\w+])\+\d{1,3}(?:[ .\u00a0-]?\(?\d{1,4}\)?(?!\d)|[ .\u00a0-]?\d{4,12}){1,6}(?!\w)"
        r"|(?<!\w)\(\d{2,5}\)[ -]?\d{2,5}(?:[ -]\d{2,5}){0,3}(?!\w)"
        r"|(?<![\w.,/-]|\d[ \u00a0])0\d{1,4}(?:[ ./-]\d{2,8}){1,5}(?![\w-])|(?<![\w.,-])\d{3}-(?:\d{3}-)?\d{4}(?![\w-])"
        r"|(?<![\w.,-])\d{4}[ -](?:\d{4}[ -]){2}\d{1,7}(?![\w-])",
    ),
    Kind(
        "hash",
        _AT_WORD,
        _W,
        rf"(?<!\w)(?=[A-Fa-f]{{0,40}}\d)(?=\d{{0,40}}[A-Fa-f]){_HEX}{{7,128}}(?!\w)|(?<!\w)0[xX]{_HEX}{{1,64}}(?!\w)",
    ),
    Kind(
        "scoped name",
        _AT_WORD,
        _W,
        r"(?<![\w:])[A-Za-z]\w{0,60}(?:(?:::\w{1,60}){1,8}(?:\(\))?|(?:->\w{1,60}){1,8}\([^()\n\p{Co}]{0,60}\))",
    ),
    Kind("host", _AT_WORD, _S, rf"(?<![\w.@-])localhost(?::\d{{1,5}}|(?=/))(?:/(?:{ADDRESS})?)?"),
    Kind(
        "version",
        _AT_WORD,
        _S,
        r"(?<![\w.])(?!\d{1,3}(?:\.\d{3}){2,6}(?![\w.]\d))v?\d{1,9}(?:\.\d{1,9}){2,6}(?:[-+][\w.]{0,30}\w)?(?!\w)|(?<![\w.])v\d{1,9}(?:\.\d{1,9})?(?!\w)",
    ),
    Kind(
        "call",
        _AT_WORD,
        _W,
        r"(?<![\w.])[A-Za-z_]\w{0,60}(?:\.\w{1,60}){0,8}\((?:'[^'\n\p{Co}]{0,100}'|\"[^\"\n\p{Co}]{0,100}\")?\)",
    ),
    Kind(
        "indexed name",
        _AT_WORD,
        _W,
        r"(?<![\w.])[A-Za-z_]\w{0,60}(?:\[(?:0|-\d{1,3}|'[^'\n\p{Co}]{0,60}'|\"[^\"\n\p{Co}]{0,60}\"|\$\w{1,60})\]){1,6}",
    ),
    Kind(
        "domain or dotted key",
        _AT_WORD,
        _W,
        r"(?<![\w.@-])(?:(?:[\p{L}\d][\w-]{0,62}\.){2,6}(?=\p{Ll})[\p{L}][\w-]{0,62}"
        rf"|[\p{{L}}\d][\w-]{{1,62}}\.\p{{Ll}}[\w-]{{1,62}})(?!\.?[\w-]|\(|\.(?=\s?\p{{Ll}}))(?:\(\))?{_PORT}",
    ),
    Kind("joined capitals", _AT_WORD, _W, r"(?<![\w/])(?:\p{Lu}{1,6}(?:/\p{Lu}{1,6}){1,4}|[cw]/o)(?![\w/])"),
    Kind(
        "snake case",
        _AT_WORD,
        _W,
        r"(?<![\w.-])(?:\w{1,60}?[^\W_]_{1,3}(?=[^\W_])\w{1,60}|__\w{1,60}__)(?:[.-]\w{1,60}){0,8}",
    ),
    Kind(
        "option",
        _AT_SIGN,
        _W,
        r"(?<![\w-])--[A-Za-z][\w-]{0,60}(?:=[^\s\p{Co}]{0,100}[^\s\p{Co}.,;:!?])?"
        r"|(?<=[\p{L},:(] )-[A-Za-z]{1,2}(?![\w'’-])",
    ),
    Kind(
        "camel case",
        _AT_WORD,
        _W,
        r"(?<!\w)\p{Ll}{1,40}\p{Lu}[\p{L}\d]{0,60}(?!\w)|(?<!\w)\p{Lu}\p{Ll}{1,40}(?:\p{Lu}\p{Ll}{1,40}){1,8}(?!\w)",
    ),
    Kind("scientific notation", _AT_WORD, _W, r"(?<![\w.,])\d{1,20}(?:[.,]\d{1,20})?[eE][-+−]?\d{1,4}(?!\w)"),
    Kind(
        "number of a norm",
        _AT_WORD,
        _W,
        r"(?<![\w/-])(?:DIN |EN ){0,2}(?:ISO|IEC|DIN|RFC|ANSI|IEEE|ASTM|NIST|FIPS|ECMA|PEP|BCP|UNE|NF)"
        r"(?:/[A-Z]{2,5})?(?: EN)?[ -]\d{1,6}(?:[:-]\d{1,4}){0,3}(?![,.]?\w)",
    ),
    # Not in a text in capitals, where it may be a word.
    Kind(
        "roman numeral",
        _AT_WORD,
        _W,
        r"(?<![\w-])(?<!\p{Lu}{2} |\bWar )(?=[IVXLCDM]{2,15}(?!\w))M{0,3}(?:CM|CD|D?C{0,3})"
        r"(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?![\w-]| \p{Lu}{2})",
    ),
    Kind(
        "code with letters and digits",
        _AT_WORD,
        _W,
        r"(?<![\w-])(?:\p{L}{1,20}[-/.]?\d|\p{Lu}{2,10}-\p{Lu}{1,10}[-/]\d|\d{1,6}\p{Lu}{2}[\p{Lu}\d]{0,20}\d)[\p{L}\d]{0,40}"
        r"(?:[-/.][\p{L}\d]{0,20}\d[\p{L}\d]{0,20}){0,6}(?![\w-]|[.,]\d)|(?<![\w-])\p{Lu}{2,10}-\p{Lu}(?![\w-])",
    ),
    Kind(
        "joined by a sign",
        _AT_WORD,
        _W,
        r"(?<!\w)(?!\d+\W)\w{1,40}(?:(?:[@*=#~^°×+]|&(?!\w{2,31};))\w{1,40}){1,6}(?!\w)|(?<!\w)\p{Lu}(?:\+\+?|#)(?!\w)",
    ),
    Kind("formula", _ANY, _W, rf"(?<![\p{{L}}\d.,]){_OPERAND}(?:\s?{_OPERATOR}\s?{_OPERAND}){{1,12}}"),
    Kind(
        "amount",
        _ANY,
        _W,
        rf"(?<![\w.,])[-+−±]?(?:{_NUMBER}(?:[-–]{_NUMBER})?\s?(?:°\s?[CFKR]?(?!\w)|\p{{Sc}}|µ?\p{{L}}{{1,3}}[²³]"
        rf"|{UNIT}(?![\p{{L}}\d]))(?: \d{{1,2}} in\b)?|\d{{1,6}}\s?\p{{No}}{{1,4}}"
        rf"|\p{{Lu}}{{0,3}}\p{{Sc}}\s?[-−]?{_NUMBER}(?:(?:[kKmMbB]|bn|mn|tn)(?!\w)|(?![\p{{L}}\d]))"
        r"|\d[\d.,]{0,20}(?:[kKMx×]|bn|(?<=[.,]\d{1,3})s)(?!\w)|\d{1,3}['′]\s?\d{1,2}(?:[\"″]|'')?)",
    ),
    Kind("unit", _ANY, _W, r"(?<!\w)[µμ]?\p{L}{1,3}/\p{L}{1,3}[²³](?!\w)"),
    Kind("fraction", _AT_WORD, _W, r"(?<![\w./-])(?:\d{1,3}[ \u00a0])?[1-9]/(?:[2-9]|10|16)(?![\w/-])"),
    Kind(
        "mark or span of days",
        _AT_WORD,
        _W,
        rf"(?<!\w){_ABBREVIATION}\.?[–—-]{_ABBREVIATION}(?!\w)|(?<!\w)\p{{Lu}}[+−-](?![\w-])",
    ),
    Kind("date", _AT_WORD, _W, r"(?<![\w/.-])\d{1,4}(?:/\d{1,2}/|-\d{1,2}-)\d{1,4}(?![\w/-])"),
    Kind(
        "chemical formula",
        _AT_WORD,
        _W,
        r"(?<!\w)(?=\w{0,20}[₀-₉])(?:[A-Z][a-z]?\d{0,3}[₀-₉⁺⁻⁰¹²³⁴-⁹]{0,4}){1,12}(?!\w)",
    ),
    Kind(
        "range or score",
        _AT_WORD,
        _W,
        r"(?<![\w.,:/–—-])\d{1,6}(?:[.,]\d{1,4})?(?:[–—→-]|->)\d{1,6}(?:[.,]\d{1,4})?(?![\w:/–—-]|[.,]\d)",
    ),
    # All but what may be a time of day: two digits behind the colon, and both in the range of a clock.
    Kind("ratio", _AT_WORD, _W, r"(?<![\w.,:/-])(?!(?:[01]?\d|2[0-4]):[0-5]\d(?!\d))\d{1,5}:\d{1,5}(?![\w:/-]|[.,]\d)"),
    Kind("number of a version", _AT_WORD, _W, rf"(?<=\b(?i:{_VERSION_WORD})\s{{1,2}})\d{{1,5}}\.\d{{1,5}}(?!\w|\.\d)"),
    Kind("bang parameter", _AT_SIGN, _W, r"(?<=\s)!\p{Ll}[\w-]{1,60}(?!\w)"),
    Kind("private use", _AT_SIGN, _S, r"\p{Co}"),  # so that a text's own does not count as one of ours
)
