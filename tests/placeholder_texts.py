"""Texts with placeholders for property tests."""

from hypothesis import strategies as st

PLACEHOLDERS = [
    "%s",
    "%1$s",
    "%(name)s",
    "%d",
    "%5.2f",
    "%-10s",
    "{name}",
    "{0}",
    "{}",
    "{user.name!r}",
    "{x:.2f}",
    "{{x}}",
    "{{ user.name }}",
    "${x}",
    "#{x}",
    "%{first name}",
    '<x id="1"/>',
    "<b>",
    "</b>",
    "<a href='x > y'>",
    ":name:",
    "@user",
    "@user@example.social",
    "#tag",
    "https://example.com/a?b=c&d=%20e",
    "http://localhost:8000/",
    "www.example.com",
    "example.org/page",
    "mailto:a@b.org",
    "a.b+c@example.com",
    "/usr/local/bin",
    "~/notes.txt",
    "./run.sh",
    "C:\\Users\\me\\file",
    "src/app/main.py",
    "README.md",
    "3.11.2",
    "v2",
    "v1.2",
    "192.168.0.1",
    "&nbsp;",
    "`x = 1`",
    "\ue000",
    "\uf8ff",
]
_WORDS = [
    "one",
    "Two",
    "trois",
    "l'",
    "37",
    "Tom",
    "é",
    ".",
    ",",
    "!",
    "?",
    " ",
    " ",
    "\n",
    "\t",
    "   ",
    "(",
    ")",
    "'s",
    "42",
    ":",
]
# Anything next to anything, also where it makes something else than either.
TEXTS = st.lists(
    st.one_of(st.sampled_from(PLACEHOLDERS), st.sampled_from(_WORDS), st.text(max_size=2)), max_size=14
).map("".join)
# Words and placeholders in turn, as people write them.
SENTENCES = st.lists(
    st.one_of(st.sampled_from(PLACEHOLDERS), st.sampled_from(["one", "Two", "is", "37", "Tom", "and"])), max_size=9
).map(" ".join)
