"""Numbers that a model changed are restored and others are not; the form of a sentence, where a request wants it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.sequence import FinishReason
from app.text.masking import TextRules
from app.text.numbers import find_number_faults
from app.translation.alignment import SegmentAlignment
from app.translation.assembly import TranslatedSegment
from app.translation.postedit import postedit

RULES = TextRules(("en", "fr"))


def reading(source: str, text: str, alignment: SegmentAlignment | None = None) -> TranslatedSegment:
    return TranslatedSegment(source, text, -1.0, FinishReason.STOP, alignment=alignment)


def numbered(source: str, text: str, languages: tuple[str, str] = ("en", "fr")) -> str:
    return postedit(reading(source, text), TextRules(languages)).text


@pytest.mark.parametrize(
    ("source", "text", "wanted"),
    [
        ("Come before 5 pm.", "Viens avant 50.", "Viens avant 5."),
        ("The bonds pay 28.45%.", "Les fonds paient 10,45 %.", "Les fonds paient 28,45 %."),
        ("It is 200 metres deep.", "C'est à 2000 mètres.", "C'est à 200 mètres."),
        ("He was born in 1995 and has 2 sons.", "Né en 1993, il a 2 fils.", "Né en 1995, il a 2 fils."),
        ("Some 20,000 jobs.", "Quelque 200 emplois.", "Quelque 20\u202f000 emplois."),
        ("From 12 to 48 points", "De 13 à 47 points", "De 12 à 48 points"),
        ("Ask {0} for 300.", "Demande 400 à {0}.", "Demande 300 à {0}."),
        ("It is 2.0 now.", "C'est 2.00 maintenant.", "C'est 2.0 maintenant."),
        ("It takes 7 of them.", "Il en faut 7.0.", "Il en faut 7."),
    ],
)
def test_a_number_that_was_changed_is_restored(source: str, text: str, wanted: str) -> None:
    assert numbered(source, text) == wanted


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("See you at 5 pm.", "À 17 h."),
        ("It begins at 2:30.", "Ça commence à 14 h 30."),
        ("At 12 am.", "À 0 h."),
        ("It costs 1,000.50 euros.", "Il coûte 1 000,50 euros."),
        ("It costs 3.5.", "Il coûte 3,5."),
        ("The 1990s.", "Les années 90."),
        ("It is 20 years old.", "Il a vingt ans."),
        ("In 20 years two men.", "Dans vingt ans 2 hommes."),
        ("Twenty-one of 30.", "21 sur trente."),
        ("2 trillion yen.", "2 000 milliards de yens."),
        ("12 thousand.", "12 000."),
        ("A dozen of 3.", "12 de trois."),
        ("On 05 May.", "Le 5 mai."),
        ("From 12 to 48 points", "De 47 points"),
        ("From 12 to 48, 50 points", "48 de 13 et 51"),
        ("No number at all", "Pas de 2"),
        ("Ask {0}.", "Demande à {0}, 3."),
    ],
)
def test_a_number_that_may_be_right_is_left_alone(source: str, text: str) -> None:
    assert numbered(source, text) == text


def test_languages_without_number_words() -> None:
    assert numbered("Venne nel 1995.", "He came 1993.", ("it", "en")) == "He came 1995."
    assert numbered("Venne alle 5.", "He came at 50.", ("it", "en")) == "He came at 50."


@given(st.text("12 .,:%h5apm-\u00a0\u202ftwoen", max_size=30), st.text("12 .,:%h5-\u00a0\u202fdeux", max_size=30))
def test_only_numbers_change(source: str, text: str) -> None:
    edits = find_number_faults(source, text, RULES.languages, RULES.finder).edits
    for (start, end), written in edits.items():
        assert text[start].isdigit()
        assert text[end - 1].isdigit() or text[end - 1] == "%"
        assert any(map(str.isdigit, written))
    assert not find_number_faults(source, source, ("en", "en"), RULES.finder).edits


def test_an_alignment_moves_with_a_number() -> None:
    alignment = SegmentAlignment(((0, 4), (5, 8), (8, 9)), ((0, 5), (6, 10), (10, 11)), (0, 1, 2))
    found = postedit(reading("Only 200.", "Juste 2000.", alignment), RULES)
    assert found.text == "Juste 200."
    assert found.is_restored
    assert found.alignment is not None
    assert [found.text[start:end] for start, end in found.alignment.target_ranges] == ["Juste", "200", "."]


def test_a_beginning_that_was_given_is_not_touched() -> None:
    assert postedit(reading("Come at 300.", "Viens 400."), RULES, fixed=9).text == "Viens 400."


@pytest.mark.parametrize(
    ("source", "text", "wanted"),
    [
        ("hello you", "Salut toi.", "salut toi"),
        ("Hello you", "salut toi", "Salut toi"),
        ("Hello you.", "Salut toi", "Salut toi."),
        ("Hello you!", "Salut toi.", "Salut toi !"),
        ("hello Tom", "Tom, salut", "Tom, salut"),
        ("the NASA", "NASA", "NASA"),
        ("is it so?", "Est-ce vrai ?", "est-ce vrai ?"),
        ("12 (3)", "12 (3)", "12 (3)"),
    ],
)
def test_form(source: str, text: str, wanted: str) -> None:
    assert postedit(reading(source, text), RULES, keeps_form=True).text == wanted


@pytest.mark.parametrize(
    ("language", "source", "text", "wanted"),
    [
        ("de", "Search", "Suchen?", "Suchen"),
        ("de", "Delete account", "Konto löschen!", "Konto löschen"),
        ("es", "Search", "¿Buscar?", "Buscar"),
        ("es", "Go home", "Bueno, ¡vete a casa!", "Bueno, vete a casa"),
        ("fr", "Search", "Rechercher ?", "Rechercher"),
        ("fr", "Version 2", "Version 2.", "Version 2"),
        ("fr", "It is late.", "Il est tard", "Il est tard."),
        ("fr", "Is it late?", "Est-il tard", "Est-il tard ?"),
        ("es", "Is it late?", "es tarde", "¿es tarde?"),
        ("es", "Is it late?", "Es tarde.", "¿Es tarde?"),
        ("es", "It is late.", "¿Es tarde?", "Es tarde."),
        ("de", "Is it late?", "Es ist spät!", "Es ist spät?"),
        # An exclamation mark is often a full stop in another language.
        ("fr", "Be careful.", "Soyez prudent !", "Soyez prudent !"),
        ("de", "Wait...", "Warte …", "Warte …"),
        ("fr", "(see below)", "(voir ci-dessous).", "(voir ci-dessous)"),
        ("es", "Welcome back {name}", "Bienvenido a {name}.", "Bienvenido a {name}"),
        ("es", "Where is {name}", "¿Dónde está {name}?", "Dónde está {name}"),
        ("de", "Open `x`", "Öffnen Sie `x`!", "Öffnen Sie `x`"),
        ("de", "See <x1/>", "Siehe <x1/>.", "Siehe <x1/>"),
        ("es", 'He said "stop"', 'Dijo "para".', 'Dijo "para"'),
        ("es", 'He said "Stop."', 'Dijo "Para".', 'Dijo "Para".'),
        ("es", "He has 5 €", "Tiene 5 €.", "Tiene 5 €"),
        ("es", "Bread, milk, etc.", "Pan, leche, etc.", "Pan, leche, etc."),
        ("es", "Open the door:", "Abre la puerta.", "Abre la puerta:"),
        ("fr", "Do not open it!!!", "N'ouvrez pas ! !...", "N'ouvrez pas !!!"),
        ("de", "Or not?!", "Oder nicht?", "Oder nicht?!"),
        ("es", "Do not open it!", "¿No lo abra!", "¡No lo abra!"),
        ("es", "He is here.", "¿Está aquí.", "Está aquí."),
        ("es", "Do you have:", "¿Tienes?", "Tienes:"),
        ("fr", "bread and milk;", "du pain et du lait.", "du pain et du lait ;"),
        ("de", "Dear Tom,", "Lieber Tom!", "Lieber Tom,"),
        ("zh", "Dear Tom,", "亲爱的汤姆。", "亲爱的汤姆，"),
        ("de", "Dear Tom,", "Lieber Tom,", "Lieber Tom,"),
        ("es", "It is late.", "Es tarde {name}", "Es tarde {name}."),
        ("fr", "Hello", ".", "."),
        ("fr", 'He said: "Stop!"', "Il a dit : « Stop ! »", "Il a dit : « Stop ! »"),
    ],
)
def test_a_translation_ends_as_its_source_does(language: str, source: str, text: str, wanted: str) -> None:
    rules = TextRules(("en", language))
    assert postedit(reading(source, text), rules).text == wanted
    late = replace(reading(source, text), finish_reason=FinishReason.DEADLINE)
    assert postedit(late, rules).text == text


@pytest.mark.parametrize(
    ("language", "source", "text", "wanted"),
    [
        ("de", 'He said "stop".', 'Er sagte „Das"".', "Er sagte „Das“."),
        ("de", 'Say "Good night".', 'Sag „Good Nacht".', "Sag „Good Nacht“."),
        ("fr", 'He said "Save".', 'Il a dit "Save ».', "Il a dit « Save »."),
        ("es", 'He said "Save".', 'Dijo «Guarda".', "Dijo «Guarda»."),
        ("de", 'The "old" and the "young".', 'Der „Alte" und die "Junge".', "Der „Alte“ und die „Junge“."),
        ("fr", 'The "old" and "young"', 'L\'homme "non" et la "jeune »', "L'homme « non » et la « jeune »"),
        ("en", "Il a dit « oui ».", 'He said "yes ».', 'He said "yes".'),
        ("it", 'Say "yes".', 'Di «sì".', "Di «sì»."),
        # Marks that pair in one style may stay.
        ("de", 'Say "yes".', 'Sag "ja".', 'Sag "ja".'),
        ("de", 'Say "yes".', "Sag „ja”.", "Sag „ja”."),
        ("de", 'Say "yes".', "Sag »ja«.", "Sag »ja«."),
        ("fr", "Say \"a 'b'\".", 'Dis « a "b" ».', 'Dis « a "b" ».'),
        # A mark without its other half goes.
        ("es", 'The "old" man and "woman"', 'El "Ma" y la mujer"', "El «Ma» y la mujer"),
        ("fr", "He said 'stop' to me.", 'Il a dit "stop de moi.', "Il a dit stop de moi."),
        ("fr", "Stop.", 'Stop ".', "Stop."),
        # The other half stands in another segment.
        ("de", '"I am here.', '"Ich bin hier.', "„Ich bin hier."),
        ("de", 'I go."', 'Ich gehe."', "Ich gehe.“"),
        ("fr", "« Je viens.", '"Je viens.', "« Je viens."),
        # Inches, and what is no quotation mark.
        ("fr", 'A 19" monitor.', 'Un écran 19".', 'Un écran 19".'),
        ("fr", 'Say "Area 51".', 'Dis "Zone 51 ».', "Dis « Zone 51 »."),
        ("fr", 'See <a href="x">it.', 'Voir <a href="x">ça.', 'Voir <a href="x">ça.'),
    ],
)
def test_both_quotation_marks_are_in_one_style(language: str, source: str, text: str, wanted: str) -> None:
    assert postedit(reading(source, text), TextRules(("en", language))).text == wanted


def test_quotation_marks_that_were_given_are_not_touched() -> None:
    assert postedit(reading('Say "yes".', 'Dis "oui ».'), RULES, fixed=6).text == 'Dis "oui ».'


@given(st.text('"„“«» a.', max_size=12), st.text('"„“«» a.', max_size=12), st.sampled_from(["de", "es", "fr", "en"]))
def test_quotation_marks_leave_the_words(source: str, text: str, language: str) -> None:
    found = postedit(reading(source, text), TextRules(("en", language))).text
    assert [one for one in found if one == "a"] == [one for one in text if one == "a"]


@pytest.mark.parametrize(
    ("language", "source", "text", "wanted"),
    [
        ("fr", "He said 'stop'.", 'Il a dit "stop".', "Il a dit 'stop'."),
        ("fr", "He said ‘stop’.", "Il a dit « stop ».", "Il a dit ‘stop’."),
        ("de", "He said ‘stop’.", "Er sagte „Das“.", "Er sagte ‚Das‘."),
        ("es", "He said ‘stop’.", "Dijo «Alto».", "Dijo ‘Alto’."),
        ("es", "It's the boys' house.", "Es la «casa».", "Es la «casa»."),
        ("fr", "He said \"I say 'stop'\".", "Il a dit « je dis ».", "Il a dit « je dis »."),
    ],
)
def test_single_quotation_marks_stay_single(language: str, source: str, text: str, wanted: str) -> None:
    found = postedit(reading(source, text), TextRules(("en", language)))
    assert (found.text, found.repairs) == (wanted, ())
