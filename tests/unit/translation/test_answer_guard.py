"""What is wrong in a translation is repaired, or the translation is not used; what may be right is left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.responses import translation_headers
from app.engine.sequence import FinishReason
from app.text.masking import TextRules
from app.text.placeholder_finder import BUILT_IN
from app.translation.alignment import SegmentAlignment
from app.translation.answer_guard import Judged, judge
from app.translation.assembly import Repair, TranslatedSegment, Translation
from app.translation.postedit import postedit
from tests.support.growth import assert_no_faster_than_length
from tests.unit.translation.test_unmasking import by_words


def judged(
    source: str, text: str, alignment: SegmentAlignment | None = None, languages: tuple[str, str] = ("en", "fr")
) -> Judged:
    rules = TextRules(languages)
    segment = TranslatedSegment(source, text, -1.0, FinishReason.STOP, alignment=alignment)
    return judge(postedit(segment, rules), rules)


@pytest.mark.parametrize(
    ("source", "text", "fault"),
    [
        ("one", ".", Repair.LETTERS),
        ("close", "…", Repair.LETTERS),
        ("un", "1", Repair.LETTERS),
        ("one", "", Repair.LETTERS),
        ("Open it.", "Ouvre-\ufffd le.", Repair.CHARACTER),
        ("He has a cat.", "Il a 2500 chats.", Repair.NUMBER),
        ("Ask him.", "Demande à {nom}.", Repair.STAND_IN),
        ("Call 300 now.", "Appelle donc.", Repair.NUMBER),
        ("The room has 20 chairs and 4 tables.", "La salle a des chaises.", Repair.NUMBER),
        ("No one is here.", "Il est là là là là.", Repair.REPETITION),
        ("A sentence of words.", "l'état de l'état de l'état de l'état de l'état.", Repair.REPETITION),
    ],
)
def test_what_cannot_be_repaired_is_not_used(source: str, text: str, fault: Repair) -> None:
    assert fault in judged(source, text).faults


@pytest.mark.parametrize(
    ("source", "text", "languages"),
    [
        ("12", "12", ("en", "fr")),
        ("one", "un", ("en", "fr")),
        ("He has 2 cats.", "Il a deux chats.", ("en", "fr")),
        ("Two cats.", "2 chats.", ("en", "fr")),
        ("He has 21 cats.", "Er hat einundzwanzig Katzen.", ("en", "de")),
        ("He has 31 cats.", "Tiene treinta y un gatos.", ("en", "es")),
        ("It is 2:30.", "Es ist halb drei.", ("en", "de")),
        ("It is 2:30.", "Son las dos y media.", ("en", "es")),
        ("At 6 o'clock.", "À six heures.", ("en", "fr")),
        ("In the 19th century.", "Au XIXe siècle.", ("en", "fr")),
        ("In the 19th century.", "En el siglo XIX.", ("en", "es")),
        ("He owes 2,000 dollars.", "Er schuldet zweitausend Dollar.", ("en", "de")),
        ("It costs 1,204,718.5.", "Il coûte 1\u202f204\u202f718,5.", ("en", "fr")),
        ("From HKU1 to HKU4.", "De HKU1 à HKU4.", ("en", "fr")),
        ("Very, very, very good.", "Très, très, très bon.", ("en", "fr")),
        ("No, no, no, no!", "Non, non, non, non !", ("en", "fr")),
        ("a) Open it", "a) Ouvre-le", ("en", "fr")),
        ("Use C++ (v2.0) here.", "Utilise C++ (2.0) ici.", ("en", "fr")),
        ("He is here (today).", "Il est là aujourd'hui.", ("en", "fr")),
    ],
)
def test_what_may_be_right_is_left_alone(source: str, text: str, languages: tuple[str, str]) -> None:
    found = judged(source, text, languages=languages)
    assert found == Judged(TranslatedSegment(source, text, -1.0, FinishReason.STOP))


@pytest.mark.parametrize(
    ("source", "text", "pairs", "wanted"),
    [
        ("I have 300 cats", "J'ai des chats", [(0, 0), (1, 2), (2, 3)], "J'ai des 300 chats"),
        ("From 12 to 48 points", "Entre et points", [(0, 1), (1, 3), (2, 4)], "Entre 12 et 48 points"),
    ],
)
def test_a_missing_number_goes_where_the_model_read_it(
    source: str, text: str, pairs: list[tuple[int, int]], wanted: str
) -> None:
    found = judged(source, text, by_words(source, text, *pairs))
    assert (found.translated.text, found.faults, found.is_guessed) == (wanted, (), True)
    assert found.translated.repairs == (Repair.NUMBER,)


@pytest.mark.parametrize(
    ("source", "text", "wanted"),
    [
        ("He is here (now).", "Il est là (maintenant.", "Il est là (maintenant)."),
        ("He is here [now]!", "Il est là [maintenant !", "Il est là [maintenant] !"),
        ("He is here (now).", "Il est là maintenant).", "Il est là maintenant."),
        ("It (the cat) sleeps", "Il (le chat dort", "Il (le chat) dort"),
        ("It {the cat sleeps", "Il (le chat dort", "Il (le chat dort"),
        ("({x}) sleeps", "({x} dort", "({x}) dort"),
    ],
)
def test_brackets_are_paired(source: str, text: str, wanted: str) -> None:
    pairs = [(number, number) for number in range(len(text.split()))]
    found = judged(source, text, by_words(source, text, *pairs))
    assert found.translated.text == wanted
    assert found.translated.repairs == ((Repair.BRACKET,) if text != wanted else ())


@pytest.mark.parametrize(
    ("source", "text", "languages", "wanted"),
    [
        ("Son 1.204.718 personas.", "It's 1.204.718 people.", ("es", "en"), "It's 1,204,718 people."),
        ("3,75 % mehr", "3,75% more", ("de", "en"), "3.75% more"),
        ("It fell by -2.5 %.", "Es fiel um 2.5.5 %.", ("en", "de"), "Es fiel um -2,5 %."),
        ("3,75 % mehr", "3.75 more", ("de", "en"), "3.75% more"),
        ("It has 1,000 rooms.", "Es hat 1,000 Räume.", ("en", "de"), "Es hat 1.000 Räume."),
        ("1,204,718 people", "1 204,718 personnes", ("en", "fr"), "1\u202f204\u202f718 personnes"),
        ("It is -5 degrees.", "Il fait 5 degrés.", ("en", "fr"), "Il fait -5 degrés."),
        ("It is -5 degrees.", "Il fait moins 5 degrés.", ("en", "fr"), "Il fait moins 5 degrés."),
        ("50% of it", "50 de celui-ci", ("en", "fr"), "50\u00a0% de celui-ci"),
        ("50% of it", "50 pour cent de celui-ci", ("en", "fr"), "50 pour cent de celui-ci"),
        ("Open 1,000,000 now.", "Ouvrez 1 000 000 $ ici.", ("en", "fr"), "Ouvrez 1 000 000 ici."),
        ("Open 1,000,000 now.", "Ouvrez 1 000 000 ici.", ("en", "fr"), "Ouvrez 1 000 000 ici."),
        ("It has 50 rooms.", "Es hat $ 50 Räume.", ("en", "de"), "Es hat 50 Räume."),
        ("Not found (see line 12).", "Pas trouvé (la ligne 12).", ("en", "fr"), "Pas trouvé (la ligne 12)."),
        ("Not found, see line 12).", "Pas trouvé la ligne 12).", ("en", "fr"), "Pas trouvé la ligne 12)."),
        ("It is 50 dollars.", "C'est 50 $.", ("en", "fr"), "C'est 50 $."),
        ("See chapter 3.5", "Voir le chapitre 3.5", ("en", "fr"), "Voir le chapitre 3.5"),
    ],
)
def test_forms_signs_and_units_of_numbers(source: str, text: str, languages: tuple[str, str], wanted: str) -> None:
    found = judged(source, text, languages=languages)
    assert (found.translated.text, found.faults) == (wanted, ())


_PARTS = st.lists(st.sampled_from(["(", ")", "[", "]", '"', "chat", "12", "300", ".", ", ", " "]), max_size=20)


@given(_PARTS, _PARTS)
def test_a_repaired_translation_needs_no_more_repairs(source: list[str], text: list[str]) -> None:
    found = judged("".join(source), "".join(text))
    again = judge(found.translated, TextRules(("en", "fr"))).translated
    assert again.text == found.translated.text


@pytest.mark.parametrize(
    ("source", "text", "is_guessed"),
    [
        ('He said "stop" now.', "Il a dit stop.", True),
        ('He said "stop" now.', "Il a dit « stop » ici.", False),
        ("He said stop now.", "Il a dit stop.", False),
        ('It is 5" long.', "Il est long de 5 pouces.", False),
    ],
)
def test_a_translation_that_lost_its_quotation_marks_comes_behind_others(
    source: str, text: str, is_guessed: bool
) -> None:
    found = judged(source, text)
    assert (found.is_guessed, found.faults) == (is_guessed, ())


@settings(deadline=None)
@given(st.lists(st.sampled_from(["(", ")", "[", "]", "chat", "chien.", " "]), max_size=20))
def test_brackets_that_the_source_pairs_are_paired(parts: list[str]) -> None:
    found = judged("(cat) [dog] (cat) dog", "".join(parts))
    opened: list[str] = []
    for sign in found.translated.text if not found.faults else "":
        if sign in "([":
            opened.append(sign)
        elif sign in ")]":
            assert opened.pop() + sign in ("()", "[]")
    assert not opened


@pytest.mark.parametrize("unit", ["(", "1 ", "a b ", "[a", "-5%", "1,000 ", "a "])
def test_work_grows_with_the_length_and_no_faster(unit: str) -> None:
    def work(text: str) -> None:
        judged("Now 5 (a) b.", text)
        judged(text, "Ici 5 (a) b.")

    BUILT_IN.find(unit)
    assert_no_faster_than_length(work, unit * 1500)


@pytest.mark.parametrize(
    ("source", "scores", "faults"),
    [
        ("turnip", (-2.0, -1.0), (Repair.WORD,)),
        ("Smear campaign!", (-2.0, -1.0), (Repair.WORD,)),
        ("turnip", (-1.0, -1.0), ()),
        ("I eat turnips", (-2.0, -2.0), ()),
        ("turnip 5", (-2.0, -2.0), ()),
    ],
)
def test_an_improbable_word_is_not_used(source: str, scores: tuple[float, ...], faults: tuple[Repair, ...]) -> None:
    written = "Cuite 5" if "5" in source else "Cuite"
    segment = TranslatedSegment(source, written, -1.0, FinishReason.STOP, token_scores=scores)
    assert judge(segment, TextRules(("en", "fr"))).faults == faults


def test_repairs_are_counted_in_a_header() -> None:
    segments = (
        TranslatedSegment("a", "b", -1.0, FinishReason.STOP, repairs=(Repair.QUOTE, Repair.NUMBER)),
        TranslatedSegment("c", "d", -1.0, FinishReason.STOP, repairs=(Repair.QUOTE,)),
    )
    headers = translation_headers([Translation("b d", (), segments), Translation("e", (), ())], ())
    assert headers == {"X-Repaired": "number=1, quote=2"}
    assert translation_headers([Translation("e", (), ())], ()) == {}
