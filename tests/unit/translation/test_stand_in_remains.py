"""Numbers that a model makes of the numbers that stand in for placeholders are not left in a translation."""

import pytest

from app.translation.unmasking import restore
from tests.unit.translation.test_unmasking import masked_of, restored


@pytest.mark.parametrize(
    ("text", "written", "wanted"),
    [
        ("From {start} to {end}", "¿Son 37 de 250 a 2500.", "¿Son {start} de {end} a."),
        ("Open {app} and click {button}", "Öffnen 37 und 25 klicken 250.", "Öffnen {app} und klicken {button}."),
        ("From {start} to {end}", "De 37 à -250250.", "De {start} à -{end}."),
        ("From {start} to {end}", "De 37 à 2,500 et 250", "De {start} à et {end}"),
        ("From {start} to {end}", "3700 à 250", "{start} à {end}"),
        ("From {start} to {end}", "¿Son 37 de 2.", "¿Son {start} de {end}."),
        ("From {start} to {end}", "De 37 à 250 2", "De {start} à {end}"),
        ("{name}'s door", "Toms Tür", "{name}s Tür"),
        ("{name}'s door", "Tür von Thomas", "Tür von {name}"),
        ("{a}'s door and {b}'s car", "Toms Tür, Johanns Wagen von John", "{a}s Tür, Johanns Wagen von {b}"),
        ("Ask {name}", "Tom Toms fragen", "{name} fragen"),
        ("Ask {name} and Thomas", "Thomas und Tom fragen", "Thomas und {name} fragen"),
        # Units that a model writes behind a number that has none.
        ("It costs €5.00.", "Cuesta 37 años.", "Cuesta €5.00."),
        ("It has {count}.", "Ça a 37 ans.", "Ça a {count}."),
        ("He is {count} years old.", "Il a 37 ans.", "Il a {count} ans."),
        ("Come at {count}.", "Viens à 37 heures.", "Viens à {count} heures."),
        # Numbers of the source stay.
        ("Two {start} to {end}", "2 37 à 250", "2 {start} à {end}"),
        ("From {start} to {end} in 2500 days", "37 à 15 en 2500 jours", "{start} à {end} en 2500 jours"),
        ("From {start} to {end} in 2,500 days", "37 à 250 en 2500 jours", "{start} à {end} en 2500 jours"),
        ("Twenty-five {start} to {end}", "25 37 à 250", "25 {start} à {end}"),
        ("From {start} to {end} at noon", "37 à 250 à 12", "{start} à {end} à 12"),
        ("Ask {name} at 3", "Tom à 37", "{name} à 37"),
    ],
)
def test_no_remains_of_stand_ins(text: str, written: str, wanted: str) -> None:
    assert restored(text, written) == wanted
    assert restored(text, written, (0, 0)) == wanted


def test_a_translation_with_remains_comes_last() -> None:
    masked = masked_of("From {start} to {end}")
    assert [
        found.is_faithful for found in (restore(masked, one, None) for one in ("37 à 250", "37 à 250 2500")) if found
    ] == [True, False]


def test_what_a_model_invents_goes() -> None:
    assert restored("Ask {name}", "Voir {nom} Tom %d") == "Voir {name}"
    assert restored("Ask {name}", "Tom Tom %s Tom") == "{name}"


@pytest.mark.parametrize("text", ["%s,%s", "%s.%s", "{a}:{b};{c}", "3.{name}", "{name}/10", "{a}…{b}"])
def test_neighbours_come_back_as_they_are(text: str) -> None:
    (stand_in,) = masked_of(f"See {text} now").stand_ins
    word = masked_of(f"See {text} now").get_word(stand_in)
    assert restored(f"See {text} now", f"Voir {word} là") == f"Voir {text} là"
