"""In plain text, tags of any name are taken out where both of an element are there; one alone may be a field."""

import pytest

from tests.unit.translation.test_kept import read


@pytest.mark.parametrize(
    "name", ["b", "bold", "label", "x1", "my-tag", "Trans", "ns:tag", "0", "strong", "client_name", "UPPER"]
)
@pytest.mark.parametrize("attributes", ["", ' class="a b"', " href='x>y'"])
def test_a_pair_leaves_the_words(name: str, attributes: str) -> None:
    if name == "0" and attributes:
        return
    tag = f"<{name}{attributes}>"
    assert read(f"Open the {tag}red door</{name}> now.") == ["Open the red door now."]
    assert read(f"{tag}Open{'</' + name + '>'} the door.") == ["Open the door."]
    assert read(f"Open the {tag}door</{name}>.") == ["Open the door."]
    assert read(f"{tag}Open the <i>door</i></{name}>.") == ["Open the door."]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("Hello <name>, open it.", ["Hello Tom, open it."]),
        ("Open <a1> and </b1> now.", ["Open 37 and 250 now."]),
        ("Open <x1/> now.", ["Open Tom now."]),
        ("Call <code>open the door</code> now.", ["Call Tom now."]),
        ("Press <kbd>Enter</kbd> to go on.", ["Press Tom to go on."]),
        ("Read <one>the <two>book</one> now</two>.", ["Read the book now."]),
        ("Read <one>the <one>old</one> book</one> now.", ["Read the old book now."]),
    ],
)
def test_what_has_no_partner_is_a_field(text: str, reads: list[str]) -> None:
    assert read(text) == reads


@pytest.mark.parametrize("joint", ["–", "—", "×", "→", "±", "=", "|"])
def test_a_sign_between_two_fields_is_theirs(joint: str) -> None:
    assert read(f"Between {{min}}{joint}{{max}} people came.") == ["Between Tom people came."]
