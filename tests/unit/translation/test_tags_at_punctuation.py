"""A tag, an emoji or a picture before punctuation: the punctuation stays right behind it, and a space behind that."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.text.inline import TextFormat, extract_flows
from app.text.masking import TextRules
from app.text.tag_roles import NO_RULES
from app.translation.alignment import SegmentAlignment
from app.translation.tag_projection import project_tags

RULES = TextRules(("en", "fr"))
WORDS = st.lists(st.sampled_from(["and", "the", "river", "house", "so"]), min_size=1, max_size=5)
MARKS = st.sampled_from(["<img src='x'>", "<i class='fa'></i>", "<!-- a -->", "<wbr>", "😀"])
IN_TEXT = st.sampled_from(["<img src='x'>", "😀", "[1]", "<1/>"])


def project(document: str, target: str, sources: list[int], text_format: TextFormat) -> str:
    """Returns a translation of a document's only flow with its tags; ``sources`` are numbers of source characters."""
    (flow,) = extract_flows(document, text_format, NO_RULES, None, RULES)
    ranges = tuple((offset, offset + 1) for offset in range(len(flow.text)))
    links = tuple(sources[number % len(sources)] % len(flow.text) for number in range(len(target)))
    aligned = SegmentAlignment(ranges, tuple((offset, offset + 1) for offset in range(len(target))), links)
    found = target
    for insertion in reversed(project_tags(flow.tags, flow.text, target, aligned, RULES)):
        found = found[: insertion.start] + insertion.written + found[insertion.end :]
    return found


def join(clauses: list[list[str]], signs: list[str], end: str) -> str:
    parts = [" ".join(words) for words in clauses]
    return "".join(f"{part}{sign} " for part, sign in zip(parts, signs, strict=False)) + parts[len(signs)] + end


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_the_punctuation_stays_behind_the_mark(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    signs = data.draw(st.lists(st.sampled_from([",", ";", ":"]), min_size=count, max_size=count))
    clauses = st.lists(WORDS, min_size=count + 1, max_size=count + 1)
    source, target = data.draw(clauses), data.draw(clauses)
    number = data.draw(st.integers(0, count))
    text_format: TextFormat = data.draw(st.sampled_from(("html", "text")))
    mark = data.draw(MARKS if text_format == "html" else IN_TEXT)
    space = data.draw(st.sampled_from(["", " "]))
    marked = [[*words] for words in source]
    marked[number][-1] += space + mark
    # Only commas, so that a semicolon does not end the segment of a plain text.
    signs = [","] * count if text_format == "text" else signs
    sources = data.draw(st.lists(st.integers(0, 200), min_size=1, max_size=30))
    translation = join(target, signs, ".")
    document = join(marked, signs, ".")
    found = project(document, translation, sources, text_format)
    assert found.count(mark) == 1
    before, behind = found.split(mark)
    assert before.removesuffix(" ") + behind == translation, "nothing but a space before the mark is added"
    assert before.endswith(" ") == bool(space)
    assert behind.startswith([*signs, "."][number])
    assert len(behind) == 1 or behind[1] == " "


@pytest.mark.parametrize(
    ("document", "target", "wanted"),
    [
        ("see <img>!", "voir !", "voir <img> !"),
        ("see<img>!", "voir !", "voir<img> !"),
        ("see <img>: now", "voir : ici", "voir <img> : ici"),
        ("see <img>; now", "voir, ici", "voir <img>, ici"),
        ("see <img>. now", "voir ! ici", "voir <img> ! ici"),
        ("(see <img>) now", "(voir) ici", "(voir <img>) ici"),
        ("see <img><img>, now", "voir, ici", "voir <img><img>, ici"),
        ("see <img> <img>, now", "voir, ici", "voir <img> <img>, ici"),
        ("<b>see <img></b>, now", "voir, ici", "<b>voir <img></b>, ici"),
        ("see, now <img>, then", "voir, ici, puis", "voir, ici <img>, puis"),
        ("see <img>, now", "voir ici", "voir <img> ici"),
    ],
)
def test_punctuation_of_a_language(document: str, target: str, wanted: str) -> None:
    (flow,) = extract_flows(document, "html", NO_RULES, None, RULES)
    found = target
    for insertion in reversed(project_tags(flow.tags, flow.text, target, None, RULES)):
        found = found[: insertion.start] + insertion.written + found[insertion.end :]
    assert found == wanted


@pytest.mark.parametrize("mark", ["<img src='x'>", "<i class='fa'></i>", "<!-- c -->", "😀"])
@pytest.mark.parametrize("sign", [",", ".", ";", ":", "!", "?", "…", ")"])
def test_the_model_reads_no_space_before_the_punctuation(mark: str, sign: str) -> None:
    (flow,) = extract_flows(f"<p>The house {mark}{sign} and</p>", "html", NO_RULES, None, RULES)
    assert flow.text == f"The house{sign} and"
