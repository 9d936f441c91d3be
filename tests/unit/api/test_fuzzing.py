"""Bad input ends with a result or one of the service's own errors. ``tests.benchmarks.fuzz`` tries far more of it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fuzzing import Fuzz, outcome

# In all; a larger number looks longer. Each target gets its share.
INPUTS = int(os.environ.get("FUZZ_INPUTS", "3000"))
NAMES = (
    "tokenizer", "tokenizer file", "tokenizer model", "text", "markup", "manifest", "bundle", "glossary", "file txt",
    "file md", "file html", "file srt", "file vtt", "file po", "file xlf", "file docx", "file odt", "file pptx",
    "file epub", "file csv", "file tsv",
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzz]:
    """With temporary files where they are seen: none may be left."""
    folder, before = tmp_path_factory.mktemp("fuzz"), tempfile.tempdir
    temporary = folder / "tmp"
    temporary.mkdir()
    tempfile.tempdir = str(temporary)
    yield Fuzz(folder)
    tempfile.tempdir = before
    assert list(temporary.iterdir()) == []


def test_every_target_is_tried(fuzz: Fuzz) -> None:
    assert tuple(fuzz.targets) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_bad_input(fuzz: Fuzz, name: str) -> None:
    target = fuzz.targets[name]
    files = Path("/proc/self/fd")
    open_before = len(list(files.iterdir())) if files.exists() else 0

    @settings(
        max_examples=INPUTS * target.share // 1000,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(st.integers(0, 2**63))
    def is_taken_or_refused(number: int) -> None:
        outcome(target, number)

    is_taken_or_refused()
    assert not files.exists() or len(list(files.iterdir())) <= open_before


def test_the_inputs_are_bad_enough(fuzz: Fuzz) -> None:
    """Of each reader that may refuse something, some are refused and some are taken."""
    for name, target in fuzz.targets.items():
        outcomes = [outcome(target, number) for number in range(60)]
        assert None in outcomes, name
        if name in (
            "tokenizer model",
            "glossary",
            "file docx",
            "file odt",
            "file pptx",
            "file epub",
            "file xlf",
            "file txt",
            "file po",
        ):
            assert any(one is not None for one in outcomes), name
