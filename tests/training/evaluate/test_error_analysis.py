"""Each fault is found, and similar texts without the fault are not counted."""

import pytest

from training.evaluate.error_analysis import FAULTS, count_faults

CASES = [
    ("empty", "Hello.", " ", "Bonjour."),
    ("repetition", "I like very big dogs.", "J'aime les les les chiens.", "J'aime les très gros chiens."),
    ("repetition", "Where is it and why?", "où est où est où est", "Où est-ce et pourquoi ?"),
    ("untranslated", "My house.", "My house", "Ma maison."),
    ("words missing", "I came home very late yesterday.", "Je suis.", "Je suis rentré très tard hier."),
    ("number wrong", "Born in 1984.", "Né en 1994.", "Né en 1984."),
    ("number wrong", "Before 5 pm.", "Avant 50.", "Avant 17 h."),
    ("name wrong", "I saw Tom there.", "J'y ai vu Ben.", "J'y ai vu Tom."),
]
FINE = [
    ("Hello.", "Salut.", "Bonjour."),
    ("Very, very, very big.", "Très, très, très grand.", "Immense."),
    ("Tom Paris.", "Tom Paris.", "Tom Paris."),
    ("Before 5 pm.", "Avant 17 h.", "Avant 17 h."),
    ("It costs 1,000 euros.", "Cela coûte 1 000 euros.", "Ça coûte mille euros."),
    ("He came. Then he left.", "Il vint. Puis il partit.", "Il vint. Puis il partit."),
    ("I saw Germany.", "J'ai vu l'Allemagne.", "J'ai vu l'Allemagne."),
]


@pytest.mark.parametrize(("fault", "source", "translation", "reference"), CASES)
def test_a_fault_is_found(fault: str, source: str, translation: str, reference: str) -> None:
    assert count_faults([source], [translation], [reference])[fault] == 1


@pytest.mark.parametrize(("source", "translation", "reference"), FINE)
def test_right_translations_have_no_fault(source: str, translation: str, reference: str) -> None:
    assert count_faults([source], [translation], [reference]) == dict.fromkeys(FAULTS, 0)
